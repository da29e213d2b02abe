"""Answers Stripe on an event loop: what waits at the same time is decided or applied together.

A request that finds a pipe free is decided at once, a group of one. Meanwhile others wait, and are
taken together by the next pipe that becomes free: no delay is added for it. Later events go the
same way, behind all requests. What leaves a group is decided or applied in a thread, on a
connection that groups never use, by the same services as under any other server. Nothing here waits
for a disk or another process on the loop's thread.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import NamedTuple, TypeVar

import psycopg
from django.conf import settings
from django.db import connections

from authorizations.rules.decision.stand_in import StandInCause
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.services.authorize import approvals, rehearsal, transaction
from authorizations.services.authorize.group import CommitsUnknownError, Member, decide_together
from authorizations.services.authorize.transaction import CommitUnknownError, Computed
from authorizations.services.lifecycle import group as later
from authorizations.services.lifecycle.intake import Answered
from authorizations.services.runtime import budget, decision_log
from authorizations.services.runtime.deadline import has_passed
from authorizations.services.runtime.delivery import Delivery
from authorizations.services.stand_in import answers
from authorizations.services.store.lookup import expected
from authorizations.services.store.pipes import Pipe
from authorizations.services.webhook import answering
from authorizations.wire import events

logger = logging.getLogger(__name__)

T = TypeVar("T")

PIPES = 2
"""Groups decided at once by a process: while PostgreSQL works for one, Python works for another."""

MOST = 32
"""Maximum requests decided together, so that the first of them does not wait for many."""

MOST_GROUPS = 8
"""Maximum groups that a request is taken into; then it is decided by itself."""

MOST_LATER = 16
"""Maximum later events applied together: requests that come meanwhile wait for it."""

MOST_LATER_WAITING = 256
"""Further later events are applied one by one, or kept for the background."""

ALONE_THREADS, LATER_THREADS, STAND_IN_THREADS, ASIDE_THREADS = 4, 3, 32, 4

LOCK_THREADS = 2
"""Maximum threads that wait for rows that someone else has locked, so that some are left."""

_APART_S = 1.0
_MAX_APART = 10_000
_REHEARSED_WITHIN_S = 5.0
_POLL_S = 0.01


class _Waiting(NamedTuple):
    """A request that waits for a pipe, and whose time for the database `ends`.

    The answer is None if it has to be decided by itself; the alarm gives it this one when too
    little time is left for a group. It is done as well if the client has left.
    """

    member: Member
    ends: float
    answer: "asyncio.Future[Computed | None]"
    alarm: asyncio.TimerHandle
    groups: int = 0
    """How many groups it was in already."""


class _Reported(NamedTuple):
    """A later event that waits for a pipe; the answer is None if it has to be applied by itself."""

    report: later.PurchaseReport
    delivery: Delivery
    answer: "asyncio.Future[Answered | None]"


class Desk:
    """Answers deliveries on the running event loop, which it belongs to."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._alone = ThreadPoolExecutor(ALONE_THREADS, "alone")
        self._later = ThreadPoolExecutor(LATER_THREADS, "later")
        self._stand_in = ThreadPoolExecutor(STAND_IN_THREADS, "stand-in-answers")
        self._aside = ThreadPoolExecutor(ASIDE_THREADS, "aside")
        self._waiting: deque[_Waiting] = deque()
        self._reports: deque[_Reported] = deque()
        self._is_due = False
        self._apart: dict[str, float] = {}
        self._lock_turns = asyncio.Semaphore(LOCK_THREADS)
        self._tasks: set[asyncio.Task[None]] = set()
        self._held: dict[Pipe, set[str]] = {}
        self._pipes = [Pipe(self._aside, _rehearse, self._start) for _ in range(PIPES)]

    async def ready(self, within_s: float) -> bool:
        """Wait until it can decide; returns whether it can in this time."""
        until = monotonic() + within_s
        while not any(pipe.is_open for pipe in self._pipes):
            if monotonic() > until:
                return False
            await asyncio.sleep(_POLL_S)
        return True

    async def close(self) -> None:
        """End connections and threads. What is being decided gets no answer."""
        for pipe in self._pipes:
            await pipe.close()
        for threads in (self._alone, self._later, self._stand_in, self._aside):
            threads.shutdown(wait=False)

    async def take(self, delivery: Delivery) -> Answered:
        """Apply a later event; returns the status and body of the response."""
        report = later.groupable(delivery)
        if report is not None and self._has_pipe() and len(self._reports) < MOST_LATER_WAITING:
            reported = _Reported(report, delivery, self._loop.create_future())
            self._reports.append(reported)
            self._start_soon()
            if answered := await reported.answer:
                return answered
        return await self._in_thread(self._later, lambda: answering.take(delivery))

    async def answer(self, delivery: Delivery) -> bytes:
        """The body of the answer to an authorization request, after it is recorded or spooled."""
        request = self._readable(delivery)
        if request is None or not self._is_for_groups(request, delivery):
            return await self._by_itself(delivery, request)
        try:
            computed = await self._join(Member(request, delivery))
        except CommitUnknownError as unknown:
            lost = unknown
            return await self._in_thread(
                self._stand_in, lambda: answers.commit_unknown(lost, delivery)
            )
        except psycopg.OperationalError:
            cause = StandInCause.DEADLINE_MISSED
            return await self._in_thread(
                self._stand_in, lambda: answers.answer(request, delivery, cause)
            )
        return computed.body if computed else await self._by_itself(delivery, request)

    async def _by_itself(self, delivery: Delivery, request: AuthorizationRequest | None) -> bytes:
        """Decide in a thread; few at once may wait in one for rows that someone else has locked."""
        if answering.cause_at_once(delivery):
            return await self._in_thread(self._stand_in, lambda: answering.answer(delivery))
        if request is None or not self._is_apart(request):
            return await self._in_thread(self._alone, lambda: answering.answer(delivery))
        least_s = budget.least_for_database_ms() / 1000
        try:
            async with asyncio.timeout(answering.database_ends(delivery) - monotonic() - least_s):
                await self._lock_turns.acquire()
        except TimeoutError:
            cause = StandInCause.ROW_LOCKED
            return await self._in_thread(
                self._stand_in, lambda: answers.answer(request, delivery, cause)
            )
        try:
            return await self._in_thread(self._alone, lambda: answering.answer(delivery))
        finally:
            self._lock_turns.release()

    async def _in_thread(self, threads: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        def closing() -> T:
            try:
                return work()
            finally:
                connections.close_all()  # back to the pool

        return await self._loop.run_in_executor(threads, closing)

    def _readable(self, delivery: Delivery) -> AuthorizationRequest | None:
        try:
            return events.authorization_request(delivery.event)
        except Exception:  # noqa: BLE001 - answered in a thread, which says what is wrong with it
            return None

    def _is_for_groups(self, request: AuthorizationRequest, delivery: Delivery) -> bool:
        """Whether a request can be decided in a group now."""
        return (
            settings.STRIPE_LIVEMODE in (None, request.livemode)
            and not answering.cause_at_once(delivery)
            and not self._is_apart(request)
            and self._has_pipe()
        )

    def _is_apart(self, request: AuthorizationRequest) -> bool:
        return bool(self._apart) and self._apart.get(request.card.id, 0.0) > monotonic()

    def _has_pipe(self) -> bool:
        return any(pipe.is_open for pipe in self._pipes)

    def _join(self, member: Member) -> "asyncio.Future[Computed | None]":
        answer: asyncio.Future[Computed | None] = self._loop.create_future()
        ends = answering.database_ends(member.delivery)
        self._waiting.append(_Waiting(member, ends, answer, self._alarm(ends, answer)))
        self._start_soon()
        return answer

    def _alarm(self, ends: float, answer: "asyncio.Future[Computed | None]") -> asyncio.TimerHandle:
        waits_s = ends - monotonic() - budget.LEAST_FOR_GROUP_MS / 1000
        return self._loop.call_later(max(0.0, waits_s), _answer, answer, None)

    def _wait_again(self, waiting: _Waiting, member: Member) -> None:
        """Take it into the next group, before all others."""
        alarm = self._alarm(waiting.ends, waiting.answer)
        self._waiting.appendleft(
            waiting._replace(member=member, alarm=alarm, groups=waiting.groups + 1)
        )
        self._start_soon()

    def _start_soon(self) -> None:
        if not self._is_due:  # once for all that this turn of the loop reads
            self._is_due = True
            self._loop.call_soon(self._start)

    def _start(self) -> None:
        """Give what waits to the pipes that are free. Nothing waits for a pipe that is lost."""
        self._is_due = False
        for pipe in self._pipes:
            if not pipe.is_free:
                continue
            self._held.pop(pipe, None)
            if group := self._taken(pipe):
                work = self._decide(pipe, group)
            elif reports := self._taken_reports():
                work = self._apply(pipe, reports)
            else:
                continue
            pipe.take()
            task = self._loop.create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if not self._has_pipe():
            while self._waiting:
                _answer(self._waiting.popleft().answer, None)
            while self._reports:
                _answer(self._reports.popleft().answer, None)

    def _taken(self, pipe: Pipe) -> list[_Waiting]:
        """The next requests; one whose scopes another pipe has locked waits for that one's group.

        It would wait for the locks anyway, and so more of them are decided together.
        """
        group: list[_Waiting] = []
        locked: set[str] = set()
        for other, keys in self._held.items():
            if other.is_open and not other.is_free:
                locked |= keys
        held: set[str] = set()
        behind: list[_Waiting] = []
        while self._waiting and len(group) < MOST:
            waiting = self._waiting.popleft()
            if waiting.answer.done():
                waiting.alarm.cancel()
                continue
            member = waiting.member
            needed = (member.scopes or expected(member.request)).keys
            if not locked.isdisjoint(needed):
                behind.append(waiting)
                continue
            waiting.alarm.cancel()
            held.update(needed)
            group.append(waiting)
        self._waiting.extendleft(reversed(behind))
        self._held[pipe] = held
        return group

    def _taken_reports(self) -> list[_Reported]:
        """The next of different authorizations; a second one of the same waits."""
        group: list[_Reported] = []
        named: set[str] = set()
        waiting: list[_Reported] = []
        while self._reports and len(group) < MOST_LATER:
            reported = self._reports.popleft()
            if reported.answer.done():  # the client has left
                continue
            authorization_id = later.authorization_of(reported.report)
            (waiting if authorization_id in named else group).append(reported)
            named.add(authorization_id)
        self._reports.extendleft(reversed(waiting))
        return group

    async def _apply(self, pipe: Pipe, group: Sequence[_Reported]) -> None:
        """Apply a group of later events; what fails is applied one by one. Never raises."""
        answered: Sequence[Answered | None] = [None] * len(group)
        try:
            plan = later.apply_together([(one.report, one.delivery) for one in group])
            answered = await pipe.drive(plan, monotonic() + budget.REPORT_MS / 1000)
        except psycopg.Error as error:
            logger.warning("%d later events are applied one by one: %s", len(group), error)
        except Exception:
            logger.exception("A group of later events failed; each is applied by itself.")
        for reported, one in zip(group, answered, strict=True):
            _answer(reported.answer, one)

    async def _decide(self, pipe: Pipe, group: Sequence[_Waiting]) -> None:
        """Decide a group and answer each of it; never raises."""
        until = min(waiting.ends for waiting in group)
        computed: Sequence[Computed | None] = [None] * len(group)
        again: dict[int, Member] = {}
        try:
            plan = decide_together([waiting.member for waiting in group])
            decided = await pipe.drive(plan, until)
            computed = decided.computed
            if decided.locked_out:
                self._keep_apart(decided.locked_out)
            again = decided.again
        except CommitsUnknownError as unknown:
            answering.breaker.miss()
            for waiting, one in zip(group, unknown.computed, strict=True):
                if one is not None:
                    self._aside.submit(approvals.await_replay, one.noted)
                    _fail(waiting.answer, CommitUnknownError(one))
        except psycopg.Error as error:
            if has_passed(error):
                answering.breaker.miss()
                logger.warning("%d requests: the database was too late.", len(group))
                for waiting in group:
                    _fail(waiting.answer, error)
        except Exception:
            logger.exception("A group could not be decided; each of it is decided by itself.")
        for place, (waiting, one) in enumerate(zip(group, computed, strict=True)):
            if place in again and waiting.groups < MOST_GROUPS and not waiting.answer.done():
                self._wait_again(waiting, again[place])
            else:
                _answer(waiting.answer, one)
        if any(computed):  # after the answers are sent
            self._loop.call_soon(self._note, group, computed)

    def _keep_apart(self, members: Sequence[Member]) -> None:
        """Someone else has locked a row of theirs: for a while each waits for it by itself."""
        until = monotonic() + _APART_S
        if len(self._apart) > _MAX_APART:
            self._apart.clear()
        self._apart.update((member.request.card.id, until) for member in members)

    def _note(self, group: Sequence[_Waiting], computed: Sequence[Computed | None]) -> None:
        """Note answers that are in the books and sent, for stand-in, the log and metrics."""
        for waiting, one in zip(group, computed, strict=True):
            if one is not None and one.outcome is not None:
                request, delivery, _ = waiting.member
                if one.noted is not None:
                    self._aside.submit(approvals.settle, one.noted)
                transaction.remember(request, delivery, one)
                decision_log.decided(one.outcome.decision, one.outcome.request, delivery)


def _answer(answer: "asyncio.Future[T]", found: T) -> None:
    if not answer.done():
        answer.set_result(found)


def _fail(answer: "asyncio.Future[Computed | None]", error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)


async def _rehearse(pipe: Pipe) -> None:
    plan = transaction.rehearsing(*rehearsal.of_nobody())
    await pipe.drive(plan, monotonic() + _REHEARSED_WITHIN_S)
