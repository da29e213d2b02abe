"""A line of the log is one line, and tells no secret."""

import logging
import sys

import pytest
from django.db import DataError, connection

from authz_project.log_lines import Line


def line(message: str, *about: object, error: BaseException | None = None) -> str:
    information = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("desk", logging.ERROR, __file__, 1, message, about, information)
    return Line().format(record)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("a\n2026-01-01 ERROR forged", r"a\x0a2026-01-01 ERROR forged"),
        ("a\r\x1b[31m\x00\x9b", r"a\x0d\x1b[31m\x00\x9b"),
        ("a\u2028\u202e\u0085", r"a\u2028\u202e\x85"),
        ("a\ud800", r"a\ud800"),
        ("4242424242424242", "424242******4242"),
        ("t=1,v1=" + "ab" * 32, "t=1,v1=abababab"),
        ("<script>Café</script>", "<script>Café</script>"),
    ],
)
def test_what_came_from_outside_neither_forges_a_line_nor_tells_a_secret(
    name: str, told: str
) -> None:
    assert line("Of %s now.", name).endswith(f" ERROR desk: Of {told} now.")


@pytest.mark.django_db
def test_of_an_error_its_sentence_and_its_place_are_told_but_no_statement_and_no_trace() -> None:
    with pytest.raises(DataError) as raised, connection.cursor() as cursor:
        cursor.execute("SELECT 1 / 0 AS secret")
    said = line("Could not.", error=raised.value)
    assert "Could not. DataError: division by zero (" in said
    assert not any(word in said for word in ("secret", "Traceback", "SELECT", "\n"))


def test_the_place_of_an_error_is_in_our_code_where_it_passed_through_it() -> None:
    try:
        Line().formatTime(None)  # type: ignore[arg-type]
    except AttributeError:
        error = sys.exc_info()[1]
    assert "AttributeError: 'NoneType'" in line("Oh.", error=error)
    assert "logging/__init__.py:" in line("Oh.", error=error)
    try:
        Line().format(None)  # type: ignore[arg-type]
    except AttributeError:
        error = sys.exc_info()[1]
    assert "authz_project/log_lines.py:" in line("Oh.", error=error)
