"""Statements that PostgreSQL keeps prepared on each connection."""

from typing import Any

from django.db import connection
from psycopg import Cursor

from authorizations.services.runtime import actor
from authz_project import pooler


def run(statement: str, **parameters: Any) -> Cursor[Any]:
    """Run a named statement on this thread's connection, prepared at its first use.

    Past Django's cursor, which can't ask for a prepared statement. Raises django.db.Error; an
    OperationalError where a pooler has mixed up sessions: a new transaction runs unprepared.
    """
    connection.ensure_connection()
    actor.tell_at_start()
    with connection.wrap_database_errors:
        try:
            cursor: Cursor[Any] = connection.connection.execute(
                statement, parameters, prepare=not pooler.is_noticed()
            )
        except pooler.LOST_STATEMENTS as lost:
            pooler.notice()
            raise pooler.SessionLostError("A pooler mixed up sessions; try again.") from lost
        return cursor
