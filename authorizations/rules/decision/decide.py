"""The decision: every rule of every policy that applies, and one answer.

Pure: the same request, context, policies and usage always give the same decision. Every rule is
evaluated, even after one has failed, so that the trace is complete.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from authorizations.rules.basics.controls import SCOPE_ORDER
from authorizations.rules.decision.attempts import attempt_checks
from authorizations.rules.decision.checks import card_checks, policy_checks
from authorizations.rules.decision.controls import AppliedControls
from authorizations.rules.decision.fuel import fuel_hold
from authorizations.rules.decision.limits import limit_checks
from authorizations.rules.decision.unreadable import (
    unreadable_check,
    unreadable_fields,
    without_limits_on,
    without_rules_on,
)
from authorizations.rules.decision.values import (
    Check,
    DeclineReason,
    PurchaseContext,
    Verdict,
    Window,
    WindowUsage,
)
from authorizations.rules.decision.waivers import exception_for
from authorizations.rules.purchases.events import AuthorizationRequest

_OF_AMOUNTS = (DeclineReason.AMOUNT_LIMIT_EXCEEDED, DeclineReason.FUNDS_EXCEEDED)
_PRECEDENCE = {reason: place for place, reason in enumerate(DeclineReason)}


def decide(
    request: AuthorizationRequest,
    context: PurchaseContext,
    applied: tuple[AppliedControls, ...],
    usage: Mapping[Window, WindowUsage],
) -> Verdict:
    """Approve if every rule of every policy passes; else decline for the first reason that fails.

    Before that, and before a part is approved, an exception may let the whole request through.
    `usage` has every window of `windows_for(request, applied)`, with what this authorization
    already counts for; KeyError if one is missing. A fuel pump's token request is decided by its
    hold, which the response names to Stripe if the amount is controllable.
    """
    hold = fuel_hold(request, applied)
    reserving = request if hold is None else replace(request, amount=hold)
    trace = tuple(_trace(reserving, context, applied, usage))
    failed = [check for check in trace if not check.passed]
    first = deciding_check(failed)
    used = exception_for(reserving, context.exceptions, failed, applied) if first else None
    if first is None or used is not None:
        named = hold if request.is_amount_controllable else None
        return Verdict(
            approved=True,
            amount=reserving.amount,
            trace=trace,
            named_amount=named,
            exception=used.id if used else None,
        )
    if amount := _partial_amount(reserving, context, applied, failed):
        return Verdict(
            approved=True, amount=amount, trace=trace, is_partial=True, named_amount=amount
        )
    return Verdict(approved=False, amount=0, reason=first.rule, trace=trace)


def _trace(
    request: AuthorizationRequest,
    context: PurchaseContext,
    applied: tuple[AppliedControls, ...],
    usage: Mapping[Window, WindowUsage],
) -> Iterator[Check]:
    yield from card_checks(request, context, applied)
    for policy in applied:
        ruling = limiting = policy
        if request.unreadable and (fields := unreadable_fields(request, policy.controls)):
            yield unreadable_check(policy, fields)
            ruling, limiting = without_rules_on(policy, fields), without_limits_on(policy, fields)
        yield from policy_checks(request, context, ruling)
        if limiting.attempts:
            yield from attempt_checks(limiting)
        if request.amount:
            yield from limit_checks(request, context, limiting, usage)


def deciding_check(trace: Iterable[Check]) -> Check | None:
    """The failed check that is the reason; None if all passed.

    Failures are ordered by precedence of the rules, then by what the limit has available, least
    first, then by scope, narrowest first.
    """
    return min((check for check in trace if not check.passed), key=_precedence, default=None)


def _precedence(check: Check) -> tuple[int, int, int]:
    available = check.figures.available if check.figures else 0
    scope = SCOPE_ORDER[check.scope.kind] if check.scope else -1
    return _PRECEDENCE[check.rule], available, scope


def _partial_amount(
    request: AuthorizationRequest,
    context: PurchaseContext,
    applied: tuple[AppliedControls, ...],
    failed: list[Check],
) -> int:
    """The largest amount that fits every amount limit; 0 if no part may be approved.

    A part is approved only if the amount is controllable, nothing but limits on amounts failed, and
    every policy with a failed limit allows it. The cash part is paid out in full or not at all.
    The part is at least what was approved for this request before, as that counts already.
    """
    if not request.is_amount_controllable or "category_code" in request.unreadable:
        return 0
    policies = {policy.version_id: policy.controls for policy in applied}
    smallest = max(request.cash_amount, context.approved_before, 1)
    available = request.amount
    for check in failed:
        controls = policies.get(check.version_id or 0)
        if check.rule not in _OF_AMOUNTS or not check.figures:
            return 0
        if not controls or not controls.partial_approval or check.figures.cash_only:
            return 0
        if controls.smallest_partial_amount:
            if controls.currency != request.currency:
                return 0  # the smallest useful amount is in a different currency
            smallest = max(smallest, controls.smallest_partial_amount)
        available = min(available, check.figures.available)
    return available if available >= smallest else 0
