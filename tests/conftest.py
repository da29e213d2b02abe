"""What all tests share."""

from importlib import import_module

import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.db import connection
from pytest_django.plugin import DjangoDbBlocker


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
