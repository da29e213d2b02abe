"""Every decision in plain words: one text for staff, one that is safe to read to a cardholder."""

from authorizations.rules.basics.clocks import FOREVER, local_time
from authorizations.rules.basics.controls import Interval, ScopeKind
from authorizations.rules.basics.money import format_money
from authorizations.rules.basics.purchase_exceptions import PurchaseException
from authorizations.rules.basics.words import (
    ASK,
    filter_words,
    fuel_hold_words,
    instant_words,
    interval_words,
    through_words,
)
from authorizations.rules.decision.decide import deciding_check
from authorizations.rules.decision.fuel import is_token_request
from authorizations.rules.decision.values import Check, DeclineReason, LimitFigures, Verdict
from authorizations.rules.kinds import KINDS
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.rules.wording.exception_words import by_exception
from authorizations.rules.wording.reasons import TEXTS, label
from authorizations.rules.wording.sentences import is_at_pump, limit_words, staff

__all__ = [
    "amount_words",
    "answer_sentence",
    "cardholder",
    "hold_for_cardholder",
    "interval_words",
    "label",
    "limit_words",
    "part_for_cardholder",
    "source",
    "staff",
]


def answer_sentence(
    decision: Verdict,
    request: AuthorizationRequest | None,
    used: PurchaseException | None = None,
) -> str:
    """The whole decision for staff; `request` is None if it could not be read.

    `used` is the exception that let it through.
    """
    check = deciding_check(decision.trace)
    if used:
        because = f"Approved {by_exception(used, decision.trace)}."
    elif check and request:
        because = staff(check, request)
        because += f" {source(check)}." if check.policy else ""
    elif decision.reason:
        because = TEXTS[decision.reason].staff
    elif len(decision.trace) > 1:
        because = f"All {len(decision.trace)} rules passed."
    else:
        because = "The one rule passed." if decision.trace else "No rule applied."
    reserving = check.figures.asked if check and check.figures else decision.amount
    if request and reserving > request.amount:
        because += f" {fuel_hold_words(reserving, request.currency)}."
    outcome = "Approved" if decision.approved else "Declined"
    if request:
        amount = amount_words(request.amount, decision.amount, request.currency)
        place = f" at {request.asked_at.name}" if request.asked_at.name else ""
        began = f", a purchase begun at {request.merchant.name or 'an unknown merchant'}"
        outcome += f" {amount}{place}{began if request.is_elsewhere else ''}"
    return f"{outcome}. {because}"


def source(check: Check) -> str:
    """Where a rule comes from: "Policy Travel (card)", or "Card" for checks of the card itself.

    Of a limit also whose own it is: "Policy Team (group, each card's own)".
    """
    if check.policy is None:
        return "Card"
    scope = f" ({through_words(check.scope.kind, check.each)})" if check.scope else ""
    return f"Policy {check.policy}{scope}"


def amount_words(asked: int, approved: int, currency: str) -> str:
    """ "€45.00"; "€20.00 of €45.00" if approved in part; "€1.00 (€100.00 held)" at a fuel pump."""
    words = format_money(asked, currency)
    if 0 < approved < asked:
        return f"{format_money(approved, currency)} of {words}"
    return f"{words} ({format_money(approved, currency)} held)" if approved > asked else words


def cardholder(why: Check | DeclineReason, request: AuthorizationRequest | None) -> str:
    """What a cardholder may know about a failed rule, with figures of their own usage only.

    It never has risk scores, thresholds of rolling and count limits (they protect against fraud),
    what others in a group have used, or names of policies.
    """
    rule = why.rule if isinstance(why, Check) else why
    # Cardholders don't learn what stand-in allows, and an uncounted limit has no figures.
    is_limit = rule not in {DeclineReason.STAND_IN, DeclineReason.LIMIT_NOT_COUNTED_YET}
    if isinstance(why, Check) and why.figures and why.scope and request and is_limit:
        is_shared = why.scope.kind is ScopeKind.GROUP and not why.each
        return _limit_for_cardholder(why.figures, request, is_shared=is_shared)
    kind = KINDS.get(rule)
    return kind.for_cardholder(request) if kind and request else TEXTS[rule].cardholder


def part_for_cardholder(approved: int, request: AuthorizationRequest) -> str:
    """What a cardholder may know about a partial approval, which the shop shows anyway."""
    part, whole = (format_money(amount, request.currency) for amount in (approved, request.amount))
    if is_token_request(request):
        return f"Fuel for up to {part} was approved. Please pay for more another way."
    return f"{part} of this purchase of {whole} was approved. Please pay the rest another way."


def hold_for_cardholder(approved: int, request: AuthorizationRequest) -> str:
    """What a cardholder may know about a fuel pump's hold; "" without one."""
    if approved <= request.amount:
        return ""
    return f"{fuel_hold_words(approved, request.currency)}. Then only that amount counts."


def _limit_for_cardholder(
    figures: LimitFigures, request: AuthorizationRequest, *, is_shared: bool
) -> str:
    if figures.of_attempts:
        return TEXTS[DeclineReason.ATTEMPT_LIMIT_EXCEEDED].cardholder
    if not figures.currency:
        concerning = filter_words(figures.filter)
        return (
            f"This card can make no more purchases{concerning} for now. {_when(figures, request)}"
        )
    asked, available = (
        format_money(amount, figures.currency) for amount in (figures.asked, figures.available)
    )
    purchase, exactly = "This purchase", f"This purchase of {asked}"
    if is_at_pump(figures, request):
        purchase = exactly = f"The {asked} held at fuel pumps"
    if figures.interval is Interval.ROLLING:
        return f"{purchase} is more than this card may spend for now. {_when(figures, request)}"
    if is_shared:
        return f"{purchase} is more than your group has left. {_when(figures, request)}"
    if figures.interval is Interval.FUNDS:
        return f"{exactly} is more than the funds that are left. {ASK}"
    limit = limit_words(figures)
    limit = limit[0].lower() + limit[1:]
    if figures.interval is Interval.PER_AUTHORIZATION:
        return f"{exactly} is above the {limit}. {_when(figures, request)}"
    if figures.available <= 0:
        return f"The {limit} is used up. {_when(figures, request)}"
    return f"{exactly} is more than the {available} left of the {limit}. {_when(figures, request)}"


def _when(figures: LimitFigures, request: AuthorizationRequest) -> str:
    """When to try again. The end of a calendar window reveals no threshold."""
    if figures.interval is Interval.ROLLING:
        return "Please try again later."
    if figures.interval is Interval.PER_AUTHORIZATION:
        pay_inside = is_at_pump(figures, request)
        return "Please pay inside instead." if pay_inside else "Please try a smaller amount."
    if figures.end >= FOREVER:
        return ASK
    year = local_time(figures.time_zone, request.created).year
    return f"It resets on {instant_words(figures.end, figures.time_zone, year)}."
