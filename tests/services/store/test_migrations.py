"""Statements of the migrations are such as any way to the database takes."""

from collections.abc import Iterator

import pytest
from django.db import connection, migrations
from django.db.migrations.loader import MigrationLoader
from psycopg.pq import ExecStatus

pytestmark = pytest.mark.django_db


def statements() -> Iterator[tuple[str, str]]:
    for key, migration in MigrationLoader(None).disk_migrations.items():
        if key[0] == "authorizations":
            for operation in migration.operations:
                if isinstance(operation, migrations.RunSQL):
                    for sql in (operation.sql, operation.reverse_sql):
                        assert isinstance(sql, str)
                        yield f"{key[1]}: {sql[:80]}", sql


def test_each_is_one_statement() -> None:
    """So that none of several can fail unseen. PostgreSQL itself counts: it prepares only one."""
    connection.ensure_connection()
    several = []
    for name, sql in statements():
        found = connection.connection.pgconn.prepare(b"", sql.encode())
        if found.status != ExecStatus.COMMAND_OK:
            several.append((name, found.error_message.decode()))
            connection.connection.execute("ROLLBACK")  # or the next one fails, too
    assert several == []
