"""What keeps a database from being used, in one sentence that names it and says what to do."""

import re
from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg.pq import Conninfo

_ESCAPES = "with @ / ? # % in them written as %40 %2F %3F %23 %25"
_RUNS = "See that PostgreSQL runs and listens there, or correct DATABASE_URL."
_REACHED = "See that this host can reach it: address, network, firewall."
_ROOM = "Raise the server's max_connections, or let fewer workers run."
_ADVICE = {
    # What PostgreSQL or its client says, in English, and what helps; the first that is found.
    "password": f"Check user and password in DATABASE_URL, {_ESCAPES}.",
    "permission denied for schema": "Since PostgreSQL 15 a role needs the right to make tables: as "
    "the database's owner, GRANT CREATE ON SCHEMA public TO {user}.",
    "permission denied": "`manage.py database_roles` prints the SQL that gives each role its "
    "rights; run it again after an upgrade.",
    "couldn't get a connection": "An earlier line says why, or all connections are in use.",
    "pg_hba.conf": "Let this host in: a line of the server's pg_hba.conf does.",
    "role ": "Make the role, or name another user in DATABASE_URL.",
    "database ": "Make it (`createdb {name}`), or name another in DATABASE_URL.",
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
    """Host, port, name and user, where DATABASE_URL leaves them out as libpq fills them in; and
    the variables it takes them from.
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
    """What went wrong, in one line: of several attempts to connect, in the last of them."""
    said = [line for line in str(_first(error)).splitlines() if line.strip()]
    said = said or [type(error).__name__]
    attempts = [line for line in said if "FATAL:" in line or "connection failed: " in line]
    reason = re.split(r"FATAL: +|failed: (?!connection)", attempts[-1])[-1] if attempts else said[0]
    return reason.removeprefix("ERROR:").strip().rstrip(".")


def _first(error: BaseException) -> BaseException:
    """The error that psycopg raised, below those that were made of it."""
    return next((one for one in _chain(error) if isinstance(one, psycopg.Error)), error)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__
