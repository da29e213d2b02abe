"""Work that one process at a time does, of all that share a database, such as `migrate`."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from django.db import Error, connections

_AGAIN_AFTER_S = 0.5

# However long the work takes: not every PostgreSQL has all of these.
_WITHOUT_END = """
SELECT set_config(name, '0', true) FROM pg_settings
WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')
"""
_TRY = "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))"


@contextmanager
def turn(work: str, waits: Callable[[], object], using: str = "default") -> Iterator[None]:
    """Waits until nobody else is at the work; `waits` is called where that takes a while.

    The advisory lock is that of a transaction, on a connection of its own: a session's would stay
    behind with a pooler. It is asked for again and again, as a statement that waits would hold a
    snapshot, for which CREATE INDEX CONCURRENTLY would wait in turn.
    """
    keeper = connections[using].copy()
    try:
        keeper.set_autocommit(False)
        is_told = False
        while True:
            with keeper.cursor() as cursor:
                cursor.execute(_WITHOUT_END)
                cursor.execute(_TRY, [f"authorizations:{work}"])
                if cursor.fetchone()[0]:
                    break
            keeper.rollback()
            if not is_told:
                waits()
                is_told = True
            time.sleep(_AGAIN_AFTER_S)
        yield
    finally:
        with suppress(Error):  # its connection may be gone
            keeper.rollback()
        keeper.close()
