"""The answers to several requests that wait at the same time: one transaction, two round trips.

All their rows are locked in the one order, all is looked up at once, one is decided after the
other in memory, and all is written and committed at once. What needs more than that leaves the
group, before anything is written for it, and is decided in a transaction of its own.
"""

import logging
from collections.abc import Sequence
from typing import NamedTuple

import psycopg

from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.services.authorize import approvals
from authorizations.services.authorize.decision import LockedRequest, decide_in_turn
from authorizations.services.authorize.outcome import Outcome, rows_of
from authorizations.services.authorize.transaction import Computed, flags
from authorizations.services.host import host_answers
from authorizations.services.host.caps import NotReplayedError
from authorizations.services.host.host_memory import HostMemoryError
from authorizations.services.runtime import budget
from authorizations.services.runtime.delivery import Delivery
from authorizations.services.runtime.pipeline import BEGIN, COMMIT
from authorizations.services.store.locks import Retry
from authorizations.services.store.lookup import Found, expected, lock_all
from authorizations.services.store.statements import Plan, call
from authorizations.services.store.writing import Written, write_all

logger = logging.getLogger(__name__)


class Member(NamedTuple):
    """A request with its delivery."""

    request: AuthorizationRequest
    delivery: Delivery


class CommitsUnknownError(Exception):
    """COMMIT was sent and its reply is lost: of no answer is known whether it is in the books.

    They are the answers all the same; None stands for members that had left.
    """

    def __init__(self, computed: list[Computed | None]) -> None:
        super().__init__("The reply to COMMIT is lost.")
        self.computed = computed


def decide_together(members: Sequence[Member]) -> Plan[list[Computed | None]]:
    """Decide, keep everything, and return the answers; None for members that leave.

    Without an answer the transaction may still be open, with nothing written. Raises psycopg.Error;
    then nothing is kept. Raises CommitsUnknownError.
    """
    requests = [member.request for member in members]
    answered = yield from _answered_here(requests)
    found = yield from lock_all(
        requests,
        [expected(request) for request in requests],
        patience=f"{budget.BRIEF_LOCK_WAIT_MS}ms",
        first=[BEGIN],
    )
    locked: dict[int, LockedRequest] = {}
    named: set[str] = set()
    for place, (member, one) in enumerate(zip(members, found, strict=True)):
        member.delivery.stopwatch.mark("looked_up")
        request = member.request
        names = {request.event_id, request.authorization_id}
        is_alone = request.event_id in answered or not names.isdisjoint(named)
        if not isinstance(one, Retry) and not is_alone and _is_plain(request, one):
            named |= names
            if one.existing.purchase:
                request = request.begun_at(one.existing.purchase.merchant)
            locked[place] = LockedRequest(request, one.locked, one.existing)
    decided = yield from decide_in_turn(list(locked.values()), lambda outcome: bool(flags(outcome)))
    outcomes = {place: outcome for place, outcome in zip(locked, decided, strict=True) if outcome}
    noted = yield from _noted(list(outcomes.values()))
    if noted is None or not outcomes:
        return [None for _ in members]
    written: list[Written] = []
    computed: list[Computed | None] = [None for _ in members]
    for (place, outcome), note in zip(outcomes.items(), noted, strict=True):
        delivery = members[place].delivery
        answer_body, rows = rows_of(outcome, delivery)
        written.append(Written(delivery, answer_body, rows))
        computed[place] = Computed(answer_body.encode(), outcome, note)
    try:
        yield [write_all(written), COMMIT]
    except psycopg.Error as error:
        if error.sqlstate is None:  # not PostgreSQL's own: the connection is lost
            raise CommitsUnknownError(computed) from error
        raise
    return computed


def _answered_here(requests: Sequence[AuthorizationRequest]) -> Plan[set[str]]:
    """The events that this host has answered without the database; none if a disk hangs."""
    if not host_answers.is_any():
        return set()
    ids = [request.event_id for request in requests]
    within_s = budget.HOST_ANSWERS_WAIT_MS / 1000
    try:
        return (yield from call(lambda: host_answers.answered(ids), within_s))
    except psycopg.OperationalError:
        logger.error("This host's answers can't be read: the disk hangs.")
        return set()


def _is_plain(request: AuthorizationRequest, found: Found) -> bool:
    """Whether a request can be decided beside others.

    Not one that was decided before, that contradicts its purchase, or that brings details of the
    card or transactions.
    """
    existing = found.existing
    return not (
        existing.is_decided
        or existing.has_strays
        or request.transactions
        or found.news
        or (existing.purchase and not existing.purchase.is_of(request))
    )


def _noted(outcomes: Sequence[Outcome]) -> Plan[list[str | None] | None]:
    """What names each approval that a cap may have a say on; None if one of them has no room."""

    def note_all() -> list[str | None] | None:
        try:
            return [approvals.note(outcome) for outcome in outcomes]
        except (NotReplayedError, HostMemoryError):
            return None

    if not any(approvals.is_capped(outcome) for outcome in outcomes):
        return [None for _ in outcomes]
    return (yield from call(note_all))
