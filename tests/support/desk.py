"""A desk to try: policies in force in one call, purchases asked about in another."""

import itertools
import time
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.test import Client

from authorizations.models import Assignment, Policy
from authorizations.services.policies.publish import Published, publish
from authorizations.services.webhook import rejections
from authorizations.wire.signature import sign
from simulator.stripe import samples
from simulator.stripe.samples import Json, Purchase

NOON = 1_795_003_200
"""18 November 2026, 12:00 UTC, a Wednesday."""

_numbers = (f"{number:08}" for number in itertools.count(1))
"""Of one length: ids that follow each other sort in that order."""


def in_force(name: str = "Test", **document: Any) -> Policy:
    """A policy with a version in force, assigned to every card unless `to` names a scope.

    `to` is the keyword arguments of an Assignment; the rest are the keys of the policy file. Where
    these have no amount limit the policy is unlimited, unless they say otherwise.
    """
    scope = document.pop("to", {"program": True})
    limits = document.get("spending_limits", [])
    usual = {"currency": "eur", "unlimited": not any("amount" in limit for limit in limits)}
    policy = publish({"name": name} | usual | document, author=None).version.policy
    Assignment.objects.get_or_create(policy=policy, **scope)
    return policy


def says(policy: Policy) -> dict[str, Any]:
    """What a policy says by now, as a policy file would."""
    return Policy.objects.get(pk=policy.pk).document


def amounts(policy: Policy) -> list[int | None]:
    """Those of its limits by now; none of one that counts purchases."""
    return [limit.get("amount") for limit in says(policy)["spending_limits"]]


def republish(policy: Policy, **document: Any) -> Published:
    """Put a policy in force with other values of some keys."""
    return publish(says(policy) | document, author=None, policy=policy)


def publish_amount(policy: Policy, amount: int) -> Published:
    """Put a policy in force with another amount in all of its limits."""
    limits = [limit | {"amount": amount} for limit in says(policy)["spending_limits"]]
    return republish(policy, spending_limits=limits)


@dataclass(frozen=True, kw_only=True)
class Shopper:
    """Somebody with a card who asks the desk over its door.

    `card` overrides fields of the embedded card; `at` is when purchases begin.
    """

    card_id: str = "ic_1"
    cardholder_id: str = "ich_1"
    name: str = "Ada Lovelace"
    at: int = NOON
    card: dict[str, Any] = field(default_factory=dict)

    def purchase(self, amount: int, **facts: Any) -> Purchase:
        """A new purchase; `facts` are fields of samples.Purchase."""
        facts = (
            dict[str, Any]()
            | {"authorization_id": f"iauth_{next(_numbers)}", "created": self.at}
            | facts
        )
        return Purchase(amount=amount, **facts)

    def event(self, purchase: Purchase, event_id: str = "") -> Json:
        """The whole event of a purchase; a new event id unless one is given."""
        holder = samples.cardholder(
            cardholder_id=self.cardholder_id, name=self.name, created=self.at
        )
        card = samples.card(card_id=self.card_id, holder=holder, created=self.at) | self.card
        return samples.request_event(
            purchase,
            event_id=event_id or f"evt_{next(_numbers)}",
            created=self.at,
            card=card,
        )

    def asks(self, purchase: Purchase | int, event_id: str = "", **facts: Any) -> Json:
        """Send the question, of a new purchase where it is an amount; returns the answer."""
        if isinstance(purchase, int):
            purchase = self.purchase(purchase, **facts)
        answer: Json = deliver(self.event(purchase, event_id)).json()
        return answer

    def reason(self, purchase: Purchase | int, **facts: Any) -> str:
        """The reason of the answer, "approved" or one for declining."""
        return str(self.asks(purchase, **facts)["metadata"]["reason"])


def deliver(event: Json | bytes, secret: str = "", **headers: str) -> Any:
    """Knock at the webhook with a body signed as Stripe does."""
    body = event if isinstance(event, bytes) else samples.to_bytes(event)
    signature = sign(body, secret or settings.STRIPE_WEBHOOK_SECRETS[0], int(time.time()))
    headers = {"Stripe-Signature": signature, **headers}
    return Client().post("/webhook", body, content_type="application/json", headers=headers)


def deliver_forged(body: bytes) -> Any:
    """Knock with a signature that nobody here made; what is kept of it is written at once."""
    answer = deliver(body, secret="whsec_of_somebody_else")
    rejections.write()
    return answer
