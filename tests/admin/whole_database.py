"""All that is kept, to compare before and after."""

from django.db import connection

Contents = dict[str, frozenset[str]]


def contents() -> Contents:
    """The rows of every table of the database, by their digests; sessions left out."""
    tables = set(connection.introspection.table_names()) - {"django_session"}
    return {table: _rows(table) for table in sorted(tables)}


def changed(before: Contents) -> set[str]:
    """The tables that are no longer as they were."""
    return {table for table, rows in contents().items() if rows != before[table]}


def altered(before: Contents) -> set[str]:
    """The tables of which a row is gone or no longer as it was; new ones may have been added."""
    return {table for table, rows in contents().items() if before[table] - rows}


def _rows(table: str) -> frozenset[str]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT md5(row::text) FROM {table} AS row")  # noqa: S608
        return frozenset(digest for (digest,) in cursor.fetchall())
