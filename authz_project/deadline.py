"""A connection whose every wait ends at a deadline, whatever the server does.

A frozen PostgreSQL answers no timeout of its own, and none of TCP's: only the client can stop
waiting. Rests on psycopg's inner names (`wait` and its `timeout`), which is why psycopg is pinned.
"""

from time import monotonic
from typing import TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.connection import _WAIT_INTERVAL

RV = TypeVar("RV")


class DeadlineExceededError(psycopg.OperationalError):
    """The time was used up; the connection is closed, since nobody knows what is under way."""


class DeadlineConnection(psycopg.Connection[tuple[object, ...]]):
    """Waits up to `deadline` (of time.monotonic) in everything it does; for ever where None."""

    deadline: float | None = None

    def wait(
        self,
        gen: PQGen[RV],
        interval: float = _WAIT_INTERVAL,
        timeout: float | None = None,
    ) -> RV:
        if self.deadline is None:
            return super().wait(gen, interval, timeout)
        left = max(0.0, self.deadline - monotonic())
        try:
            return super().wait(gen, interval, left if timeout is None else min(left, timeout))
        except psycopg.errors._WaitTimeout as late:  # noqa: SLF001
            if monotonic() < self.deadline:  # somebody else's time-out
                raise
            self.pgconn.finish()
            raise DeadlineExceededError("The database did not answer in time.") from late
