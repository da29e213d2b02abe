"""A desk that decides in groups, on an event loop in a thread of its own, as a server has one."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple
from unittest.mock import patch

import psycopg
from django.db import connection

from authorizations.services.runtime.delivery import Delivery
from authorizations.services.store import pipes
from authorizations.services.webhook import answering
from authorizations.services.webhook.together import Desk
from authz_project.deadline import DeadlineConnection
from simulator.stripe.samples import Json
from tests.support.database_roles import PASSWORD, names, served_as
from tests.support.spool import delivery_of
from tests.support.timeouts import PATIENCE_S

ELSEWHERE: dict[str, object] = {}
"""Where pipes connect, if not to PostgreSQL itself."""


class Answer(NamedTuple):
    """What was answered, and after how many seconds."""

    told: Json
    seconds: float

    @property
    def reason(self) -> str:
        """ "approved", why it declines, or why it was given without the database."""
        about = self.told["metadata"]
        return str(about.get("stand_in") or about["reason"])


class RunningDesk:
    """A Desk with all its pipes connected, under the role that decides."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.desk = self.run(self._made())
        self.until_open()

    async def _made(self) -> Desk:
        return Desk()

    def begin(self, *asked: Json) -> list[Future[Answer]]:
        """Ask all in one turn of the loop, so that a pipe takes them together."""
        work = [self._answer(delivery_of(event)) for event in asked]
        futures: list[Future[Answer]] = [Future() for _ in asked]

        def begin() -> None:
            for coroutine, future in zip(work, futures, strict=True):
                task = self.loop.create_task(coroutine)
                task.add_done_callback(partial(_hand_over, future))
                future.add_done_callback(partial(self._leave, task))

        self.loop.call_soon_threadsafe(begin)
        return futures

    def _leave(self, task: "asyncio.Task[Answer]", future: Future[Answer]) -> None:
        if future.cancelled():  # as a client that goes
            self.loop.call_soon_threadsafe(task.cancel)

    async def _answer(self, delivery: Delivery) -> Answer:
        body = await self.desk.answer(delivery)
        return Answer(json.loads(body), delivery.stopwatch.elapsed_us / 1e6)

    def asks(self, *asked: Json) -> list[Answer]:
        """The answers to these, asked in one turn of the loop."""
        return [future.result(PATIENCE_S) for future in self.begin(*asked)]

    def reasons(self, *asked: Json) -> list[str]:
        return [answer.reason for answer in self.asks(*asked)]

    def backends(self) -> list[int]:
        """The server's process of each pipe."""
        return [pipe.connection.pgconn.backend_pid for pipe in self.desk._pipes if pipe.connection]

    def is_busy(self, pipe: int) -> bool:
        return not self.desk._pipes[pipe].is_free

    def until_open(self) -> None:
        """Returns once every pipe takes plans."""
        until = time.monotonic() + PATIENCE_S
        while not all(pipe.is_free for pipe in self.desk._pipes):
            assert time.monotonic() < until, "The pipes don't connect."
            time.sleep(0.005)

    def close(self) -> None:
        self.run(self.desk.close())
        self.loop.call_soon_threadsafe(self.loop.stop)

    def run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE_S)


def _hand_over(future: Future[Answer], task: asyncio.Task[Answer]) -> None:
    if task.cancelled() or future.cancelled():
        return
    if error := task.exception():
        future.set_exception(error)
    else:
        future.set_result(task.result())


@contextmanager
def running(number: int = 1) -> Iterator[list[RunningDesk]]:
    """So many desks, as so many processes have them."""
    with decided_under_its_role():
        desks = [RunningDesk() for _ in range(number)]
        try:
            yield desks
        finally:
            for desk in desks:
                desk.close()


@contextmanager
def decided_under_its_role() -> Iterator[None]:
    """Pipes log in as the webhook's role, and what is decided by itself is done under it."""
    usual = answering.answer

    def answer(delivery: Delivery) -> bytes:
        with served_as("webhook"):
            return usual(delivery)

    with (
        patch.object(pipes, "_open", opened_under_its_role),
        patch.object(answering, "answer", answer),
    ):
        yield


def opened_under_its_role() -> "psycopg.Connection[Any]":
    """As pipes open one; it logs in as the role that decides, and is patient with this machine."""
    login = {"user": names()["webhook"], "password": PASSWORD}
    found = connection.get_connection_params() | ELSEWHERE | login | {"autocommit": True}
    opened = DeadlineConnection.connect(**found)
    for name in ("statement_timeout", "idle_in_transaction_session_timeout"):
        opened.execute(f"SET {name} = '{PATIENCE_S}s'".encode())
    return opened
