"""Connections to PostgreSQL that an event loop drives: nothing here waits on the loop's thread.

A pipe runs one plan at a time, each within its time. It connects again by itself when its
connection is lost.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from time import monotonic
from typing import Any, TypeVar

import psycopg
from django.db import connection
from psycopg.pq import ConnStatus, TransactionStatus
from psycopg.waiting import Ready, Wait

from authorizations.services.runtime.pipeline import ROLLBACK, Row, Statement, exchange
from authorizations.services.runtime.seldom import Seldom
from authorizations.services.store.plans import Call, Plan
from authz_project.deadline import DeadlineConnection, DeadlineExceededError

logger = logging.getLogger(__name__)
_seldom = Seldom(logger)

T = TypeVar("T")

_RETRY_S = 0.25
_ROLLED_BACK_WITHIN_S = 0.05


class _Line:
    """One connection. Once it is lost nothing goes over it, whatever a plan still asks for."""

    def __init__(self, opened: psycopg.Connection[Any], lost: Callable[[], None]) -> None:
        self.opened = opened
        self.is_lost = False
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._descriptor = opened.pgconn.socket
        self._ready: asyncio.Future[None] | None = None
        self._loop.add_reader(self._descriptor, self._wake)

    async def run(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """Run statements in one round trip. Raises psycopg.Error."""
        if self.is_lost:
            raise psycopg.OperationalError("The connection is lost.")
        steps = exchange(self.opened, statements)
        try:
            wait, is_first = next(steps), True
            while True:
                if not is_first:
                    await self._wait(wait)
                # Nearly always all can be sent at once.
                ready = Ready.W if is_first else (Ready.RW if wait & Wait.W else Ready.R)
                wait, is_first = steps.send(ready), False
        except StopIteration as done:
            rows: list[list[Row]] = done.value
            return rows

    async def leave(self) -> None:
        """Leave no transaction open, by a rollback or by the end of the connection."""
        if self.is_lost:
            return
        status = self.opened.pgconn.transaction_status
        if status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
            alarm = self._loop.call_later(_ROLLED_BACK_WITHIN_S, self.expire)
            try:
                await self.run([ROLLBACK])
            except psycopg.Error:
                self.lose()
            finally:
                alarm.cancel()
        elif status != TransactionStatus.IDLE:
            self.lose()

    def expire(self) -> None:
        """End it because the time of its plan is used up."""
        self.lose(_late())

    def lose(self, error: psycopg.Error | None = None) -> None:
        """End it, as its state is unknown; what waits for it gets the error."""
        if self.is_lost:
            return
        self.is_lost = True
        self._loop.remove_reader(self._descriptor)
        self._loop.remove_writer(self._descriptor)
        self.opened.pgconn.finish()
        if self._ready is not None and not self._ready.done():
            error = error or psycopg.OperationalError("The connection is lost.")
            self._ready.set_exception(error)
        self._lost()

    async def _wait(self, wait: Wait) -> None:
        """Wait until the connection can be read, or written if that is asked for."""
        self._ready = ready = self._loop.create_future()
        if wait & Wait.W:
            self._loop.add_writer(self._descriptor, self._wake)
        try:
            await ready
        finally:
            self._ready = None
            if wait & Wait.W and not self.is_lost:
                self._loop.remove_writer(self._descriptor)

    def _wake(self) -> None:
        if self._ready is None:
            self._hear()
        elif not self._ready.done():
            self._ready.set_result(None)

    def _hear(self) -> None:
        """Something came that nothing waits for: a notice, or the end of the connection."""
        try:
            self.opened.pgconn.consume_input()
        except psycopg.Error:
            self.lose()
        else:
            if self.opened.pgconn.status == ConnStatus.BAD:
                self.lose()


class Pipe:
    """Connections, one after the other, for one plan at a time.

    `threads` run what must not run on the loop. `rehearse` is called with each new connection,
    before it is used, and `changed` whenever the pipe can take a plan, or has lost its connection.
    """

    def __init__(
        self,
        threads: Executor,
        rehearse: Callable[["Pipe"], Awaitable[object]],
        changed: Callable[[], None],
    ) -> None:
        self.is_free = False
        self._loop = asyncio.get_running_loop()
        self._threads = threads
        self._rehearse = rehearse
        self._changed = changed
        self._line: _Line | None = None
        self._is_closed = False
        self._connecting = self._loop.create_task(self._connect())

    @property
    def is_open(self) -> bool:
        """Whether it is connected, and takes plans now or once it has finished one."""
        return self._line is not None and not self._line.is_lost and self._connecting.done()

    @property
    def connection(self) -> psycopg.Connection[Any] | None:
        """The connection of the next plan; None while there is none."""
        return self._line.opened if self._line and not self._line.is_lost else None

    def take(self) -> None:
        """Reserve it for a plan that is about to be driven."""
        self.is_free = False

    async def close(self) -> None:
        """End the connection for good."""
        self._is_closed = True
        self._connecting.cancel()
        if self._line is not None:
            self._line.lose()

    async def drive(self, plan: Plan[T], until: float) -> T:
        """Run a plan, up to an instant of time.monotonic(); returns what it returns.

        The statements of one list go in one round trip. A Call runs in a thread, and must not use
        Django's connection. All of a plan goes over one connection: if that is lost meanwhile, the
        plan is told, and its next statement never goes over another. However it ends, no
        transaction stays open. Raises psycopg.Error, DeadlineExceededError among them, and whatever
        the plan raises.
        """
        self.take()
        line = self._line
        if line is None:
            plan.close()
            raise psycopg.OperationalError("There is no connection.")
        alarm = self._loop.call_later(max(0.0, until - monotonic()), line.expire)
        try:
            asked = next(plan)
            while True:
                try:
                    answers = await self._answers(line, asked, until)
                except Exception as error:  # noqa: BLE001 - the plan may handle it
                    asked = plan.throw(error)
                else:
                    asked = plan.send(answers)
        except StopIteration as done:
            result: T = done.value
            return result
        finally:
            alarm.cancel()
            plan.close()
            await line.leave()
            # Another connection has its own plans.
            if self._line is line and self.is_open:
                self._begin()

    async def _answers(
        self, line: _Line, asked: Sequence[Statement | Call], until: float
    ) -> list[Any]:
        statements = [one for one in asked if isinstance(one, Statement)]
        if len(statements) == len(asked):
            return await line.run(statements)
        return [
            await self._called(one, until) if isinstance(one, Call) else (await line.run([one]))[0]
            for one in asked
        ]

    async def _called(self, asked: Call, until: float) -> Any:
        left_s = max(0.0, until - monotonic())
        try:
            async with asyncio.timeout(min(left_s, asked.within_s or left_s)):
                return await self._loop.run_in_executor(self._threads, asked.work)
        except TimeoutError:
            raise _late() from None

    def _lost(self) -> None:
        """The connection is lost: begin another."""
        self.is_free = False
        self._loop.call_soon(self._changed)
        if self._connecting.done() and not self._is_closed:
            self._connecting = self._loop.create_task(self._connect())

    async def _connect(self) -> None:
        while True:
            try:
                opened = await self._loop.run_in_executor(self._threads, _open)
                line = self._line = _Line(opened, self._lost)
                try:
                    await self._rehearse(self)
                except BaseException:
                    line.lose()
                    raise
                if not line.is_lost:
                    break
            except Exception as error:  # noqa: BLE001 - others decide until it succeeds
                _seldom.warn("connect", "A connection for groups can't be had yet: %s", error)
            await asyncio.sleep(_RETRY_S)
        self._loop.call_soon(self._begin)

    def _begin(self) -> None:
        if self.is_open:
            self.is_free = True
            self._changed()


def _late() -> DeadlineExceededError:
    return DeadlineExceededError("The database did not answer in time.")


def _open() -> psycopg.Connection[Any]:
    """A connection of its own, past the pool. Runs in a thread."""
    parameters = connection.get_connection_params()
    return DeadlineConnection.connect(**parameters | {"autocommit": True})
