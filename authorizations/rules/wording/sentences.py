"""An evaluated rule in a sentence or two with figures, for staff."""

from authorizations.rules.basics.clocks import FOREVER, local_time
from authorizations.rules.basics.controls import Interval
from authorizations.rules.basics.filters import merchant_words
from authorizations.rules.basics.words import (
    beginning_words,
    counted_noun,
    duration_words,
    figure_words,
    filter_words,
    instant_words,
)
from authorizations.rules.decision.exemption import exempt_by
from authorizations.rules.decision.grants import NotGranted
from authorizations.rules.decision.values import Check, DeclineReason, Json, LimitFigures, OwnAmount
from authorizations.rules.kinds import ASKED_FIELDS, KINDS
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.rules.wording.reasons import TEXTS
from authorizations.rules.wording.stand_in_words import stand_in_sentence
from authorizations.rules.wording.stop_words import left_out_words, stop_sentence

_NOT_COUNTED = (
    "its usage is not known yet. The many earlier purchases it applies to are being counted."
)


def staff(check: Check, request: AuthorizationRequest) -> str:
    """What the rule found, what it requires, and by how much the request passed or failed."""
    if check.rule is DeclineReason.STAND_IN:
        return stand_in_sentence(check)
    if check.rule is DeclineReason.LIMIT_NOT_COUNTED_YET and check.figures:
        return f"{limit_words(check.figures)}: {_NOT_COUNTED}"
    if check.figures:
        return limit_sentence(check.figures, request)
    if kind := KINDS.get(check.rule):
        if exempt := exempt_by(check):
            missed = kind.for_staff(check._replace(passed=False), request)
            return f"{missed} The merchant is exempt: {merchant_words(exempt)}."
        return kind.for_staff(check, request)
    if check.rule is DeclineReason.CARD_NOT_ACTIVE:
        return f"The card is {check.found or request.card.status}; only active cards may pay."
    if check.rule is DeclineReason.FIELD_UNREADABLE:
        return _unreadable(check.found, "a block" if check.limit else "the policy")
    if check.limit and check.rule in {DeclineReason.CARD_FROZEN, DeclineReason.BLOCKED}:
        return stop_sentence(check)
    if check.rule is DeclineReason.NO_POLICY:
        return _not_granted(check.found)
    return TEXTS[check.rule].staff


def limit_sentence(figures: LimitFigures, request: AuthorizationRequest) -> str:
    """The arithmetic of a limit, and when more becomes available."""
    sums = _amount_sums(figures, request) if figures.currency else _count_sums(figures)
    again = when_available(figures, request.created)
    return f"{limit_words(figures)}{own_words(figures)}: {sums}.{again and ' '}{again}"


def own_words(figures: LimitFigures) -> str:
    """ " (set for this card until 30 Nov 2026 18:00 UTC by ada: trip; otherwise €500.00)"."""
    if not figures.own:
        return ""
    noun = _noun(figures)
    parts = [_own_part(one, figures.currency, noun) for one in figures.own]
    usual = figure_words(figures.policy_limit or 0, figures.currency, noun)
    return f" ({'; '.join(parts)}; otherwise {usual})"


def _noun(figures: LimitFigures) -> str:
    return counted_noun(of_attempts=figures.of_attempts, declined_only=figures.declined_only)


def _own_part(one: OwnAmount, currency: str, noun: str) -> str:
    what = "set"
    if one.raise_by is not None:
        what = f"raised by {figure_words(one.raise_by, currency, noun)}"
    until = f" until {instant_words(one.until, 'UTC')}" if one.until else ""
    author = f" by {one.author}" if one.author else ""
    return f"{what} for this {one.scope}{until}{author}: {one.reason}"


def is_at_pump(figures: LimitFigures, request: AuthorizationRequest) -> bool:
    """Whether the figures are for a fuel pump's hold, not for its token amount."""
    return figures.asked > request.amount


def limit_words(figures: LimitFigures) -> str:
    """ "Monthly limit of €500.00 (from the 16th)"; "At most 5 purchases in 60 minutes"."""
    if figures.interval is Interval.ROLLING:
        return f"At most {rolling_words(figures)}"
    most = figure_words(figures.limit, figures.currency, _noun(figures))
    concerning = (
        f"{beginning_words(figures.interval, figures.begins)}{filter_words(figures.filter)}"
    )
    if figures.interval is Interval.PER_AUTHORIZATION:
        return f"Limit of {most} per purchase{concerning}"
    if figures.interval is Interval.FUNDS:
        return f"Funds of {most}{concerning}"
    name = figures.interval.value.replace("_", "-").capitalize()
    return f"{name} limit of {most}{concerning}"


def rolling_words(figures: LimitFigures) -> str:
    """ "5 purchases in 60 minutes", "5 declined attempts in 60 minutes"."""
    most = figure_words(figures.limit, figures.currency, _noun(figures))
    length = duration_words(figures.rolling_seconds)
    return f"{most} in {length}{filter_words(figures.filter)}"


def _amount_sums(figures: LimitFigures, request: AuthorizationRequest) -> str:
    used, asked, total, difference = (
        figure_words(figure, figures.currency)
        for figure in (
            figures.used,
            figures.asked,
            figures.used + figures.asked,
            abs(figures.exceeded_by),
        )
    )
    verdict = f"{difference} {'over' if figures.exceeded_by > 0 else 'left after it'}"
    is_held = is_at_pump(figures, request)
    if figures.interval is Interval.PER_AUTHORIZATION and not figures.used:
        return f"{asked} {'held' if is_held else 'asked'}, {verdict}"
    asked += " held" if is_held else ""
    before = "approved before" if figures.interval is Interval.PER_AUTHORIZATION else "used"
    return f"{used} {before} + {asked} = {total}, {verdict}"


def _count_sums(figures: LimitFigures) -> str:
    verdict = (
        f"{figures.exceeded_by:,} over"
        if figures.exceeded_by > 0
        else f"{-figures.exceeded_by:,} left after it"
    )
    return f"{figures.used:,} made + this one = {figures.used + figures.asked:,}, {verdict}"


def when_available(figures: LimitFigures, at: int) -> str:
    """When more of a limit becomes available, seen from the instant `at`; "" if unknown."""
    if figures.interval in (Interval.PER_AUTHORIZATION, Interval.FUNDS):
        return ""
    year = local_time(figures.time_zone, at).year
    if figures.interval is Interval.ROLLING:
        if figures.available_at is None:
            return ""
        whole_minute = figures.available_at + -figures.available_at % 60  # never shown too early
        what = "Available again" if figures.exceeded_by >= 0 else "More available"
        return f"{what} at {instant_words(whole_minute, figures.time_zone, year)}."
    if figures.end >= FOREVER:
        return "It never resets."
    return f"Resets on {instant_words(figures.end, figures.time_zone, year)}."


def _unreadable(fields: Json, needing: str) -> str:
    words = [ASKED_FIELDS.get(field, field) for field in fields]
    them = "them" if len(words) > 1 else "it"
    return (
        f"The {' and the '.join(words)} arrived in an unreadable form, and {needing} needs "
        f"{them}: declined to be safe."
    )


def _not_granted(policies: Json) -> str:
    """Why each policy does not grant the purchase."""
    if policies is None:
        return (
            "No policy grants this purchase: none applies to the card. Assign one to the card, its "
            "cardholder, its group or the program."
        )
    reasons = []
    for policy in policies[:_MAX_NAMED]:
        if policy["why"] == NotGranted.OTHER_CURRENCIES:
            why = f"has amount limits in {', '.join(policy['currencies']).upper()} only"
        elif policy["why"] == NotGranted.LEFT_OUT:
            why = left_out_words(policy)
        else:
            why = _WHY_NOT[NotGranted(policy["why"])]
        reasons.append(f"{policy['policy']} {why}")
    if len(policies) > _MAX_NAMED:
        reasons.append(f"and {len(policies) - _MAX_NAMED} more")
    return f"No policy grants this purchase: {'; '.join(reasons)}."


_MAX_NAMED = 4
"""Maximum policies named in a sentence about a missing grant."""

_WHY_NOT = {
    NotGranted.NO_AMOUNT_LIMIT: "has no amount limit",
    NotGranted.BEGUN_ELSEWHERE: "has amount limits on certain purchases only, and this one began "
    "earlier, at a merchant that this server does not know",
    NotGranted.CASH_ONLY: "has an amount limit on cash only",
    NotGranted.NOT_TOLD: "has amount limits on certain ways of paying only, and how the card was "
    "used is not reported",
    NotGranted.ONE_OF_TWO_MERCHANTS: "has no amount limit that applies to both merchants of "
    "the purchase",
    NotGranted.ONE_OF_TWO_WAYS: "has no amount limit that applies both to how the card is used now "
    "and to how it was used when the purchase began",
    NotGranted.OTHER_PURCHASES: "has amount limits on other purchases only",
}
