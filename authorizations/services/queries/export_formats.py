"""Rows as files: CSV for spreadsheets, JSON Lines for programs."""

import csv
import io
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec

Columns = dict[str, Callable[[Any], Any]]
"""By column name, the function that takes a row and returns the column's value."""

_BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
# The start of a cell, and the signs that make it a formula there; spreadsheets read the full-width
# forms as the plain signs. In many locales a semicolon separates cells, so it starts one as well.
_FORMULA = re.compile(r"(^|;)(?=[\s\"']*[=+\-@\uff0b\uff0d\uff1d\uff20])")


class Format(Protocol):
    """Turns rows into bytes. The file is the head, followed by all parts."""

    content_type: str

    def head(self, columns: Columns, /) -> bytes: ...

    def part(self, columns: Columns, rows: Iterable[Any]) -> bytes: ...


class Csv:
    """RFC 4180 in UTF-8, with the byte order mark by which Excel recognizes it."""

    content_type = "text/csv; charset=utf-8; header=present"

    def head(self, columns: Columns) -> bytes:
        return (_BYTE_ORDER_MARK + _lines([columns])).encode()

    def part(self, columns: Columns, rows: Iterable[Any]) -> bytes:
        return _lines([cell(get(row)) for get in columns.values()] for row in rows).encode()


class JsonLines:
    """One JSON object per line."""

    content_type = "application/jsonl; charset=utf-8"

    def head(self, _columns: Columns) -> bytes:
        return b""

    def part(self, columns: Columns, rows: Iterable[Any]) -> bytes:
        objects = ({name: get(row) for name, get in columns.items()} for row in rows)
        return msgspec.json.Encoder().encode_lines(objects)


def cell(value: Any) -> str:
    """A value as the text of a cell; strings are made safe for spreadsheets."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case list():
            return text_cell("; ".join(map(str, value)))
        case str():
            return text_cell(value)
    return str(value)


def text_cell(text: str) -> str:
    """Text as a spreadsheet shows it on one line, and never runs it as a formula.

    Puts an apostrophe before what would begin a formula, and replaces line breaks, tabs and other
    control characters with a space. (JSON Lines has the text unchanged.)
    """
    return _FORMULA.sub(r"\1'", _CONTROLS.sub(" ", text))


def _lines(rows: Iterable[Iterable[str]]) -> str:
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator="\r\n").writerows(rows)
    return written.getvalue()
