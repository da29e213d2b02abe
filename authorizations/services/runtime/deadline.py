"""All database work for one answer ends at one instant, whichever connection it is done on."""

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
    """What this thread asks of the database ends at `at`, an instant of time.monotonic.

    Raises django.db.OperationalError where no connection is to be had, or when the time is used
    up. The connection goes back to the pool.
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
    """Whether an error says no more than that something took too long, or was in another's way."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, _TOOK_TOO_LONG):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def has_passed(error: BaseException) -> bool:
    """Whether an error of the database, or one it was raised from, is that the time was used up."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, DeadlineExceededError):
            return True
        seen = seen.__cause__ or seen.__context__
    return False
