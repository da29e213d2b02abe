"""How a purchase stands, in words: held, captured, refunded, over."""

from typing import NamedTuple

from authorizations.models import Authorization
from authorizations.rules.basics.words import code_words

_TRANSACTION = "ipi_"
"""Stripe's ids of transactions begin with it: such a row stands for one that is booked alone."""

_ENDS = {
    "expired": ("Expired", "It was not captured in time, so its hold was given back."),
    "reversed": ("Voided", "The merchant gave the hold back."),
    "closed": ("Closed without capture", "Nothing of it is held any more."),
}


class PurchaseStanding(NamedTuple):
    """`tone` is the colour of its badge."""

    words: str
    tone: str
    sentence: str


def is_lone(row: Authorization) -> bool:
    """Whether it is a transaction that belongs to no authorization known here."""
    return row.pk.startswith(_TRANSACTION)


def state_of(row: Authorization) -> PurchaseStanding:
    """From columns that lists read as well."""
    if is_lone(row):
        return _lone(row)
    if row.is_held:
        words = "Held, captured in part" if row.captured_amount else "Held"
        return PurchaseStanding(words, "info", "The merchant can still capture what is held.")
    return _captured(row) if row.captured_amount else _nothing_taken(row)


def _nothing_taken(row: Authorization) -> PurchaseStanding:
    if row.counted_amount:
        return PurchaseStanding(
            "Adjusted by hand", "neutral", "It counts for what was booked by hand."
        )
    if row.status in _ENDS and row.count:
        words, sentence = _ENDS[row.status]
        return PurchaseStanding(words, "neutral", sentence)
    if row.count:
        return PurchaseStanding(
            "Nothing held", "neutral", "Its hold was released, or lowered to nothing."
        )
    words = code_words(row.status).capitalize() or "Not told yet"
    return PurchaseStanding(
        "Nothing approved", "neutral", f"It counts for nothing. At Stripe: {words}."
    )


def _lone(row: Authorization) -> PurchaseStanding:
    if row.captured_amount:
        return PurchaseStanding(
            "Captured without an authorization",
            "partial",
            "The network booked it without asking anybody. It can't be refused, so it is counted.",
        )
    return PurchaseStanding(
        "Refund without a purchase",
        "partial",
        "It names no purchase that is known here, so it gives no room back.",
    )


def _captured(row: Authorization) -> PurchaseStanding:
    if row.refunded_amount >= row.captured_amount:
        return PurchaseStanding("Refunded", "neutral", "All that was captured was sent back.")
    if row.refunded_amount:
        return PurchaseStanding(
            "Refunded in part", "approved", "A part of what was captured was sent back."
        )
    return PurchaseStanding(
        "Captured", "approved", "The money was taken, and nothing more is held."
    )
