"""The arithmetic of spending limits (amounts) and velocity limits (counts)."""

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from authorizations.rules.basics.controls import Interval, LimitControl, Override
from authorizations.rules.decision.controls import AppliedControls
from authorizations.rules.decision.values import (
    Check,
    DeclineReason,
    LimitFigures,
    OwnAmount,
    PurchaseContext,
    Window,
    WindowUsage,
)
from authorizations.rules.decision.windows import limit_concerns, limit_window
from authorizations.rules.purchases.counted import cash_part
from authorizations.rules.purchases.events import Asking

_Used: TypeAlias = tuple[int, Window | None, WindowUsage | None]
"""What counts already; for limits with a window, also the window and its usage."""


def limit_checks(
    request: Asking,
    context: PurchaseContext,
    policy: AppliedControls,
    usage: Mapping[Window, WindowUsage],
) -> Iterator[Check]:
    """A check for each limit that applies to the purchase: amount limits first, then counts.

    If a window is not counted yet, only the limit itself is meaningful in the check's figures.
    """
    amounts_first = sorted(policy.controls.spending_limits, key=lambda limit: limit.amount is None)
    each = policy.each
    for limit in amounts_first:
        asked = asked_of(limit, request, context)
        if asked is None:
            continue
        found = _used(limit, policy, request, context, usage)
        figures = _figures(limit, policy, found, asked)
        rule = DeclineReason.AMOUNT_LIMIT_EXCEEDED
        if limit.interval is Interval.FUNDS:
            rule = DeclineReason.FUNDS_EXCEEDED
        elif limit.amount is None:
            rule = DeclineReason.COUNT_LIMIT_EXCEEDED
        is_counted = _is_counted(found)
        yield Check(
            rule=rule if is_counted else DeclineReason.LIMIT_NOT_COUNTED_YET,
            passed=is_counted and figures.exceeded_by <= 0,
            version_id=policy.version_id,
            policy=policy.controls.name,
            scope=policy.scope,
            figures=figures,
            each=each,
        )


def fits_limits(
    request: Asking,
    context: PurchaseContext,
    policy: AppliedControls,
    usage: Mapping[Window, WindowUsage],
) -> bool:
    """Whether all of `limit_checks` pass, without building the checks."""
    for limit in policy.controls.spending_limits:
        asked = asked_of(limit, request, context)
        if asked is not None:
            found = _used(limit, policy, request, context, usage)
            if not _is_counted(found) or found[0] + asked > limit.limit_value:
                return False
    return True


def _is_counted(found: _Used) -> bool:
    _, _, usage = found
    return usage is None or usage.is_complete


def asked_of(limit: LimitControl, request: Asking, context: PurchaseContext) -> int | None:
    """What the request adds to the limit's usage; None if the limit does not apply."""
    if not limit_concerns(limit, request):
        return None
    if limit.amount is None:
        return _asked_count(limit, request, context) or None
    if not limit.filter.cash_only:
        return request.amount
    before = cash_part(context.counted, context.cashback, request.merchant)
    cashback = context.cashback + request.cashback_amount
    after = cash_part(context.counted + request.amount, cashback, request.merchant)
    return after - before or None


def _asked_count(limit: LimitControl, request: Asking, context: PurchaseContext) -> int:
    """1 if this request makes the limit count the authorization, else 0.

    A limit counts an authorization once, at its first approval; a limit on cash counts it at the
    first approval with cash.
    """
    if not limit.filter.cash_only or request.merchant.is_cash:
        return 0 if context.is_counted else 1
    if context.is_counted and context.cashback:
        return 0
    return 1 if context.cashback or request.cashback_amount else 0


def _used(
    limit: LimitControl,
    policy: AppliedControls,
    request: Asking,
    context: PurchaseContext,
    usage: Mapping[Window, WindowUsage],
) -> _Used:
    if limit.has_window:
        return _used_in_window(limit, policy, request.created, usage)
    if limit.filter.cash_only:
        return cash_part(context.counted, context.cashback, request.merchant), None, None
    return context.counted, None, None


def _used_in_window(
    limit: LimitControl, policy: AppliedControls, at: int, usage: Mapping[Window, WindowUsage]
) -> _Used:
    window = limit_window(limit, policy, at)
    found = usage[window]
    if limit.amount is None:
        return found.count, window, found
    refunded = found.refunded if policy.controls.refunds_restore else 0
    return found.amount - refunded, window, found


def unasked_figures(
    limit: LimitControl, policy: AppliedControls, at: int, usage: Mapping[Window, WindowUsage]
) -> LimitFigures:
    """The figures of a limit at an instant, without a request."""
    if not limit.has_window:
        return _figures(limit, policy, (0, None, None), 0)
    return _figures(limit, policy, _used_in_window(limit, policy, at, usage), 0)


def limit_key(figures: LimitFigures, policy: AppliedControls) -> str:
    """The key of the policy's limit that these figures are of; "" if it has no such limit."""
    unused = figures._replace(used=0, asked=0, start=0, end=0, available_at=None)
    limits = policy.controls.spending_limits
    return next((it.key for it in limits if _figures(it, policy, (0, None, None), 0) == unused), "")


def own_amount(override: Override) -> OwnAmount:
    """The override as a trace tells of it."""
    return OwnAmount(
        override.id,
        override.scope.kind,
        override.amount,
        override.raise_by,
        override.until,
        override.author,
        override.reason,
    )


def _figures(
    limit: LimitControl, policy: AppliedControls, found: _Used, asked: int
) -> LimitFigures:
    used, window, usage = found
    return LimitFigures(
        interval=limit.interval,
        limit=limit.limit_value,
        used=used,
        asked=asked,
        currency=limit.currency if limit.amount is not None else "",
        start=window.start if window else 0,
        end=window.end if window else 0,
        time_zone=policy.controls.time_zone,
        rolling_seconds=limit.rolling_seconds,
        filter=limit.filter.text,
        cash_only=limit.filter.cash_only,
        available_at=usage.available_at(limit.limit_value) if usage else None,
        policy_limit=limit.policy_figure,
        own=tuple(map(own_amount, limit.overrides)),
        begins=limit.begins,
    )
