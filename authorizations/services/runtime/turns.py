"""Lets one process at a time do some work, of all that share a database, such as `migrate`."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from django.db import Error, connections

_RETRY_AFTER_S = 0.5

# The work may take any time. Not every PostgreSQL has all of these settings.
_NO_TIMEOUTS = """
SELECT set_config(name, '0', true) FROM pg_settings
WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')
"""
_TRY = "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))"


@contextmanager
def turn(work: str, waits: Callable[[], object], using: str = "default") -> Iterator[None]:
    """Wait until no other process does the work; calls `waits` once if that takes a while.

    Takes an advisory lock of a transaction, on a connection of its own: a session's lock would stay
    behind a pooler. It polls, because a waiting statement would hold a snapshot, for which CREATE
    INDEX CONCURRENTLY would wait in turn.
    """
    session = connections[using].copy()
    try:
        session.set_autocommit(False)
        has_called = False
        while True:
            with session.cursor() as cursor:
                cursor.execute(_NO_TIMEOUTS)
                cursor.execute(_TRY, [f"authorizations:{work}"])
                if cursor.fetchone()[0]:
                    break
            session.rollback()
            if not has_called:
                waits()
                has_called = True
            time.sleep(_RETRY_AFTER_S)
        yield
    finally:
        with suppress(Error):  # its connection may be gone
            session.rollback()
        session.close()
