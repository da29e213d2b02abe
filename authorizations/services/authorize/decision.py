"""Decides requests by what is on record of them: neither reads nor writes a row.

Serves a purchase of Stripe's as well as one that is only tried, and a preview.
"""

import logging
from collections.abc import Callable, Mapping, Sequence

import msgspec
from msgspec import structs

from authorizations.models import LedgerCause
from authorizations.rules.basics.copies import changed
from authorizations.rules.basics.purchase_exceptions import PurchaseException
from authorizations.rules.decision.attempts import Attempt, attempt_of, reached
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
from authorizations.rules.kinds.first_purchases import is_same
from authorizations.rules.policy.summary import limit_phrase
from authorizations.rules.purchases.books import OurResponse
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.rules.purchases.snapshots import TransactionSnapshot
from authorizations.services.authorize.outcome import Freeze, Outcome
from authorizations.services.purchases.in_turn import PurchaseInTurn, in_turn
from authorizations.services.purchases.steps import Steps
from authorizations.services.store import first_purchases, limited_attempts
from authorizations.services.store.first_purchases import Sought, kinds_of
from authorizations.services.store.limited_attempts import (
    AttemptsSought,
    Counted,
    LimitedAttempts,
    MadeAttempt,
    limit_name,
    refusing,
)
from authorizations.services.store.lookup import Existing, LockedScopes
from authorizations.services.store.plans import Plan
from authorizations.services.store.usage import (
    MeasuredUsage,
    measure,
    with_available_at,
)

logger = logging.getLogger(__name__)


class LockedRequest(msgspec.Struct, frozen=True):
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
    `asked` is for, beside those that `leaves`, and those of a card that one before them froze.
    """
    made: list[MadeAttempt] = []
    decided: list[Outcome] = []
    frozen: set[str] = set()
    used: set[int | None] = set()

    def turn(purchase: LockedRequest) -> PurchaseInTurn[Outcome]:
        def work(existing: Existing) -> Plan[Outcome | None]:
            if purchase.request.card.id in frozen:
                return None
            if any(one.id in used for one in existing.exceptions):
                unused = tuple(one for one in existing.exceptions if one.id not in used)
                existing = structs.replace(existing, exceptions=unused)
            existing = _after(existing, purchase.locked.root_id, made)
            if kinds_of(policy.controls for policy in existing.applied):
                before = [it for it in decided if it.locked.root_id == purchase.locked.root_id]
                if any(map(_gives_back, before)):
                    return None
                existing = _not_first(existing, purchase.request, before)
            outcome = yield from decide_purchase(structs.replace(purchase, existing=existing))
            if leaves(outcome):
                return None
            decided.append(outcome)
            used.add(outcome.decision.exception)
            made.extend([outcome.attempt] if outcome.attempt else [])
            if outcome.freezes:
                frozen.add(purchase.request.card.id)
            return outcome

        return PurchaseInTurn(purchase.locked, purchase.existing, work)

    purchases = yield from _with_history(purchases)
    turns = list(map(turn, purchases))
    return (yield from in_turn(turns, lambda outcome: outcome.remembered, asked))


def _after(existing: Existing, root_id: str, made: Sequence[MadeAttempt]) -> Existing:
    """What is recorded, with the attempts of this card that are not written yet."""
    before = [one for one in made if one.root_id == root_id] if existing.attempts else []
    if not before:
        return existing
    attempts = existing.attempts or ()
    for one in before:
        attempts = tuple(limited.and_also(one) for limited in attempts)
    return structs.replace(existing, attempts=attempts)


def _not_first(
    existing: Existing, request: AuthorizationRequest, before: Sequence[Outcome]
) -> Existing:
    """What is recorded, with this card's purchases that are not written yet."""
    bought = [it.request.merchant for it in before if it.steps and it.steps.counted.count]
    first = tuple(
        kind
        for kind in existing.first_of
        if not any(is_same(kind, request.merchant, merchant) for merchant in bought)
    )
    return structs.replace(existing, first_of=first)


def _gives_back(outcome: Outcome) -> bool:
    """Whether a purchase that counted does no longer: Stripe in the end did not approve it."""
    steps = outcome.steps
    return steps is not None and steps.counted.count < steps.counted_before.count


def _with_history(purchases: Sequence[LockedRequest]) -> Plan[list[LockedRequest]]:
    """The purchases with what limits on attempts count and what they are the first of.

    Each is read at once for all, and not at all where no policy asks, or it was read ahead.
    """
    asking = [it for it in purchases if it.existing.attempts is None]
    if not asking:
        return list(purchases)
    wanted = [_limits_on_attempts(it.request, it.existing) for it in asking]
    known = [_known(limits, it.existing.ahead) for it, limits in zip(asking, wanted, strict=True)]
    unknown = [
        AttemptsSought(it.request.authorization_id, it.locked.root_id, limits)
        for it, limits, its in zip(asking, wanted, known, strict=True)
        if its is None
    ]
    read = iter((yield from limited_attempts.read(unknown)))
    first = yield from first_purchases.read(
        [
            Sought(
                it.request.authorization_id,
                it.locked.root_id,
                it.request.merchant,
                kinds_of(policy.controls for policy in it.existing.applied),
            )
            for it in asking
        ]
    )
    history = zip(known, first, strict=True)

    def with_its(it: LockedRequest) -> LockedRequest:
        if it.existing.attempts is not None:
            return it
        its, kinds = next(history)
        attempts = next(read) if its is None else its
        existing = structs.replace(it.existing, attempts=attempts, first_of=kinds)
        return structs.replace(it, existing=existing)

    return list(map(with_its, purchases))


def _known(
    wanted: Sequence[LimitedAttempts], ahead: Sequence[tuple[LimitedAttempts, LimitedAttempts]]
) -> Counted | None:
    """What these limits count, as far as it was read ahead; None if it was not for all."""
    found = [next((it for asked, it in ahead if asked == one), None) for one in wanted]
    known = tuple(it for it in found if it is not None)
    return known if len(known) == len(found) else None


def _limits_on_attempts(
    request: AuthorizationRequest, existing: Existing
) -> Sequence[LimitedAttempts]:
    """The limits that this attempt must fit: none if its authorization was asked for before.

    Where they were full then, they are asked again: no second event opens what they declined.
    """
    before = existing.purchase
    if request.request_index or (before and before.attempt and not before.refused_by):
        return ()
    return limited_attempts.of_purchase(request, existing.applied, existing.in_force)


def _measured_attempts(
    applied: tuple[AppliedControls, ...], attempts: Sequence[LimitedAttempts]
) -> tuple[AppliedControls, ...]:
    """The policies with what their limits on attempts count."""
    if not attempts:
        return applied
    counting = {one.version_id for one in attempts}
    return tuple(
        changed(
            policy,
            attempts=tuple(one.used for one in attempts if one.version_id == policy.version_id),
        )
        if policy.version_id in counting
        else policy
        for policy in applied
    )


def _made(
    request: AuthorizationRequest,
    locked: LockedScopes,
    existing: Existing,
    applied: Sequence[AppliedControls],
    decision: Verdict,
) -> MadeAttempt | None:
    """The attempt that a request is; None if its authorization was asked for before."""
    if request.request_index or (existing.purchase and existing.purchase.attempt):
        return None
    # One that an exception lets through is not declined, and so counts.
    is_refusable = existing.attempts and not decision.approved
    return MadeAttempt(
        root_id=locked.root_id,
        created=request.created,
        attempt=attempt_of(decision),
        refused_by=refusing(applied, existing.in_force) if is_refusable else (),
        merchant=request.merchant,
    )


def decide_purchase(purchase: LockedRequest) -> Plan[Outcome]:
    """Decide one by what is on record. Asks for sums that are not stored, and for nothing else."""
    request, locked, existing = purchase.request, purchase.locked, purchase.existing
    if existing.purchase and not existing.purchase.is_of(request):
        return _contradicted(request, locked, existing)
    if existing.attempts is None:
        [purchase] = yield from _with_history([purchase])
        existing = purchase.existing
    applied = _measured_attempts(existing.applied, existing.attempts or ())
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
        _concerning(request, reserving, existing),
        existing.exclusions,
        existing.first_of,
    )
    windows = windows_for(request, existing.applied)
    if not windows and joined.amount > before.amount:  # though nothing is asked, limits may be full
        windows = windows_at(
            request.created, existing.applied, lambda limit: limit_concerns(limit, request)
        )
    measured = yield from measure(
        request, windows, existing.applied, existing.remembered, steps.change
    )
    decision, usage = yield from _decide(request, applied, context, measured)
    attempt = _made(request, locked, existing, applied, decision)
    freezes: tuple[Freeze, ...] = ()
    if attempt and existing.attempts:
        freezes = freezes_by(attempt.attempt, applied, existing.in_force)
        attempt = attempt._replace(frozen_by=tuple(freeze.limit for freeze in freezes))
    after = joined.with_response(answer_of(request, decision))
    taken = steps.to(cause_of_answer(request, decision), after)
    return Outcome(
        request=request,
        locked=locked,
        applied=applied,
        context=context,
        usage=usage,
        decision=decision,
        steps=steps,
        remembered=measured.changed(taken),
        attempt=attempt,
        freezes=freezes,
        shares_cap=existing.shares_cap,
    )


def _concerning(
    request: AuthorizationRequest, reserving: int, existing: Existing
) -> tuple[PurchaseException, ...]:
    """The exceptions that are for this purchase, with the versions that their waivers go by."""
    given = [
        one
        for one in existing.exceptions
        if one.concerns(request.card.id, request.asked_at, reserving, request.currency)
    ]
    if not given:
        return ()
    applying = {policy.version_id for policy in existing.applied}
    versions = {key: version for key, version in existing.in_force.items() if version in applying}
    return tuple(one.for_versions(versions) for one in given)


def freezes_by(
    attempt: Attempt, applied: Sequence[AppliedControls], in_force: Mapping[int, int]
) -> tuple[Freeze, ...]:
    """The freezes of the card that this attempt causes: see attempts.reached.

    `in_force` has the version of each policy by which it was decided.
    """
    policies = {version_id: policy_id for policy_id, version_id in in_force.items()}
    freezes = {
        limit_name(policies[policy.version_id], limit.key): Freeze(
            limit=limit_name(policies[policy.version_id], limit.key),
            minutes=limit.then_freeze or None,
            reason=f"{limit_phrase(limit)} ({policy.controls.name})",
        )
        for policy, limit in reached(attempt, applied)
    }
    return tuple(freezes.values())


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
