"""What the checks of the record share: whole tables in small pieces, and what was found wrong."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from django.db import connection, transaction
from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True, slots=True)
class Difference:
    """Something kept that is not what it should be; `where` names the row."""

    where: str
    what: str
    kept: object
    found: object

    def __str__(self) -> str:
        return f"{self.where}: {self.what} is kept as {self.kept}, but should be {self.found}"


class Checked(NamedTuple):
    """What a piece of a check found; `unchecked` counts what nobody can tell any more."""

    what: str
    number: int
    differences: Sequence[Difference] = ()
    unchecked: int = 0


def fetch(statement: str, parameters: Sequence[Any] | dict[str, Any]) -> list[tuple[Any, ...]]:
    """The rows of a statement that reads some thousands by their keys: a short transaction.

    PostgreSQL guesses more, and would start workers or a compiler that take longer than it all.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL jit = off")
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def by_key(rows: QuerySet[Row, Row], size: int = 200) -> Iterator[Row]:
    """All rows in the order of their keys; what is written meanwhile may or may not be among them.

    Each piece is a short transaction of its own. Never one long query: the snapshot it holds
    keeps vacuum from cleaning up, and cards that pay often become slow.
    """
    last: Any = None
    while True:
        rest = rows if last is None else rows.filter(pk__gt=last)
        piece = list(rest.order_by("pk")[:size])
        yield from piece
        if len(piece) < size:
            return
        last = piece[-1].pk


def estimated_count(*models: type[Model]) -> int | None:
    """About how many rows these tables have: counting would read them. None: nobody knows yet."""
    tables = [model._meta.db_table for model in models]  # noqa: SLF001 - Django documents it
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT min(reltuples), sum(reltuples)::bigint FROM pg_class "
            "WHERE oid = ANY (%s::regclass[])",
            [tables],
        )
        least, total = cursor.fetchone()
    return int(total) if least >= 0 else None
