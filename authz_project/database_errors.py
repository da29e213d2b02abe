"""Describes in one sentence why a database can't be used, and what to do."""

import re
from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg.pq import Conninfo

_ESCAPES = "with @ / ? # % in them written as %40 %2F %3F %23 %25"
_RUNS = "Check that PostgreSQL runs and listens there, or correct DATABASE_URL."
_REACHED = "Check that this host can reach it: address, network, firewall."
_ROOM = "Raise the server's max_connections, or let fewer workers run."
_ADVICE = {
    # Parts of the messages of PostgreSQL and its client, and what helps. The first match counts.
    "password": f"Check user and password in DATABASE_URL, {_ESCAPES}.",
    "permission denied for schema": "Since PostgreSQL 15 a role needs the right to make tables: as "
    "the database's owner, GRANT CREATE ON SCHEMA public TO {user}.",
    "permission denied": "`manage.py database_roles` prints the SQL that gives each role its "
    "rights; run it again after an upgrade.",
    "couldn't get a connection": "An earlier line says why, or all connections are in use.",
    "pg_hba.conf": "Allow this host in a line of the server's pg_hba.conf.",
    "role ": "Create the role, or name a different user in DATABASE_URL.",
    "database ": "Create it (`createdb {name}`), or name a different one in DATABASE_URL.",
    "resolve host": "Correct the host in DATABASE_URL.",
    "translate host": "Correct the host in DATABASE_URL.",
    "refused": _RUNS,
    "No such file": _RUNS,
    "timeout": _REACHED,
    "unreachable": _REACHED,
    "connection slots": _ROOM,
    "too many": _ROOM,
}


def sentence(error: BaseException, database: dict[str, Any]) -> str:
    """Which database it is, for whom, what failed, and what to do; shows no password.

    `database` is an entry of Django's DATABASES.
    """
    wanted, borrowed = _wanted(database)
    reason = _reason(error)
    advice = next((_ADVICE[said] for said in _ADVICE if said in reason), "Check DATABASE_URL.")
    where = f"at {wanted['host']}:{wanted['port']}"
    if not wanted["host"] or wanted["host"].startswith("/"):
        where = f"at the socket in {wanted['host'] or 'the usual place'}, port {wanted['port']},"
    if borrowed:
        advice += f" (DATABASE_URL leaves out what {' and '.join(borrowed)} says.)"
    return (
        f"The database {wanted['dbname']} {where} can't be used by {wanted['user']}: {reason}. "
        + advice.format(user=wanted["user"], name=wanted["dbname"])
    )


def is_of_rights(error: BaseException) -> bool:
    """Whether a role lacks a right."""
    return any(isinstance(one, psycopg.errors.InsufficientPrivilege) for one in _chain(error))


def _wanted(database: dict[str, Any]) -> tuple[dict[str, str], list[str]]:
    """Host, port, name and user, with libpq's defaults for what DATABASE_URL leaves out.

    Also returns the environment variables that these defaults come from.
    """
    given = {
        "host": database.get("HOST"),
        "port": database.get("PORT"),
        "user": database.get("USER"),
        "dbname": database.get("NAME"),
    }
    wanted, borrowed = {}, []
    for option in Conninfo.get_defaults():
        name = option.keyword.decode()
        if name in given:
            usual, compiled = option.val or b"", option.compiled or b""
            wanted[name] = str(given[name] or usual.decode())
            if not given[name] and usual != compiled and name in ("host", "port"):
                borrowed.append((option.envvar or b"").decode())
    return wanted, borrowed


def _reason(error: BaseException) -> str:
    """What went wrong, in one line; of several attempts to connect, in the last one."""
    first = next((one for one in _chain(error) if isinstance(one, psycopg.Error)), error)
    lines = [line for line in str(first).splitlines() if line.strip()] or [type(error).__name__]
    attempts = [line for line in lines if "FATAL:" in line or "connection failed: " in line]
    reason = lines[0]
    if attempts:
        reason = re.split(r"FATAL: +|failed: (?!connection)", attempts[-1])[-1]
    return reason.removeprefix("ERROR:").strip().rstrip(".")


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__
