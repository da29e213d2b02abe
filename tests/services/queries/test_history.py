"""The change history is written by the database itself, whoever changes what and however."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from importlib import import_module
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import IntegrityError, connection
from django.db.models import Model
from django.utils import timezone
from psycopg.types.json import Jsonb

from authorizations.models import (
    Assignment,
    Card,
    CardGroup,
    Cardholder,
    HistoryEntry,
    PlanCancellation,
    PlannedVersion,
    Policy,
    PolicyVersion,
)
from authorizations.models.history import SEPARATORS, TRACKED
from authorizations.services.policies.publish import publish
from authorizations.services.queries.history import entries_about, newest_first, searched
from authorizations.services.queries.listing import chunks
from authorizations.services.runtime.actor import acting
from tests.support.damage import unguarded
from tests.support.desk import in_force, says

pytestmark = pytest.mark.django_db
Row = dict[str, Any]


def execute(statement: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def columns(model: type[Model], **values: Any) -> Row:
    """All columns of a row that SQL inserts; Django's defaults are not the database's."""
    row = model(**values)
    fields = [field for field in model._meta.concrete_fields if not field.generated]
    found = {str(field.column): field.pre_save(row, add=True) for field in fields}
    return {name: value for name, value in found.items() if name != "id" or value}


def insert(model: type[Model], **values: Any) -> None:
    found = columns(model, **values)
    row = {name: Jsonb(it) if isinstance(it, dict) else it for name, it in found.items()}
    names, marks = ", ".join(f'"{name}"' for name in row), ", ".join(["%s"] * len(row))
    execute(f"INSERT INTO {model._meta.db_table} ({names}) VALUES ({marks})", *row.values())  # noqa: S608


def recorded(kind: str) -> list[tuple[str, Row | None, Row | None]]:
    entries = HistoryEntry.objects.filter(kind=kind).order_by("pk")
    return [(entry.operation, entry.before, entry.after) for entry in entries]


def rows() -> dict[str, Callable[[], Row]]:
    """For each kind the values of a row to insert."""
    policy, group = Policy.objects.create(name="Travel"), CardGroup.objects.create(name="Team")
    user, role = User.objects.create(username="otto"), Group.objects.create(name="Readers")
    permission = Permission.objects.all()[0]
    version = PolicyVersion.objects.create(policy=policy, number=1, content="{}")
    return {
        "plannedversion": lambda: {
            "policy": policy,
            "version": version,
            "begins_at": timezone.now(),
        },
        "plancancellation": lambda: {
            "policy": policy,
            "version": version,
            "cancelled_at": timezone.now(),
            "reason": "Over",
        },
        "policy": lambda: {"name": "Fuel"},
        "assignment": lambda: {"policy": policy, "group": group},
        "programdefaults": lambda: {"id": 1},
        "cardgroup": lambda: {"name": "Drivers"},
        "card": lambda: {"id": "ic_1", "root_id": "ic_1"},
        "cardholder": lambda: {"id": "ich_1"},
        "user": lambda: {"username": "olga", "password": "hash-1"},
        "userrole": lambda: {"user_id": user.pk, "group_id": role.pk},
        "userpermission": lambda: {"user_id": user.pk, "permission_id": permission.pk},
        "group": lambda: {"name": "Writers"},
        "rolepermission": lambda: {"group_id": role.pk, "permission_id": permission.pk},
        "exceptionlimit": lambda: {"role_id": role.pk, "currency": "eur", "amount": 5},
    }


APPEND_ONLY = (PlannedVersion, PlanCancellation)

UPDATES = {
    "policy": ("name", "Petrol"),
    "programdefaults": ("currency", "eur"),
    "cardgroup": ("description", "Who drives"),
    "card": ("frozen", True),
    "cardholder": ("name", "Ada"),
    "user": ("is_superuser", True),
    "group": ("name", "Authors"),
    "exceptionlimit": ("amount", 6),
}


@pytest.mark.parametrize("tracked", TRACKED, ids=lambda tracked: str(tracked.kind))
def test_plain_sql_is_recorded_with_before_and_after_and_the_role_that_did_it(tracked: Any) -> None:
    values = rows()[tracked.kind]()
    earlier = len(recorded(tracked.kind))
    insert(tracked.model, **values)
    newest = tracked.model._default_manager.latest("pk").pk
    table = tracked.model._meta.db_table
    if tracked.kind in UPDATES:
        column, value = UPDATES[tracked.kind]
        execute(f'UPDATE {table} SET "{column}" = %s WHERE id = %s', value, newest)  # noqa: S608
    with nullcontext() if tracked.model not in APPEND_ONLY else unguarded(tracked.model):
        execute(f"DELETE FROM {table} WHERE id = %s", newest)  # noqa: S608

    [inserted, *updated, deleted] = recorded(tracked.kind)[earlier:]
    assert (inserted[0], inserted[1], deleted[0], deleted[2]) == ("insert", None, "delete", None)
    assert inserted[2]
    assert inserted[2]["id"] == newest
    last = inserted[2]
    if tracked.kind in UPDATES:
        [(label, before, after)] = updated
        assert (label, before) == ("update", last)
        last = last | {column: value}
        assert after == last
    assert deleted[1] == last
    entry = HistoryEntry.objects.latest("pk")
    assert (entry.source, entry.facts) == (HistoryEntry.Source.DATABASE, None)
    assert entry.database_role == connection.connection.info.user
    assert entry.subject == tracked.subject
    assert f"{entry.subject}:{entry.subject_id}" in entry.names


def test_every_trigger_is_there_and_on_as_the_code_says() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgrelid::regclass::text, tgenabled, encode(tgargs, 'escape') FROM pg_trigger "
            "WHERE tgfoid = 'authorizations_record_change'::regproc"
        )
        found = {table: (on, arguments) for table, on, arguments in cursor.fetchall()}
    said = {
        tracked.model._meta.db_table: (
            tracked.kind,
            f"{{{','.join(tracked.left_out)}}}",
            *(word for refers in tracked.refers.items() for word in refers),
        )
        for tracked in TRACKED
    }
    assert found == {
        table: ("O", "".join(f"{word}\\000" for word in words)) for table, words in said.items()
    }


def test_names_are_parted_as_searches_are() -> None:
    migration = import_module("authorizations.migrations.0004_history")
    assert migration.SEPARATORS == SEPARATORS


def test_a_queryset_update_and_a_cascade_are_recorded_row_by_row() -> None:
    policy, group = Policy.objects.create(name="Travel"), CardGroup.objects.create(name="Team")
    for to in ({"program": True}, {"group": group}):
        Assignment.objects.create(policy=policy, **to)
    Card.objects.create(pk="ic_1", group=group)
    Card.objects.create(pk="ic_2", group=group)
    last, key = HistoryEntry.objects.latest("pk").pk, f"policy:{policy.pk}"
    Card.objects.update(frozen=True)
    policy.delete()
    after = HistoryEntry.objects.filter(pk__gt=last).order_by("pk")
    assert [(entry.kind, entry.operation) for entry in after] == [
        ("card", "update"),
        ("card", "update"),
        ("assignment", "delete"),
        ("assignment", "delete"),
        ("policy", "delete"),
    ]
    assert [entry.names.get(key) for entry in after] == [None, None, *["Travel"] * 3]


def test_what_changes_nothing_is_not_recorded() -> None:
    group = CardGroup.objects.create(name="Team")
    last = HistoryEntry.objects.latest("pk")
    group.save()
    CardGroup.objects.update(name="Team")
    assert HistoryEntry.objects.latest("pk") == last


def test_a_password_is_recorded_as_changed_but_never_its_hash() -> None:
    user = User.objects.create_user("olga", password="first-pass-1")
    hashes = [user.password]
    user.set_password("second-pass-2")
    user.save()
    hashes.append(user.password)
    entry = HistoryEntry.objects.latest("pk")
    assert entry.before
    assert entry.after
    assert (entry.before["password"], entry.after["password"]) == ("old", "new")
    kept = json.dumps(list(HistoryEntry.objects.values("before", "after", "names")))
    assert "olga" in kept
    assert not any(one in kept for one in hashes)


def test_logging_in_is_no_change(client: Any) -> None:
    User.objects.create_user("olga", password="first-pass-1", is_staff=True)
    last = HistoryEntry.objects.latest("pk")
    client.post("/admin/login/", {"username": "olga", "password": "first-pass-1"})
    assert User.objects.get().last_login
    assert HistoryEntry.objects.latest("pk") == last


@pytest.mark.parametrize("tracked", TRACKED, ids=lambda tracked: str(tracked.kind))
def test_truncate_which_would_leave_no_trace_is_refused(tracked: Any) -> None:
    with pytest.raises(IntegrityError, match="TRUNCATE refused"):
        execute(f"TRUNCATE {tracked.model._meta.db_table} CASCADE")


# --- finding


def kinds(entries: Any) -> list[str]:
    return [entry.kind for entry in entries.all()]


def test_the_history_of_an_object_holds_what_belongs_to_it_and_outlives_it() -> None:
    policy = Policy.objects.create(name="Travel")
    team, others = (CardGroup.objects.create(name=name) for name in ("Team", "Others"))
    Card.objects.create(pk="ic_1", group=team)
    Card.objects.update(group=others)
    assignment = policy.assignments.create(group=team)
    user, role = User.objects.create(username="olga"), Group.objects.create(name="Readers")
    user.groups.add(role)
    of_policy, of_role = entries_about(policy), entries_about(role)
    assert kinds(of_policy) == ["assignment", "policy"]
    assert kinds(entries_about(team)) == ["assignment", "card", "card", "cardgroup"]
    assert kinds(entries_about(others)) == ["card", "cardgroup"]
    assert kinds(entries_about(user)) == ["userrole", "user"]
    assert kinds(of_role) == ["userrole", "group"]
    for row in (assignment, policy, user):
        row.delete()
    assert kinds(of_policy)[:3] == ["policy", "assignment", "assignment"]
    assert kinds(of_role) == ["userrole", "userrole", "group"]


@pytest.mark.parametrize(
    ("term", "found"),
    [
        ("Travel", 2),
        ("trav ROME", 2),
        ("travel/rome", 2),
        ("Paris", 0),
        ("ic_1", 1),
        ("ic_", 0),
        ("4242", 1),
        ("night_shift", 1),
        ("NIGHT_sh", 1),
        ("evt_77", 1),
        ("Łukasz", 1),
        ("łuk", 1),
        ("' | !x:*", 0),
        ("\0", 0),
        ("&", 0),
    ],
)
def test_changes_are_found_by_beginnings_of_names_and_by_whole_ids(term: str, found: int) -> None:
    policy = Policy.objects.create(name="Travel (Rome)")
    policy.assignments.create(program=True)
    policy.delete()
    Card.objects.create(pk="ic_1", last4="4242")
    Card.objects.create(pk="ic_12")
    Cardholder.objects.create(pk="ich_1", name="Łukasz Żak")
    with acting(event="evt_77x"):
        CardGroup.objects.create(name="night_shift")
    rows = HistoryEntry.objects.filter(searched(term)).exclude(operation="delete")
    assert rows.count() == found


def test_a_list_goes_from_page_to_page() -> None:
    for number in range(7):
        CardGroup.objects.create(name=f"Team {number}")
    numbers = [
        entry.pk for piece in chunks(newest_first(HistoryEntry.objects.all()), 3) for entry in piece
    ]
    assert len(numbers) == 7
    assert numbers == sorted(numbers, reverse=True)


def test_publishing_says_which_version_is_in_force_and_why() -> None:
    policy = in_force("Travel")
    publish(says(policy) | {"currency": "usd"}, author=None, reason="Spring")
    entry = HistoryEntry.objects.latest("pk")
    assert entry.names[f"policyversion:{entry.after['current_version_id']}"] == "2: Spring"  # type: ignore[index]
