"""What a decision's row says of its answer, in the words that lists and pages share."""

from typing import NamedTuple

from authorizations.models import Decision
from authorizations.rules.decision.values import DeclineReason
from authorizations.rules.wording import explain
from authorizations.rules.wording.reasons import label
from authorizations.rules.wording.stripe_reasons import stripe_texts


class OutcomeWords(NamedTuple):
    """`tone` is the colour of its badge: approved, partial or declined."""

    words: str
    tone: str


def outcome(row: Decision) -> OutcomeWords:
    if not row.approved:
        return OutcomeWords("Declined", "declined")
    return (
        OutcomeWords("Partially approved", "partial")
        if row.is_partial
        else OutcomeWords("Approved", "approved")
    )


def reason_of(row: Decision) -> DeclineReason | None:
    """None where there is none, and for one that this program no longer knows."""
    return DeclineReason(row.reason) if row.reason in set(DeclineReason) else None


def reason_words(row: Decision) -> str:
    """Nothing for an approval."""
    return label_of(row.reason)


def label_of(reason: str) -> str:
    """What a reason is called, ours or Stripe's own; one that nobody knows is told by its code."""
    if texts := stripe_texts(reason):
        return texts.label
    known = reason in set(DeclineReason)
    return label(DeclineReason(reason)) if known else reason.replace("_", " ").capitalize()


def amount_words(row: Decision) -> str:
    """What was asked, and what was approved where that is another amount."""
    if row.amount is None:
        return "Not told"
    return explain.amount_words(row.amount, row.approved_amount, row.currency)
