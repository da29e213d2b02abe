"""A connection whose every wait ends at a deadline, whatever the server does.

A frozen PostgreSQL answers no timeout of its own, and none of TCP's: only the client can stop
waiting. Rests on psycopg's inner names (`wait` and its `timeout`, and what pooler.py does with
prepared statements), which is why psycopg is pinned.
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
"""So long a new connection may take to tell whether a pooler is in between."""


class DeadlineExceededError(psycopg.OperationalError):
    """The time was used up; the connection is closed, since nobody knows what is under way."""


_at: ContextVar[float | None] = ContextVar("deadline", default=None)


@contextmanager
def ending(at: float) -> Iterator[None]:
    """What this thread waits for meanwhile, on whichever connection, ends at `at`.

    An instant of time.monotonic. Not of one connection: where that one dies, the next begins.
    """
    token = _at.set(at)
    try:
        yield
    finally:
        _at.reset(token)


@contextmanager
def ending_within(seconds: float) -> Iterator[None]:
    """As `ending`, so many seconds from now, or sooner where a deadline is set already."""
    at, left = monotonic() + seconds, _at.get()
    with ending(at if left is None else min(at, left)):
        yield


def seconds_left() -> float | None:
    """Until the deadline of this thread; None where it has none."""
    at = _at.get()
    return None if at is None else max(0.0, at - monotonic())


class DeadlineConnection(psycopg.Connection[tuple[object, ...]]):
    """Waits up to the deadline in everything it does; for ever where there is none."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._prepared: pooler.NamedByText = pooler.NamedByText()

    @classmethod
    def connect(cls, *args: Any, **kwargs: Any) -> Self:
        """As psycopg does; a pooler in between is noticed now, not while Stripe waits."""
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
        left = max(0.0, at - monotonic())
        try:
            return super().wait(gen, interval, left if timeout is None else min(left, timeout))
        except psycopg.errors._WaitTimeout as late:  # noqa: SLF001
            if monotonic() < at:  # somebody else's time-out
                raise
            self.pgconn.finish()
            raise DeadlineExceededError("The database did not answer in time.") from late
