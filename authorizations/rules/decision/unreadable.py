"""Fields of a request that arrive in an unreadable form.

An unreadable field is not a missing one: a rule or limit could find anything there. If a policy
reads the field, the purchase is declined. Fields that no policy reads may have any form.
"""

from collections.abc import Iterable
from dataclasses import replace

from authorizations.rules.decision.controls import AppliedControls, SpendingControls
from authorizations.rules.decision.values import Check, DeclineReason
from authorizations.rules.purchases.events import AuthorizationRequest


def unreadable_fields(request: AuthorizationRequest, controls: SpendingControls) -> frozenset[str]:
    """The fields that the policy reads and that are unreadable in the request."""
    asked = {field for rule in controls.rules for field in rule.asked_fields()}
    if controls.fuel_hold:
        asked.add("category_code")
    for limit in controls.spending_limits:
        if limit.amount is None or limit.currency == request.currency:
            asked.update(limit.filter.asked_fields())
    for limit in controls.attempt_limits:
        asked.update(limit.filter.asked_fields())
    return frozenset(asked.intersection(request.unreadable))


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
    kept = tuple(rule for rule in policy.controls.rules if fields.isdisjoint(rule.asked_fields()))
    return replace(policy, controls=replace(policy.controls, rules=kept))


def without_limits_on(policy: AppliedControls, fields: frozenset[str]) -> AppliedControls:
    """The policy without the limits that read these fields."""
    amounts, attempts = (
        tuple(limit for limit in limits if not fields & {*limit.filter.asked_fields()})
        for limits in (policy.controls.spending_limits, policy.controls.attempt_limits)
    )
    kept = replace(policy.controls, spending_limits=amounts, attempt_limits=attempts)
    return replace(policy, controls=kept)
