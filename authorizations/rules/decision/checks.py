"""The checks of the card, and one check for each rule of a policy; limits are in limits.py."""

from collections.abc import Iterable, Iterator, Sequence

from authorizations.rules.basics.stops import Stop
from authorizations.rules.decision.controls import AppliedControls
from authorizations.rules.decision.exemption import EXEMPT
from authorizations.rules.decision.grants import is_granted, why_not_granted
from authorizations.rules.decision.values import Check, DeclineReason, Json, PurchaseContext
from authorizations.rules.purchases.events import AuthorizationRequest


def card_checks(
    request: AuthorizationRequest, context: PurchaseContext, applied: Sequence[AppliedControls]
) -> Iterator[Check]:
    """The checks that every purchase has to pass, in the trace only if they fail."""
    if context.card_frozen:
        yield Check(DeclineReason.CARD_FROZEN, passed=False)
    for stop in concerning(request, context.stops):
        yield _stop_check(request, stop)
    if request.card.status != "active":
        found = request.card.status
        yield Check(DeclineReason.CARD_NOT_ACTIVE, passed=False, found=found, limit="active")
    if not is_granted(request, applied):
        why = why_not_granted(request, applied, context.exclusions)
        yield Check(DeclineReason.NO_POLICY, passed=False, found=why)


def concerning(request: AuthorizationRequest, stops: Iterable[Stop]) -> tuple[Stop, ...]:
    """Those that stop this purchase: they alone have a check, and are kept with the decision."""
    at, unreadable = request.asked_at, request.unreadable
    return tuple(stop for stop in stops if stop.concerns(at, unreadable))


def _stop_check(request: AuthorizationRequest, stop: Stop) -> Check:
    """The check of a stop that concerns the purchase.

    Its `limit` says who stopped what: the words are made when it is shown.
    """
    at = request.asked_at
    found: Json = None
    if stop.is_freeze:
        rule = DeclineReason.CARD_FROZEN
    elif found := sorted(stop.asks.intersection(request.unreadable)):
        rule = DeclineReason.FIELD_UNREADABLE
    else:
        rule = DeclineReason.BLOCKED
        found = at.name if stop.merchant else at.category if stop.category else at.country
    limit = {
        "stop": stop.id,
        "merchant": stop.merchant,
        "category": stop.category,
        "country": stop.country,
        "until": stop.until,
        "author": stop.author,
        "reason": stop.reason,
    }
    kept = {name: value for name, value in limit.items() if value}
    return Check(rule, passed=False, scope=stop.scope, found=found, limit=kept)


def policy_checks(
    request: AuthorizationRequest, context: PurchaseContext, policy: AppliedControls
) -> Iterator[Check]:
    """A check for each rule that the policy sets, in order of precedence.

    A check of a rule that only an exempt merchant passes has the entry beside its limit.
    """
    version, name, scope = policy.version_id, policy.controls.name, policy.scope
    exemption, exempt = policy.controls.exemption, None
    for rule in policy.controls.rules:
        ruling = rule.check_with(request, context)
        if ruling is None:
            continue
        passed, found, limit = ruling
        if not passed and exemption and rule.spares_exempt:
            exempt = exempt or exemption.entry_for(request)
            if exempt:
                passed, limit = True, {**(limit or {}), EXEMPT: exempt}
        yield Check(rule.reason, passed, version, name, scope, found, limit)
