"""Sample disputes and their events. Amounts are positive, in the card's currency."""

from random import Random
from typing import Literal, TypeAlias

from simulator.stripe.samples import Json, event, identifier

Change: TypeAlias = Literal[
    "created", "updated", "submitted", "closed", "funds_reinstated", "funds_rescinded"
]


def dispute(over: Json, *, at: int, chance: Random, reason: str = "fraudulent") -> Json:
    """A dispute over a whole transaction, not submitted yet."""
    return {
        "id": identifier("idp", chance),
        "object": "issuing.dispute",
        "amount": abs(over["amount"]),
        "balance_transactions": None,
        "created": at,
        "currency": over["currency"],
        "evidence": {reason: {"explanation": None}, "reason": reason},
        "livemode": over["livemode"],
        "metadata": {},
        "status": "unsubmitted",
        "transaction": over["id"],
        "treasury": None,
    }


def dispute_event(
    disputed: Json, change: Change, *, at: int, chance: Random, **changes: object
) -> Json:
    """The event of a change; `changes` are fields of the dispute, such as its status."""
    return event(
        f"issuing_dispute.{change}",
        {**disputed, **changes},
        event_id=identifier("evt", chance),
        created=at,
    )
