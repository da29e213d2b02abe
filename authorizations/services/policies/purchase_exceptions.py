"""Lets one purchase of a card through, although rules of its policies fail: an exception.

A decision uses it under the lock of the card, and nobody uses it again.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet

from authorizations.models import DecidedBy, Decision, Instruction, PolicyVersion
from authorizations.rules.basics.controls import Scope, ScopeKind, scope_key
from authorizations.rules.basics.money import MAX_AMOUNT, known_currencies
from authorizations.rules.basics.purchase_exceptions import Waiver
from authorizations.rules.decision.fuel import fuel_hold
from authorizations.rules.decision.values import Check, DeclineReason
from authorizations.rules.decision.waivers import NEVER_WAIVED, waiver_of
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.rules.wording.reasons import label
from authorizations.services.policies import exception_limits, stops
from authorizations.services.policies.stops import StopError
from authorizations.services.runtime import codec
from authorizations.services.runtime.codec import DAMAGED
from authorizations.services.store.decision_row import UnreadableRowError, applied_of, value_of

USUAL_TIME = timedelta(minutes=60)
"""How long one holds, unless somebody says otherwise."""

IS_ALLOWED = (
    "It is allowed once already, and that is not used yet: let the purchase be tried again. To "
    "allow something else, withdraw that first."
)

_REASONS = frozenset(DeclineReason)


class Waivable(NamedTuple):
    """What would let a declined request through: its failed rules, each with its waiver.

    `amount` is what the request would reserve, in its currency's smallest unit.
    """

    request: AuthorizationRequest
    amount: int
    checks: list[tuple[Check, Waiver]]

    @property
    def usual_amount(self) -> int:
        """The amount and a tenth more, rounded up."""
        return min(-(-self.amount * 11 // 10), MAX_AMOUNT)


def in_force() -> QuerySet[Instruction]:
    """The exceptions that hold now and are unused, by the database's clock."""
    return stops.holding().filter(kind=Instruction.Kind.EXCEPTION)


def given_from(decision: str, card_id: str) -> QuerySet[Instruction]:
    """The exceptions that were given from a declined decision of this card."""
    scope = scope_key(Scope(ScopeKind.CARD, card_id))
    of_card = Instruction.objects.filter(kind=Instruction.Kind.EXCEPTION, scope=scope)
    return of_card.filter(terms__decision=decision)


def is_allowed(decision: str, card_id: str) -> bool:
    """Whether one that was given from this decision holds still, and is unused."""
    return given_from(decision, card_id).filter(stops.IS_OPEN).exists()


def waivable(row: Decision) -> Waivable:
    """What an exception for this declined request has to waive.

    Raises StopError where no exception can let it through.
    """
    if row.approved:
        raise StopError("This purchase was approved: there is nothing to let through.")
    if row.decided_by == DecidedBy.STRIPE:
        raise StopError("Stripe declined this purchase without asking: nothing here can allow it.")
    if row.stand_in:
        raise StopError(
            "This was answered without the database, which uses no exceptions. Let the purchase be "
            "tried again first."
        )
    try:
        request = value_of(AuthorizationRequest, row.request, "request")
        applied = applied_of(row.policies)
        failed = [check for check in codec.trace(row.trace) if not check.passed]
        reasons = [check.rule for check in failed] or [DeclineReason(row.reason)]
        if never := next((reason for reason in reasons if reason in NEVER_WAIVED), None):
            raise StopError(never_words(never))
        found = [(check, waiver_of(check, applied)) for check in failed]
        versions = {policy.version_id for policy in applied}
        policies = PolicyVersion.objects.filter(pk__in=versions).in_bulk()
        waivers = [
            (check, replace(waiver, version=None, policy=policies[waiver.version].policy_id))
            if waiver and waiver.version
            else (check, waiver)
            for check, waiver in found
        ]
    except StopError:
        raise
    except (UnreadableRowError, *DAMAGED) as damage:
        raise StopError("The record of this decision can't be read.") from damage
    checks = [(check, waiver) for check, waiver in waivers if waiver]
    if not checks:
        raise StopError("The record of this decision does not say which rules failed.")
    return Waivable(request, fuel_hold(request, applied) or request.amount, checks)


def never_words(reason: DeclineReason) -> str:
    """Why a reason can't be waived."""
    return f"No exception waives this: {label(reason)}. Put that right, then let it be tried again."


@transaction.atomic
def allow_once(
    card_id: str,
    waives: Iterable[Waiver],
    *,
    up_to: int,
    currency: str,
    until: datetime | None,
    by: User | None,
    reason: str,
    place: Mapping[str, Any] | None = None,
    decision: str = "",
    reference: str = "",
    is_import: bool = False,
) -> Instruction:
    """Let one purchase of this card through, of at most `up_to` in smallest units, up to `until`.

    `place` is a pair of a policy file in its normal form, "merchant" or "category"; any merchant
    without one. `decision` is the declined one it was given from, `reference` what policy files
    know it by. Raises StopError, also if `by` may not give so much, which an import may.
    """
    waives = list(waives)
    if not waives:
        raise StopError("Choose what to waive: without that, nothing is let through.")
    for waiver in waives:
        if waiver.reason not in _REASONS:
            raise StopError(f"There is no reason {waiver.reason}.")
        if waiver.reason in NEVER_WAIVED:
            raise StopError(never_words(DeclineReason(waiver.reason)))
    if until is None:
        raise StopError("Say until when it holds.")
    if not 0 <= up_to <= MAX_AMOUNT:
        raise StopError("Give an amount that is not negative, and not too large.")
    if currency not in known_currencies():
        raise StopError("Choose the currency of the card.")
    scope = Scope(ScopeKind.CARD, card_id)
    says = terms(waives, place or {}, up_to=up_to, currency=currency, decision=decision)
    if not is_import:
        exception_limits.check(by, scope, currency, up_to)
        _refuse_twice(scope, says, until=until, reason=reason)
    return stops.write(
        Instruction.Kind.EXCEPTION,
        scope,
        says,
        by=by,
        reason=reason,
        until=until,
        reference=reference,
    )


def _refuse_twice(scope: Scope, says: Mapping[str, Any], *, until: datetime, reason: str) -> None:
    """Raises StopError where the same is in force already: as a form that was sent twice.

    Or where another one is that was given from the same decision.
    """
    stops.one_at_a_time("exceptions")
    same = in_force().filter(scope=scope_key(scope), terms=says, ends_at=until)
    if same.filter(reason=stops.line("Reason", reason)).exists():
        raise StopError(
            "This is allowed once already, with the same end and reason: to allow it twice, give a "
            "different reason."
        )
    if (decision := says.get("decision")) and is_allowed(decision, scope.id):
        raise StopError(IS_ALLOWED)


def terms(
    waives: Iterable[Waiver],
    place: Mapping[str, Any],
    *,
    up_to: int,
    currency: str,
    decision: str = "",
) -> dict[str, Any]:
    """What the row of an exception says."""
    found = {
        **place,
        "up_to": up_to,
        "currency": currency,
        "waives": [waiver_terms(waiver) for waiver in waives],
    }
    return found | ({"decision": decision} if decision else {})


def waivers_by_id(
    waives: Iterable[Mapping[str, Any]], id_of: Callable[[str], int | None]
) -> list[dict[str, Any]]:
    """The waivers of a policy file as rows have them; `id_of` has a policy's id by its name."""
    return [
        {**one, "policy": id_of(one["policy"])} if "policy" in one else {**one} for one in waives
    ]


def waiver_terms(waiver: Waiver) -> dict[str, Any]:
    """A waiver as rows have it: without what it does not name."""
    named = (("reason", str(waiver.reason)), ("policy", waiver.policy), ("limit", waiver.limit))
    found: dict[str, Any] = {name: value for name, value in named if value}
    return found | ({"block": dict(waiver.block)} if waiver.block else {})
