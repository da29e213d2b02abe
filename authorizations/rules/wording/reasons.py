"""What each decline reason is called, and what it means to staff and to the cardholder.

In order of precedence, one entry for every DeclineReason. The cardholder's sentence is safe to
read out: no scores, no thresholds, no policy names. What a trace adds in figures is in explain.py.
"""

from authorizations.rules.basics.words import ASK
from authorizations.rules.decision.rule import ReasonTexts
from authorizations.rules.decision.values import DeclineReason
from authorizations.rules.kinds import KINDS

_OF_NO_RULE: dict[DeclineReason, ReasonTexts] = {
    DeclineReason.MALFORMED_REQUEST: ReasonTexts(
        "Request unreadable",
        "A part of Stripe's request that a decision needs was missing or unreadable.",
        "The details of this purchase could not be read. Please try again or pay another way.",
    ),
    DeclineReason.WRONG_MODE: ReasonTexts(
        "Test and live mixed up",
        "The request was from the other mode than this server serves: test instead of live, "
        "or live instead of test.",
        f"This purchase could not be processed. {ASK}",
    ),
    DeclineReason.CONFLICTING_EVENT: ReasonTexts(
        "Contradicts the record",
        "The request contradicts the record: its event id was decided before for another "
        "question, or its authorization began with another card, currency or time.",
        "This purchase could not be processed. Please try again or pay another way.",
    ),
    DeclineReason.INTERNAL_ERROR: ReasonTexts(
        "No answer in time",
        "The decision could not be made in time, so the purchase was declined to be safe.",
        "This purchase could not be processed just now. Please try again in a few minutes.",
    ),
    DeclineReason.STAND_IN: ReasonTexts(
        "Not allowed in stand-in",
        "The database could not be asked what is used up, and what stand-in may approve without it "
        "does not allow this purchase.",
        "This purchase could not be processed just now. Please try again in a few minutes.",
    ),
    DeclineReason.CARD_FROZEN: ReasonTexts(
        "Card frozen",
        "The card is frozen. Unfreeze it to let it pay again.",
        f"This card is frozen. {ASK}",
    ),
    DeclineReason.CARD_NOT_ACTIVE: ReasonTexts(
        "Card not active",
        "The card is not active at Stripe.",
        "This card is not active. If it is new, please activate it first; otherwise contact your "
        "card administrator.",
    ),
    DeclineReason.FIELD_UNREADABLE: ReasonTexts(
        "Field unreadable",
        "A field that a policy asks for came in a form that can't be read, so the purchase was "
        "declined to be safe.",
        "The details of this purchase could not be read. Please try again or pay another way.",
    ),
    DeclineReason.NO_POLICY: ReasonTexts(
        "No policy grants it",
        "No policy grants this purchase: assign one with an amount limit that concerns it, or one "
        "that says unlimited.",
        f"This card is not set up for this purchase. {ASK}",
    ),
    DeclineReason.AMOUNT_LIMIT_EXCEEDED: ReasonTexts(
        "Amount limit exceeded",
        "The purchase would go over an amount limit.",
        "This purchase is more than this card may spend now. Please try a smaller amount, or "
        "contact your card administrator.",
    ),
    DeclineReason.COUNT_LIMIT_EXCEEDED: ReasonTexts(
        "Count limit exceeded",
        "The purchase would go over a limit on the number of purchases.",
        "This card has made all the purchases it may make for now. Please try again later.",
    ),
    DeclineReason.LIMIT_NOT_COUNTED_YET: ReasonTexts(
        "Limit not counted yet",
        "A limit is new where there are many earlier purchases, and these are still being counted. "
        "The purchases it concerns are declined until that is done.",
        "This purchase could not be checked just now. Please try again in a few minutes.",
    ),
}
"""Of what is no rule of a policy, or a limit."""

TEXTS: dict[DeclineReason, ReasonTexts] = {
    reason: KINDS[reason].texts if reason in KINDS else _OF_NO_RULE[reason]
    for reason in DeclineReason
}


def label(reason: DeclineReason) -> str:
    """A few words for lists, filters and headings."""
    return TEXTS[reason].label
