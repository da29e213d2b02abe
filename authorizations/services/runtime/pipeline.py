"""Runs several statements in one round trip, by libpq's pipeline.

All of them are sent, then all are answered; after one that fails, none is run. psycopg's own
pipeline makes objects and takes locks for each statement, at ten times the cost. Statements are
prepared on each connection at their first use, and named by their text, so that behind a pooler
that is not noticed yet a name always stands for the same statement.
"""

import hashlib
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple, TypeAlias
from weakref import WeakKeyDictionary

import psycopg
from django.db import connection
from psycopg import pq
from psycopg.abc import PQGen
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult
from psycopg.waiting import Ready, Wait

from authorizations.services.runtime import actor
from authz_project import pooler

Row: TypeAlias = tuple[Any, ...]

_TEXT, _BINARY = pq.Format.TEXT, pq.Format.BINARY
_GOOD = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)


class Statement(NamedTuple):
    """SQL with its parameters, as %(name)s; answered with the rows it returns.

    A parameter is None, a string, a number, bytes, a time, or a list of strings, numbers or bytes.
    PostgreSQL infers its type from where it stands.
    """

    text: str
    parameters: Mapping[str, Any] = {}


BEGIN = Statement("BEGIN")
COMMIT = Statement("COMMIT")
ROLLBACK = Statement("ROLLBACK")


class _Compiled(NamedTuple):
    """A statement as PostgreSQL takes it: $1 stands for the first of `names`."""

    text: bytes
    names: tuple[str, ...]
    key: bytes


class _Call(NamedTuple):
    """The text and name of a statement, and its parameters with their formats."""

    statement: tuple[bytes, bytes]
    values: list[bytes | None]
    formats: list[int]


@cache
def _compiled(text: str) -> _Compiled:
    names: dict[str, int] = {}

    def numbered(found: re.Match[str]) -> str:
        name = found[1]
        return f"${names.setdefault(name, len(names) + 1)}" if name else "%"

    sql = re.sub(r"%\((\w+)\)s|%%", numbered, text).encode()
    key = b"desk_" + hashlib.sha256(sql).hexdigest()[:32].encode()
    return _Compiled(sql, tuple(names), key)


class _Session:
    """What this process knows of a connection: the statements prepared on it, and how to read."""

    def __init__(self, opened: "psycopg.Connection[Any]") -> None:
        self.prepared: set[bytes] = set()
        self.read = Transformer.from_context(opened)


_sessions: "WeakKeyDictionary[psycopg.Connection[Any], _Session]" = WeakKeyDictionary()


def run(statements: Sequence[Statement]) -> list[list[Row]]:
    """Run statements on this thread's connection; returns the rows of each.

    In an atomic block they belong to its transaction, which begins with them if they are its first.
    Raises django.db.Error, and SessionLostError if a pooler mixed up sessions; the next transaction
    then runs unprepared.
    """
    connection.ensure_connection()
    actor.set_at_start()
    opened = connection.connection
    with connection.wrap_database_errors:
        is_first = opened.pgconn.transaction_status == TransactionStatus.IDLE
        if is_first and not opened.autocommit:
            return opened.wait(exchange(opened, [BEGIN, *statements]))[1:]  # type: ignore[no-any-return]
        return opened.wait(exchange(opened, statements))  # type: ignore[no-any-return]


def exchange(
    opened: "psycopg.Connection[Any]", statements: Sequence[Statement]
) -> PQGen[list[list[Row]]]:
    """Send statements and read their rows; a generator that yields what it waits for.

    The transaction is what BEGIN and COMMIT among the statements make it. Raises psycopg.Error, of
    the first statement that failed.
    """
    session = _sessions.get(opened)
    if session is None:
        session = _sessions[opened] = _Session(opened)
    pgconn, names = opened.pgconn, not pooler.is_noticed()
    calls = [_encoded(_compiled(text), parameters) for text, parameters in statements]
    sent: list[bytes | None] = []  # of each result: the name that it prepares, None for rows
    pgconn.enter_pipeline_mode()
    for (text, key), values, formats in calls:
        if not names:
            pgconn.send_query_params(text, values, None, formats)
        else:
            if key not in session.prepared and key not in sent:
                pgconn.send_prepare(key, text)
                sent.append(key)
            pgconn.send_query_prepared(key, values, formats)
        sent.append(None)
    pgconn.pipeline_sync()
    results = yield from _results(pgconn)
    pgconn.exit_pipeline_mode()
    rows: list[list[Row]] = []
    for prepares, result in zip(sent, results, strict=False):
        if result.status not in _GOOD:
            raise _error(result)
        if prepares:
            session.prepared.add(prepares)
        elif result.ntuples:
            session.read.set_pgresult(result)
            rows.append(session.read.load_rows(0, result.ntuples, tuple))
        elif result.command_status == b"ROLLBACK" and statements[len(rows)] is COMMIT:
            raise psycopg.errors.InFailedSqlTransaction("The transaction had failed.")
        else:
            rows.append([])
    return rows


def _results(pgconn: "pq.abc.PGconn") -> PQGen[list[PGresult]]:
    """Send what is waiting to be sent, and read up to the end of the pipeline."""
    results: list[PGresult] = []
    is_unsent, nothings = True, 0
    while True:
        ready = yield Wait.RW if is_unsent else Wait.R
        if is_unsent:
            is_unsent = pgconn.flush() == 1
        if not ready & Ready.R:
            continue
        pgconn.consume_input()
        while not pgconn.is_busy():
            result = pgconn.get_result()
            if result is None:
                nothings += 1
                if nothings > 1:  # nothing more will come
                    message = pgconn.get_error_message() or "the connection is lost"
                    raise psycopg.OperationalError(message)
                continue
            nothings = 0
            if result.status == ExecStatus.PIPELINE_SYNC:
                return results
            results.append(result)


def _error(result: PGresult) -> psycopg.Error:
    error = error_from_result(result)
    if isinstance(error, pooler.LOST_STATEMENTS):
        pooler.notice()
        lost = pooler.SessionLostError("A pooler mixed up sessions; try again.")
        lost.__cause__ = error
        return lost
    return error


def _encoded(compiled: _Compiled, parameters: Mapping[str, Any]) -> _Call:
    values: list[bytes | None] = []
    formats: list[int] = []
    for name in compiled.names:
        value = parameters[name]
        if isinstance(value, list) and value and isinstance(value[0], bytes):
            value = _byte_strings(value)
        is_bytes = isinstance(value, bytes)
        values.append(value if is_bytes or value is None else _ENCODE[type(value)](value))
        formats.append(_BINARY if is_bytes else _TEXT)
    return _Call((compiled.text, compiled.key), values, formats)


def _text(value: str) -> bytes:
    if "\0" in value:
        raise psycopg.DataError("PostgreSQL text can't contain a NUL character.")
    return value.encode()


def _list(values: Sequence[str | int]) -> bytes:
    """An array in PostgreSQL's text form."""
    if not values or isinstance(values[0], int):
        return ("{" + ",".join(map(str, values)) + "}").encode()
    quoted = '","'.join(values)  # type: ignore[arg-type]
    if "\\" in quoted or quoted.count('"') != 2 * len(values) - 2:
        quoted = '","'.join(_escaped(value) for value in values)  # type: ignore[arg-type]
    return _text('{"' + quoted + '"}')


_BYTEA = 17
"""The oid of PostgreSQL's type for bytes."""


def _byte_strings(values: Sequence[bytes]) -> bytes:
    """An array in PostgreSQL's binary form: in text, each would be twice as long."""
    head = struct.pack("!iiIii", 1, 0, _BYTEA, len(values), 1)
    return head + b"".join(struct.pack("!i", len(value)) + value for value in values)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')


_ENCODE: dict[type, Callable[[Any], bytes]] = {
    str: _text,
    int: lambda value: b"%d" % value,
    bool: lambda value: b"t" if value else b"f",
    list: _list,
    datetime: lambda value: value.isoformat().encode(),
}
