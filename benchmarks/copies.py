"""Fills a database with any number of ledger entries: copies of the patterns under new ids.

Teams are copied side by side, each row after the same one of the team before, as cards take turns
in life; the hot card's week is copied to the weeks after it. Requests as Stripe sent them are left
out: no check of the books reads them.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from django.db import connection

from authorizations.models import Card, CardGroup, Cardholder, LedgerEntry
from benchmarks.patterns import GROUP_ID, HOT, TEAM, TEAM_CARDS, WEEK

_INSTANT = re.compile(rb"\b1[67]\d{8}\b")
_DRAWN = (b"evt_1", b"ipi_1")
_HOT_SHARE = 0.1


class _Table(NamedTuple):
    """A table to copy: `numbers` are its columns from sequences, `of` the one with the owner's id.

    If `is_dated`, `created` is copied in Unix seconds, so that it can be changed.
    """

    name: str
    numbers: tuple[str, ...]
    of: str
    is_dated: bool = False

    @property
    def order(self) -> str:
        """The column that gives the order in which the rows were written."""
        return "created" if self.is_dated else (*self.numbers, self.of)[0]


_TABLES = (
    _Table("decision", ("webhook_request_id", "position"), "card_id"),
    _Table("ledgerentry", ("id",), "authorization_id"),
    _Table("authorization", (), "card_id", is_dated=True),
    _Table("transaction", (), "card_id", is_dated=True),
    _Table("usage", (), "scope"),
)
STEPS = 2 * len(_TABLES)


def fill(entries: int) -> Iterator[str]:
    """Copy until there are about this many entries; yields each table that is done."""
    of_hot = LedgerEntry.objects.filter(authorization__id__contains=f"_{HOT}_").count()
    of_team = LedgerEntry.objects.count() - of_hot
    weeks = int(entries * _HOT_SHARE / of_hot)
    teams = int((entries - weeks * of_hot) / of_team)
    _make_people(teams)
    last, last_of_team = _last_numbers()
    hot_begins = last + (last_of_team + 1) * teams
    with connection.cursor() as cursor:
        for table in _TABLES:
            rows = _pattern(cursor, table, f"{TEAM}|{GROUP_ID}")
            _copy_in(cursor, table, _of_teams(rows, table, teams, after=last))
            yield f"{table.name}s of teams"
            rows = _pattern(cursor, table, f"[_:]{HOT}$|_{HOT}_")
            _copy_in(cursor, table, _of_weeks(rows, table, weeks, after=hot_begins, each=last))
            yield f"{table.name}s of the hot card"
        cursor.execute(
            "SELECT setval('authorizations_ledgerentry_id_seq', max(id)) "
            "FROM authorizations_ledgerentry"
        )
    connection.connection.execute("VACUUM ANALYZE")


def _make_people(teams: int) -> None:
    numbers = range(1, teams + 1)
    CardGroup.objects.bulk_create(CardGroup(pk=GROUP_ID + k, name=f"Team {k}") for k in numbers)
    Cardholder.objects.bulk_create(
        Cardholder(pk=f"ich_k{k}k_{n}", name="Grace Hopper")
        for k in numbers
        for n in range(TEAM_CARDS // 2)
    )
    Card.objects.bulk_create(
        Card(
            pk=f"ic_k{k}k_{n}",
            root_id=f"ic_k{k}k_{n}",
            cardholder_id=f"ich_k{k}k_{n // 2}",
            group_id=GROUP_ID + k,
            currency="eur",
        )
        for k in numbers
        for n in range(TEAM_CARDS)
    )


def _last_numbers() -> tuple[int, int]:
    """The last number that was drawn, and the team's last one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval('authorizations_ledgerentry_id_seq'), greatest("
            "(SELECT max(webhook_request_id) FROM authorizations_decision WHERE card_id ~ %s),"
            "(SELECT max(id) FROM authorizations_ledgerentry WHERE authorization_id ~ %s))",
            [TEAM, TEAM],
        )
        last, of_team = cursor.fetchone()
        return int(last), int(of_team)


def _columns(cursor: Any, table: _Table) -> list[str]:
    cursor.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_name = %s",
        [f"authorizations_{table.name}"],
    )
    return [*table.numbers, *sorted({name for (name,) in cursor.fetchall()} - {*table.numbers})]


def _pattern(cursor: Any, table: _Table, of: str) -> list[bytes]:
    """The table's rows as COPY writes them, in order."""
    columns = ", ".join(f'"{name}"' for name in _columns(cursor, table))
    if table.is_dated:
        columns = columns.replace('"created"', "extract(epoch FROM created)::bigint")
    statement = (
        f"COPY (SELECT {columns} FROM authorizations_{table.name} "  # noqa: S608
        f"WHERE {table.of} ~ '{of}' ORDER BY {table.order}) TO STDOUT"
    )
    with connection.connection.cursor().copy(statement) as copy:
        return b"".join(bytes(block) for block in copy).splitlines(keepends=True)


def _copy_in(cursor: Any, table: _Table, rows: Iterator[bytes]) -> None:
    columns = ", ".join(f'"{name}"' for name in _columns(cursor, table))
    target = f"authorizations_{table.name}"
    if table.is_dated:  # in Unix seconds, until it is there
        cursor.execute(
            f"CREATE TEMPORARY TABLE arriving AS SELECT {columns} FROM {target} LIMIT 0;"  # noqa: S608
            "ALTER TABLE arriving ALTER created TYPE bigint USING 0"
        )
        target = "arriving"
    with connection.connection.cursor().copy(f"COPY {target} ({columns}) FROM STDIN") as copy:
        for row in rows:
            copy.write(row)
    if table.is_dated:
        instants = columns.replace('"created"', "to_timestamp(created)")
        cursor.execute(
            f"INSERT INTO authorizations_{table.name} ({columns}) "  # noqa: S608
            f"SELECT {instants} FROM arriving; DROP TABLE arriving"
        )


def _numbered(row: bytes, many: int, change: Callable[[int], int]) -> bytes:
    *numbers, rest = row.split(b"\t", many)
    return b"\t".join([*(b"%d" % change(int(number)) for number in numbers), rest])


def _of_teams(rows: Sequence[bytes], table: _Table, teams: int, after: int) -> Iterator[bytes]:
    """The first row of every team, then the second of every team, and so on."""
    many = len(table.numbers)
    for row in rows:
        for k in range(1, teams + 1):
            copied = row.replace(TEAM.encode(), b"k%dk" % k)
            copied = copied.replace(b"%d" % GROUP_ID, b"%d" % (GROUP_ID + k))
            for drawn in _DRAWN:
                copied = copied.replace(drawn, drawn[:-1] + b"%d_" % k)
            yield _numbered(copied, many, partial(_place, after, teams, k))


def _place(after: int, teams: int, k: int, number: int) -> int:
    return after + number * teams + k


def _of_weeks(
    rows: Sequence[bytes], table: _Table, weeks: int, after: int, each: int
) -> Iterator[bytes]:
    """The whole week, shifted by one week, by two weeks, and so on."""
    many = len(table.numbers)
    for week in range(1, weeks + 1):
        for row in rows:
            copied = _INSTANT.sub(partial(_later, week), row)
            copied = copied.replace(b"_hot_", b"_hot%d_" % week)
            for drawn in _DRAWN:
                copied = copied.replace(drawn, drawn[:-1] + b"h%d_" % week)
            yield _numbered(copied, many, partial(int.__add__, after + (week - 1) * each))


def _later(week: int, instant: re.Match[bytes]) -> bytes:
    return b"%d" % (int(instant[0]) + week * WEEK)
