"""The roles the desk is served with: what each may do, statement by statement, and no more.

All other tests send their requests under these roles (tests/support/database_roles.py); here stand
the rights themselves, the log-ins, and commands.
"""

from collections.abc import Callable, Iterator
from importlib import import_module
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.test import Client

from authorizations.models import Card, CardGroup, Decision, Export, LedgerEntry, WebhookRequest
from authorizations.services.webhook.database_roles import (
    ADMIN_SETTINGS,
    PEOPLE,
    TABLES,
    WEBHOOK_SETTINGS,
    Rights,
    Roles,
    rights,
    script,
)
from tests.admin import pages
from tests.support import database_roles
from tests.support.desk import Shopper, deliver_forged, in_force
from tests.support.lifecycle import Told

SERVING = ("webhook", "admin", "record")
APPEND_ONLY: tuple[str, ...] = import_module("authorizations.migrations.0002_guards").APPEND_ONLY
DENIED = "42501"  # insufficient_privilege


def rows(statement: str) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


def outcome(statement: str) -> str:
    """PostgreSQL's code for refusing it; "" where it did not, which is then taken back."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
            transaction.set_rollback(True)
    except DatabaseError as refused:
        return str(getattr(refused.__cause__, "sqlstate", ""))
    return ""


def schema() -> dict[str, list[str]]:
    """The columns of each table."""
    found: dict[str, list[str]] = {}
    for table, column in rows(
        "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
        "WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') "
        "AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum"
    ):
        found.setdefault(str(table), []).append(str(column))
    return found


# --- statement by statement


def statements(table: str, columns: list[str]) -> Iterator[tuple[str, str]]:
    """Each kind of statement, and with what right it may be made; none touches a row."""
    named = ", ".join(f'"{column}"' for column in columns)
    yield "SELECT", f"SELECT {named} FROM {table} LIMIT 0"  # noqa: S608
    yield "INSERT", f"INSERT INTO {table} ({named}) SELECT {named} FROM {table} LIMIT 0"  # noqa: S608
    yield "DELETE", f"DELETE FROM {table} WHERE false"  # noqa: S608
    yield "TRUNCATE", f"TRUNCATE {table} CASCADE"
    for column in columns:
        to_itself = f'"{column}" = "{column}"'
        yield f"UPDATE ({column})", f"UPDATE {table} SET {to_itself} WHERE false"  # noqa: S608


def may(right: str, granted: str) -> bool:
    """Whether "SELECT, UPDATE (a, b)" has a right like SELECT or UPDATE (a)."""
    kind, _, column = right.rstrip(")").partition(" (")
    whole, _, bounded = granted.partition("UPDATE (")
    if column and column in bounded.rstrip(")").split(", "):
        return True
    return kind in whole.split(", ")


@pytest.mark.django_db
@pytest.mark.parametrize("role", SERVING)
def test_a_role_may_do_what_the_matrix_says_and_nothing_else(role: str) -> None:
    for table, columns in schema().items():
        rights = TABLES[table]
        granted = {
            "webhook": [rights.webhook],
            "admin": [rights.admin],
            "record": ["SELECT", rights.webhook, rights.record],
        }[role]
        for right, statement in statements(table, columns):
            if right == "INSERT" and not any(may("SELECT", one) for one in granted):
                continue  # this form of it reads as well
            with database_roles.served_as(role):
                refused = outcome(statement) == DENIED
            assert refused != any(may(right, one) for one in granted), (role, statement)


@pytest.mark.django_db
def test_every_table_has_its_row_in_the_matrix() -> None:
    assert schema().keys() == TABLES.keys()


def test_nobody_changes_deletes_or_empties_the_record_or_writes_history() -> None:
    for table in APPEND_ONLY:
        rights = TABLES[table]
        for granted in rights:
            assert not any(may(right, granted) for right in ("UPDATE", "DELETE", "TRUNCATE")), table
            assert "UPDATE" not in granted, table
    assert not any("INSERT" in granted for granted in TABLES["authorizations_historyentry"])


def test_the_webhook_knows_no_people_and_writes_no_policy() -> None:
    people = [table for table, rights in TABLES.items() if rights == PEOPLE]
    assert {"auth_user", "django_session", "mfa_authenticator", "axes_accessattempt"} <= {*people}
    assert not any(TABLES[table].webhook for table in people)
    for table in ("policy", "policyversion", "assignment"):
        assert TABLES[f"authorizations_{table}"].webhook == "SELECT"


def test_the_admin_writes_no_request_and_no_decision() -> None:
    for table in ("webhookrequest", "decision", "rejectedrequest", "transaction"):
        assert TABLES[f"authorizations_{table}"].admin == "SELECT"


def test_a_column_list_bounds_a_right() -> None:
    granted = Rights(webhook="SELECT, UPDATE (a, b)").webhook
    assert may("UPDATE (a)", granted)
    assert may("SELECT", granted)
    assert not may("UPDATE (c)", granted)
    assert not may("INSERT", granted)


ENTRY = """
INSERT INTO authorizations_ledgerentry (
    authorization_id, event_id, cause, amount, cash_amount, refunded_amount, count, cash_count,
    currency, entered_at, author, reason
) VALUES ('iauth_1', '{event}', '{cause}', -100, 0, 0, 0, 0, 'eur', now(), '{author}', '{author}')
"""
STRIPES = ENTRY.format(event="evt_1", cause="reversed", author="")
OPERATORS = ENTRY.format(event="", cause="release", author="olga")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("role", "entry", "refused"),
    [
        ("webhook", STRIPES, ""),
        ("record", STRIPES, ""),
        ("admin", STRIPES, DENIED),
        ("admin", OPERATORS, ""),
        # An operator's cause without an author, or Stripe's with one: nobody's.
        ("admin", ENTRY.format(event="", cause="release", author=""), DENIED),
        ("admin", ENTRY.format(event="evt_1", cause="reversed", author="olga"), "23514"),
    ],
)
def test_into_the_ledger_the_admin_enters_what_operators_book(
    role: str, entry: str, refused: str
) -> None:
    with database_roles.served_as(role):
        assert outcome(entry) == refused


@pytest.mark.django_db
def test_a_temporary_table_of_the_same_name_deceives_nobody() -> None:
    in_force()  # so that there is something to tell the history of
    Shopper().asks(100)
    with database_roles.served_as("admin"), connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE authorizations_webhookrequest (id int);"
            "CREATE TEMPORARY TABLE authorizations_historyentry "
            "(LIKE public.authorizations_historyentry INCLUDING DEFAULTS)"
        )
        assert outcome(STRIPES) == DENIED
        cursor.execute("UPDATE authorizations_card SET frozen = true")
        cursor.execute("SELECT count(*) FROM pg_temp.authorizations_historyentry")
        assert cursor.fetchone() == (0,)
    assert rows("SELECT after ->> 'frozen' FROM public.authorizations_historyentry "
                "WHERE kind = 'card' ORDER BY id DESC LIMIT 1") == [("true",)]  # fmt: skip


@pytest.mark.django_db
def test_what_triggers_run_and_what_has_the_owners_rights_names_its_schema() -> None:
    functions = {str(name): settings for name, settings in rows(
        "SELECT proname, array_to_string(proconfig, ' ') FROM pg_proc "
        "WHERE pronamespace = current_schema()::regnamespace "
        "AND (prosecdef OR prorettype = 'trigger'::regtype)"
    )}  # fmt: skip
    assert {"authorizations_move_chain", "authorizations_refuse_change"} <= functions.keys()
    for name, settings in functions.items():
        own = str(settings).removesuffix(" enable_seqscan=off")
        assert own == "search_path=public, pg_temp", name


@pytest.mark.django_db
@pytest.mark.parametrize("role", SERVING)
def test_nobody_writes_with_the_owners_rights_by_a_trigger_of_their_own(role: str) -> None:
    functions = rows(
        "SELECT proname FROM pg_proc WHERE pronamespace = current_schema()::regnamespace "
        "AND prosecdef AND prorettype = 'trigger'::regtype"
    )
    assert {"authorizations_add_to_pot", "authorizations_record_change"} <= {
        name for (name,) in functions
    }
    with database_roles.served_as(role), connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE mine (LIKE public.authorizations_cardgroup)")
        for (function,) in functions:
            trigger = f"CREATE TRIGGER own AFTER INSERT ON mine EXECUTE FUNCTION {function}()"
            assert outcome(trigger) == DENIED, function


@pytest.mark.django_db
@pytest.mark.parametrize("role", SERVING)
@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE authorizations_decision DISABLE TRIGGER ALL",
        "DROP TRIGGER append_only ON authorizations_decision",
        "DROP TABLE authorizations_decision CASCADE",
        "DROP FUNCTION authorizations_refuse_change CASCADE",
        "CREATE TABLE of_my_own (id int)",
        "SET session_replication_role = replica",
        "DELETE FROM django_migrations",
        "SELECT setval('authorizations_ledgerentry_id_seq', 1)",
    ],
)
def test_no_role_gets_around_it(role: str, statement: str) -> None:
    with database_roles.served_as(role):
        assert outcome(statement) == DENIED


# --- logged in


@pytest.fixture
def logged_in_as(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], None]]:
    """Called with a role, lets the desk log in as that one from then on."""
    own = connection.get_connection_params

    def log_in(role: str) -> None:
        told = {"user": database_roles.names()[role], "password": database_roles.PASSWORD}
        monkeypatch.setattr(connection, "get_connection_params", lambda: own() | told)
        connection.close()

    yield log_in
    monkeypatch.undo()
    connection.close()


@pytest.mark.parametrize(
    ("role", "settings"),
    [("webhook", WEBHOOK_SETTINGS), ("admin", ADMIN_SETTINGS), ("record", ADMIN_SETTINGS)],
)
def test_each_role_comes_with_its_time_limits(
    logged_in_as: Callable[[str], None], role: str, settings: dict[str, str]
) -> None:
    database_roles.make()  # again, which does no harm
    logged_in_as(role)
    for name, limit in settings.items():
        assert rows(f"SHOW {name}") == [(limit.replace("60s", "1min").replace("1000ms", "1s"),)]


@pytest.fixture
def unhurried(transactional_db: None) -> None:
    """Without their time limits, which a busy machine would break; for the roles of this run."""
    with connection.cursor() as cursor:
        for name in database_roles.names().values():
            cursor.execute(f'ALTER ROLE "{name}" RESET ALL')


def test_purchases_and_what_follows_are_taken_as_the_webhooks_role(
    unhurried: None, logged_in_as: Callable[[str], None]
) -> None:
    in_force(spending_limits=[{"amount": 10_000, "interval": "daily"}])
    logged_in_as("webhook")
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


def test_people_work_as_the_admins_role(
    unhurried: None, logged_in_as: Callable[[str], None]
) -> None:
    in_force(spending_limits=[{"amount": 10_000, "interval": "daily"}])
    Shopper().asks(4_000)
    client = Client()
    logged_in_as("admin")
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
    export = client.post(f"{pages.list_url(Decision)}export/", {"format": "csv"})
    assert b"approved" in b"".join(export.streaming_content)  # type: ignore[attr-defined]
    assert Export.objects.exists()


@pytest.mark.parametrize(
    ("role", "command"),
    [
        ("admin", "digest"),
        ("admin", "digest --rebuild"),
        ("admin", "digest --verify"),
        ("admin", "clearsessions"),
        ("record", "verify_record"),
        ("record", "verify_books"),
        ("record", "redecide --all"),
        ("record", "reapply_events"),
        ("record", "replay_spool"),
    ],
)
def test_commands_run_under_their_role(
    unhurried: None, logged_in_as: Callable[[str], None], role: str, command: str
) -> None:
    in_force(spending_limits=[{"amount": 10_000, "interval": "daily"}])
    Shopper().asks(4_000)
    logged_in_as(role)
    call_command(*command.split(), stdout=StringIO())


def test_the_owner_brings_the_tables_up_to_date(logged_in_as: Callable[[str], None]) -> None:
    logged_in_as("owner")
    call_command("migrate", verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE authorizations_usage ADD COLUMN of_a_later_version int")
        cursor.execute("ALTER TABLE authorizations_usage DROP COLUMN of_a_later_version")


@pytest.mark.django_db
def test_the_command_prints_what_the_tests_run_under() -> None:
    out = StringIO()
    call_command("database_roles", stdout=out)
    for name in ("desk_owner", "desk_webhook", "desk_admin", "desk_record"):
        assert f'CREATE ROLE "{name}" LOGIN' in out.getvalue()


@pytest.mark.django_db
def test_names_that_are_no_names_are_refused() -> None:
    with pytest.raises(CommandError, match="letters, digits and underscores"):
        call_command("database_roles", owner="o'; DROP ROLE x")
    with pytest.raises(CommandError, match="Each role needs a different name"):
        call_command("database_roles", webhook="desk_admin")


def test_the_owner_may_give_the_rights(logged_in_as: Callable[[str], None]) -> None:
    [(database, schema)] = rows("SELECT current_database(), current_schema()")
    logged_in_as("owner")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(rights(Roles(str(database), str(schema), **database_roles.names())))


@pytest.fixture
def three_roles(db: None) -> list[str]:
    """Roles without any right, as options of the command name them; gone with the test."""
    with connection.cursor() as cursor:
        for role in SERVING:
            cursor.execute(f"CREATE ROLE of_a_test_{role}")
    return [f"--{role}=of_a_test_{role}" for role in SERVING]


def test_rights_to_what_a_version_adds_are_given_by_a_command(three_roles: list[str]) -> None:
    told = StringIO()
    call_command("database_roles", "--grant", *three_roles, stdout=told)
    assert told.getvalue().startswith(
        "Granted of_a_test_webhook, of_a_test_admin, of_a_test_record"
    )
    may_write = "SELECT has_table_privilege('of_a_test_{}', 'authorizations_usage', 'UPDATE')"
    assert [rows(may_write.format(role)) for role in SERVING] == [[(True,)]] * 3


def test_rights_are_given_to_all_roles_or_to_none(three_roles: list[str]) -> None:
    with pytest.raises(CommandError, match="There is no role desk_nobody"):
        call_command("database_roles", "--grant", *three_roles, "--record=desk_nobody")
    may_read = "SELECT has_table_privilege('of_a_test_webhook', 'authorizations_usage', 'SELECT')"
    assert rows(may_read) == [(False,)]


@pytest.mark.django_db
def test_a_desk_without_roles_has_none_to_give_rights_to() -> None:
    told = StringIO()
    strangers = [f"--{role}=desk_none_{role}" for role in SERVING]
    call_command("database_roles", "--grant", *strangers, stdout=told)
    assert "none of the roles" in told.getvalue()


@pytest.mark.django_db
def test_made_again_the_roles_lock_no_table_that_purchases_use() -> None:
    """As after an upgrade, while the desk answers."""
    [(database, schema)] = rows("SELECT current_database(), current_schema()")
    made = script(Roles(str(database), str(schema), **database_roles.names()))
    with connection.cursor() as cursor:
        cursor.execute(made.removeprefix("BEGIN;").removesuffix("COMMIT;"))
    held = rows(
        "SELECT relation::regclass::text, mode FROM pg_locks WHERE pid = pg_backend_pid() "
        "AND relation::regclass::text LIKE 'authorizations%' AND mode = 'AccessExclusiveLock'"
    )
    assert held == []
