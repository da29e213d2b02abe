"""The state of a purchase in words: held, captured, refunded, ended."""

from typing import NamedTuple

from authorizations.models import Authorization
from authorizations.rules.basics.words import code_words

_TRANSACTION = "ipi_"
"""Prefix of Stripe's transaction ids. A row with such an id is a transaction booked on its own."""

_ENDS = {
    "expired": ("Expired", "It was not captured in time, so the hold was released."),
    "reversed": ("Voided", "The merchant released the hold."),
    "closed": ("Closed without capture", "Nothing is held any more."),
}


class PurchaseState(NamedTuple):
    """`tone` is the colour of the badge."""

    words: str
    tone: str
    sentence: str


def is_lone(row: Authorization) -> bool:
    """Whether the row is a transaction without a known authorization."""
    return row.pk.startswith(_TRANSACTION)


def state_of(row: Authorization) -> PurchaseState:
    """The state, from columns that lists load as well."""
    if is_lone(row):
        if row.captured_amount:
            return PurchaseState(
                "Captured without an authorization",
                "partial",
                "The network captured it without asking. It can't be declined, so it is counted.",
            )
        return PurchaseState(
            "Refund without a purchase",
            "partial",
            "It refers to no known purchase, so no limit is freed up.",
        )

    if row.is_held:
        words = "Held, partially captured" if row.captured_amount else "Held"
        return PurchaseState(words, "info", "The merchant can still capture what is held.")

    if row.captured_amount:
        if row.refunded_amount >= row.captured_amount:
            return PurchaseState("Refunded", "neutral", "The full amount captured was refunded.")
        if row.refunded_amount:
            sentence = "Part of the amount captured was refunded."
            return PurchaseState("Partially refunded", "approved", sentence)
        return PurchaseState("Captured", "approved", "The money was taken. Nothing is held.")

    if row.counted_amount:
        sentence = "It counts for an adjustment made by hand."
        return PurchaseState("Adjusted by hand", "neutral", sentence)
    if row.status in _ENDS and row.count:
        words, sentence = _ENDS[row.status]
        return PurchaseState(words, "neutral", sentence)
    if row.count:
        sentence = "The hold was released or lowered to nothing."
        return PurchaseState("Nothing held", "neutral", sentence)
    status = code_words(row.status).capitalize() or "not reported yet"
    sentence = f"It counts for nothing. Status at Stripe: {status}."
    return PurchaseState("Nothing approved", "neutral", sentence)
