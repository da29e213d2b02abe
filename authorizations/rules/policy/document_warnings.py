"""Warnings about policies that are valid, but probably not as intended."""

from collections.abc import Iterator, Sequence

from authorizations.rules.basics.controls import MONTHS, Interval, LimitControl
from authorizations.rules.basics.fields import Problem
from authorizations.rules.basics.filters import Merchant, merchant_words
from authorizations.rules.basics.words import figure_words, filter_words, interval_words, listed
from authorizations.rules.decision.controls import SpendingControls
from authorizations.rules.decision.fuel import PUMP
from authorizations.rules.decision.grants import granted_currencies
from authorizations.rules.decision.rule import rule_of
from authorizations.rules.kinds import on_page
from authorizations.rules.kinds.exempt_merchants import EXEMPT_MERCHANTS
from authorizations.rules.kinds.merchants import Merchants
from authorizations.rules.policy.partial import currencies_without_parts

_PUMP = Merchant(category="automated_fuel_dispensers", category_code=PUMP)
_LENGTHS = {interval: place for place, interval in enumerate(Interval)}


def warnings(controls: SpendingControls) -> tuple[Problem, ...]:
    """Probable mistakes; paths are those of the policy's document."""
    limits = controls.spending_limits
    # At exempt merchants a limit has an effect that the rules say it can't have.
    beside = () if controls.exemption else controls.limits
    return (
        *_grants_nothing(controls),
        *_limited_unlimited(controls),
        *_no_parts(controls),
        *_all_left_out(controls.limits),
        *_redundant(limits),
        *(it for rule in on_page(controls.rules) for it in rule.warnings(controls.rules, beside)),
        *_exempt(controls),
        *_pumps_declined(controls),
    )


def _grants_nothing(controls: SpendingControls) -> Iterator[Problem]:
    """Policies without rules, and policies that only forbid or count and so grant nothing."""
    is_bare = not controls.rules and not controls.limits
    if is_bare and controls.unlimited:
        yield Problem((), "This policy is unlimited and has no rule: it approves every purchase.")
    elif is_bare:
        yield Problem((), "This policy has no rule and no limit: it grants and forbids nothing.")
    elif not granted_currencies(controls):
        yield Problem(
            (),
            "This policy grants no purchase, as it has no amount limit and is not unlimited: its "
            "cards need another policy that grants what they may pay.",
        )


def _limited_unlimited(controls: SpendingControls) -> Iterator[Problem]:
    """Unlimited together with a limit on every purchase."""
    amounts = [limit for limit in controls.spending_limits if limit.amount is not None]
    on_all = {limit.currency: limit for limit in amounts if not limit.filter.text}
    if controls.unlimited and amounts and {limit.currency for limit in amounts} == {*on_all}:
        limit = next(iter(on_all.values()))
        message = f"Unlimited has no effect with the {_words(limit)}: remove one of them."
        yield Problem(("unlimited",), message)


def _no_parts(controls: SpendingControls) -> Iterator[Problem]:
    """Currencies without a smallest partial amount, in which no part is approved."""
    others = currencies_without_parts(controls)
    if others:
        named = " and ".join(code.upper() for code in others)
        message = (
            f"Purchases in {named} are never approved in part: the smallest partial amount is in "
            f"{controls.currency.upper()} only. Give these currencies a policy of their own, or "
            "leave the smallest partial amount out."
        )
        yield Problem(("smallest_partial_amount",), message)


def _all_left_out(limits: Sequence[LimitControl]) -> Iterator[Problem]:
    """Limits that leave out everything they name."""
    for place, limit in enumerate(limits):
        if what := limit.filter.all_left_out:
            message = f"This limit has no effect: it leaves out all of its {what}."
            yield Problem(("spending_limits", place, f"except_{what}"), message)


def _redundant(limits: Sequence[LimitControl]) -> Iterator[Problem]:
    """Limits that a stricter limit makes redundant: daily €500.00 within monthly €300.00."""
    for place, limit in enumerate(limits):
        for other_place, other in enumerate(limits):
            if place == other_place or not _covers(other, limit):
                continue
            message = (
                f"This {_words(limit)} is not below the {_words(other)}, so it "
                f"{'hardly ever' if _crosses(limit, other) else 'never'} stops a purchase."
            )
            key = "amount" if limit.amount is not None else "count"
            yield Problem(("spending_limits", place, key), message)
            break


def _covers(wide: LimitControl, narrow: LimitControl) -> bool:
    """Whether `wide` lasts as long, applies to the same purchases and allows no more."""
    if wide.interval is narrow.interval is Interval.ROLLING:
        lasts_as_long = wide.rolling_seconds >= narrow.rolling_seconds
    elif wide.interval is Interval.ROLLING:
        lasts_as_long = narrow.interval is Interval.PER_AUTHORIZATION
    elif narrow.interval is Interval.ROLLING:
        lasts_as_long = wide.interval is Interval.ALL_TIME
    elif wide.interval is narrow.interval:
        lasts_as_long = not _crosses(narrow, wide)
    else:
        lasts_as_long = _LENGTHS[wide.interval] > _LENGTHS[narrow.interval]
    return (
        lasts_as_long
        and Interval.FUNDS not in (wide.interval, narrow.interval)
        and (wide.amount is None) == (narrow.amount is None)
        and wide.currency == narrow.currency
        and wide.filter.text in {"", narrow.filter.text}
        and wide.limit_value <= narrow.limit_value
    )


def _crosses(narrow: LimitControl, wide: LimitControl) -> bool:
    """Whether a window of `narrow` can be in two of `wide`, and use the limits of both."""
    if narrow.interval is Interval.WEEKLY:
        return wide.interval not in {Interval.WEEKLY, Interval.ALL_TIME}
    if narrow.interval not in MONTHS or wide.interval not in MONTHS:
        return False
    (month, day), (wide_month, wide_day) = narrow.begins, wide.begins
    return day != wide_day or (month - wide_month) % MONTHS[narrow.interval] != 0


def _words(limit: LimitControl) -> str:
    figure = figure_words(limit.limit_value, limit.currency)
    length = interval_words(limit.interval, limit.rolling_seconds, limit.begins)
    return f"limit of {figure} {length}{filter_words(limit.filter.text)}"


def _exempt(controls: SpendingControls) -> Iterator[Problem]:
    """Exempt merchants that nothing forbids, and blocked merchants that are exempt."""
    if not controls.exemption:
        return
    key = EXEMPT_MERCHANTS.key
    if not any(rule.spares_exempt for rule in controls.rules):
        message = "This has no effect: no list and no condition of the policy concerns merchants."
        yield Problem((key,), message)
    listed_merchants = rule_of(Merchants, controls.rules)
    blocked = listed_merchants.entries(allows=False) if listed_merchants else ()
    if both := [merchant_words(it) for it in controls.exemption.entries if it in blocked]:
        yield Problem((key,), f"Blocked and exempt, so allowed: {listed(both)}.")


def _pumps_declined(controls: SpendingControls) -> Iterator[Problem]:
    """A fuel hold above a limit, so that every pump is declined."""
    for limit in controls.spending_limits:
        if not controls.fuel_hold or controls.partial_approval or limit.amount is None:
            continue
        if limit.interval is Interval.FUNDS:
            continue  # it depends on what is added
        concerned = limit.currency == controls.currency and limit.filter.concerns(_PUMP)
        if concerned and not limit.filter.cash_only and limit.amount < controls.fuel_hold:
            hold = figure_words(controls.fuel_hold, controls.currency)
            message = f"No fuel pump can be used: {hold} does not fit the {_words(limit)}."
            yield Problem(("fuel_hold",), message)
            return
