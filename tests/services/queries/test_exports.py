"""Exports as files and on record."""

import csv
import io
import json
import logging
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection

from authorizations.models import Export
from authorizations.services.host import heavy_reads
from authorizations.services.queries import exports
from authorizations.services.queries.export_formats import Columns, Csv, JsonLines, cell, text_cell
from authorizations.services.queries.exports import Outgoing, start

COLUMNS: Columns = {"name": itemgetter(0), "amount": itemgetter(1)}
ROWS = [("Café ☕", 1), ("Söder", 2), ("x", 3)]


@pytest.mark.parametrize(
    "text",
    [
        *("=1+1", "+1", "-1", "@SUM(A1)", "=cmd|' /C calc'!A0", "  =1+1", "\t=1+1", "\r=1+1"),
        *('"=1+1', "'=1+1", " '\" @x", "\n=1+1", "\x00=1+1", "\uff1d1+1", "\uff0d1", "\u2028=1"),
    ],
)
def test_a_cell_never_begins_a_formula(text: str) -> None:
    assert text_cell(text).startswith("'")


def test_a_semicolon_begins_no_formula_either() -> None:
    assert text_cell("Shop; =1+1") == "Shop;' =1+1"


@pytest.mark.parametrize("text", ["Café", "a=b", "A-1", "Mail me @ home", "", "3+4", "'quoted'"])
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert text_cell(text) == text


def test_line_breaks_and_control_characters_become_a_space() -> None:
    assert text_cell("Two\r\nlines\x00of\x1b[2J\x85text") == "Two lines of [2J text"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        (True, "true"),
        (-5, "-5"),
        (Decimal("-12.50"), "-12.50"),
        (1.25, "1.25"),
        (datetime(2026, 11, 24, 9, 30, tzinfo=UTC), "2026-11-24T09:30:00Z"),
        (["A", "B"], "A; B"),
        (["A", "=B"], "A;' =B"),
    ],
)
def test_values_of_ours_are_written_plainly(value: Any, shown: str) -> None:
    assert cell(value) == shown


def test_csv_reads_back_as_it_was_whatever_the_text() -> None:
    odd = [('say "hi", twice', 1), ("a,b;c", 2), ("Łódź 🍕", 3)]
    content = Csv().head(COLUMNS) + Csv().part(COLUMNS, odd)
    assert content.startswith(b"\xef\xbb\xbfname,amount\r\n")
    assert content.count(b"\r\n") == content.count(b"\n") == 4
    read = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert read[1:] == [[name, str(amount)] for name, amount in odd]


def test_json_lines_keep_text_exactly_and_types() -> None:
    at = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
    odd = [("=1\n\t☕", Decimal("1250.00")), (None, at)]
    lines = (JsonLines().head(COLUMNS) + JsonLines().part(COLUMNS, odd)).decode().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"name": "=1\n\t☕", "amount": "1250.00"},
        {"name": None, "amount": "2026-11-24T09:30:00Z"},
    ]


def outgoing(chunks: Iterator[Sequence[Any]] | list[Sequence[Any]], **details: str) -> Outgoing:
    author = User.objects.create_user("olga")
    details = {"what": "decisions", "format": "csv", "filter": "Declined", **details}
    return start(COLUMNS, chunks, by=author, **details)


@pytest.mark.django_db
def test_an_export_is_on_record_before_its_first_row() -> None:
    going = outgoing([ROWS])
    export = Export.objects.get()
    assert (export.author.username, export.what, export.filter) == ("olga", "decisions", "Declined")
    assert not hasattr(export, "end")
    assert b"".join(going).count(b"\r\n") == 4


@pytest.mark.django_db
def test_an_export_that_was_read_to_its_end_is_complete() -> None:
    going = outgoing([ROWS[:2], ROWS[2:]])
    assert len(list(going)) == 3
    going.close()
    end = Export.objects.get().end
    assert (end.rows, end.complete) == (3, True)


@pytest.mark.django_db
def test_an_export_without_rows_is_on_record_as_well() -> None:
    going = outgoing([], format="jsonl")
    assert b"".join(going) == b""
    end = Export.objects.get().end
    assert (end.rows, end.complete) == (0, True)


@pytest.mark.django_db
@pytest.mark.parametrize(("parts", "rows"), [(0, 0), (1, 0), (2, 0), (3, 2)])
def test_a_reader_who_goes_away_leaves_what_they_got(parts: int, rows: int) -> None:
    going = outgoing([ROWS[:2], ROWS[2:]])
    for _ in range(parts):
        next(going)
    going.close()
    end = Export.objects.get().end
    # Whether the last part arrived nobody knows, so it doesn't count.
    assert (end.rows, end.complete) == (rows, False)


@pytest.mark.django_db
def test_an_export_whose_rows_cannot_be_read_is_not_complete() -> None:
    def failing() -> Iterator[Sequence[Any]]:
        yield ROWS
        raise DatabaseError("The database went away.")

    going = outgoing(failing())
    with pytest.raises(DatabaseError):
        list(going)
    going.close()
    end = Export.objects.get().end
    assert (end.rows, end.complete) == (3, False)


@pytest.mark.django_db(transaction=True)
def test_an_end_that_cannot_be_recorded_breaks_nothing_and_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    going = outgoing([ROWS])
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE authorizations_exportend RENAME TO elsewhere")
    try:
        with caplog.at_level(logging.ERROR):
            assert len(list(going)) == 2
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE elsewhere RENAME TO authorizations_exportend")
    assert "could not be recorded" in caplog.text


@pytest.mark.django_db
def test_what_was_exported_cannot_be_taken_back() -> None:
    list(outgoing([ROWS]))
    with pytest.raises(DatabaseError, match="append-only"):
        Export.objects.update(filter="Nothing")


@pytest.mark.django_db
def test_an_export_whose_next_part_gets_no_turn_in_time_is_not_complete(
    monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path
) -> None:
    settings.SPOOL_DIR, settings.HEAVY_READS = tmp_path, 1
    monkeypatch.setattr(exports, "WAIT_S", 0.05)
    going = outgoing([ROWS[:2], ROWS[2:]])
    next(going)
    next(going)
    with heavy_reads.turn(0), pytest.raises(heavy_reads.BusyError):
        next(going)
    going.close()
    end = Export.objects.get().end
    assert (end.rows, end.complete) == (2, False)
