"""Sample transactions, and events that are not about an authorization: transactions, cards, people.

Amounts have Stripe's signs: a capture is negative, a refund positive, in the card's `currency`.
Ids are drawn from `chance`.
"""

from datetime import UTC, datetime
from random import Random
from typing import Any, Literal, TypeAlias

from simulator.stripe.samples import (
    MERCHANTS,
    Json,
    Purchase,
    SampleMerchant,
    authorization,
    event,
    identifier,
)

Change: TypeAlias = Literal["created", "updated"]


def transaction(
    under: Json,
    *,
    amount: int,
    merchant_amount: int,
    at: int,
    chance: Random,
    amount_details: Json | None = None,
) -> Json:
    """What the network settled under an authorization: a capture where `amount` is negative."""
    history = under["request_history"]
    return {
        "id": identifier("ipi", chance),
        "object": "issuing.transaction",
        "amount": amount,
        "amount_details": amount_details or {"atm_fee": None, "cashback_amount": None},
        "authorization": under["id"],
        "balance_transaction": identifier("txn", chance),
        "card": under["card"]["id"],
        "cardholder": under["card"]["cardholder"]["id"],
        "created": at,
        "currency": under["currency"],
        "dispute": None,
        "livemode": under["livemode"],
        "merchant_amount": merchant_amount,
        "merchant_currency": under["merchant_currency"],
        "merchant_data": under["merchant_data"],
        "metadata": {},
        "network_data": {
            "authorization_code": history[-1]["authorization_code"] if history else None,
            "processing_date": datetime.fromtimestamp(at, UTC).date().isoformat(),
            "transaction_id": None,
        },
        "token": None,
        "type": "capture" if amount < 0 else "refund",
        "wallet": under["wallet"],
    }


def hold_or_release(under: Json, amount: int, *, at: int, chance: Random) -> Json:
    """The balance transaction that holds, where `amount` is negative, or releases money."""
    kind = "issuing_authorization_hold" if amount < 0 else "issuing_authorization_release"
    return {
        "id": identifier("txn", chance),
        "object": "balance_transaction",
        "amount": amount,
        "available_on": at,
        "balance_type": "issuing",
        "created": at,
        "currency": under["currency"],
        "description": None,
        "exchange_rate": None,
        "fee": 0,
        "fee_details": [],
        "net": amount,
        "reporting_category": kind,
        "source": under["id"],
        "status": "available",
        "type": kind,
    }


def transaction_created(
    found: Json, *, chance: Random, account: str | None = None, **envelope: Any
) -> Json:
    """The event of a new transaction."""
    return event(
        "issuing_transaction.created",
        found,
        event_id=identifier("evt", chance),
        created=found["created"],
        account=account,
        **envelope,
    )


def force_capture(
    card: Json,
    *,
    amount: int,
    at: int,
    chance: Random,
    merchant: SampleMerchant = MERCHANTS[0],
    merchant_amount: int | None = None,
) -> Json:
    """The event of a capture without authorization; amounts are given positive."""
    asked = _asked(card, amount, at, merchant, merchant_amount)
    return _unlinked(asked, -1, at, chance)


def unlinked_refund(
    card: Json,
    *,
    amount: int,
    at: int,
    chance: Random,
    merchant: SampleMerchant = MERCHANTS[0],
    merchant_amount: int | None = None,
) -> Json:
    """The event of a refund that names no authorization."""
    asked = _asked(card, amount, at, merchant, merchant_amount)
    return _unlinked(asked, 1, at, chance)


def transaction_updated(found: Json, *, at: int, chance: Random, changes: Json) -> Json:
    """The event in which fields of a transaction are replaced, say {"dispute": "idp_…"}."""
    previous = {name: found[name] for name in changes}
    return _event("issuing_transaction.updated", found | changes, at, chance, previous)


def card_event(
    card: Json, change: Change, *, at: int, chance: Random, previous: Json | None = None
) -> Json:
    """The event that shows a card as it is from now on; `previous` are the fields it changed."""
    return _event(f"issuing_card.{change}", card, at, chance, previous)


def cardholder_event(
    holder: Json, change: Change, *, at: int, chance: Random, previous: Json | None = None
) -> Json:
    """The event that shows a cardholder as they are from now on."""
    return _event(f"issuing_cardholder.{change}", holder, at, chance, previous)


def _event(
    type: str,  # noqa: A002 - Stripe's word
    found: Json,
    at: int,
    chance: Random,
    previous: Json | None,
) -> Json:
    if type.endswith(".updated"):
        previous = previous or {}
    event_id = identifier("evt", chance)
    return event(type, found, event_id=event_id, created=at, previous=previous)


def _asked(
    card: Json, amount: int, at: int, merchant: SampleMerchant, merchant_amount: int | None
) -> Json:
    """An authorization that never existed, from which a transaction takes most of its fields."""
    bought = Purchase(
        authorization_id="",
        created=at,
        amount=amount,
        currency=card["currency"],
        merchant=merchant,
        merchant_amount=merchant_amount,
    )
    return authorization(bought, card) | {"id": None}


def _unlinked(asked: Json, sign: int, at: int, chance: Random) -> Json:
    money = asked["pending_request"]
    amount, charged = sign * money["amount"], sign * money["merchant_amount"]
    found = transaction(asked, amount=amount, merchant_amount=charged, at=at, chance=chance)
    return transaction_created(found, chance=chance)
