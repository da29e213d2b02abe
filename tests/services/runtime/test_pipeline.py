"""Statements in one round trip: what goes in comes out, and an error leaves nothing behind."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import psycopg
import pytest
from django.db import DataError, connection, transaction
from psycopg.pq import PipelineStatus, TransactionStatus

from authorizations.services.runtime import pipeline
from authorizations.services.runtime.pipeline import BEGIN, COMMIT, ROLLBACK, Statement
from authz_project import pooler
from authz_project.deadline import DeadlineConnection
from tests.support import database, pgbouncer

pytestmark = pytest.mark.django_db

ODD = 'it\'s "quoted", {in braces}, \\with\\ back\\\\slashes,\n\té 漢 🥖 NULL null %s %% $1'
AT = datetime(2026, 11, 18, 12, 0, 0, 250_001, tzinfo=UTC)
PARAMETERS: dict[str, tuple[str, Any, Any]] = {
    "no value": ("%(it)s::text", None, None),
    "text": ("%(it)s::text", ODD, ODD),
    "no text": ("%(it)s::text", "", ""),
    "a number": ("%(it)s::bigint", -(2**63), -(2**63)),
    "true": ("%(it)s::boolean", True, True),
    "false": ("%(it)s::boolean", False, False),
    "bytes": ("%(it)s::bytea", bytes(range(256)), bytes(range(256))),
    "no bytes": ("%(it)s::bytea", b"", b""),
    "a time": ("%(it)s::timestamptz", AT, AT),
    "a time of another zone": (
        "%(it)s::timestamptz",
        AT.astimezone(timezone(timedelta(hours=-9, minutes=-30))),
        AT,
    ),
    "texts": (
        "%(it)s::text[]",
        [ODD, "", "NULL", ",", "{}", '"'],
        [ODD, "", "NULL", ",", "{}", '"'],
    ),
    "no texts": ("%(it)s::text[]", [], []),
    "numbers": ("%(it)s::bigint[]", [0, -1, 2**63 - 1], [0, -1, 2**63 - 1]),
    "no numbers": ("%(it)s::bigint[]", [], []),
    "lists of bytes": ("%(it)s::bytea[]", [b"", b"\0\xff\\{}", b"x" * 70_000], None),
    "no bytes in a list": ("%(it)s::bytea[]", [], []),
    "json": ("%(it)s::jsonb ->> 'it'", '{"it": "\\u00e9 \\" \\\\"}', 'é " \\'),
}


@pytest.mark.parametrize("kind", PARAMETERS)
def test_a_parameter_of_each_kind_comes_out_as_it_went_in(kind: str) -> None:
    text, given, expected = PARAMETERS[kind]
    statement = Statement(f"SELECT {text}, %(it)s IS NULL", {"it": given})
    if kind == "json":
        statement = Statement(f"SELECT {text}, FALSE", {"it": given})
    expected = given if expected is None else expected
    for _ in range(2):  # prepared the second time
        assert pipeline.run([statement]) == [[(expected, given is None)]]


@pytest.mark.parametrize("given", ["a\0b", ["fine", "a\0b"]])
def test_text_with_a_nul_character_is_refused_before_anything_is_sent(given: object) -> None:
    with pytest.raises(DataError, match="NUL"), transaction.atomic():
        pipeline.run([Statement("SELECT %(it)s::text", {"it": given})])
    assert pipeline.run([Statement("SELECT 1")]) == [[(1,)]]


def test_a_parameter_may_stand_in_several_places_and_a_percent_sign_is_doubled() -> None:
    text = "SELECT %(a)s::int, %(b)s::int, %(a)s::int, 7 %% 4, 'it' LIKE 'i%%'"
    assert pipeline.run([Statement(text, {"a": 1, "b": 2})]) == [[(1, 2, 1, 3, True)]]


def test_rows_of_each_type_are_read_as_values_of_python() -> None:
    text = """
        SELECT * FROM (VALUES
            (1::smallint, 2::int, 3::bigint, 'x'::text, 'y'::varchar, TRUE, '[1]'::jsonb::text),
            (NULL, NULL, NULL, NULL, NULL, NULL, NULL)
        ) AS one
    """
    assert pipeline.run([Statement(text)]) == [[(1, 2, 3, "x", "y", True, "[1]"), (None,) * 7]]


def test_each_statement_has_its_own_rows_and_none_where_there_are_none() -> None:
    found = pipeline.run(
        [
            Statement("SELECT generate_series(1, %(to)s::int)", {"to": 3}),
            Statement("SELECT 1 WHERE FALSE"),
            Statement("CREATE TEMPORARY TABLE kept (id int) ON COMMIT DROP"),
            Statement("INSERT INTO kept VALUES (4)"),
            Statement("INSERT INTO kept VALUES (5) RETURNING id"),
            Statement("SELECT id FROM kept ORDER BY id"),
        ]
    )
    assert found == [[(1,), (2,), (3,)], [], [], [], [(5,)], [(4,), (5,)]]


def test_much_in_both_directions_at_once_is_neither_lost_nor_waited_for_forever() -> None:
    """More than both sockets hold: whoever only sent until all is sent would never end."""
    much = "x" * 3_000_000
    statement = Statement("SELECT %(it)s::text", {"it": much})
    assert pipeline.run([statement] * 4) == [[(much,)]] * 4


# --- a connection of its own, on which statements begin and end transactions


@contextmanager
def connected(url: str = "") -> Iterator[DeadlineConnection]:
    found = connection.get_connection_params() | {"cursor_factory": psycopg.Cursor}
    parameters = {"conninfo": url} if url else found
    with DeadlineConnection.connect(**parameters, autocommit=True) as opened:
        yield opened


def sent(opened: DeadlineConnection, *statements: Statement) -> list[list[pipeline.Row]]:
    return opened.wait(pipeline.exchange(opened, statements))


def is_idle(opened: DeadlineConnection) -> bool:
    return (opened.pgconn.transaction_status, opened.pgconn.pipeline_status) == (
        TransactionStatus.IDLE,
        PipelineStatus.OFF,
    )


DIVIDE = "SELECT 1 / %(by)s::int"
FAILS = {
    "when it is run": Statement(DIVIDE, {"by": 0}),
    "when it is prepared": Statement("SELECT nothing FROM nowhere"),
    "by a parameter": Statement("SELECT %(it)s::int", {"it": "x"}),
}


@pytest.mark.parametrize("failing", FAILS)
@pytest.mark.parametrize("before", [[], [BEGIN]])
def test_after_a_statement_that_fails_none_is_run_and_the_connection_goes_on(
    failing: str, before: list[Statement]
) -> None:
    with connected() as opened:
        sent(opened, Statement("CREATE TEMPORARY TABLE kept (id int)"))
        kept = Statement("INSERT INTO kept VALUES (1)")
        for _ in range(2):
            with pytest.raises(psycopg.Error) as raised:
                sent(opened, *before, kept, FAILS[failing], kept, COMMIT)
            assert raised.value.sqlstate in {"22012", "42P01", "22P02"}
            assert opened.pgconn.pipeline_status == PipelineStatus.OFF
            if before:
                assert opened.pgconn.transaction_status == TransactionStatus.INERROR
                sent(opened, ROLLBACK)
            assert is_idle(opened)
        assert sent(opened, Statement("SELECT * FROM kept")) == [[]]
        assert sent(opened, kept, Statement(DIVIDE, {"by": 1})) == [[], [(1,)]]


def test_commit_of_a_transaction_that_has_failed_is_an_error() -> None:
    with connected() as opened:
        with pytest.raises(psycopg.errors.DivisionByZero):
            sent(opened, BEGIN, FAILS["when it is run"])
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            sent(opened, COMMIT)
        assert is_idle(opened)


def test_a_backend_that_ends_in_the_middle_is_an_error_of_the_connection() -> None:
    """It has no code of PostgreSQL's: nobody knows how far it came."""
    ending = Statement("SELECT pg_terminate_backend(pg_backend_pid())")
    with connected() as opened, pytest.raises(psycopg.OperationalError) as raised:
        sent(opened, BEGIN, ending, COMMIT)
    assert raised.value.sqlstate is None


# --- behind PgBouncer, where each transaction is on whichever connection is free


@pytest.fixture(scope="module")
def pooled(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    with django_db_blocker.unblock():
        url = database.url()
    with pgbouncer.pooling(url, default_pool_size=2) as through:
        yield through


@pytest.mark.slow
@pytest.mark.parametrize("is_noticed", [True, False])
def test_behind_a_pooler_statements_run_and_what_was_prepared_elsewhere_is_noticed(
    pooled: str, monkeypatch: pytest.MonkeyPatch, is_noticed: bool
) -> None:
    monkeypatch.setattr(pooler, "_noticed", False)
    if not is_noticed:
        monkeypatch.setattr(pooler, "look", lambda _: None)
    divide = Statement(DIVIDE, {"by": 1})
    with connected(pooled) as first, connected(pooled) as second:
        assert pooler.is_noticed() == is_noticed
        assert sent(first, BEGIN, divide, COMMIT) == [[], [(1,)], []]
        if is_noticed:
            assert sent(second, BEGIN, divide, COMMIT) == [[], [(1,)], []]
        else:  # on the same connection to PostgreSQL
            with pytest.raises(pooler.SessionLostError):
                sent(second, BEGIN, divide, COMMIT)
            assert pooler.is_noticed()
        # While the first holds one, the second is on another.
        sent(first, ROLLBACK, BEGIN, divide)
        assert sent(second, ROLLBACK, BEGIN, divide, COMMIT) == [[], [], [(1,)], []]
        assert sent(first, divide, COMMIT) == [[(1,)], []]
        with pytest.raises(psycopg.errors.DivisionByZero):
            sent(second, BEGIN, FAILS["when it is run"], COMMIT)
        sent(second, ROLLBACK)
        assert is_idle(first)
        assert is_idle(second)
