"""What a policy asks for and a request has in a form that can't be read.

That is not "not told": what a rule or a limit would find there nobody knows, so the purchase is
declined. What no policy asks for may have any form.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from authorizations.rules.basics.controls import Choice, LimitControl
from authorizations.rules.basics.filters import NO_CATEGORIES, NO_MERCHANTS
from authorizations.rules.decision.controls import AppliedControls, SpendingControls
from authorizations.rules.decision.values import Check, DeclineReason
from authorizations.rules.purchases.events import AuthorizationRequest

UNREADABLE_WORDS = {
    "category": "merchant category",
    "category_code": "merchant category code",
    "country": "merchant country",
    "name": "merchant name",
    "network_id": "merchant's network id",
    "card_presence": "card presence",
    "authorization_method": "authorization method",
    "wallet": "wallet",
    "cvc": "CVC result",
    "postal_code": "postal code result",
    "three_d_secure": "3-D Secure result",
    "network_risk_score": "network risk score",
}
"""The fields of a request that policies can ask for; also what `unreadable` of one can name."""

_CATEGORIES = frozenset({"category", "category_code"})
_MERCHANTS = frozenset({"name", "network_id"})


def unreadable_fields(request: AuthorizationRequest, controls: SpendingControls) -> frozenset[str]:
    """The fields that the policy asks for and the request has in a form that can't be read."""
    return frozenset(request.unreadable) & frozenset(_asked_by_policy(controls, request.currency))


def _asked_by_policy(controls: SpendingControls, currency: str) -> Iterator[str]:
    if controls.allowed_categories or controls.blocked_categories:
        yield from _CATEGORIES
    if controls.merchant_countries:
        yield "country"
    if controls.allowed_merchants or controls.blocked_merchants:
        yield from _MERCHANTS
    yield from _asked_of_the_way(controls)
    if controls.fuel_hold:
        yield "category_code"
    for limit in controls.spending_limits:
        if limit.amount is None or limit.currency == currency:
            yield from _asked_by_limit(limit)


def _asked_of_the_way(controls: SpendingControls) -> Iterator[str]:
    if controls.card_presences:
        yield "card_presence"
    if controls.authorization_methods:
        yield "authorization_method"
    if controls.allowed_wallets:
        yield "wallet"
    yield from controls.required_verification
    if controls.max_network_risk_score is not None:
        yield "network_risk_score"


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
        found=", ".join(sorted(fields)),
    )


def without_rules_on(policy: AppliedControls, fields: frozenset[str]) -> AppliedControls:
    """The policy without the rules that ask for these fields: they have nothing to go by."""
    controls = policy.controls
    if fields & _CATEGORIES:
        controls = replace(
            controls, allowed_categories=NO_CATEGORIES, blocked_categories=NO_CATEGORIES
        )
    if "country" in fields:
        controls = replace(controls, merchant_countries=Choice())
    if fields & _MERCHANTS:
        controls = replace(controls, allowed_merchants=NO_MERCHANTS, blocked_merchants=NO_MERCHANTS)
    if "card_presence" in fields:
        controls = replace(controls, card_presences=Choice())
    if "authorization_method" in fields:
        controls = replace(controls, authorization_methods=Choice())
    if "wallet" in fields:
        controls = replace(controls, allowed_wallets=frozenset())
    if "network_risk_score" in fields:
        controls = replace(controls, max_network_risk_score=None)
    readable = tuple(name for name in controls.required_verification if name not in fields)
    return replace(policy, controls=replace(controls, required_verification=readable))


def without_limits_on(policy: AppliedControls, fields: frozenset[str]) -> AppliedControls:
    """The policy without the limits that ask for these fields."""
    limits = policy.controls.spending_limits
    kept = tuple(limit for limit in limits if not fields & {*_asked_by_limit(limit)})
    return replace(policy, controls=replace(policy.controls, spending_limits=kept))
