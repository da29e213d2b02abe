"""What all tests share."""

from collections.abc import Iterator
from importlib import import_module
from itertools import count

import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.db import connection
from django.test import override_settings
from pytest_django.plugin import DjangoDbBlocker

from authorizations.services import answering, background


def pytest_configure() -> None:
    """A server within the tests' own process must not replay and renew beside them."""
    pytest.MonkeyPatch().setattr(background, "start", lambda: None)


@pytest.fixture(scope="session", autouse=True)
def spool_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test writes into the spool of whoever runs it."""
    with override_settings(SPOOL_DIR=tmp_path_factory.mktemp("spool")):
        yield


@pytest.fixture(scope="session", autouse=True)
def breaker_stays_closed() -> None:
    """Where a test makes the database fail, those after it would be answered by stand-in, and a
    replay would write beside them.
    """
    answering.breaker.clock = count(0.0, 1_000.0).__next__  # no two misses are close


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Lets the test database, and no other, be emptied between tests that commit."""
    with django_db_blocker.unblock():
        name = connection.ops.quote_name(connection.settings_dict["NAME"])
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER DATABASE {name} SET authorizations.may_truncate = 'on'")
        connection.close()  # a new connection reads the setting


@pytest.fixture
def roles(db: None) -> None:
    """The roles as the migration makes them: tests that commit end with a flush, which takes
    them along.
    """
    if not Group.objects.exists():
        migration = import_module("authorizations.migrations.0003_roles")
        with connection.schema_editor() as schema_editor:
            migration.create_roles(apps, schema_editor)
