"""Each log record as one line of JSON, whatever is in it."""

import json
import logging
import sys
from typing import Any

import pytest
from django.db import DatabaseError, connection
from pytest_django import Settings

from authz_project.logs import JsonLine, TextLine
from tests.support.desk import Shopper, in_force


def line(message: str = "Hello.", *values: object, **extra: object) -> dict[str, Any]:
    """What is written of a record, read back; of the exception at hand, too."""
    logger = logging.getLogger("tests")
    is_error = sys.exc_info() if sys.exc_info()[0] else None
    record = logger.makeRecord(
        "tests", logging.WARNING, "file", 1, message, values, is_error, extra=extra
    )
    written = JsonLine().format(record)
    assert written.isascii()
    assert written.isprintable()
    read: dict[str, Any] = json.loads(written)
    return read


def test_a_line_says_when_how_grave_where_and_what() -> None:
    told = line("Card %s.", "ic_1", amount=250, share=0.5, is_first=True, nothing=None)
    assert told.pop("time")[-6:] == "+00:00"
    assert told == {
        "level": "WARNING",
        "logger": "tests",
        "message": "Card ic_1.",
        "amount": 250,
        "share": 0.5,
        "is_first": True,
        "nothing": None,
    }


@pytest.mark.parametrize(
    "hostile", ["two\nlines", "\r\x1b[2J", "\u2028", "\ud800", "\0", '"}\n{"level": "INFO"}']
)
def test_nothing_from_outside_begins_a_line_of_its_own(hostile: str) -> None:
    told = line("%s", hostile, merchant=hostile)
    assert (told["message"], told["merchant"]) == (hostile, hostile)


@pytest.mark.parametrize(
    ("secret", "shown"),
    [
        ("4242424242424242", "424242******4242"),
        (f"t=1,v1={'ab' * 32}", "t=1,v1=abababab"),
    ],
)
def test_card_numbers_and_signatures_are_masked_wherever_they_are(secret: str, shown: str) -> None:
    try:
        raise ValueError(secret)
    except ValueError:
        told = line("%s", secret, merchant=secret, amount=4242424242424242)
    assert (told["message"], told["merchant"]) == (shown, shown)
    assert told["exception"].startswith(f"builtins.ValueError: {shown}\n")
    assert told["amount"] == 4242424242424242
    record = logging.makeLogRecord({"msg": "%s", "args": (secret,)})
    assert TextLine("{message}", style="{").format(record) == shown


@pytest.mark.parametrize("value", [object(), b"{}", {"a": 1}, [1], float("nan"), float("inf")])
def test_what_is_not_plain_is_left_out(value: object) -> None:
    assert "value" not in line(value=value)


def test_statements_and_their_values_are_left_out() -> None:
    assert not {"sql", "params"} & line(sql="SELECT 1", params="(1)").keys()


def test_what_a_line_is_made_of_cannot_be_said_otherwise() -> None:
    assert line("Hello.", level="quiet", time="never")["level"] == "WARNING"


def test_an_exception_is_one_field_that_names_what_caused_it() -> None:
    try:
        try:
            raise ValueError("inner\nsecond line")
        except ValueError as inner:
            raise RuntimeError("outer") from inner
    except RuntimeError:
        told = line("It failed.")["exception"].split("\n")
    assert told[0] == "builtins.RuntimeError: outer"
    assert told[1].endswith("test_an_exception_is_one_field_that_names_what_caused_it")
    assert told[2] == "builtins.ValueError: inner"
    assert "second line" not in "".join(told)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement",
    [
        "SELECT secret_column FROM authorizations_card WHERE id = 'secret'",
        "SELECT 'secret'::int",
        "INSERT INTO django_site VALUES ('secret')",
    ],
)
def test_of_what_the_database_refused_neither_statement_nor_values_are_told(
    statement: str,
) -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
    except DatabaseError:
        told = line("It failed.")["exception"]
    assert "'" not in told
    assert "WHERE" not in told


@pytest.mark.django_db(transaction=True)
def test_a_decision_is_told_once_and_only_when_it_stands(
    caplog: pytest.LogCaptureFixture, settings: Settings
) -> None:
    caplog.set_level(logging.INFO)
    in_force()
    shopper = Shopper()
    purchase = shopper.purchase(250)
    for _ in range(2):
        shopper.asks(purchase, "evt_1")
    settings.STRIPE_LIVEMODE = True
    shopper.asks(purchase, "evt_2")
    told = [record.getMessage() for record in caplog.records if "decision_log" in record.name]
    assert told == [
        "Decision evt_1: approved, approved.",
        "Decision evt_1: repeated.",
        "Decision evt_2: declined, wrong_mode.",
    ]
