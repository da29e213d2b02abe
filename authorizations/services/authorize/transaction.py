"""The answer to one authorization request: one transaction, two round trips, one decision.

Lock card, cardholder and group and look up what is known and what is used up, in one round trip;
decide; WRITE all of it. Nothing slow happens in between, and nothing is read before the lock is
held. What is asked of
the database is a plan, what is made of it decision.py, and what is written outcome.py.
"""

from collections.abc import Callable
from typing import NamedTuple

from django.db import transaction

from authorizations.models import LedgerCause
from authorizations.models.ledger import AFTER_DECIDING
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.services.authorize import approvals
from authorizations.services.authorize.decision import LockedRequest, decide_purchase
from authorizations.services.authorize.outcome import Outcome, freezing, rows_of
from authorizations.services.host import host_answers, recent_answers, recent_merchants
from authorizations.services.purchases import limit_findings, linking
from authorizations.services.purchases.linking import TakenIn, take_in
from authorizations.services.runtime import decision_log
from authorizations.services.runtime.delivery import Delivery
from authorizations.services.store import answers, findings, writing
from authorizations.services.store.attempts import carry_out
from authorizations.services.store.locks import ExpectedScopes, Retry
from authorizations.services.store.lookup import LockedScopes, load_existing, lock
from authorizations.services.store.plans import Plan, call, drive

_BY_DECISION = {LedgerCause.REASKED, *AFTER_DECIDING}


class Computed(NamedTuple):
    """An answer, and the decision behind it; None where a recorded one was looked up.

    `noted` names an approval that stand-in's caps know of.
    """

    body: bytes
    outcome: Outcome | None = None
    noted: str | None = None


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

    def attempt(before: Retry) -> Plan[Computed | Retry]:
        computed = yield from _authorize(request, delivery, before)
        if isinstance(computed, Computed):
            return computed._replace(noted=approvals.note(computed.outcome))
        return computed

    try:
        found = carry_out(attempt, lost=CommitUnknownError)
    except CommitUnknownError as unknown:
        approvals.await_replay(unknown.computed.noted)
        raise
    approvals.settle(found.noted)
    remember(request, delivery, found)
    return found.body


def rehearse(request: AuthorizationRequest, delivery: Delivery) -> bytes:
    """Decide about a purchase of a card that is not there, by the policies of the program.

    Nothing is locked or written. It is committed all the same: after a rollback psycopg forgets
    what it has prepared. Raises django.db.Error.
    """
    with transaction.atomic():
        return drive(rehearsing(request, delivery))


def rehearsing(request: AuthorizationRequest, delivery: Delivery) -> Plan[bytes]:
    """The plan of `rehearse`, which needs no transaction: it neither locks nor writes a row."""
    yield from lock(request, Retry())
    card = request.card
    present = tuple(ExpectedScopes(card.id, card.cardholder_id, None).keys)
    locked = LockedScopes(
        card.id,
        frozen=False,
        cardholder_id=card.cardholder_id,
        group_id=None,
        present=present,
    )
    existing = yield from load_existing(request, locked)
    outcome = yield from decide_purchase(LockedRequest(request, locked, existing))
    answer_body, written = rows_of(outcome, delivery)
    yield from writing.write_nothing(delivery, answer_body, written)
    return answer_body.encode()


def remember(request: AuthorizationRequest, delivery: Delivery, found: Computed) -> None:
    """Note an answer for stand-in, which can't ask the record whether the event comes again."""
    if found.outcome:
        if found.outcome.decision.approved:
            recent_merchants.note(found.outcome.request)
        reason = found.outcome.decision.reason or ""
        times = (delivery.received_at, delivery.now)
        answer = host_answers.HostAnswer(found.body.decode(), reason, request.question, *times)
        recent_answers.note(request.event_id, answer)


def _authorize(
    request: AuthorizationRequest, delivery: Delivery, before: Retry
) -> Plan[Computed | Retry]:
    """The answer; where other scopes must be locked than are, what to lock first."""
    found = yield from lock(request, before)
    if isinstance(found, Retry):
        return found
    delivery.stopwatch.mark("looked_up")
    locked, existing = found.locked, found.existing
    sent = yield from answers.of_event(request.event_id, is_on_record=existing.is_decided)
    if sent:
        return Computed((yield from writing.recall(sent, request.question, delivery)))
    taken_in = TakenIn(existing)
    if existing.purchase is None or existing.purchase.is_of(request):
        if existing.purchase:
            request = request.begun_at(existing.purchase.merchant)
        taken = yield from take_in(request, locked, existing)
        if isinstance(taken, Retry):
            return taken
        taken_in = taken
    outcome = yield from decide_purchase(
        LockedRequest(request, locked, taken_in.existing, taken_in.transactions)
    )
    body = yield from _write(outcome, delivery, taken_in)
    return Computed(body, outcome)


def _write(outcome: Outcome, delivery: Delivery, taken_in: TakenIn) -> Plan[bytes]:
    """Everything a decision leaves behind; returns the body of the answer."""
    request, steps = outcome.request, outcome.steps
    answer_body, written = rows_of(outcome, delivery)
    yield from writing.write(delivery, answer_body, written)
    if freezes := freezing(outcome.freezes, request, request.event_id):
        yield freezes
    writing.once_kept(lambda: decision_log.decided(outcome.decision, request, delivery))
    if steps:
        yield from linking.save(request, taken_in.transactions, steps.last)
        for work in flags(outcome):
            yield from call(work)
    if taken_in.left:
        # Not before what was taken out there is counted here.
        yield from call(lambda: limit_findings.look_again_where(taken_in.left, request))
    return answer_body.encode()


def flags(outcome: Outcome) -> list[Callable[[], None]]:
    """What brings findings in line with what the request reported and with the answer to it.

    Nothing for most: until Stripe has reported a purchase there is nothing to find.
    """
    request, steps = outcome.request, outcome.steps
    if steps is None:
        return []
    works: list[Callable[[], None]] = []
    before, joined = steps.before, steps.reported
    if joined.is_confirmed_by_stripe(request.request_index) or (
        # The answer may settle one: more is captured than was approved before it.
        (joined.history or joined.transactions) and findings.differ(request, before, steps.last)
    ):
        works.append(lambda: findings.refresh(request, steps.last))
    reported = joined.counted(request.merchant) - before.counted(request.merchant)
    if any(change.amount > 0 for cause, change in steps.changes if cause not in _BY_DECISION):
        applied, usage = outcome.applied, outcome.usage
        works.append(lambda: limit_findings.note(request, applied, usage, reported))
    if limit_findings.is_sinking(reported):
        works.append(lambda: limit_findings.look_again(request, outcome.locked.usage_scopes))
    return works
