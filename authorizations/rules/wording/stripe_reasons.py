"""Stripe's own reasons for declining a request, in plain words.

Source: `request_history[].reason` of Stripe's Issuing authorization. Unknown reasons are shown by
their code.
"""

from collections.abc import Sequence

from authorizations.rules.basics.words import code_words
from authorizations.rules.decision.rule import ReasonTexts
from authorizations.rules.purchases.events import Verification

STRIPE = "stripe:"
"""The prefix of Stripe's reasons where ours can occur too."""

_ASK = "Please contact your card administrator."
_AGAIN = "This purchase could not be processed just now. Please try again in a few minutes."
_SECURITY = f"This purchase was declined for security reasons. {_ASK}"

STRIPE_TEXTS: dict[str, ReasonTexts] = {
    "account_disabled": ReasonTexts(
        "Stripe: account disabled",
        "Stripe declined: the Stripe account, or its Issuing, is disabled. See the Dashboard.",
        f"This purchase could not be processed. {_ASK}",
    ),
    "card_canceled": ReasonTexts(
        "Stripe: card canceled",
        "Stripe declined: the card is canceled.",
        "This card is canceled. Please use its replacement or contact your card administrator.",
    ),
    "card_expired": ReasonTexts(
        "Stripe: card expired",
        "Stripe declined: the card has expired.",
        "This card has expired. Please use its replacement or contact your card administrator.",
    ),
    "card_inactive": ReasonTexts(
        "Stripe: card inactive",
        "Stripe declined: the card is not active. Activate it at Stripe.",
        "This card is not active. If it is new, please activate it first.",
    ),
    "cardholder_blocked": ReasonTexts(
        "Stripe: cardholder blocked",
        "Stripe declined: the cardholder is blocked at Stripe.",
        f"This card cannot be used. {_ASK}",
    ),
    "cardholder_inactive": ReasonTexts(
        "Stripe: cardholder inactive",
        "Stripe declined: the cardholder is not active at Stripe.",
        f"This card cannot be used. {_ASK}",
    ),
    "cardholder_verification_required": ReasonTexts(
        "Stripe: cardholder verification required",
        "Stripe declined: it still needs details of the cardholder. Complete them at Stripe.",
        f"This card is not set up for purchases yet. {_ASK}",
    ),
    "insecure_authorization_method": ReasonTexts(
        "Stripe: insecure method",
        "Stripe declined: the way the card was read is not secure enough, such as a swipe of a "
        "card that has a chip.",
        "This card cannot be used in this way. Please insert or tap it.",
    ),
    "insufficient_funds": ReasonTexts(
        "Stripe: insufficient funds",
        "Stripe declined: the Issuing balance was too low. Top it up.",
        f"This purchase could not be processed. {_ASK}",
    ),
    "network_fallback": ReasonTexts(
        "Stripe: decided by the network",
        "The card network declined while Stripe could not be reached.",
        _AGAIN,
    ),
    "not_allowed": ReasonTexts(
        "Stripe: not allowed",
        "Stripe declined: it does not allow this kind of purchase with this card.",
        "This card cannot be used for this kind of purchase.",
    ),
    "pin_blocked": ReasonTexts(
        "Stripe: PIN blocked",
        "Stripe declined: the PIN is blocked after too many wrong tries.",
        f"The PIN of this card is blocked. {_ASK}",
    ),
    "spending_controls": ReasonTexts(
        "Stripe: spending controls",
        "Stripe declined: the spending controls set at Stripe, not ours, forbid it. See the card "
        "or cardholder in the Dashboard.",
        f"This card cannot be used for this purchase. {_ASK}",
    ),
    "stripe_internal_error": ReasonTexts(
        "Stripe: internal error",
        "Stripe declined: something failed at Stripe.",
        _AGAIN,
    ),
    "suspected_fraud": ReasonTexts(
        "Stripe: suspected fraud",
        "Stripe declined: it suspects fraud.",
        _SECURITY,
    ),
    "verification_failed": ReasonTexts(
        "Stripe: verification failed",
        "Stripe declined: a check such as CVC, PIN, postal code or 3-D Secure failed.",
        "The details of the card did not match. Please check them and try again.",
    ),
    "webhook_error": ReasonTexts(
        "Stripe: answer not understood",
        "Stripe could not read the answer to its request, so the account's default declined it.",
        _AGAIN,
    ),
    "webhook_timeout": ReasonTexts(
        "Stripe: no answer in time",
        "Our answer was late, so Stripe's fallback for your account declined.",
        _AGAIN,
    ),
}


def stripe_reason(reason: str) -> str:
    """As a decision stores it: "stripe:insufficient_funds", at most 255 characters."""
    return f"{STRIPE}{reason}"[:255]


VERIFICATION_FAILED = "verification_failed"

_MISMATCHES = {
    "cvc_check": ("CVC", "security code (CVC)"),
    "expiry_check": ("expiry date", "expiry date"),
    "address_line1_check": ("first line of the address", "first line of the address"),
    "address_postal_code_check": ("postal code", "postal code"),
}
"""What did not match, for staff and for cardholders, by Stripe's name for the check."""

_THREE_D_SECURE = {
    "three_d_secure:failed": "3-D Secure authentication failed",
    "three_d_secure:required": "3-D Secure was required and not done",
}


def failed_checks(reason: str, found: Verification) -> tuple[str, ...]:
    """The failed checks behind a decline for this reason, by Stripe's names for them.

    Empty for other reasons, and if no check explains the decline, as with a wrong PIN.
    """
    if reason != VERIFICATION_FAILED:
        return ()
    results = (found.cvc, found.expiry, found.address_line1, found.postal_code)
    mismatches = [name for name, it in zip(_MISMATCHES, results, strict=True) if it == "mismatch"]
    secure = f"three_d_secure:{found.three_d_secure}"
    return (*mismatches, *([secure] if secure in _THREE_D_SECURE else []))


def _failed_texts(checks: Sequence[str]) -> ReasonTexts | None:
    mismatches = [_MISMATCHES[name] for name in checks if name in _MISMATCHES]
    secure = [_THREE_D_SECURE[name] for name in checks if name in _THREE_D_SECURE]
    if not mismatches and not secure:
        return None
    staff, cardholder = list(secure), []
    if mismatches:
        for_staff, for_cardholder = map(_named, zip(*mismatches, strict=True))
        staff.insert(0, f"the {for_staff} did not match what Stripe has")
        them = "it" if len(mismatches) == 1 else "them"
        cardholder.append(f"The {for_cardholder} did not match. Please check {them} and try again.")
    if secure:
        cardholder.append(
            "The purchase was not confirmed by 3-D Secure. Please try again and confirm it when "
            "asked."
        )
    return ReasonTexts(
        STRIPE_TEXTS[VERIFICATION_FAILED].label,
        f"Stripe declined: {' and '.join(staff)}.",
        " ".join(cardholder),
    )


def _named(what: Sequence[str]) -> str:
    """ "CVC", "CVC and the postal code", "CVC, the expiry date and the postal code"."""
    *others, last = what
    return f"{', the '.join(others)} and the {last}" if others else last


def stripe_texts(kept: str, checks: Sequence[str] = ()) -> ReasonTexts | None:
    """The texts for a reason from `stripe_reason`; None for a reason of ours.

    `checks` are the failed checks, as `failed_checks` returns them.
    """
    if not kept.startswith(STRIPE):
        return None
    reason = kept.removeprefix(STRIPE)
    if texts := _failed_texts(checks):
        return texts
    words = code_words(reason)
    unknown = ReasonTexts(
        f"Stripe: {words}",
        f"Stripe declined by itself: {words}.",
        f"This purchase could not be processed. {_ASK}",
    )
    return STRIPE_TEXTS.get(reason, unknown)
