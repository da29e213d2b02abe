"""The connections of a server process: filled at the start, healed in the background."""

import logging
from time import monotonic

from django.db import connection
from psycopg_pool import ConnectionPool

from authorizations.services import budget
from authorizations.services.deadline import deadline
from authorizations.services.seldom import Seldom

logger = logging.getLogger(__name__)
_seldom = Seldom(logger)

_PROBE_S = 0.5
_STUCK_AFTER = 4


def fill(timeout_s: float = 2.0) -> bool:
    """Open the pool and wait until it is full; whether it is. Without a pool nothing is done.

    A server starts as well while the database is away: stand-in answers until it is there.
    """
    pool = _pool()
    if pool is None:
        return True
    pool.timeout = budget.POOL_WAIT_MS / 1000
    try:
        pool.open(wait=True, timeout=timeout_s)
    except Exception as error:  # noqa: BLE001 - whatever it is, stand-in answers
        _seldom.warn("fill", "The pool could not be filled yet: %s", error)
        return False
    return True


class Probe:
    """Asks the database through the pool; a pool that stays stuck is replaced by a new one.

    A pool whose server went away waits ever longer between its attempts.
    """

    def __init__(self) -> None:
        self._failed = 0

    def __call__(self) -> None:
        try:
            with deadline(monotonic() + _PROBE_S), connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        except Exception:
            self._failed += 1
            if self._failed % _STUCK_AFTER == 0:
                replace()
            raise
        self._failed = 0


def replace() -> None:
    """Throw the pool away, and fill a new one."""
    pool = _pool()
    if pool is not None:
        # Django's own, by alias; it makes another when next asked.
        connection._connection_pools.pop(connection.alias, None)  # type: ignore[attr-defined]  # noqa: SLF001
        pool.close(timeout=0)
        fill(timeout_s=0.5)


def _pool() -> ConnectionPool | None:
    found: ConnectionPool | None = connection.pool  # type: ignore[attr-defined]
    return found
