"""A database that can't be used is named in one sentence, with what failed and what to do."""

import os
import re
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from authz_project import database_errors
from tests.support import server

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = f"p@ss/{secrets.token_hex(8)}"


@pytest.fixture(scope="module")
def database(django_db_setup: None, django_db_blocker: object) -> Iterator[str]:
    """The name of a database and of its role, which may log in and no more."""
    name = f"closed_{secrets.token_hex(4)}"
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        told = connection.get_connection_params()
    keys = ("host", "port", "user", "password", "dbname")
    with psycopg.connect(**{key: told[key] for key in keys}, autocommit=True) as superuser:
        superuser.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'")
        superuser.execute(f"CREATE DATABASE {name}")
        yield name
        superuser.execute(f"DROP DATABASE {name} WITH (FORCE)")
        superuser.execute(f"DROP ROLE {name}")


def socket_of_tests() -> str:
    return str(connection.get_connection_params()["host"])


def url(role: str, password: str, name: str) -> str:
    return f"postgres://{role}:{quote(password, '')}@{quote(socket_of_tests(), '')}:5432/{name}"


@pytest.fixture
def deaf_port() -> int:
    """Where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def run(database_url: str, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        cwd=settings.BASE_DIR,
        env={
            **os.environ,
            **variables,
            "DJANGO_SETTINGS_MODULE": "authz_project.settings",
            "DATABASE_URL": database_url,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_what_a_server_refuses_is_one_sentence(database: str) -> None:
    where = re.escape(f"at the socket in {socket_of_tests()}, port 5432, can't be used by")
    for told, sentence in (
        ((database, "wrong", database), r'password authentication failed for user "closed_.*"\. C'),
        (
            (database, PASSWORD, "nowhere"),
            r'database "nowhere" does not exist\. Create it \(`create',
        ),
        (
            (database, PASSWORD, database),
            rf"permission denied for schema public\. .* CREATE ON SCHEMA public TO {database}",
        ),
    ):
        ended = run(url(*told), "manage.py", "migrate")
        assert ended.returncode == 1
        assert re.match(rf"The database {told[2]} {where} {told[0]}: {sentence}", ended.stderr)
        assert ended.stderr.count("\n") == 1
        assert PASSWORD not in ended.stderr


@pytest.mark.parametrize(
    "command", [["migrate"], ["createsuperuser"], ["runserver", "0"], ["digest"], ["check_nothing"]]
)
def test_a_server_that_is_not_there_is_one_sentence_of_whatever_command(
    deaf_port: int, command: list[str]
) -> None:
    ended = run(f"postgres://desk@127.0.0.1:{deaf_port}/cards", "manage.py", *command)
    assert ended.returncode == 1
    if command == ["check_nothing"]:  # no database is asked for that
        assert "Unknown command" in ended.stderr
        return
    assert ended.stderr == (
        f"The database cards at 127.0.0.1:{deaf_port} can't be used by desk: Connection refused. "
        "Check that PostgreSQL runs and listens there, or correct DATABASE_URL.\n"
    )


def test_the_traceback_is_there_for_whoever_wants_it(deaf_port: int) -> None:
    ended = run(
        f"postgres://desk@127.0.0.1:{deaf_port}/cards", "manage.py", "migrate", "--traceback"
    )
    assert "Traceback (most recent call last)" in ended.stderr


def test_what_the_shell_fills_in_is_named(deaf_port: int) -> None:
    variables = {"PGHOST": "127.0.0.1", "PGPORT": f"{deaf_port}", "PGUSER": "shells"}
    ended = run("postgres:///cards", "manage.py", "migrate", **variables)
    assert f"The database cards at 127.0.0.1:{deaf_port} can't be used by shells:" in ended.stderr
    assert "(DATABASE_URL leaves out what PGHOST and PGPORT says.)" in ended.stderr


def test_a_server_process_says_it_and_starts(deaf_port: int, tmp_path: Path) -> None:
    refused = f"postgres://desk:{quote(PASSWORD, '')}@127.0.0.1:{deaf_port}/cards"
    with server.running(tmp_path / "log", DATABASE_URL=refused) as running:
        log = running.log
    sentence = f"The database cards at 127.0.0.1:{deaf_port} can't be used by desk: Connection ref"
    assert 1 <= log.count(sentence) <= server.WORKERS
    assert "Traceback" not in log
    assert PASSWORD not in log


def test_a_server_that_answers_by_itself_is_said_as_it_is_put() -> None:
    """An error after the connection was made has no address in its text."""
    error = psycopg.errors.DiskFull("could not extend file: No space left on device\nHINT: Check")
    told = database_errors.sentence(error, {"NAME": "n", "HOST": "h", "PORT": "1", "USER": "u"})
    assert told == (
        "The database n at h:1 can't be used by u: could not extend file: No space left on device. "
        "Check DATABASE_URL."
    )
