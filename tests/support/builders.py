"""Each input of a test in one call: say what it is about, the rest is an ordinary purchase."""

import time
from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from typing import Any

from authorizations.rules.basics.filters import Merchant
from authorizations.rules.purchases.events import AuthorizationRequest, CardDetails
from authorizations.rules.purchases.snapshots import Snapshot
from authorizations.wire import signature
from simulator.stripe import samples
from tests.settings import SECRETS

CREATED = 1_700_000_000
"""Tuesday, 14 November 2023, 22:13:20 UTC."""

GONE = object()
"""Stands for no value at all."""

_numbers = count(1)


def identifier(prefix: str) -> str:
    """An id that no other call gives."""
    return f"{prefix}_test{next(_numbers):020}"


def request_event(
    *,
    event_id: str | None = None,
    event_created: int | None = None,
    card_id: str = "ic_marie",
    card_status: str = "active",
    cardholder_id: str = "ich_marie",
    replacement_for: str | None = None,
    livemode: bool = False,
    account: str | None = None,
    **purchase: Any,
) -> samples.Json:
    """A whole event; `purchase` are fields of samples.Purchase. New ids, where none are given."""
    purchase.setdefault("authorization_id", identifier("iauth"))
    wanted = samples.Purchase(**({"created": CREATED, "amount": 1250} | purchase))
    holder = samples.cardholder(
        cardholder_id=cardholder_id, name="Marie Curie", created=CREATED - 1000, livemode=livemode
    )
    card = samples.card(
        card_id=card_id,
        holder=holder,
        created=CREATED - 500,
        currency=wanted.currency,
        status=card_status,
        replacement_for=replacement_for,
    )
    return samples.request_event(
        wanted,
        event_id=event_id or identifier("evt"),
        created=wanted.created + 1 if event_created is None else event_created,
        card=card,
        account=account,
    )


def changed(path: str, value: object, **sample: Any) -> samples.Json:
    """A whole event with one value replaced ("data.object.card.id"), or removed if it is GONE."""
    event = request_event(**sample)
    *parents, last = path.split(".")
    place: Any = event
    for parent in parents:
        place = place[int(parent) if parent.isdigit() else parent]
    if value is GONE:
        del place[last]
    else:
        place[last] = value
    return event


def signed(
    event: Mapping[str, Any] | bytes, *, secret: str = SECRETS[0], at: int | None = None
) -> tuple[bytes, dict[str, str]]:
    """Body and headers as they come from Stripe, signed now or `at`."""
    body = event if isinstance(event, bytes) else samples.to_bytes(event)
    header = signature.sign(body, secret, int(time.time()) if at is None else at)
    return body, {"Stripe-Signature": header}


def authorization_request(**overrides: Any) -> AuthorizationRequest:
    """The question itself, as the rules see it; new ids, where none are given."""
    request = AuthorizationRequest(
        event_id=identifier("evt"),
        event_created=CREATED + 1,
        livemode=False,
        authorization_id=identifier("iauth"),
        created=CREATED,
        card=card(),
        amount=1250,
        currency="eur",
        merchant=merchant(),
        snapshot=Snapshot(at=CREATED + 1, status="pending", amount=0),
        authorization_method="chip",
        card_presence="present",
    )
    return replace(request, **overrides)


def card(**overrides: Any) -> CardDetails:
    usual = CardDetails(
        id="ic_marie",
        status="active",
        last4="0005",
        currency="eur",
        cardholder_id="ich_marie",
        cardholder_name="Marie Curie",
        brand="Visa",
        type="virtual",
    )
    return replace(usual, **overrides)


def merchant(**overrides: Any) -> Merchant:
    usual = Merchant(
        category="bakeries",
        category_code="5462",
        country="FR",
        name="Boulangerie Lepic",
        network_id="498750001042",
        card_presence="present",
        authorization_method="chip",
        city="Paris",
        postal_code="75018",
    )
    return replace(usual, **overrides)
