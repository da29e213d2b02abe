"""The connection pool of a server process: filled at the start, replaced if it gets stuck."""

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
    """Open the pool and wait until it is full; returns whether it is.

    Without a pool it does nothing and returns True. A server also starts while the database is
    away, with a warning; stand-in answers until it is back.
    """
    pool = _pool()
    if pool is None:
        return True
    try:
        knock()
    except DatabaseError as error:
        problem = database_errors.sentence(error, connection.settings_dict)
        _seldom.warn("fill", "%s Until then stand-in answers.", problem)
        timeout_s = 0.0
    return _open(pool, timeout_s)


def _open(pool: ConnectionPool, timeout_s: float) -> bool:
    pool.timeout = budget.POOL_WAIT_MS / 1000
    until = monotonic() + timeout_s
    pool.open()  # its own `wait` would close a pool that is not full in time, for good
    while pool.get_stats()["pool_available"] < pool.min_size:
        if monotonic() > until:
            return False
        sleep(_POLL_S)
    return True


def knock() -> None:
    """Open and close one connection outside the pool, which shows at once what is wrong.

    Raises django.db.DatabaseError. Must not be called while Stripe waits.
    """
    parameters = connection.get_connection_params() | {"connect_timeout": _KNOCK_S}
    with connection.wrap_database_errors:
        psycopg.connect(**parameters).close()


class Probe:
    """Queries the database through the pool, and replaces a pool that stays stuck.

    A pool whose server went away waits longer and longer between its attempts.
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
    """Discard the pool, and fill a new one."""
    pool = _pool()
    if pool is not None:
        # Django's pools, by alias; the next access creates a new one.
        connection._connection_pools.pop(connection.alias, None)  # type: ignore[attr-defined]  # noqa: SLF001
        pool.close(timeout=0)
        _open(_pool() or pool, timeout_s=0.5)


def _pool() -> ConnectionPool | None:
    found: ConnectionPool | None = connection.pool  # type: ignore[attr-defined]
    return found
