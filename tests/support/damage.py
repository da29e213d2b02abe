"""Damage to the record, done behind the back of the triggers that forbid it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection
from django.db.models import Model

from authorizations.models import Instruction


@contextmanager
def unguarded(model: type[Model]) -> Iterator[None]:
    """Rows of this table can be changed, as by somebody who owns the database."""
    table = connection.ops.quote_name(model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # or the table can't be altered
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER append_only")
        yield
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER append_only")


def damage(row: Model, **columns: Any) -> None:
    """Change a row that nobody may change."""
    model = type(row)
    with unguarded(model):
        assert model._default_manager.filter(pk=row.pk).update(**columns) == 1


def remove(row: Model) -> None:
    """Delete a row that nobody may delete."""
    model = type(row)
    with unguarded(model):
        rows = model._default_manager.filter(pk=row.pk)
        assert rows._raw_delete(rows.db) == 1


def rewrite(row: Instruction, **columns: Any) -> None:
    """Change an instruction, with what decisions read of it, as if it had been written so."""
    damage(row, **columns)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE authorizations_openinstruction AS open"
            " SET scope = it.scope, starts_at = it.starts_at, ends_at = it.ends_at,"
            " told = authorizations_told(it)"
            " FROM authorizations_instruction AS it"
            " WHERE it.id = open.instruction_id AND it.id = %s",
            [row.pk],
        )
