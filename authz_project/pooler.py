"""Detects a connection pooler, such as PgBouncer, between this process and PostgreSQL.

A pooler in transaction mode runs each transaction on any free connection to PostgreSQL, so what
belongs to a session can get lost: a prepared statement may be missing, or may exist already. So
once a pooler is noticed, this process prepares no more statements.

For the same reason nothing in the program may outlast a transaction: settings are made with SET
LOCAL, advisory locks belong to a transaction, and there are no cursors WITH HOLD.
"""

import hashlib
import logging
from collections import Counter
from collections.abc import Sequence

import psycopg
from psycopg._preparing import Key, Prepare, PrepareManager
from psycopg._queries import PostgresQuery
from psycopg.generators import execute
from psycopg.pq.abc import PGresult

logger = logging.getLogger(__name__)

LOST_STATEMENTS = (
    psycopg.errors.InvalidSqlStatementName,
    psycopg.errors.DuplicatePreparedStatement,
)
"""The errors of a prepared statement that the session lacks, or has already."""

_noticed = False


class SessionLostError(psycopg.OperationalError):
    """A statement was prepared in a different session. The next try prepares none."""


def is_noticed() -> bool:
    """Whether a pooler was noticed. It may pool by session, in which case it does no harm."""
    return _noticed


def sentence() -> str:
    """What a pooler means, in words for operators; "" if none was noticed."""
    if not _noticed:
        return ""
    return (
        "A connection pooler stands between the desk and PostgreSQL: statements run unprepared, "
        "which is correct but slower. If PostgreSQL itself can be reached, name it in DATABASE_URL."
    )


def notice() -> None:
    """Note that there is a pooler: this process prepares no more statements."""
    global _noticed  # noqa: PLW0603 - per process, as is the database it connects to
    if not _noticed:
        _noticed = True
        logger.warning("%s", sentence())


def look(opened: "psycopg.Connection[tuple[object, ...]]") -> None:
    """Find out by a new connection whether there is a pooler.

    A pooler sends a cancellation key of its own, so the process id in it is not that of the
    server's process. Raises psycopg.Error. Leaves no transaction open.
    """
    if not _noticed:
        opened.pgconn.send_query(b"SELECT pg_backend_pid()")
        [found] = opened.wait(execute(opened.pgconn))
        if found.get_value(0, 0) != str(opened.pgconn.backend_pid).encode():
            notice()


_NAME_BYTES = len("desk_") + 32


class NamedByText(PrepareManager):
    """Names a prepared statement after its text instead of numbering it.

    So behind a pooler that is not noticed yet, a name always stands for the same statement: it can
    be missing or exist already, but never be a different statement. One whose first run failed,
    such as a lock that timed out, exists without psycopg knowing: the next try gets another name.
    """

    def __init__(self) -> None:
        super().__init__()
        self._failed: Counter[bytes] = Counter()

    def get(self, query: PostgresQuery, prepare: bool | None = None) -> tuple[Prepare, bytes]:  # noqa: FBT001
        found, name = super().get(query, prepare)
        if found is Prepare.SHOULD:
            text = repr(self.key(query)).encode()
            name = b"desk_" + hashlib.sha256(text).hexdigest()[:32].encode()
            if failures := self._failed[name]:
                name += b"_%d" % failures
        return found, name

    def validate(self, key: Key, prep: Prepare, name: bytes, results: Sequence[PGresult]) -> None:
        """As psycopg does; and note the name of a statement that was prepared and failed."""
        super().validate(key, prep, name, results)
        if prep is Prepare.SHOULD and not self._check_results(results):
            self._failed[name[:_NAME_BYTES]] += 1
