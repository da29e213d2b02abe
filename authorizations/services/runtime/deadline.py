"""Ends all database work for one answer at one instant, whichever connection it is done on."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from django.db import connection

from authz_project.deadline import DeadlineExceededError, ending

_TOOK_TOO_LONG = (
    DeadlineExceededError,
    psycopg.errors.LockNotAvailable,
    psycopg.errors.QueryCanceled,
    psycopg.errors.DeadlockDetected,
)


@contextmanager
def deadline(at: float) -> Iterator[None]:
    """End this thread's database work at `at`, on the clock of time.monotonic().

    Raises django.db.OperationalError if no connection is available, or when the time is used up.
    The connection is returned to the pool.
    """
    try:
        with ending(at):
            connection.ensure_connection()
            yield
    except BaseException:
        _give_back()  # it may be dead
        raise
    if connection.pool is not None:  # type: ignore[attr-defined]
        _give_back()


def _give_back() -> None:
    if not connection.in_atomic_block:
        connection.close()


def took_too_long(error: BaseException) -> bool:
    """Whether an error, or one it was raised from, is a time-out or a deadlock."""
    return _is_from(error, _TOOK_TOO_LONG)


def has_passed(error: BaseException) -> bool:
    """Whether an error, or one it was raised from, is that the deadline has passed."""
    return _is_from(error, (DeadlineExceededError,))


def _is_from(error: BaseException | None, kinds: tuple[type[BaseException], ...]) -> bool:
    while error is not None:
        if isinstance(error, kinds):
            return True
        error = error.__cause__ or error.__context__
    return False
