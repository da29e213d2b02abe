"""Decides requests by what is on record of them: neither reads nor writes a row.

Serves a purchase of Stripe's as well as one that is only tried, and a preview.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from authorizations.models import LedgerCause
from authorizations.rules.decision.checks import concerning
from authorizations.rules.decision.controls import AppliedControls
from authorizations.rules.decision.decide import decide
from authorizations.rules.decision.fuel import fuel_hold
from authorizations.rules.decision.values import (
    DeclineReason,
    PurchaseContext,
    Verdict,
    Window,
    WindowUsage,
)
from authorizations.rules.decision.windows import limit_concerns, windows_at, windows_for
from authorizations.rules.purchases.books import OurResponse
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.rules.purchases.snapshots import TransactionSnapshot
from authorizations.services.authorize.outcome import Outcome
from authorizations.services.purchases.in_turn import PurchaseInTurn, in_turn
from authorizations.services.purchases.steps import Steps
from authorizations.services.store.lookup import Existing, LockedScopes
from authorizations.services.store.plans import Plan
from authorizations.services.store.usage import (
    MeasuredUsage,
    measure,
    with_available_at,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LockedRequest:
    """A request with all that is on record of it, read under its lock.

    `transactions` are those that it takes in, in the order of time.
    """

    request: AuthorizationRequest
    locked: LockedScopes
    existing: Existing
    transactions: Sequence[TransactionSnapshot] = ()


def decide_in_turn(
    purchases: Sequence[LockedRequest],
    leaves: Callable[[Outcome], bool],
    asked: set[int] | None = None,
) -> Plan[list[Outcome | None]]:
    """Decide several one after the other, each with what those before it take or have used.

    None for one that must be decided in a transaction of its own: in_turn says which, and what
    `asked` is for, beside those that `leaves`.
    """

    used: set[int | None] = set()

    def turn(purchase: LockedRequest) -> PurchaseInTurn[Outcome]:
        def work(existing: Existing) -> Plan[Outcome | None]:
            if existing.exceptions:
                unused = tuple(one for one in existing.exceptions if one.id not in used)
                existing = replace(existing, exceptions=unused)
            outcome = yield from decide_purchase(replace(purchase, existing=existing))
            if leaves(outcome):
                return None
            used.add(outcome.decision.exception)
            return outcome

        return PurchaseInTurn(purchase.locked, purchase.existing, work)

    turns = list(map(turn, purchases))
    return (yield from in_turn(turns, lambda outcome: outcome.remembered, asked))


def decide_purchase(purchase: LockedRequest) -> Plan[Outcome]:
    """Decide one by what is on record. Asks for sums that are not stored, and for nothing else."""
    request, locked, existing = purchase.request, purchase.locked, purchase.existing
    if existing.purchase and not existing.purchase.is_of(request):
        return _contradicted(request, locked, existing)
    steps = Steps(existing.books, request.merchant)
    # A request is itself a report: what it tells is joined first.
    steps.report(request.snapshot, purchase.transactions, in_one=True)
    before, joined = steps.before, steps.reported
    # Of several answers to one request the largest approval counts: the same question under a
    # new event id takes only what goes beyond the answer given before.
    reserving = fuel_hold(request, existing.applied) or request.amount
    asked = joined.requesting(request.request_index, reserving, request.cashback_amount)
    steps.to(LedgerCause.REASKED, asked)
    context = PurchaseContext(
        locked.frozen,
        steps.counted.amount,
        asked.cashback,
        bool(steps.counted.count),
        joined.approved_for(request.request_index),
        concerning(request, existing.stops),
        tuple(
            one
            for one in existing.exceptions
            if one.concerns(request.card.id, request.asked_at, reserving, request.currency)
        ),
    )
    windows = windows_for(request, existing.applied)
    if not windows and joined.amount > before.amount:  # though nothing is asked, limits may be full
        windows = windows_at(
            request.created, existing.applied, lambda limit: limit_concerns(limit, request)
        )
    measured = yield from measure(
        request, windows, existing.applied, existing.remembered, steps.change
    )
    decision, usage = yield from _decide(request, existing.applied, context, measured)
    after = joined.with_response(answer_of(request, decision))
    taken = steps.to(cause_of_answer(request, decision), after)
    return Outcome(
        request=request,
        locked=locked,
        applied=existing.applied,
        context=context,
        usage=usage,
        decision=decision,
        steps=steps,
        remembered=measured.changed(taken),
    )


def _decide(
    request: AuthorizationRequest,
    applied: tuple[AppliedControls, ...],
    context: PurchaseContext,
    measured: MeasuredUsage,
) -> Plan[tuple[Verdict, dict[Window, WindowUsage]]]:
    usage = measured.usage
    decision = decide(request, context, applied, usage)
    complete = yield from with_available_at(measured, decision.trace, applied)
    if complete == usage:
        return decision, usage
    return decide(request, context, applied, complete), complete


def answer_of(request: AuthorizationRequest, decision: Verdict) -> OurResponse:
    """What the books remember of a decision."""
    return OurResponse(
        request_index=request.request_index,
        event_id=request.event_id,
        at=request.event_created,
        approved=decision.approved,
        amount=decision.amount,
        asked=request.amount,
        cashback=request.cashback_amount if decision.amount else 0,
    )


def cause_of_answer(request: AuthorizationRequest, decision: Verdict) -> LedgerCause:
    """Why what is counted changes by a decision."""
    if not decision.approved:
        return LedgerCause.KEPT
    return LedgerCause.INCREMENT if request.request_index else LedgerCause.HOLD


def _contradicted(
    request: AuthorizationRequest, locked: LockedScopes, existing: Existing
) -> Outcome:
    """A decline that leaves the books alone: one authorization has one card and one currency."""
    decision = Verdict(approved=False, amount=0, reason=DeclineReason.CONFLICTING_EVENT)
    problem = "Card, currency or creation time differ from what this authorization began with."
    context = PurchaseContext(locked.frozen)
    return Outcome(request, locked, existing.applied, context, {}, decision, None, [], problem)
