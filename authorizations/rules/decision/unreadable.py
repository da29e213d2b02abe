"""What a policy asks for and a request has in a form that can't be read.

That is not "not told": what a rule or a limit would find there nobody knows, so the purchase is
declined. What no policy asks for may have any form.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from authorizations.rules.basics.controls import LimitControl
from authorizations.rules.decision.controls import AppliedControls, SpendingControls
from authorizations.rules.decision.values import Check, DeclineReason
from authorizations.rules.purchases.events import AuthorizationRequest

_CATEGORIES = frozenset({"category", "category_code"})
_MERCHANTS = frozenset({"name", "network_id"})


def unreadable_fields(request: AuthorizationRequest, controls: SpendingControls) -> frozenset[str]:
    """The fields that the policy asks for and the request has in a form that can't be read."""
    return frozenset(request.unreadable) & frozenset(_asked_by_policy(controls, request.currency))


def _asked_by_policy(controls: SpendingControls, currency: str) -> Iterator[str]:
    for rule in controls.rules:
        yield from rule.asks
    if controls.fuel_hold:
        yield "category_code"
    for limit in controls.spending_limits:
        if limit.amount is None or limit.currency == currency:
            yield from _asked_by_limit(limit)


def _asked_by_limit(limit: LimitControl) -> Iterator[str]:
    if limit.filter.categories:
        yield from _CATEGORIES
    if limit.filter.countries:
        yield "country"
    if limit.filter.merchants:
        yield from _MERCHANTS
    if limit.filter.cash_only:
        yield "category_code"


def unreadable_check(policy: AppliedControls, fields: Iterable[str]) -> Check:
    """What stands in the trace instead of the rules and limits that ask for these fields."""
    return Check(
        DeclineReason.FIELD_UNREADABLE,
        passed=False,
        version_id=policy.version_id,
        policy=policy.controls.name,
        scope=policy.scope,
        found=sorted(fields),
    )


def without_rules_on(policy: AppliedControls, fields: frozenset[str]) -> AppliedControls:
    """The policy without the rules that ask for these fields: they have nothing to go by."""
    kept = tuple(rule for rule in policy.controls.rules if fields.isdisjoint(rule.asks))
    return replace(policy, controls=replace(policy.controls, rules=kept))


def without_limits_on(policy: AppliedControls, fields: frozenset[str]) -> AppliedControls:
    """The policy without the limits that ask for these fields."""
    limits = policy.controls.spending_limits
    kept = tuple(limit for limit in limits if not fields & {*_asked_by_limit(limit)})
    return replace(policy, controls=replace(policy.controls, spending_limits=kept))
