"""A database connection whose every wait ends at a deadline, even if the server is frozen.

A frozen PostgreSQL keeps neither its own timeouts nor TCP's: only the client can stop waiting. This
uses internals of psycopg (`wait` and its `timeout`, and those that pooler.py uses for prepared
statements), so psycopg is pinned.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic
from typing import Any, Self, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.connection import _WAIT_INTERVAL

from authz_project import pooler

RV = TypeVar("RV")

_LOOK_S = 5.0
"""Maximum time to find out whether a new connection is to a pooler."""


class DeadlineExceededError(psycopg.OperationalError):
    """The time was used up. The connection is closed, since its state is unknown."""


_at: ContextVar[float | None] = ContextVar("deadline", default=None)


@contextmanager
def ending(at: float) -> Iterator[None]:
    """Within this context, all waits of the thread end at `at`, an instant of time.monotonic.

    It applies to all connections, so also to one that replaces a dead one.
    """
    token = _at.set(at)
    try:
        yield
    finally:
        _at.reset(token)


@contextmanager
def ending_within(seconds: float) -> Iterator[None]:
    """As `ending`, this many seconds from now, or at an earlier deadline that is already set."""
    at, outer = monotonic() + seconds, _at.get()
    with ending(at if outer is None else min(at, outer)):
        yield


def seconds_left() -> float | None:
    """The seconds until the deadline of this thread; None if it has none."""
    at = _at.get()
    return None if at is None else max(0.0, at - monotonic())


class DeadlineConnection(psycopg.Connection[tuple[object, ...]]):
    """A connection that waits no longer than the thread's deadline, if there is one."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._prepared: pooler.NamedByText = pooler.NamedByText()

    @classmethod
    def connect(cls, *args: Any, **kwargs: Any) -> Self:
        """Connect, and find out whether there is a pooler, which must not wait for a request."""
        opened = super().connect(*args, **kwargs)
        try:
            with ending_within(_LOOK_S):
                pooler.look(opened)
        except BaseException:
            opened.close()
            raise
        return opened

    def wait(
        self,
        gen: PQGen[RV],
        interval: float = _WAIT_INTERVAL,
        timeout: float | None = None,
    ) -> RV:
        at = _at.get()
        if at is None:
            return super().wait(gen, interval, timeout)
        remaining = max(0.0, at - monotonic())
        if timeout is not None:
            remaining = min(remaining, timeout)
        try:
            return super().wait(gen, interval, remaining)
        except psycopg.errors._WaitTimeout as late:  # noqa: SLF001
            if monotonic() < at:  # it was the caller's timeout
                raise
            self.pgconn.finish()
            raise DeadlineExceededError("The database did not answer in time.") from late
