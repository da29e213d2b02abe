"""The answer of a decision in the words that lists and pages share."""

from typing import NamedTuple

from authorizations.admin.shared.links import UNKNOWN
from authorizations.models import Decision
from authorizations.rules.decision.values import DeclineReason
from authorizations.rules.wording import explain
from authorizations.rules.wording.reasons import label
from authorizations.rules.wording.stripe_reasons import stripe_texts


class OutcomeWords(NamedTuple):
    """`tone` is the colour of the badge: approved, partial or declined."""

    words: str
    tone: str


def outcome(row: Decision) -> OutcomeWords:
    if not row.approved:
        return OutcomeWords("Declined", "declined")
    if row.is_partial:
        return OutcomeWords("Partially approved", "partial")
    return OutcomeWords("Approved", "approved")


def reason_of(row: Decision) -> DeclineReason | None:
    """The decline reason; None for an approval and for a reason this version does not have."""
    return DeclineReason(row.reason) if row.reason in set(DeclineReason) else None


def reason_words(row: Decision) -> str:
    """The label of the decline reason; empty for an approval."""
    return label_of(row.reason)


def label_of(reason: str) -> str:
    """The label of a reason, the desk's or Stripe's; the code itself if the reason is unknown."""
    if texts := stripe_texts(reason):
        return texts.label
    if reason in set(DeclineReason):
        return label(DeclineReason(reason))
    return reason.replace("_", " ").capitalize()


def amount_words(row: Decision) -> str:
    """The amount requested, with the amount approved if that differs."""
    if row.amount is None:
        return UNKNOWN
    return explain.amount_words(row.amount, row.approved_amount, row.currency)
