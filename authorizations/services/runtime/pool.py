"""The connections of a server process: filled at the start, healed in the background."""

import logging
from time import monotonic, sleep

import psycopg
from django.db import DatabaseError, connection
from psycopg_pool import ConnectionPool

from authorizations.services.runtime import budget
from authorizations.services.runtime.deadline import deadline
from authorizations.services.runtime.seldom import Seldom
from authz_project import database_errors

logger = logging.getLogger(__name__)
_seldom = Seldom(logger)

_STUCK_AFTER = 4
_KNOCK_S = 2
_POLL_S = 0.01


def fill(timeout_s: float = 2.0) -> bool:
    """Open the pool and wait until it is full; whether it is. Without a pool nothing is done.

    A server starts as well while the database is away, and says so: stand-in answers until it is
    there.
    """
    pool = _pool()
    if pool is None:
        return True
    try:
        knock()
    except DatabaseError as problem:
        told = database_errors.sentence(problem, connection.settings_dict)
        _seldom.warn("fill", "%s Until then stand-in answers.", told)
        timeout_s = 0.0
    return _open(pool, timeout_s)


def _open(pool: ConnectionPool, timeout_s: float) -> bool:
    pool.timeout = budget.POOL_WAIT_MS / 1000
    until = monotonic() + timeout_s
    pool.open()  # not with its own waiting: it closes a pool that is not full in time, for good
    while pool.get_stats()["pool_available"] < pool.min_size:
        if monotonic() > until:
            return False
        sleep(_POLL_S)
    return True


def knock() -> None:
    """Make one connection past the pool, which says at once what is wrong, and end it.

    Raises django.db.DatabaseError. Not while Stripe waits.
    """
    parameters = connection.get_connection_params() | {"connect_timeout": _KNOCK_S}
    with connection.wrap_database_errors:
        psycopg.connect(**parameters).close()


class Probe:
    """Asks the database through the pool; a pool that stays stuck is replaced by a new one.

    A pool whose server went away waits ever longer between its attempts.
    """

    def __init__(self) -> None:
        self._failed = 0

    def __call__(self) -> None:
        try:
            with deadline(monotonic() + budget.PROBE_MS / 1000), connection.cursor() as cursor:
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
        _open(_pool() or pool, timeout_s=0.5)


def _pool() -> ConnectionPool | None:
    found: ConnectionPool | None = connection.pool  # type: ignore[attr-defined]
    return found
