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


class Pipe:
    """One connection, for one plan at a time.

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
        self._opened: psycopg.Connection[Any] | None = None
        self._descriptor = -1
        self._ready: asyncio.Future[None] | None = None
        self._connecting = self._loop.create_task(self._connect())

    @property
    def is_open(self) -> bool:
        """Whether it is connected, and takes plans now or once it has finished one."""
        return self._opened is not None and self._connecting.done()

    def take(self) -> None:
        """Reserve it for a plan that is about to be driven."""
        self.is_free = False

    async def close(self) -> None:
        """End the connection for good."""
        self._connecting.cancel()
        self._lose(reconnect=False)

    async def drive(self, plan: Plan[T], until: float) -> T:
        """Run a plan, up to an instant of time.monotonic(); returns what it returns.

        The statements of one list go in one round trip. A Call runs in a thread, and must not use
        Django's connection. However the plan ends, no transaction stays open. Raises
        psycopg.Error, DeadlineExceededError among them, and whatever the plan raises.
        """
        self.take()
        alarm = self._loop.call_later(max(0.0, until - monotonic()), self._expire)
        try:
            asked = next(plan)
            while True:
                try:
                    answers = await self._answers(asked, until)
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
            await self._leave()

    async def _answers(self, asked: Sequence[Statement | Call], until: float) -> list[Any]:
        statements = [one for one in asked if isinstance(one, Statement)]
        if len(statements) == len(asked):
            return await self._run(statements)
        return [
            await self._called(one, until) if isinstance(one, Call) else (await self._run([one]))[0]
            for one in asked
        ]

    async def _called(self, asked: Call, until: float) -> Any:
        left_s = max(0.0, until - monotonic())
        try:
            async with asyncio.timeout(min(left_s, asked.within_s or left_s)):
                return await self._loop.run_in_executor(self._threads, asked.work)
        except TimeoutError:
            raise _late() from None

    async def _run(self, statements: Sequence[Statement]) -> list[list[Row]]:
        if self._opened is None:
            raise psycopg.OperationalError("The connection is lost.")
        steps = exchange(self._opened, statements)
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

    async def _wait(self, wait: Wait) -> None:
        """Wait until the connection can be read, or written if that is asked for."""
        self._ready = ready = self._loop.create_future()
        if wait & Wait.W:
            self._loop.add_writer(self._descriptor, self._wake)
        try:
            await ready
        finally:
            self._ready = None
            if wait & Wait.W and self._opened is not None:
                self._loop.remove_writer(self._descriptor)

    def _wake(self) -> None:
        if self._ready is None:
            self._hear()
        elif not self._ready.done():
            self._ready.set_result(None)

    def _hear(self) -> None:
        """Something came that nothing waits for: a notice, or the end of the connection."""
        if self._opened is not None:
            try:
                self._opened.pgconn.consume_input()
            except psycopg.Error:
                self._lose()
            else:
                if self._opened.pgconn.status == ConnStatus.BAD:
                    self._lose()

    def _expire(self) -> None:
        if self._ready is not None and not self._ready.done():
            self._ready.set_exception(_late())
        self._lose()

    async def _leave(self) -> None:
        """Leave no transaction open, and become free."""
        if self._opened is not None:
            status = self._opened.pgconn.transaction_status
            if status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
                alarm = self._loop.call_later(_ROLLED_BACK_WITHIN_S, self._expire)
                try:
                    await self._run([ROLLBACK])
                except psycopg.Error:
                    self._lose()
                finally:
                    alarm.cancel()
            elif status != TransactionStatus.IDLE:
                self._lose()
        if self.is_open:
            self.is_free = True
            self._changed()

    def _lose(self, *, reconnect: bool = True) -> None:
        """End the connection, whose state is unknown, and begin another."""
        opened, self._opened, self.is_free = self._opened, None, False
        if opened is not None:
            self._loop.remove_reader(self._descriptor)
            self._loop.remove_writer(self._descriptor)
            opened.pgconn.finish()
            if self._ready is not None and not self._ready.done():
                self._ready.set_exception(psycopg.OperationalError("The connection is lost."))
            self._loop.call_soon(self._changed)
        if reconnect and self._connecting.done():
            self._connecting = self._loop.create_task(self._connect())

    async def _connect(self) -> None:
        while True:
            try:
                opened = await self._loop.run_in_executor(self._threads, _open)
                self._opened, self._descriptor = opened, opened.pgconn.socket
                self._loop.add_reader(self._descriptor, self._wake)
                await self._rehearse(self)
                if self._opened is opened:
                    break
            except Exception as error:  # noqa: BLE001 - others decide until it succeeds
                _seldom.warn("connect", "A connection for groups can't be had yet: %s", error)
                self._lose()
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
