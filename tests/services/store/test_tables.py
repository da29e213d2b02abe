"""A database that an earlier form of the first migrations made is never taken for today's."""

from collections.abc import Iterator
from pathlib import Path
from shutil import copy
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder

from authorizations import migrations
from authorizations.services.runtime import tables
from authorizations.services.webhook import readiness
from authorizations.services.webhook.health import database
from authorizations.services.webhook.health.values import HealthState

pytestmark = pytest.mark.django_db

ASKED: dict[str, Any] = {"skip_checks": False}
"""As from a shell: call_command leaves the checks out."""


@pytest.fixture
def rewritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The first migrations of this program, as they may be edited; the database stays as it is."""
    for path in Path(migrations.__path__[0]).glob("0*.py"):
        copy(path, tmp_path)
    monkeypatch.setattr(migrations, "__path__", [str(tmp_path)])
    tables.stamp.cache_clear()
    yield tmp_path
    tables.stamp.cache_clear()


def test_the_tables_of_this_program_are_taken() -> None:
    assert not tables.are_of_an_earlier_form()
    assert tables.not_applied() == []
    tables.refuse_an_earlier_form()
    call_command("check", databases=["default"])


@pytest.mark.parametrize("name", tables.FIRST)
def test_where_a_first_migration_was_rewritten_everything_says_so(
    name: str, rewritten: Path
) -> None:
    path = rewritten / f"{name}.py"
    path.write_text(path.read_text() + "# one column more\n")
    assert tables.are_of_an_earlier_form()
    with pytest.raises(ImproperlyConfigured, match=r"export_policies.*start with an empty"):
        tables.refuse_an_earlier_form()
    for command, options in {"check": {"databases": ["default"]}, "migrate": ASKED}.items():
        with pytest.raises(SystemCheckError, match=r"(?s)E008.*made by an earlier version"):
            call_command(command, **options)
    assert readiness.readiness().facts["migrations"] == "of a version before the first release"
    [found] = database.migrations()
    assert (found.state, found.sentence) == (HealthState.BAD, tables.OF_AN_EARLIER_FORM)


def test_before_there_were_stamps_is_earlier_as_well() -> None:
    tables.take_stamp_away(connection)
    assert tables.are_of_an_earlier_form()


def test_an_empty_database_and_one_that_is_half_made_are_brought_up_to_date() -> None:
    applied = MigrationRecorder(connection).migration_qs
    applied.filter(app="authorizations").exclude(name="0001_initial").delete()
    tables.take_stamp_away(connection)
    assert not tables.are_of_an_earlier_form()
    assert tables.not_applied()[0] == "authorizations.0002_guards"
    applied.all().delete()
    assert not tables.are_of_an_earlier_form()


def test_a_database_that_is_away_refuses_no_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object = None) -> bool:
        raise OperationalError("away")

    monkeypatch.setattr(tables, "are_of_an_earlier_form", fail)
    tables.refuse_an_earlier_form()


def test_the_first_migrations_are_those_there_are() -> None:
    """What is added after the first release is not rewritten, and has no stamp."""
    first = sorted(path.stem for path in Path(migrations.__path__[0]).glob("0*.py"))
    assert first[: len(tables.FIRST)] == list(tables.FIRST)
