"""The texts of every decline reason, in order of precedence.

The cardholder's sentence is safe to read out: no scores, no thresholds, no policy names. Sentences
with a trace's figures are in explain.py.
"""

from authorizations.rules.basics.words import ASK
from authorizations.rules.decision.rule import ReasonTexts
from authorizations.rules.decision.values import DeclineReason
from authorizations.rules.kinds import KINDS

_TEXTS_WITHOUT_RULE: dict[DeclineReason, ReasonTexts] = {
    DeclineReason.MALFORMED_REQUEST: ReasonTexts(
        "Request unreadable",
        "A part of Stripe's request that a decision needs was missing or unreadable.",
        "The details of this purchase could not be read. Please try again or pay another way.",
    ),
    DeclineReason.WRONG_MODE: ReasonTexts(
        "Test and live mixed up",
        "The request is in a different mode than this server: test instead of live, or live "
        "instead of test.",
        f"This purchase could not be processed. {ASK}",
    ),
    DeclineReason.CONFLICTING_EVENT: ReasonTexts(
        "Contradicts the record",
        "The request contradicts the record: its event id was already decided for a different "
        "request, or its authorization began with a different card, currency or time.",
        "This purchase could not be processed. Please try again or pay another way.",
    ),
    DeclineReason.INTERNAL_ERROR: ReasonTexts(
        "No answer in time",
        "The decision could not be made in time, so the purchase was declined to be safe.",
        "This purchase could not be processed just now. Please try again in a few minutes.",
    ),
    DeclineReason.STAND_IN: ReasonTexts(
        "Not allowed in stand-in",
        "The database could not be asked for the usage of limits, and stand-in may not approve "
        "this purchase without it.",
        "This purchase could not be processed just now. Please try again in a few minutes.",
    ),
    DeclineReason.CARD_FROZEN: ReasonTexts(
        "Card frozen",
        "A freeze holds for the card. Lift it to let the card pay again.",
        f"This card is frozen. {ASK}",
    ),
    DeclineReason.CARD_NOT_ACTIVE: ReasonTexts(
        "Card not active",
        "The card is not active at Stripe.",
        "This card is not active. If it is new, please activate it first; otherwise contact your "
        "card administrator.",
    ),
    DeclineReason.BLOCKED: ReasonTexts(
        "Blocked",
        "An operator has blocked this merchant, category or country.",
        f"This card cannot be used for this purchase. {ASK}",
    ),
    DeclineReason.FIELD_UNREADABLE: ReasonTexts(
        "Field unreadable",
        "A field that a policy needs arrived in an unreadable form, so the purchase was declined "
        "to be safe.",
        "The details of this purchase could not be read. Please try again or pay another way.",
    ),
    DeclineReason.NO_POLICY: ReasonTexts(
        "No policy grants it",
        "No policy grants this purchase: assign one with an amount limit that applies to it, or an "
        "unlimited one.",
        f"This card is not set up for this purchase. {ASK}",
    ),
    DeclineReason.ATTEMPT_LIMIT_EXCEEDED: ReasonTexts(
        "Attempt limit exceeded",
        "The card has been tried as often as a limit on attempts allows.",
        "This card has been tried too often for now. Please try again later.",
    ),
    DeclineReason.AMOUNT_LIMIT_EXCEEDED: ReasonTexts(
        "Amount limit exceeded",
        "The purchase would exceed an amount limit.",
        "This purchase is more than this card may spend now. Please try a smaller amount, or "
        "contact your card administrator.",
    ),
    DeclineReason.FUNDS_EXCEEDED: ReasonTexts(
        "Not enough funds",
        "The purchase would exceed the funds that were added.",
        f"This purchase is more than the funds that are left. {ASK}",
    ),
    DeclineReason.COUNT_LIMIT_EXCEEDED: ReasonTexts(
        "Count limit exceeded",
        "The purchase would exceed a limit on the number of purchases.",
        "This card has made all the purchases it may make for now. Please try again later.",
    ),
    DeclineReason.LIMIT_NOT_COUNTED_YET: ReasonTexts(
        "Limit not counted yet",
        "A limit is new and has many earlier purchases, which are still being counted. The "
        "purchases it applies to are declined until that is done.",
        "This purchase could not be checked just now. Please try again in a few minutes.",
    ),
}
"""The texts of reasons that are not rules of a policy."""

TEXTS: dict[DeclineReason, ReasonTexts] = {
    reason: KINDS[reason].texts if reason in KINDS else _TEXTS_WITHOUT_RULE[reason]
    for reason in DeclineReason
}


def label(reason: DeclineReason) -> str:
    """A few words for lists, filters and headings."""
    return TEXTS[reason].label
