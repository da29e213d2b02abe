"""Whether a pooler, such as PgBouncer, stands between this process and PostgreSQL.

One that pools by transaction runs each transaction on whichever connection to PostgreSQL is free.
What belongs to a session is then somebody else's next time: a prepared statement is missing, or is
there already. So once a pooler is noticed this process prepares nothing any more.

Nothing that lasts beyond a transaction may be used elsewhere either: settings are made with SET
LOCAL, advisory locks are those of a transaction, and there are no cursors WITH HOLD.
"""

import hashlib
import logging

import psycopg
from psycopg._preparing import Prepare, PrepareManager
from psycopg._queries import PostgresQuery
from psycopg.generators import execute

logger = logging.getLogger(__name__)

LOST_STATEMENTS = (
    psycopg.errors.InvalidSqlStatementName,
    psycopg.errors.DuplicatePreparedStatement,
)
"""What a prepared statement fails with that another session has, or has not."""

_noticed = False


class SessionLostError(psycopg.OperationalError):
    """A statement was prepared in another session than this one. The next try prepares none."""


def is_noticed() -> bool:
    """Whether one stands in between; it may still be one that pools by session, or nothing."""
    return _noticed


def sentence() -> str:
    """What that means, for whoever looks after the desk; "" where no pooler was noticed."""
    if not _noticed:
        return ""
    return (
        "A connection pooler stands between the desk and PostgreSQL: statements run unprepared, "
        "which is exact but slower. Name PostgreSQL itself in DATABASE_URL where it can be reached."
    )


def notice() -> None:
    """From now on this process prepares no statement."""
    global _noticed  # noqa: PLW0603 - of the process, as the address it connects to
    if not _noticed:
        _noticed = True
        logger.warning("%s", sentence())


def look(opened: "psycopg.Connection[tuple[object, ...]]") -> None:
    """Notice one by a new connection: a pooler hands out keys to cancel with that are its own.

    So the process id that came with the key is not that of the server's process. Raises
    psycopg.Error. Leaves no transaction open, whatever the mode of the connection.
    """
    if not _noticed:
        opened.pgconn.send_query(b"SELECT pg_backend_pid()")
        [found] = opened.wait(execute(opened.pgconn))
        if found.get_value(0, 0) != str(opened.pgconn.backend_pid).encode():
            notice()


class NamedByText(PrepareManager):
    """Names a prepared statement by what it says, instead of counting.

    Behind a pooler that nobody has noticed yet, a statement of that name which somebody else has
    prepared is then the same one: it can be missing, or there already, but never another.
    """

    def get(self, query: PostgresQuery, prepare: bool | None = None) -> tuple[Prepare, bytes]:  # noqa: FBT001
        found, name = super().get(query, prepare)
        if found is Prepare.SHOULD:
            text = repr(self.key(query)).encode()
            name = b"desk_" + hashlib.sha256(text).hexdigest()[:32].encode()
        return found, name
