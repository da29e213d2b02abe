"""Runs statements that PostgreSQL keeps prepared on each connection."""

from typing import Any

from django.db import connection
from psycopg import Cursor

from authorizations.services.runtime import actor
from authz_project import pooler


def run(statement: str, **parameters: Any) -> Cursor[Any]:
    """Run a named statement on this thread's connection, prepared at its first use.

    Doesn't use Django's cursor, which can't prepare a statement. Raises django.db.Error, and
    SessionLostError if a pooler mixed up sessions; the next transaction then runs unprepared.
    """
    connection.ensure_connection()
    actor.set_at_start()
    with connection.wrap_database_errors:
        try:
            cursor: Cursor[Any] = connection.connection.execute(
                statement, parameters, prepare=not pooler.is_noticed()
            )
        except pooler.LOST_STATEMENTS as lost:
            pooler.notice()
            raise pooler.SessionLostError("A pooler mixed up sessions; try again.") from lost
        return cursor
