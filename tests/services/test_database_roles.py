"""The whole desk under the roles it is served with, which cannot change the record."""

import time
from collections.abc import Iterator
from io import StringIO
from typing import Any

import psycopg
import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.test import Client

from authorizations.models import Card, CardGroup, Decision, Export, LedgerEntry, WebhookRequest
from authorizations.services.database_roles import (
    ADMIN_SETTINGS,
    APPEND_ONLY,
    WEBHOOK_SETTINGS,
)
from tests.admin import pages
from tests.desk import Shopper, deliver_forged, in_force
from tests.told import Told

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "of-a-role-4-tests"


class Served:
    """Called with a role, lets the desk log in as that one from then on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        mark = f"{time.time_ns() % 10**9}"
        self.names = {name: f"t{mark}_{name}" for name in ("owner", "webhook", "admin")}
        self.everybody = [*self.names.values(), f"t{mark}_webhook_t{mark}_admin_rights"]
        self.monkeypatch = monkeypatch
        self.own = connection.get_connection_params

    def __call__(self, role: str) -> None:
        told = {"user": self.names[role], "password": PASSWORD}
        login = lambda: self.own() | told  # noqa: E731
        self.monkeypatch.setattr(connection, "get_connection_params", login)
        connection.close()


def printed(names: dict[str, str]) -> str:
    out = StringIO()
    call_command("database_roles", stdout=out, **names)
    return out.getvalue()


@pytest.fixture
def served_as(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """The roles, made; without their time limits, which a busy machine would break."""
    served = Served(monkeypatch)
    _run(printed(served.names))
    for name in served.names.values():
        _run(f"ALTER ROLE {name} PASSWORD '{PASSWORD}'; ALTER ROLE {name} RESET ALL")
    yield served
    monkeypatch.undo()
    connection.close()
    for it in served.everybody:
        _run(f"REASSIGN OWNED BY {it} TO current_user; DROP OWNED BY {it}; DROP ROLE {it}")


def _run(statements: str) -> None:
    connection.ensure_connection()
    with psycopg.ClientCursor(connection.connection) as cursor:
        cursor.execute(statements.encode())


def _settings(names: dict[str, str]) -> dict[str, str]:
    with connection.cursor() as cursor:
        for name in names:
            cursor.execute(f"SHOW {name}")
            names = names | {name: cursor.fetchone()[0]}
    return names


@pytest.mark.parametrize(
    ("role", "settings"), [("webhook", WEBHOOK_SETTINGS), ("admin", ADMIN_SETTINGS)]
)
def test_each_role_comes_with_its_time_limits(
    served_as: Served, role: str, settings: dict[str, str]
) -> None:
    _run(printed(served_as.names))  # again, which does no other harm
    served_as(role)
    found = _settings(dict.fromkeys(settings, ""))
    assert found == {name: value.replace("60s", "1min") for name, value in settings.items()}


def test_purchases_and_what_follows_are_taken_as_the_webhooks_role(served_as: Served) -> None:
    in_force(spending_limits=[{"amount": 10_000, "interval": "daily"}])
    served_as("webhook")
    shopper = Shopper()
    purchase = shopper.purchase(4_000)
    assert shopper.asks(purchase, "evt_same")["approved"] is True
    assert shopper.asks(purchase, "evt_same")["approved"] is True  # told again
    assert shopper.reason(9_000) == "amount_limit_exceeded"
    assert deliver_forged(b"{}").status_code == 400
    told = Told(2_000)
    told.asks()
    told.captures(2_500)
    told.refunds(500)
    assert Decision.objects.count() == 3
    assert LedgerEntry.objects.filter(authorization_id=told.id).count() > 1


def test_people_work_as_the_admins_role(served_as: Served) -> None:
    in_force(spending_limits=[{"amount": 10_000, "interval": "daily"}])
    Shopper().asks(4_000)
    client = Client()
    served_as("admin")
    client.force_login(User.objects.create_superuser("olga", password="pass-word-1"))
    for model in (Decision, WebhookRequest, LedgerEntry, Card, Export):
        assert client.get(pages.list_url(model)).status_code == 200
    card = Card.objects.get()
    assert client.get(pages.change_url(card)).status_code == 200
    freeze = pages.change_url(card).replace("change", "freeze")
    frozen = client.post(freeze, {"reason": "Lost"})
    assert frozen.status_code == 302
    made = client.post(pages.add_url(CardGroup), {"name": "Team"})
    assert made.status_code == 302, pages.errors(made)
    export: Any = client.post(f"{pages.list_url(Decision)}export/", {"format": "csv"})
    assert b"approved" in b"".join(export.streaming_content)
    assert Export.objects.exists()


@pytest.mark.parametrize(
    "command",
    [
        ("digest",),
        ("digest", "--rebuild"),
        ("digest", "--verify"),
        ("verify_books",),
        ("redecide", "--all"),
        ("clearsessions",),
    ],
    ids=" ".join,
)
def test_commands_run_as_the_admins_role(served_as: Served, command: tuple[str, ...]) -> None:
    in_force(spending_limits=[{"amount": 10_000, "interval": "daily"}])
    Shopper().asks(4_000)
    served_as("admin")
    call_command(*command, stdout=StringIO())


def _one_row_of_each() -> None:
    in_force(spending_limits=[{"amount": 10_000, "interval": "daily"}])
    Shopper().asks(4_000)
    deliver_forged(b"{}")


@pytest.mark.parametrize("role", ["webhook", "admin"])
def test_neither_role_changes_deletes_or_empties_the_record(served_as: Served, role: str) -> None:
    _one_row_of_each()
    served_as(role)
    for table in APPEND_ONLY:
        column = _first_column(table)
        for statement in (
            f"UPDATE {table} SET {column} = {column}",  # noqa: S608
            f"DELETE FROM {table}",  # noqa: S608
            f"TRUNCATE {table} CASCADE",
        ):
            assert _refused(statement) == "42501", statement  # insufficient_privilege


@pytest.mark.parametrize("role", ["webhook", "admin"])
@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE authorizations_decision DISABLE TRIGGER ALL",
        "DROP TRIGGER append_only ON authorizations_decision",
        "DROP TABLE authorizations_decision CASCADE",
        "DROP FUNCTION authorizations_refuse_change CASCADE",
        "CREATE TABLE of_my_own (id int)",
        "SET session_replication_role = replica",
        "GRANT UPDATE ON authorizations_decision TO PUBLIC",
        "DELETE FROM django_migrations",
        "SELECT setval('authorizations_ledgerentry_id_seq', 1)",
    ],
)
def test_neither_role_gets_around_it(served_as: Served, role: str, statement: str) -> None:
    served_as(role)
    assert _refused(statement) in {"42501", ""}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT has_table_privilege('authorizations_decision', 'UPDATE'), tgenabled "
            "FROM pg_trigger WHERE tgname = 'append_only' "
            "AND tgrelid = 'authorizations_decision'::regclass"
        )
        assert cursor.fetchone() == (False, "O")


def test_the_owner_brings_the_tables_up_to_date(served_as: Served) -> None:
    served_as("owner")
    call_command("migrate", verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE authorizations_usage ADD COLUMN of_a_later_version int")
        cursor.execute("ALTER TABLE authorizations_usage DROP COLUMN of_a_later_version")


def test_names_that_are_no_names_are_refused() -> None:
    with pytest.raises(CommandError, match="letters, digits and underscores"):
        printed({"owner": "o'; DROP ROLE x"})


def _first_column(table: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table} LIMIT 0")  # noqa: S608
        return str(cursor.description[0].name)


def _refused(statement: str) -> str:
    """PostgreSQL's code for refusing it; "" where it merely warned."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    except DatabaseError as refused:
        return str(getattr(refused.__cause__, "sqlstate", ""))
    return ""
