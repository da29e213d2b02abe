"""What each decline reason is called, and what it means to staff and to the cardholder.

In order of precedence, one entry for every DeclineReason. The cardholder's sentence is safe to
read out: no scores, no thresholds, no policy names. What a trace adds in figures is in explain.py.
"""

from typing import NamedTuple

from authorizations.rules.decision.values import DeclineReason


class ReasonTexts(NamedTuple):
    """`label` is for lists and filters; `staff` stands where a trace has no more to say."""

    label: str
    staff: str
    cardholder: str


_ASK = "Please contact your card administrator."

TEXTS: dict[DeclineReason, ReasonTexts] = {
    DeclineReason.MALFORMED_REQUEST: ReasonTexts(
        "Request unreadable",
        "A part of Stripe's request that a decision needs was missing or unreadable.",
        "The details of this purchase could not be read. Please try again or pay another way.",
    ),
    DeclineReason.WRONG_MODE: ReasonTexts(
        "Test and live mixed up",
        "The request was from the other mode than this server serves: test instead of live, "
        "or live instead of test.",
        f"This purchase could not be processed. {_ASK}",
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
        f"This card is frozen. {_ASK}",
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
        f"This card is not set up for this purchase. {_ASK}",
    ),
    DeclineReason.NOT_YET_USABLE: ReasonTexts(
        "Not yet usable",
        "The policy's first day has not come yet.",
        f"This card cannot be used yet. {_ASK}",
    ),
    DeclineReason.NO_LONGER_USABLE: ReasonTexts(
        "No longer usable",
        "The policy's last day is over.",
        f"This card can no longer be used. {_ASK}",
    ),
    DeclineReason.CURRENCY_NOT_ALLOWED: ReasonTexts(
        "Currency not allowed",
        "The policy has amount limits, but none in the currency of this card.",
        f"This card cannot be used for purchases in this currency. {_ASK}",
    ),
    DeclineReason.MERCHANT_COUNTRY_NOT_ALLOWED: ReasonTexts(
        "Merchant country not allowed",
        "The policy does not allow the merchant's country.",
        "This card cannot be used with merchants in this country.",
    ),
    DeclineReason.CATEGORY_NOT_ALLOWED: ReasonTexts(
        "Merchant category not allowed",
        "The policy does not allow the merchant's category.",
        "This card cannot be used at this kind of merchant.",
    ),
    DeclineReason.MERCHANT_NOT_ALLOWED: ReasonTexts(
        "Merchant not allowed",
        "The policy does not allow this merchant.",
        "This card cannot be used at this merchant.",
    ),
    DeclineReason.CARD_PRESENCE_NOT_ALLOWED: ReasonTexts(
        "Card presence not allowed",
        "The policy does not allow this card presence.",
        "This card cannot be used in this way. Please pay another way.",
    ),
    DeclineReason.AUTHORIZATION_METHOD_NOT_ALLOWED: ReasonTexts(
        "Authorization method not allowed",
        "The policy does not allow this authorization method.",
        "This card cannot be used in this way. Please try another way to pay with it.",
    ),
    DeclineReason.WALLET_NOT_ALLOWED: ReasonTexts(
        "Wallet not allowed",
        "The policy allows certain wallets only.",
        "This card can only be used through certain mobile wallets. Please try another way to "
        "pay with it.",
    ),
    DeclineReason.CVC_REQUIRED: ReasonTexts(
        "CVC required",
        "The policy requires a matching security code (CVC).",
        "The security code (CVC) was missing or did not match. Please check it and try again.",
    ),
    DeclineReason.POSTAL_CODE_REQUIRED: ReasonTexts(
        "Postal code required",
        "The policy requires a matching postal code.",
        "The billing postal code was missing or did not match. Please check it and try again.",
    ),
    DeclineReason.THREE_D_SECURE_REQUIRED: ReasonTexts(
        "3-D Secure required",
        "The policy requires 3-D Secure authentication.",
        "This purchase was not confirmed with 3-D Secure. Please try again and confirm it when "
        "you are asked.",
    ),
    DeclineReason.NETWORK_RISK_TOO_HIGH: ReasonTexts(
        "Network risk too high",
        "The card network's risk score is above what the policy allows.",
        f"This purchase was declined for security reasons. {_ASK}",
    ),
    DeclineReason.OUTSIDE_SCHEDULE: ReasonTexts(
        "Outside schedule",
        "The purchase was outside the days and hours of the policy.",
        "This card cannot be used at this time. Please try again within its hours.",
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


def label(reason: DeclineReason) -> str:
    """A few words for lists, filters and headings."""
    return TEXTS[reason].label
