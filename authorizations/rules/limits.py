"""Amount limits and count limits: the arithmetic, and nothing else."""

from collections.abc import Iterator, Mapping

from authorizations.rules.controls import AppliedControls, Interval, SpendingLimit
from authorizations.rules.counted import cash_part
from authorizations.rules.values import (
    AuthorizationRequest,
    Check,
    DeclineReason,
    LimitFigures,
    Standing,
    Usage,
    Window,
)
from authorizations.rules.windows import limit_concerns, limit_window


def limit_checks(
    request: AuthorizationRequest,
    standing: Standing,
    policy: AppliedControls,
    usage: Mapping[Window, Usage],
) -> Iterator[Check]:
    """A check for each limit that concerns the purchase: amount limits first, then counts."""
    limits = [limit for limit in policy.controls.spending_limits if limit_concerns(limit, request)]
    for limit in limits:
        asked = _asked_amount(limit, request, standing)
        if limit.amount is not None and (asked or not limit.filter.cash_only):
            figures = _amount_figures(limit, policy, request, standing, usage)
            yield _check(DeclineReason.AMOUNT_LIMIT_EXCEEDED, policy, figures)
    for limit in limits:
        if limit.count is not None and _asked_count(limit, request, standing):
            figures = _window_figures(limit, policy, request.created, usage, 1)
            yield _check(DeclineReason.COUNT_LIMIT_EXCEEDED, policy, figures)


def _check(rule: DeclineReason, policy: AppliedControls, figures: LimitFigures) -> Check:
    return Check(
        rule=rule,
        passed=figures.over <= 0,
        version_id=policy.version_id,
        policy=policy.controls.name,
        scope=policy.scope,
        figures=figures,
    )


def _amount_figures(
    limit: SpendingLimit,
    policy: AppliedControls,
    request: AuthorizationRequest,
    standing: Standing,
    usage: Mapping[Window, Usage],
) -> LimitFigures:
    asked = _asked_amount(limit, request, standing)
    if limit.interval is Interval.PER_AUTHORIZATION:
        used = standing.counted
        if limit.filter.cash_only:
            used = cash_part(used, standing.cashback, request.merchant)
        return _figures(limit, policy, used, asked)
    return _window_figures(limit, policy, request.created, usage, asked)


def _asked_amount(limit: SpendingLimit, request: AuthorizationRequest, standing: Standing) -> int:
    """How much the request adds to what this limit measures."""
    if not limit.filter.cash_only:
        return request.amount
    before = cash_part(standing.counted, standing.cashback, request.merchant)
    cashback = standing.cashback + request.cashback_amount
    return cash_part(standing.counted + request.amount, cashback, request.merchant) - before


def _asked_count(limit: SpendingLimit, request: AuthorizationRequest, standing: Standing) -> int:
    """1 where this request makes the limit count the authorization, which it does once.

    From its first approval; limits on cash count it from the first approval with cash in it.
    """
    if not limit.filter.cash_only or request.merchant.is_cash:
        return 0 if standing.is_counted else 1
    if standing.is_counted and standing.cashback:
        return 0
    return 1 if standing.cashback or request.cashback_amount else 0


def unasked_figures(
    limit: SpendingLimit, policy: AppliedControls, at: int, usage: Mapping[Window, Usage]
) -> LimitFigures:
    """How the limit stands at an instant, before a new purchase asks for anything."""
    if limit.interval is Interval.PER_AUTHORIZATION:
        return _figures(limit, policy, 0, 0)
    return _window_figures(limit, policy, at, usage, 0)


def _window_figures(
    limit: SpendingLimit,
    policy: AppliedControls,
    at: int,
    usage: Mapping[Window, Usage],
    asked: int,
) -> LimitFigures:
    window = limit_window(limit, policy, at)
    found = usage[window]
    used = found.count
    if limit.amount is not None:
        used = found.amount - (found.refunded if policy.controls.refunds_restore else 0)
    return _figures(limit, policy, used, asked, (window, found))


def _figures(
    limit: SpendingLimit,
    policy: AppliedControls,
    used: int,
    asked: int,
    measured: tuple[Window, Usage] | None = None,
) -> LimitFigures:
    allowed = (limit.count if limit.amount is None else limit.amount) or 0
    return LimitFigures(
        interval=limit.interval,
        limit=allowed,
        used=used,
        asked=asked,
        currency=limit.currency if limit.amount is not None else "",
        start=measured[0].start if measured else 0,
        end=measured[0].end if measured else 0,
        time_zone=policy.controls.time_zone,
        rolling_seconds=limit.rolling_seconds,
        filter=limit.filter.text,
        cash_only=limit.filter.cash_only,
        room_at=measured[1].room_at(allowed) if measured else None,
    )
