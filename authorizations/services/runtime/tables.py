"""Checks that the database's tables are those that this program expects.

Until the first release the first migrations are rewritten in place. Django considers a database
made by an earlier form of them complete, although its tables differ. So the migrations store a
stamp, a hash of their own text, among the names of applied migrations, which every copy of the
database contains.
"""

from functools import cache
from hashlib import sha256
from pathlib import Path
from time import monotonic

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

from authorizations import migrations
from authorizations.services.runtime.deadline import deadline

FIRST = ("0001_initial", "0002_guards", "0003_roles", "0004_history")
"""The migrations that are rewritten."""

_ASKED_S = 2.0
_STAMPING = ("authorizations", "0002_guards")
_STAMPS = "authorizations: first migrations"
"""No app has this name, so Django ignores its entries."""

OF_AN_EARLIER_FORM = (
    "This database was made by an earlier version of the desk, from before its first release: its "
    "tables differ from those this one expects, and can't be brought up to date. With the version "
    "that made it, export what you need (`python manage.py export_policies`, the lists' exports); "
    "then start with an empty database. The embedded database is in .postgres, or in "
    "EMBEDDED_POSTGRES_DIR: move it away, and run `python manage.py migrate`."
)


@cache
def stamp() -> str:
    """The stamp of the first migrations in this program."""
    folder = Path(migrations.__path__[0])
    text = b"".join((folder / f"{name}.py").read_bytes() for name in FIRST)
    return sha256(text).hexdigest()[:16]


def leave_stamp(to: BaseDatabaseWrapper) -> None:
    """Store the stamp; called by the migration that has just created the tables."""
    take_stamp_away(to)
    MigrationRecorder(to).record_applied(_STAMPS, stamp())


def take_stamp_away(of: BaseDatabaseWrapper) -> None:
    """Remove the stamp, when the tables are removed."""
    MigrationRecorder(of).migration_qs.filter(app=_STAMPS).delete()


def are_of_an_earlier_form(using: BaseDatabaseWrapper | None = None) -> bool:
    """Whether an earlier form of the migrations created the tables. Raises django.db.Error."""
    applied = MigrationRecorder(using or connection).applied_migrations()
    return _STAMPING in applied and (_STAMPS, stamp()) not in applied


def refuse_an_earlier_form() -> None:
    """Raise ImproperlyConfigured if an earlier form of the migrations created the tables.

    Does nothing if the database is away: stand-in answers purchases then.
    """
    try:
        with deadline(monotonic() + _ASKED_S):
            is_earlier = are_of_an_earlier_form()
    except DatabaseError:
        return
    if is_earlier:
        raise ImproperlyConfigured(OF_AN_EARLIER_FORM)


def not_applied() -> list[str]:
    """The migrations still to apply, in order. Raises django.db.Error."""
    executor = MigrationExecutor(connection)
    return [str(one) for one, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())]
