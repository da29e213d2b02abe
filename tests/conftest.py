"""What all tests share."""

import gc
import shutil
from collections import Counter
from collections.abc import Iterator
from copy import copy
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from _pytest.nodeid import NodeId
from django.db import connection, transaction
from django.test import TransactionTestCase, client, override_settings
from django.test.utils import ContextList
from pytest_django.plugin import DjangoDbBlocker

from authorizations.management import proving
from authorizations.services.host import host_memory
from authorizations.services.store import lookup
from authorizations.services.webhook import answering, background, rejections
from tests.support import database, database_roles, timeouts
from tests.support.database import STAFF_ROLES
from tests.support.missing_programs import closing_line


def pytest_configure() -> None:
    """A server within the tests' own process must not replay and renew beside them; and what tests
    commit is deleted, as emptying every table takes a quarter of a second.
    """
    patched = pytest.MonkeyPatch()
    patched.setattr(background, "start", lambda: None)
    patched.setattr(TransactionTestCase, "_fixture_teardown", lambda _: empty_the_database())
    patched.setattr(client, "store_rendered_templates", keep_the_pages_context)
    # Further processes would check the database that the settings name, not the tests' own.
    patched.setattr(proving, "processes_for", lambda _: 1)
    database_roles.serve_requests_under_roles()
    timeouts.be_patient(patched)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Below everything else, where it is seen."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter and (line := closing_line(reporter.stats.get("skipped", []))):
        reporter.write_line(line)


def keep_the_pages_context(kept: dict[str, Any], context: Any, **_: object) -> None:
    """What `response.context` is: that of the page alone, not of each of its hundred parts, which
    took a tenth of its time.
    """
    if "context" not in kept:
        kept["context"] = ContextList([copy(context)])


@pytest.fixture(scope="session", autouse=True)
def spool_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test writes into the spool of whoever runs it, nor does a program that a test starts."""
    directory = tmp_path_factory.mktemp("spool")
    with override_settings(SPOOL_DIR=directory), pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPOOL_DIR", str(directory))
        yield
        shutil.rmtree(host_memory.directory(), ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def breaker_stays_closed() -> None:
    """Where a test makes the database fail, those after it would be answered by stand-in, and a
    replay would write beside them.
    """
    answering.breaker.clock = count(0.0, 1_000.0).__next__  # no two misses are close


@pytest.fixture(autouse=True)
def nothing_was_rejected_before() -> None:
    """What one test has knocked with is not written in another."""
    rejections._counter = rejections.RejectionCounter()


@pytest.fixture(autouse=True)
def no_card_was_seen_before() -> None:
    """Where a card counted in another test is expected of none here."""
    lookup._seen.clear()


_PIECE = 20
_GROUP = pytest.StashKey[int]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Divide the tests into groups, each for one process, and let those that take longest begin:
    what begins last must be short, or all wait for it.

    A group is what shares something that a module or a package has set up, such as a server or a
    browser; else one test that is marked as slow, or 20 others of a module.
    """
    groups: dict[object, int] = {}
    seen = Counter[Path]()
    for item in items:
        group: object = _shared(item)
        if group is None and item.get_closest_marker("slow"):
            group = item
        elif group is None:
            group = (item.path, seen[item.path] // _PIECE)
            seen[item.path] += 1
        item.stash[_GROUP] = groups.setdefault(group, len(groups))
    items.sort(key=_place)


def _shared(item: pytest.Item) -> Path | None:
    """The package or module that has set something up for it; None where nothing was."""
    found = item._fixtureinfo.name2fixturedefs.values()  # type: ignore[attr-defined]
    scopes = {definitions[-1].scope for definitions in found}
    if "package" in scopes:
        return item.path.parent
    return item.path if "module" in scopes else None


def _place(item: pytest.Item) -> tuple[bool, bool]:
    return item.get_closest_marker("slow") is None, _shared(item) is None


@pytest.hookimpl(wrapper=True)
def pytest_collection_finish(session: pytest.Session) -> Iterator[None]:
    """Tell the process that hands out the tests which belong together (`--dist loadgroup`): by
    their ids, where pytest-xdist 3.8 would write the names of its own groups, if pytest 9.2 still
    read them there.
    """
    ids = [item.id for item in session.items]
    for item in session.items:
        item._id = NodeId.parse(f"{item.nodeid}@{item.stash[_GROUP]}")
    yield
    for item, own in zip(session.items, ids, strict=True):
        item._id = own
    # What thousands of tests are made of stays anyway: to search it for garbage again and again
    # took a sixth of the time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


_MIGRATED = {"django_content_type", "auth_permission", "django_migrations"}


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None,
    django_db_modify_db_settings: None,
    django_db_blocker: DjangoDbBlocker,
    whole_run: Path,
) -> Iterator[None]:
    """A migrated database of this process, with the roles of PostgreSQL that servers work under."""
    settings = connection.settings_dict
    name = settings["TEST"]["NAME"] or f"test_{settings['NAME']}"
    with django_db_blocker.unblock():
        database.copy_template(name, whole_run / "template.lock")
        before = database.use(name)
        database_roles.make()
    yield
    with django_db_blocker.unblock():
        database.use(before)
        database.drop(name)


@pytest.fixture(scope="session")
def whole_run(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A directory that all processes of this run share."""
    own = tmp_path_factory.getbasetemp()
    return own if worker_id == "master" else own.parent


@pytest.fixture(scope="module")
def copied_database(
    whole_run: Path, worker_id: str, django_db_blocker: DjangoDbBlocker
) -> Iterator[str]:
    """Where a server finds a migrated database of its own."""
    name = f"copy_of_{worker_id}"
    with django_db_blocker.unblock():
        database.copy_template(name, whole_run / "template.lock")
        url = database.url(name)
    yield url
    with django_db_blocker.unblock():
        database.drop(name)


def empty_the_database() -> None:
    """Delete every row that no migration made, and put the roles as they were."""
    tables = [
        connection.ops.quote_name(table)
        for table in set(connection.introspection.table_names()) - _MIGRATED
    ]
    with transaction.atomic(), connection.cursor() as cursor:
        # No trigger runs, neither those of foreign keys nor those that keep the record from this.
        cursor.execute("SET LOCAL session_replication_role = replica")
        statements = [f"DELETE FROM {table}" for table in tables]  # noqa: S608
        statements += [f"INSERT INTO {table} TABLE aside.{table}" for table in STAFF_ROLES]
        cursor.execute(";".join(statements))


@pytest.fixture(scope="module")
def one_transaction(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """What a module's fixtures write in it, all of the module's tests find; what one of these
    writes itself is taken back at its end. Not for tests that commit.
    """
    with django_db_blocker.unblock(), transaction.atomic():
        yield
        transaction.set_rollback(True)
