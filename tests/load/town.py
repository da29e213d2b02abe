"""The few cards that everybody pays with at once, and the tight limits upon them."""

from random import Random
from typing import Any

from django.contrib.auth.models import User

from authorizations.models import Card, CardGroup, Cardholder, Policy
from authorizations.services.policies.publish import publish
from simulator.stripe import samples
from simulator.stripe.samples import MERCHANTS, Json, Purchase
from tests.support.desk import Shopper, in_force

CARDS = {"ic_load1": "ich_load1", "ic_load2": "ich_load1", "ic_load3": "ich_load2"}
"""Cards and whose they are."""

_REPLACEMENTS = {"ic_load4": "ic_load3"}
_BEGAN = 1_700_000_000
_MERCHANTS = [m for m in MERCHANTS if m.currency == "eur"]

_LIMITS: dict[str, list[Json]] = {
    "program": [
        {"amount": 150_000, "interval": "daily"},
        {"amount": 9_000, "interval": "per_authorization"},
        {"amount": 2_000_000, "interval": "rolling", "hours": 12},
        {"count": 60, "interval": "weekly", "categories": ["eating_places_restaurants"]},
    ],
    "cardholder": [
        {"amount": 900_000, "interval": "weekly"},
        {"amount": 20_000, "interval": "daily", "cash_only": True},
    ],
    "member": [
        {"amount": 1_200_000, "interval": "weekly"},
        {"count": 900, "interval": "rolling", "hours": 24},
    ],
    "pot": [{"key": "pot", "funds": True}],
    "tries": [
        {
            "attempts": 12,
            "interval": "rolling",
            "minutes": 1,
            "declined_only": True,
            "then_freeze": True,
        },
        {"attempts": 900, "interval": "daily"},
    ],
    "group": [
        {"amount": 3_000_000, "interval": "monthly"},
        {"count": 1_500, "interval": "rolling", "hours": 48},
    ],
}


def build() -> None:
    """Cards, cardholders, a group, an operator, and a policy in force on every scope."""
    User.objects.create_user("operator", first_name="Olga", last_name="Operator")
    for card_id, holder_id in CARDS.items():
        Shopper(card_id=card_id, cardholder_id=holder_id, at=_BEGAN).asks(0)
    group = CardGroup.objects.create(name="Load")
    Card.objects.update(group=group)
    scopes: dict[str, dict[str, Any]] = {
        "program": {"program": True},
        "cardholder": {"cardholder": Cardholder.objects.get(pk="ich_load1")},
        "member": {"group": group, "each": "cardholder"},
        "pot": {"cardholder": Cardholder.objects.get(pk="ich_load2")},
        "tries": {"program": True},
        "group": {"group": group},
    }
    for name, limits in _LIMITS.items():
        rules = {"unlimited": False, "partial_approval": name != "tries"}
        in_force(name, spending_limits=limits, to=scopes[name], **rules)


def card(chance: Random) -> Json:
    """One of the cards as an event embeds it, now and then one that replaces another."""
    card_id = chance.choice([*CARDS, *CARDS, *_REPLACEMENTS])
    replaced = _REPLACEMENTS.get(card_id)
    holder_id = CARDS[replaced or card_id]
    holder = samples.cardholder(cardholder_id=holder_id, name="Ada Lovelace", created=_BEGAN)
    return samples.card(card_id=card_id, holder=holder, created=_BEGAN, replacement_for=replaced)


def purchase(chance: Random, at: int) -> Purchase:
    """A new purchase that begins at `at`, or up to ten days before."""
    merchant = chance.choice(_MERCHANTS)
    amount = chance.choice([0, 100, 990, 2_500, 4_990, 8_000, 12_000])
    is_cash = merchant.mcc == "6011"
    return Purchase(
        authorization_id=samples.identifier("iauth", chance),
        created=at - chance.choice([0, 10, 3_600, chance.randrange(864_000)]),
        amount=amount,
        merchant=merchant,
        cashback=chance.randrange(amount + 1) if not is_cash and chance.random() < 0.1 else None,
        is_amount_controllable=chance.random() < 0.3,
    )


def publish_other_limits(chance: Random) -> None:
    """Another version of a policy, tighter or wider than the one in force."""
    policy = Policy.objects.get(name=chance.choice(["program", "cardholder", "member", "group"]))
    document = policy.document
    wanted = _LIMITS[policy.name][0]["amount"] * chance.choice([70, 100, 150]) // 100
    document["spending_limits"][0]["amount"] = wanted
    publish(document, author=None, reason="Load")
