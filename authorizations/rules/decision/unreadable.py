"""Fields of a request that arrive in an unreadable form.

An unreadable field is not a missing one: a rule or limit could find anything there. If a policy
reads the field, the purchase is declined. Fields that no policy reads may have any form.
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
    """The fields that the policy reads and that are unreadable in the request."""
    asked = {field for rule in controls.rules for field in rule.asks}
    if controls.fuel_hold:
        asked.add("category_code")
    for limit in controls.spending_limits:
        if limit.amount is None or limit.currency == request.currency:
            asked.update(_asked_by_limit(limit))
    return frozenset(asked.intersection(request.unreadable))


def _asked_by_limit(limit: LimitControl) -> Iterator[str]:
    if limit.filter.categories or limit.filter.except_categories:
        yield from _CATEGORIES
    if limit.filter.countries or limit.filter.except_countries:
        yield "country"
    if limit.filter.merchants or limit.filter.except_merchants:
        yield from _MERCHANTS
    if limit.filter.cash_only:
        yield "category_code"


def unreadable_check(policy: AppliedControls, fields: Iterable[str]) -> Check:
    """The check that replaces the rules and limits that read these fields."""
    return Check(
        DeclineReason.FIELD_UNREADABLE,
        passed=False,
        version_id=policy.version_id,
        policy=policy.controls.name,
        scope=policy.scope,
        found=sorted(fields),
    )


def without_rules_on(policy: AppliedControls, fields: frozenset[str]) -> AppliedControls:
    """The policy without the rules that read these fields."""
    kept = tuple(rule for rule in policy.controls.rules if fields.isdisjoint(rule.asks))
    return replace(policy, controls=replace(policy.controls, rules=kept))


def without_limits_on(policy: AppliedControls, fields: frozenset[str]) -> AppliedControls:
    """The policy without the limits that read these fields."""
    limits = policy.controls.spending_limits
    kept = tuple(limit for limit in limits if not fields & {*_asked_by_limit(limit)})
    return replace(policy, controls=replace(policy.controls, spending_limits=kept))
