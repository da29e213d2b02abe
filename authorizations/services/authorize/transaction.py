"""The answer to one authorization request: one transaction, three statements, one decision.

LOCK card, cardholder and group; LOOK_UP what is known and what is used up; decide; WRITE all of
it. Nothing slow happens in between, and nothing is read before the lock is held.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction

from authorizations.models import LedgerCause
from authorizations.models.ledger import AFTER_DECIDING
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
from authorizations.services.authorize import approvals
from authorizations.services.authorize.outcome import Outcome, rows_of, save_decision
from authorizations.services.host import host_answers, recent_answers, recent_merchants
from authorizations.services.purchases import limit_findings, linking
from authorizations.services.purchases.linking import take_in
from authorizations.services.purchases.steps import Steps
from authorizations.services.store import answers, findings, writing
from authorizations.services.store.attempts import Retry, carry_out
from authorizations.services.store.delivery import Delivery
from authorizations.services.store.locks import AlsoLocked
from authorizations.services.store.lookup import Existing, LockedScopes, load_existing, lock_scopes
from authorizations.services.store.usage import MeasuredUsage, measure, with_rooms

_BY_DECISION = {LedgerCause.REASKED, *AFTER_DECIDING}


@dataclass(frozen=True, slots=True)
class Computed:
    """An answer, and the decision behind it; None where a recorded one was looked up."""

    body: bytes
    outcome: Outcome | None = None


class CommitUnknownError(Exception):
    """COMMIT was sent and its reply is lost: what was computed may or may not be in the books.

    It is the answer all the same: a second one could contradict the first.
    """

    def __init__(self, computed: Computed) -> None:
        super().__init__("The reply to COMMIT is lost.")
        self.computed = computed


def authorize(request: AuthorizationRequest, delivery: Delivery) -> bytes:
    """Decide, keep everything, and return the body of the answer.

    A repeated event gets its recorded answer. Raises django.db.Error when the database fails and
    KeepsChangingError when the card could not be locked, and as approvals.note does; then nothing
    was kept. Raises CommitUnknownError when nobody can tell.
    """
    noted = None

    def attempt(also: AlsoLocked | None) -> Computed | Retry:
        nonlocal noted
        noted = None
        computed = _authorize(request, delivery, also)
        if isinstance(computed, Computed):
            noted = approvals.note(computed.outcome)
        return computed

    try:
        found = carry_out(attempt, lost=CommitUnknownError)
    except CommitUnknownError:
        approvals.await_replay(noted)
        raise
    approvals.settle(noted)
    _remember(request, delivery, found)
    return found.body


def rehearse(request: AuthorizationRequest, delivery: Delivery) -> bytes:
    """Decide about a purchase of a card that is not there, by the policies of the program.

    Nothing is locked or written. It is committed all the same: after a rollback psycopg forgets
    what it has prepared. Raises django.db.Error.
    """
    with transaction.atomic():
        lock_scopes(request)
        card = request.card
        held = LockedScopes(card.id, frozen=False, cardholder_id=card.cardholder_id, group_id=None)
        known = load_existing(request, held)
        outcome = _decided(request, held, known, ())
        answer_body, written = rows_of(outcome, delivery)
        writing.write_nothing(delivery, answer_body, written)
        return answer_body.encode()


def _remember(request: AuthorizationRequest, delivery: Delivery, found: Computed) -> None:
    """For stand-in, which can't ask the record whether the event comes again."""
    if found.outcome:
        if found.outcome.decision.approved:
            recent_merchants.note(found.outcome.request)
        reason = found.outcome.decision.reason or ""
        times = (delivery.received_at, delivery.now)
        answer = host_answers.HostAnswer(found.body.decode(), reason, request.question, *times)
        recent_answers.note(request.event_id, answer)


def _authorize(
    request: AuthorizationRequest, delivery: Delivery, also: AlsoLocked | None
) -> Computed | Retry:
    """The answer; where other scopes must be locked than are, what to lock first."""
    held = lock_scopes(request, also)
    if held is None:
        return Retry(also, unsettled=request)
    delivery.stopwatch.mark("locked")
    known = load_existing(request, held)
    delivery.stopwatch.mark("looked_up")
    if sent := answers.of_event(request.event_id, is_on_record=known.is_decided):
        return Computed(writing.recall(sent, request.question, delivery))
    if known.purchase:
        if not known.purchase.is_of(request):
            contradicted = _contradicted(request, held, known)
            return Computed(save_decision(contradicted, delivery), contradicted)
        if not known.purchase.is_within(held):
            return Retry(also)
        request = request.begun_at(known.purchase.merchant)
    taken_in = take_in(request, held, known)
    if isinstance(taken_in, AlsoLocked):
        return Retry(taken_in)
    known = taken_in.known
    outcome = _decided(request, held, known, taken_in.transactions)
    answer = save_decision(outcome, delivery)
    if outcome.steps:
        linking.keep(request, taken_in.transactions, outcome.steps.last)
        _flag(outcome, outcome.steps)
    # Not before what was taken out there is counted here.
    limit_findings.look_again_where(taken_in.left, request)
    return Computed(answer, outcome)


def _flag(outcome: Outcome, steps: Steps) -> None:
    """Findings about what the request reported, and about an answer that comes too late."""
    request, before, joined = outcome.request, steps.before, steps.reported
    has_news = joined.history != before.history or joined.transactions != before.transactions
    if joined.covers(request.ordinal):
        findings.refresh(request, steps.last)
    elif has_news:
        findings.refresh_from(request, before, joined)
    reported = joined.counted(request.merchant) - before.counted(request.merchant)
    if any(change.amount > 0 for cause, change in steps.changes if cause not in _BY_DECISION):
        limit_findings.note(request, outcome.applied, outcome.usage, reported)
    if limit_findings.is_sinking(reported):
        limit_findings.look_again(request, outcome.held.scopes)


def _decided(
    request: AuthorizationRequest,
    held: LockedScopes,
    known: Existing,
    transactions: Sequence[TransactionSnapshot],
) -> Outcome:
    steps = Steps(known.books, request.merchant)
    # A request is itself a report: what it tells is joined first.
    steps.report(request.snapshot, transactions, in_one=True)
    before, joined = steps.before, steps.reported
    # Of several answers to one request the largest approval counts: the same question under a
    # new event id takes only what goes beyond the answer given before.
    reserving = fuel_hold(request, known.applied) or request.amount
    asked = joined.asking(request.ordinal, reserving, request.cashback_amount)
    steps.to(LedgerCause.REASKED, asked)
    standing = PurchaseContext(
        held.frozen,
        steps.counted.amount,
        asked.cashback,
        bool(steps.counted.count),
        joined.approved_for(request.ordinal),
    )
    windows = windows_for(request, known.applied)
    if not windows and joined.amount > before.amount:  # though nothing is asked, limits may be full
        windows = windows_at(
            request.created, known.applied, lambda limit: limit_concerns(limit, request)
        )
    measured = measure(request, windows, known.applied, known.remembered, steps.change)
    decision, usage = _decide(request, known.applied, standing, measured)
    after = joined.answered(answer_of(request, decision))
    taken = steps.to(cause_of_answer(request, decision), after)
    return Outcome(
        request=request,
        held=held,
        applied=known.applied,
        standing=standing,
        usage=usage,
        decision=decision,
        steps=steps,
        remembered=measured.changed(taken),
        position=known.position,
    )


def _decide(
    request: AuthorizationRequest,
    applied: tuple[AppliedControls, ...],
    standing: PurchaseContext,
    measured: MeasuredUsage,
) -> tuple[Verdict, dict[Window, WindowUsage]]:
    usage = measured.usage
    decision = decide(request, standing, applied, usage)
    told = with_rooms(measured, decision.trace, applied)
    if told == usage:
        return decision, usage
    return decide(request, standing, applied, told), told


def answer_of(request: AuthorizationRequest, decision: Verdict) -> OurResponse:
    """What the books remember of a decision."""
    return OurResponse(
        ordinal=request.ordinal,
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
    return LedgerCause.INCREMENT if request.ordinal else LedgerCause.HOLD


def _contradicted(request: AuthorizationRequest, held: LockedScopes, known: Existing) -> Outcome:
    """A decline that leaves the books alone: one authorization has one card and one currency."""
    decision = Verdict(approved=False, amount=0, reason=DeclineReason.CONFLICTING_EVENT)
    problem = "Card, currency or creation time differ from what this authorization began with."
    standing = PurchaseContext(held.frozen)
    return Outcome(request, held, known.applied, standing, {}, decision, None, [], 0, problem)
