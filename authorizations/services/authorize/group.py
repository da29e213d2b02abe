"""The answers to several requests that wait at the same time: one transaction, two round trips.

All their rows are locked in the one order, all is looked up at once, one is decided after the
other in memory, and all is written and committed at once. What needs more than that leaves the
group, before anything is written for it, and is decided in a transaction of its own.
"""

import logging
from collections.abc import Sequence
from typing import NamedTuple

import psycopg
from django.db import Error

from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.services.authorize import approvals
from authorizations.services.authorize.decision import LockedRequest, decide_in_turn
from authorizations.services.authorize.outcome import Outcome, freezing, rows_of
from authorizations.services.authorize.transaction import Computed, flags
from authorizations.services.host import host_answers
from authorizations.services.host.caps import NotReplayedError
from authorizations.services.host.host_memory import HostMemoryError
from authorizations.services.runtime import budget
from authorizations.services.runtime.delivery import Delivery
from authorizations.services.runtime.pipeline import BEGIN, COMMIT, ROLLBACK
from authorizations.services.store import cards, locked_rows, statements
from authorizations.services.store.locks import ExpectedScopes, Retry
from authorizations.services.store.lookup import Found, expected, is_seen, lock_all
from authorizations.services.store.plans import Plan, ask, call
from authorizations.services.store.writing import Written, write_all
from authz_project.pooler import SessionLostError

logger = logging.getLogger(__name__)

_ANSWERED_WITHIN_S = 0.05


class Member(NamedTuple):
    """A request with its delivery."""

    request: AuthorizationRequest
    delivery: Delivery
    scopes: ExpectedScopes | None = None
    """What the rows said that were locked for it before, in vain."""


class Decided(NamedTuple):
    """What became of a group: the answers, None for members that left.

    Those `again`, by their place, can be decided in the next group: their rows are others than
    expected, or their cards were new and are there now, or they need sums with what those before
    them took. `locked_out` are those that left because someone else has locked a row that they
    need.
    """

    computed: list[Computed | None]
    locked_out: list[Member] = []
    again: dict[int, Member] = {}


class CommitsUnknownError(Exception):
    """COMMIT was sent and its reply is lost: of no answer is known whether it is in the books.

    They are the answers all the same; None stands for members that had left.
    """

    def __init__(self, computed: list[Computed | None]) -> None:
        super().__init__("The reply to COMMIT is lost.")
        self.computed = computed


def decide_together(members: Sequence[Member]) -> Plan[Decided]:
    """Decide, keep everything, and return the answers.

    Without an answer the transaction may still be open, with nothing written. Raises psycopg.Error;
    then nothing is kept. Raises CommitsUnknownError.
    """
    requests = [member.request for member in members]
    answered = yield from _answered_here(requests)
    found, locked_cards = yield from _locked(members)
    locked_out = [member for member in members if member.request.card.id in locked_cards]
    again = {
        place: members[place]._replace(scopes=one.scopes)
        for place, one in enumerate(found)
        if isinstance(one, Retry) and one.scopes
    }
    unknown = {
        place: members[place]
        for place, one in enumerate(found)
        if isinstance(one, Retry) and one.is_unknown
    }
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
    asked: set[int] = set()
    decided = yield from decide_in_turn(
        list(locked.values()), lambda outcome: bool(flags(outcome)), asked
    )
    places = list(locked)
    again |= {places[turn]: members[places[turn]] for turn in asked}
    outcomes = {place: outcome for place, outcome in zip(locked, decided, strict=True) if outcome}
    noted = yield from _noted(list(outcomes.values()))
    if noted is None or not outcomes:
        if unknown:
            yield [ROLLBACK]
            again |= yield from _created(unknown)
        return Decided([None for _ in members], locked_out, again)
    written, computed = _answered(members, outcomes, noted)
    freezes = [
        statement
        for it in outcomes.values()
        for statement in freezing(it.freezes, it.request, it.request.event_id)
    ]
    try:
        yield [*write_all(written), *freezes, COMMIT]
    except psycopg.Error as error:
        # One that is not PostgreSQL's own: the connection is lost.
        if error.sqlstate is None and not isinstance(error, SessionLostError):
            raise CommitsUnknownError(computed) from error
        raise
    again |= yield from _created(unknown)
    return Decided(computed, locked_out, again)


def _answered(
    members: Sequence[Member], outcomes: dict[int, Outcome], noted: Sequence[str | None]
) -> tuple[list[Written], list[Computed | None]]:
    """What is written for these outcomes, and the answer of each member; None without an outcome.

    `outcomes` are by the place of their member, `noted` in the same order.
    """
    written: list[Written] = []
    computed: list[Computed | None] = [None for _ in members]
    for (place, outcome), note in zip(outcomes.items(), noted, strict=True):
        delivery = members[place].delivery
        answer_body, rows = rows_of(outcome, delivery)
        written.append(Written(delivery, answer_body, rows))
        computed[place] = Computed(answer_body.encode(), outcome, note)
    return written, computed


def _created(unknown: dict[int, Member]) -> Plan[dict[int, Member]]:
    """Those of these members whose cards were missing and are there now.

    In a transaction of its own, after the group's. Where it fails, each creates its own.
    """
    try:
        yield from cards.create([member.request for member in unknown.values()])
    except psycopg.Error as error:
        logger.warning("New cards could not be added together: %s", error)
        return {}
    return unknown


def _locked(members: Sequence[Member]) -> Plan[tuple[list[Found | Retry], set[str]]]:
    """The members under their locks, and the cards of which someone else has locked a row.

    Such a row is waited for briefly; then it is left out, and with it those who need it.
    """
    requests = [member.request for member in members]
    scopes = [member.scopes or expected(member.request) for member in members]
    patience = f"{budget.BRIEF_LOCK_WAIT_MS}ms"
    # A card that this process has not seen is perhaps new: then it is there when it is locked.
    first = [*cards.creation(one for one in requests if not is_seen(one)), BEGIN]
    try:
        found = yield from lock_all(requests, scopes, patience=patience, first=first)
    except (Error, psycopg.Error) as error:
        if not locked_rows.is_timeout(error):
            raise
    else:
        return found, set()
    again = [ROLLBACK, BEGIN]
    found = yield from lock_all(requests, scopes, patience=patience, first=again, skips_locked=True)
    missing = [one.unsettled.card.id for one in found if isinstance(one, Retry) and one.unsettled]
    locked = yield from ask(statements.KNOWN_CARDS, ids=missing)
    return found, {id_ for (id_,) in locked}


def _answered_here(requests: Sequence[AuthorizationRequest]) -> Plan[set[str]]:
    """The events that this host has answered without the database, or may have if a disk hangs."""
    ids = [request.event_id for request in requests]
    known = host_answers.known(ids)
    if known is not None:
        return known
    try:
        return (yield from call(lambda: host_answers.answered(ids), _ANSWERED_WITHIN_S))
    except psycopg.OperationalError:
        logger.error("This host's answers can't be read in time: each request looks for its own.")
        return set(ids)


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
    """What names each approval that a cap may have a say on; None if one has no room, or none can
    be noted in time."""

    def note_all() -> list[str | None] | None:
        try:
            return [approvals.note(outcome) for outcome in outcomes]
        except (NotReplayedError, HostMemoryError):
            return None

    if not any(approvals.is_capped(outcome) for outcome in outcomes):
        return [None for _ in outcomes]
    try:
        return (yield from call(note_all, budget.HOST_MEMORY_WAIT_MS / 1000))
    except psycopg.OperationalError:
        logger.error("This host's memory can't be written in time: each request tries by itself.")
        return None
