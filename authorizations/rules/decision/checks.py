"""The checks of the card, and one check for each rule of a policy; limits are in limits.py."""

from collections.abc import Iterable, Iterator, Sequence

from authorizations.rules.basics.filters import Merchant
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
    if context.stops:
        yield from _stop_checks(request, context.stops)
    if request.card.status != "active":
        found = request.card.status
        yield Check(DeclineReason.CARD_NOT_ACTIVE, passed=False, found=found, limit="active")
    if not is_granted(request, applied):
        why = why_not_granted(request, applied)
        yield Check(DeclineReason.NO_POLICY, passed=False, found=why)


def concerning(request: AuthorizationRequest, stops: Iterable[Stop]) -> tuple[Stop, ...]:
    """Those that stop this purchase: they alone have a check, and are kept with the decision."""
    at, unreadable = request.asked_at, request.unreadable
    return tuple(stop for stop in stops if stop.concerns(at, unreadable))


def _stop_checks(request: AuthorizationRequest, stops: Sequence[Stop]) -> Iterator[Check]:
    """A check for each freeze, and for each block that the purchase meets, or may meet."""
    for stop in stops:
        if stop.is_freeze:
            yield _check(DeclineReason.CARD_FROZEN, stop, None)
        elif unreadable := sorted(stop.asks.intersection(request.unreadable)):
            yield _check(DeclineReason.FIELD_UNREADABLE, stop, unreadable)
        elif stop.holds(request.asked_at):
            yield _check(DeclineReason.BLOCKED, stop, _found(stop, request.asked_at))


def _check(rule: DeclineReason, stop: Stop, found: Json) -> Check:
    """Its `limit` says who stopped what: the words are made when it is shown."""
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


def _found(stop: Stop, merchant: Merchant) -> Json:
    if stop.merchant:
        return merchant.name
    return merchant.category if stop.category else merchant.country


def policy_checks(request: AuthorizationRequest, policy: AppliedControls) -> Iterator[Check]:
    """A check for each rule that the policy sets, in order of precedence.

    A check of a rule that only an exempt merchant passes has the entry beside its limit.
    """
    version, name, scope = policy.version_id, policy.controls.name, policy.scope
    exemption, exempt = policy.controls.exemption, None
    for rule in policy.controls.rules:
        passed, found, limit = rule.check(request)
        if not passed and exemption and rule.spares_exempt:
            exempt = exempt or exemption.entry_for(request)
            if exempt:
                passed, limit = True, {**(limit or {}), EXEMPT: exempt}
        yield Check(rule.reason, passed, version, name, scope, found, limit)
