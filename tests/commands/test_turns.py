"""Two hosts that start at the same moment: one waits for the other, and both end well."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from io import StringIO

import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from authorizations.models import Policy
from authorizations.services.runtime.turns import turn
from tests.support import database, pgbouncer
from tests.support.threads import apart

pytestmark = pytest.mark.slow

PATIENCE_S = 60.0


@pytest.mark.django_db(transaction=True)
def test_whoever_comes_second_is_told_so_and_has_the_next_turn() -> None:
    told = threading.Event()

    def second() -> str:
        with turn("a test", told.set):
            return "done"

    with turn("a test", lambda: pytest.fail("nobody is before this one")):
        waiting = apart(second)
        assert told.wait(PATIENCE_S)
        assert not waiting.done()
        with turn("something else", lambda: pytest.fail("that is another work")):
            pass
    assert waiting.result(PATIENCE_S) == "done"


@pytest.mark.django_db(transaction=True)
def test_a_turn_ends_with_whoever_fails() -> None:
    with pytest.raises(ZeroDivisionError), turn("a test", lambda: None):
        raise ZeroDivisionError
    with turn("a test", lambda: pytest.fail("it was given back")):
        pass


@pytest.mark.django_db(transaction=True)
def test_the_demo_is_loaded_by_one_of_two() -> None:
    out, told = StringIO(), StringIO()
    with turn("load_demo", lambda: None):
        second = apart(lambda: call_command("load_demo", stdout=out, stderr=told))
        while not told.getvalue() and not second.done():
            threading.Event().wait(0.05)
        Policy.objects.create(name="The first one's")
    second.result(PATIENCE_S)
    assert "Waiting for another process" in told.getvalue()
    assert "There are policies already" in out.getvalue()


@pytest.fixture
def empty_database(transactional_db: None) -> Iterator[str]:
    """The address of a database that has nothing in it, through PgBouncer."""
    name = f"{connection.settings_dict['NAME']}_empty"
    straight = connection.get_connection_params() | {"cursor_factory": psycopg.Cursor}
    url = database.url(name)
    with psycopg.connect(**straight, autocommit=True) as owner:
        owner.execute(f'DROP DATABASE IF EXISTS "{name}"'.encode())
        owner.execute(f'CREATE DATABASE "{name}"'.encode())
        with pgbouncer.pooling(url) as through:
            yield through
        owner.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


def test_two_migrate_an_empty_database_at_once_through_a_pooler(empty_database: str) -> None:
    environment = os.environ | {
        "DATABASE_URL": empty_database,
        "DJANGO_SETTINGS_MODULE": "authz_project.settings",
    }
    both = [
        subprocess.Popen(
            [sys.executable, "manage.py", "migrate"],
            cwd=settings.BASE_DIR,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2)
    ]
    said = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sum("No migrations to apply" in each for each in said) == 1, said
