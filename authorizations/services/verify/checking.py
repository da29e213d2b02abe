"""What the checks of the record share: reading whole tables in small pieces, and their findings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple, TypeVar

from django.db import connection, transaction
from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound=Model)

_ROWS = 200

EXISTING = "an existing row"
"""What is expected of an id that names no row."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A value on record that is wrong.

    `where` names the row, `what` the column or part of it, `kept` is the value on record, `found`
    what is expected there.
    """

    where: str
    what: str
    kept: object
    found: object

    def __str__(self) -> str:
        return f"{self.where}: {self.what} is {self.kept}; expected {self.found}"


class Checked(NamedTuple):
    """The result for a piece of work: `number` rows of the kind `what` were checked.

    `unchecked` counts what can no longer be verified.
    """

    what: str
    number: int
    differences: Sequence[Difference] = ()
    unchecked: int = 0


def fetch(statement: str, parameters: Sequence[Any] | dict[str, Any]) -> list[tuple[Any, ...]]:
    """Run a statement that reads some thousand rows by their keys, in a short transaction.

    Parallel workers and the compiler are off: PostgreSQL overestimates such statements, and
    starting either would take longer than running them.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL jit = off")
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


# One long query would hold a snapshot that keeps vacuum from cleaning up, and cards that pay often
# would become slow: tables are read in pieces by key, each in a transaction of its own. Rows
# written meanwhile may be missing.


def pieces(statement: str, after: Any, *rest: Any) -> Iterator[list[tuple[Any, ...]]]:
    """What a statement finds beyond `after`, the key in its first column, as often as it finds any.

    Its parameters are that key, `rest`, and last of these how many rows it returns at most.
    """
    while rows := fetch(statement, [after, *rest]):
        yield rows
        after = rows[-1][0]


def summaries(statement: str, after: Any, *rest: Any) -> Iterator[tuple[Any, ...]]:
    """The same for a statement that sums a piece up in one row: first the piece's last key."""
    while (row := fetch(statement, [after, *rest])[0])[0] is not None:
        yield row
        after = row[0]


def row_pieces(rows: QuerySet[Row, Row], size: int, after: Any = None) -> Iterator[list[Row]]:
    """All rows beyond a key, in the order of their keys, so many at a time."""
    rows = rows.order_by("pk")
    while piece := list((rows if after is None else rows.filter(pk__gt=after))[:size]):
        yield piece
        after = piece[-1].pk


def by_key(rows: QuerySet[Row, Row]) -> Iterator[Row]:
    """All rows in the order of their keys."""
    return chain.from_iterable(row_pieces(rows, _ROWS))


def estimated_count(*models: type[Model]) -> int | None:
    """About how many rows these tables have, after PostgreSQL's statistics.

    None if a table has not been analyzed yet.
    """
    tables = [model._meta.db_table for model in models]  # noqa: SLF001 - Django documents it
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT min(reltuples), sum(reltuples)::bigint FROM pg_class "
            "WHERE oid = ANY (%s::regclass[])",
            [tables],
        )
        least, total = cursor.fetchone()
    return int(total) if least >= 0 else None
