"""Databases to test on: one is migrated, and every other is a copy of it.

The migrated one stays on the server for the next run. It is made anew when a file of the program
has changed.
"""

import fcntl
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from psycopg import sql

TEMPLATE = "template_of_tests"
STAFF_ROLES = ("auth_group", "auth_group_permissions")
"""What migrations write in these tables is in the schema `aside` as well."""


def copy_template(name: str, lock: Path) -> None:
    """Make the database `name`, in place of an older one. All of one run share the file `lock`.

    No commit in it waits for the disk: nobody needs it after a crash of the server.
    """
    with lock.open("w") as file, _server() as server:
        fcntl.flock(file, fcntl.LOCK_EX)
        _make_template(server)
        for statement in (
            "DROP DATABASE IF EXISTS {} WITH (FORCE)",
            "CREATE DATABASE {} TEMPLATE {}",
            "ALTER DATABASE {} SET synchronous_commit = off",
        ):
            names = map(sql.Identifier, (name, TEMPLATE))
            server.execute(sql.SQL(statement).format(*names))


def drop(name: str) -> None:
    with _server() as server:
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def use(name: str) -> str:
    """Django works on this database from now on; returns the name of the one before."""
    before = str(connection.settings_dict["NAME"])
    connection.close()
    connection.settings_dict["NAME"] = settings.DATABASES["default"]["NAME"] = name
    return before


def url(name: str = "") -> str:
    """For another process: of the database that Django works on, or of the one called `name`."""
    found = {key: str(value or "") for key, value in connection.get_connection_params().items()}
    who = f"{quote(found['user'], '')}:{quote(found.get('password', ''), '')}"
    host, port, name = found.get("host", ""), found.get("port", ""), name or found["dbname"]
    # A directory of sockets belongs to the path.
    where = f":{port}/{host}/{name}" if host.startswith("/") else f"{host}:{port}/{name}"
    return f"postgres://{who}@{where}"


@contextmanager
def _server() -> Iterator["psycopg.Connection[tuple[object, ...]]"]:
    found = connection.get_connection_params()
    how = {key: found[key] for key in ("host", "port", "user", "password") if found.get(key)}
    with psycopg.connect(**how, dbname="postgres", autocommit=True) as server:
        yield server


def _make_template(server: "psycopg.Connection[tuple[object, ...]]") -> None:
    made_of, template = _fingerprint(), sql.Identifier(TEMPLATE)
    found = server.execute(
        "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s",
        [TEMPLATE],
    )
    if found.fetchone() == (made_of,):
        return
    for statement in ("DROP DATABASE IF EXISTS {} WITH (FORCE)", "CREATE DATABASE {}"):
        server.execute(sql.SQL(statement).format(template))
    before = use(TEMPLATE)
    try:
        call_command("migrate", verbosity=0)
        with connection.cursor() as cursor:
            cursor.execute("CREATE SCHEMA aside")
            for table in STAFF_ROLES:
                cursor.execute(f"CREATE TABLE aside.{table} AS TABLE {table}")
    finally:
        use(before)
    # Last, so that one which was left unfinished is made anew.
    server.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(template, made_of))


def _fingerprint() -> str:
    """Of everything that has a say in what migrations make."""
    root = Path(settings.BASE_DIR)
    files = [
        path
        for package in ("authorizations", "authz_project", "simulator")
        for path in (root / package).rglob("*.py")
    ]
    found = hashlib.sha256((root / "requirements.lock").read_bytes())
    for path in sorted(files):
        found.update(path.read_bytes())
    return found.hexdigest()
