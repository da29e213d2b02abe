"""The answer to one authorization request: one transaction, three statements, one decision.

LOCK card, cardholder and group; LOOK_UP what is known and what is used up; decide; WRITE all of
it. Nothing slow happens in between, and nothing is read before the lock is held.
"""

from dataclasses import dataclass

from django.db import Error, IntegrityError, transaction

from authorizations.models import LedgerCause
from authorizations.rules.books import Answer, Books
from authorizations.rules.controls import AppliedControls
from authorizations.rules.counted import Counted
from authorizations.rules.decide import decide
from authorizations.rules.fuel import fuel_hold
from authorizations.rules.values import (
    AuthorizationRequest,
    Decision,
    DeclineReason,
    Standing,
    Usage,
    Window,
)
from authorizations.rules.windows import windows_for
from authorizations.services import answers, cards, findings, record
from authorizations.services.causes import cause_of
from authorizations.services.delivery import Delivery
from authorizations.services.known import Held, Known, hold, look_up
from authorizations.services.usage import Measured, measure, with_rooms

_ATTEMPTS = 3


class CannotHoldError(Exception):
    """The card's rows kept changing while they were being locked."""


@dataclass(frozen=True, slots=True)
class Computed:
    """An answer, and the decision behind it; None where a recorded one was looked up."""

    body: bytes
    outcome: record.Outcome | None = None


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
    CannotHoldError when the card could not be held; then nothing was kept. Raises
    CommitUnknownError when nobody can tell.
    """
    decided_elsewhere = None
    for _ in range(_ATTEMPTS):
        try:
            if computed := _attempt(request, delivery):
                return computed.body
        except IntegrityError as error:
            # The same event was decided meanwhile, for another card: now it can be looked up.
            decided_elsewhere = error
    raise CannotHoldError(request.card.id) from decided_elsewhere


def _attempt(request: AuthorizationRequest, delivery: Delivery) -> Computed | None:
    """None where the card was not there yet, or changed: then it is put right."""
    computed = None
    try:
        with transaction.atomic():
            held = hold(request)
            computed = _authorize(request, delivery, held) if held else None
    except Error as error:
        if computed is None:
            raise
        raise CommitUnknownError(computed) from error
    if not held:
        cards.register(request.card, request.event_id, request.event_created)
    return computed


def _authorize(request: AuthorizationRequest, delivery: Delivery, held: Held) -> Computed | None:
    """The answer; None where the purchase turns out to belong to other scopes than those held."""
    delivery.stopwatch.mark("locked")
    known = look_up(request, held)
    delivery.stopwatch.mark("looked_up")
    if sent := answers.of_event(request.event_id, is_on_record=known.is_decided):
        return Computed(record.recall(sent, request.question, delivery))
    if known.purchase:
        if not known.purchase.is_of(request):
            contradicted = _contradicted(request, held, known)
            return Computed(record.decided(contradicted, delivery), contradicted)
        if not known.purchase.is_within(held):
            return None
        request = known.purchase.asked(request)
    outcome = _decided(request, held, known)
    answer = record.decided(outcome, delivery)
    if known.books.covers(request.ordinal):
        findings.refresh(request, outcome.books or known.books)  # too late: Stripe has decided
    return Computed(answer, outcome)


def _decided(request: AuthorizationRequest, held: Held, known: Known) -> record.Outcome:
    before = known.books
    joined = before.joined(request.snapshot)
    # Of several answers to one request the largest approval counts: the same question under a
    # new event id takes only what goes beyond the answer given before.
    reserving = fuel_hold(request, known.applied) or request.amount
    asked = joined.asking(request.ordinal, reserving, request.cashback_amount)
    counted = asked.counted(request.merchant)
    standing = Standing(
        held.frozen,
        counted.amount,
        asked.cashback,
        bool(counted.count),
        joined.approved_for(request.ordinal),
    )
    reported = counted - before.counted(request.merchant)
    windows = windows_for(request, known.applied)
    measured = measure(request, windows, known.applied, known.remembered, reported)
    decision, usage = _decide(request, known.applied, standing, measured)
    after = joined.answered(answer_of(request, decision))
    changes = _changes(request, decision, [before, joined, asked, after])
    taken = after.counted(request.merchant) - counted
    return record.Outcome(
        request=request,
        held=held,
        applied=known.applied,
        standing=standing,
        usage=usage,
        decision=decision,
        books=after,
        changes=changes,
        remembered=measured.changed(taken),
        position=known.position,
    )


def _decide(
    request: AuthorizationRequest,
    applied: tuple[AppliedControls, ...],
    standing: Standing,
    measured: Measured,
) -> tuple[Decision, dict[Window, Usage]]:
    usage = measured.usage
    decision = decide(request, standing, applied, usage)
    told = with_rooms(measured, decision.trace, applied)
    if told == usage:
        return decision, usage
    return decide(request, standing, applied, told), told


def answer_of(request: AuthorizationRequest, decision: Decision) -> Answer:
    """What the books remember of a decision."""
    return Answer(
        ordinal=request.ordinal,
        event_id=request.event_id,
        at=request.event_created,
        approved=decision.approved,
        amount=decision.amount,
        asked=request.amount,
        cashback=request.cashback_amount if decision.amount else 0,
    )


def _changes(
    request: AuthorizationRequest, decision: Decision, states: list[Books]
) -> list[tuple[LedgerCause, Counted]]:
    """What each step changed, in order: Stripe's report, the release, the new approval."""
    approval = LedgerCause.INCREMENT if request.ordinal else LedgerCause.HOLD
    if not decision.approved:
        approval = LedgerCause.KEPT
    before, joined, *_ = states
    causes = (cause_of(before, joined), LedgerCause.REASKED, approval)
    counted = [books.counted(request.merchant) for books in states]
    steps = zip(causes, counted, counted[1:], strict=False)
    return [(cause, new - old) for cause, old, new in steps if new != old]


def _contradicted(request: AuthorizationRequest, held: Held, known: Known) -> record.Outcome:
    """A decline that leaves the books alone: one authorization has one card and one currency."""
    decision = Decision(approved=False, amount=0, reason=DeclineReason.CONFLICTING_EVENT)
    problem = "Card, currency or creation time differ from what this authorization began with."
    standing = Standing(held.frozen)
    return record.Outcome(
        request, held, known.applied, standing, {}, decision, None, [], [], 0, problem
    )
