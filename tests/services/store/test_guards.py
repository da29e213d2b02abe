"""What the database sees to by itself, and what the decision path asks of it."""

import json
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any, Self

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.db.models import Model
from django.utils import timezone
from psycopg import ClientCursor

from authorizations.models import (
    Card,
    CardGroup,
    Decision,
    ExceptionUse,
    Export,
    ExportEnd,
    Finding,
    FindingChange,
    FindingWindow,
    FundEntry,
    HistoryEntry,
    Instruction,
    LedgerEntry,
    Lifting,
    PlanCancellation,
    PlannedVersion,
    PolicyVersion,
    ProofRun,
    RejectedRequest,
    StandInSwitch,
    WebhookRequest,
)
from authorizations.rules.basics.controls import Scope, ScopeKind
from authorizations.rules.basics.purchase_exceptions import Waiver
from authorizations.services.policies import stops
from authorizations.services.policies.planned import PlannedTimes, cancel
from authorizations.services.policies.publish import publish
from authorizations.services.policies.purchase_exceptions import allow_once
from authorizations.services.store import statements, sum_statements, usage, write_statements
from authorizations.services.store.findings import change
from authorizations.services.verify.proofs import Proof
from simulator.stripe.sample_lives import force_capture
from tests.support.desk import (
    NOON,
    Shopper,
    deliver,
    deliver_forged,
    in_force,
    publish_amount,
    republish,
    says,
)
from tests.support.lifecycle import card_of
from tests.support.timeouts import PATIENCE_S

DAILY = {"amount": 10_000, "interval": "daily"}

# --- rows that stay as written

APPEND_ONLY: dict[type[Model], dict[str, Any]] = {
    WebhookRequest: {"sender": "203.0.113.7"},
    Decision: {"approved_amount": 1},
    LedgerEntry: {"amount": 1},
    PolicyVersion: {"reason": "another"},
    HistoryEntry: {"database_role": "nobody"},
    RejectedRequest: {"sender": "203.0.113.7"},
    Export: {"what": "nothing"},
    ExportEnd: {"rows": 1},
    FindingChange: {"what": "seen"},
    FindingWindow: {"window_end": 1},
    ProofRun: {"differences": 1},
    StandInSwitch: {"reason": "another"},
    Instruction: {"reason": "another"},
    Lifting: {"reason": "another"},
    FundEntry: {"amount": 1},
    PlannedVersion: {"ends_at": None},
    PlanCancellation: {"reason": "another"},
    ExceptionUse: {"decision_id": "evt_other"},
}
"""Each model, and a change that somebody might like to make."""


def test_every_append_only_table_is_tried() -> None:
    guards = import_module("authorizations.migrations.0002_guards")
    assert {model._meta.db_table for model in APPEND_ONLY} == {*guards.APPEND_ONLY}


def rows() -> None:
    """A row in each append-only table; the first policy version is in force no more."""
    policy = in_force(spending_limits=[DAILY])
    assert Shopper().reason(100) == "approved"
    publish_amount(policy, 20_000)
    deliver_forged(b"{}")
    export()
    ExportEnd.objects.create(export=export(), ended_at=timezone.now(), rows=0, complete=True)
    Proof(ProofRun.Command.REDECIDE).save("somebody on a host")
    operator = User.objects.create(username="operator")
    StandInSwitch.objects.create(
        is_on=False, author=operator, switched_at=timezone.now(), reason="Drill"
    )
    stops.freeze(Scope(ScopeKind.CARD, "ic_other"), by=operator, reason="Lost")
    other = stops.freeze(Scope(ScopeKind.CARD, "ic_another"), by=operator, reason="Lost")
    stops.lift(other, by=operator, reason="Found")
    tomorrow = timezone.now() + timedelta(days=1)
    later = publish(
        says(policy) | {"unlimited": True},
        author=operator,
        policy=policy,
        times=PlannedTimes(ends_at=tomorrow),
    )
    cancel(later.version, by=operator, reason="Drill")
    FundEntry.objects.create(
        policy=policy,
        limit_key="pot",
        scope="card:ic_1",
        currency="eur",
        amount=5,
        counts_from=NOON,
        entered_at=timezone.now(),
        reference="PO-17",
        reason="Budget",
    )
    allow_once(
        "ic_1",
        [Waiver("amount_limit_exceeded")],
        up_to=20_000,
        currency="eur",
        until=timezone.now() + timedelta(hours=1),
        by=operator,
        reason="Trip",
    )
    assert Shopper().reason(20_001) == "amount_limit_exceeded"
    assert Shopper().reason(20_000) == "approved"
    deliver(
        force_capture(card_of(Shopper()), amount=90_000, at=NOON, chance=Random(1))
    )  # over the limit
    execute("SET CONSTRAINTS ALL IMMEDIATE")  # or TRUNCATE fails for another reason


def export() -> Export:
    author, _ = User.objects.get_or_create(username="auditor")
    return Export.objects.create(
        author=author, started_at=timezone.now(), what="decisions", format=Export.Format.CSV
    )


def by_save(model: type[Model], change: dict[str, Any]) -> None:
    row = model._default_manager.order_by("pk").first()
    assert row
    for name, value in change.items():
        setattr(row, name, value)
    row.save()


def by_delete(model: type[Model], change: dict[str, Any]) -> None:
    row = model._default_manager.order_by("pk").first()
    assert row
    row.delete()


def by_bulk_update(model: type[Model], change: dict[str, Any]) -> None:
    model._default_manager.update(**change)


def by_bulk_delete(model: type[Model], change: dict[str, Any]) -> None:
    model._default_manager.all()._raw_delete("default")


def execute(statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []


def by_sql_update(model: type[Model], change: dict[str, Any]) -> None:
    [(name, value)] = change.items()
    execute(f"UPDATE {model._meta.db_table} SET {name} = %s", value)  # noqa: S608


def by_sql_delete(model: type[Model], change: dict[str, Any]) -> None:
    execute(f"DELETE FROM {model._meta.db_table}")  # noqa: S608


def by_truncate(model: type[Model], change: dict[str, Any]) -> None:
    execute(f"TRUNCATE {model._meta.db_table} CASCADE")


WAYS = [
    (by_save, "UPDATE"),
    (by_bulk_update, "UPDATE"),
    (by_sql_update, "UPDATE"),
    (by_delete, "DELETE"),
    (by_bulk_delete, "DELETE"),
    (by_sql_delete, "DELETE"),
    (by_truncate, "TRUNCATE"),
]


@pytest.mark.django_db
@pytest.mark.parametrize("model", APPEND_ONLY)
def test_the_database_refuses_to_change_or_remove_what_is_on_record(model: type[Model]) -> None:
    rows()
    before = list(model._default_manager.order_by("pk").values())
    for way, operation in WAYS:
        with pytest.raises(IntegrityError) as refused, transaction.atomic():
            way(model, APPEND_ONLY[model])
        assert f"{model._meta.db_table} is append-only: {operation} refused" in str(refused.value)
        assert "Write a new row that corrects the old one." in str(refused.value)
    assert list(model._default_manager.order_by("pk").values()) == before


@pytest.mark.django_db
def test_a_finding_stands_as_its_newest_change_says_and_changes_in_no_other_way() -> None:
    rows()
    finding = Finding.objects.get(kind="limit_exceeded")
    for way, operation in WAYS:
        if way is by_delete:
            continue  # Django already refuses: it has changes
        with pytest.raises(IntegrityError) as refused, transaction.atomic():
            way(Finding, {"state": "gone"})
        assert (
            f"authorizations_finding follows its changes: {operation} refused" in str(refused.value)
            or operation == "TRUNCATE"
        )
    change(finding, FindingChange.What.GONE, "evt_x")
    finding.refresh_from_db()
    assert (finding.state, finding.event_id) == ("gone", "evt_x")


# --- rows that would make no sense


def copied(table: str, **changes: Any) -> None:
    """Insert a copy of the table's first row with these columns changed."""
    execute(
        f"INSERT INTO {table} SELECT copy.* FROM (SELECT * FROM {table} LIMIT 1) AS row, "  # noqa: S608
        f"jsonb_populate_record(row::{table}, %s::jsonb) AS copy",
        json.dumps(changes),
    )


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("broken", "changes"),
    [
        ("", {}),
        ("decision_has_one_outcome", {"reason": "no_policy"}),
        ("decision_has_one_outcome", {"approved": False}),
        ("decision_has_one_outcome", {"approved": False, "approved_amount": 0}),
        ("decision_has_one_outcome", {"approved": False, "reason": "no_policy"}),
        ("", {"approved": False, "approved_amount": 0, "reason": "no_policy"}),
        ("decision_is_complete", {"request": None}),
        ("decision_is_complete", {"amount": None}),
        ("decision_is_complete", {"card_id": None}),
        (
            "",
            {
                "approved": False,
                "approved_amount": 0,
                "reason": "malformed_request",
                "request": None,
                "amount": None,
                "card_id": None,
            },
        ),
        ("authorizations_decision_pkey", {"id": "evt_first"}),
    ],
)
def test_a_decision_has_one_outcome_and_all_it_needs(broken: str, changes: dict[str, Any]) -> None:
    in_force()
    assert Shopper().asks(100, event_id="evt_first")["approved"]
    refused_by(broken, lambda: copied("authorizations_decision", **({"id": "evt_2"} | changes)))


def refused_by(constraint: str, write: Callable[[], object]) -> None:
    """The write breaks this constraint; none where it is empty."""
    if not constraint:
        write()
        return
    with pytest.raises(IntegrityError, match=f'"{constraint}"'), transaction.atomic():
        write()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("broken", "changes"),
    [
        ("", {}),
        ("", {"count": 0, "cash_count": 0}),
        ("", {"cash_count": 1}),
        ("", {"counted_cash": 100}),
        ("authorization_counts_once", {"count": 2}),
        ("authorization_counts_once", {"count": -1}),
        ("authorization_counts_once", {"cash_count": 2}),
        ("authorization_counts_once", {"count": 0, "cash_count": 1}),
        ("authorization_cash_within_amount", {"counted_cash": 101}),
        ("authorization_cash_within_amount", {"counted_cash": -1}),
        ("authorization_cash_within_amount", {"counted_amount": -1}),
    ],
)
def test_an_authorization_counts_once_and_has_no_more_cash_than_money(
    broken: str, changes: dict[str, int]
) -> None:
    in_force()
    assert Shopper().reason(100) == "approved"
    copy = {"id": "iauth_copy"} | changes
    refused_by(broken, lambda: copied("authorizations_authorization", **copy))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("broken", "columns"),
    [
        ("", "program"),
        ("", "group_id"),
        ("", "cardholder_id"),
        ("", "card_id"),
        ("assignment_to_one_scope", ""),
        ("assignment_to_one_scope", "program group_id"),
        ("assignment_to_one_scope", "program card_id"),
        ("assignment_to_one_scope", "group_id cardholder_id"),
        ("assignment_to_one_scope", "cardholder_id card_id"),
        ("assignment_to_one_scope", "program group_id cardholder_id card_id"),
    ],
)
def test_a_policy_is_assigned_to_exactly_one_scope(broken: str, columns: str) -> None:
    policy = in_force()
    Shopper().asks(0)
    group = CardGroup.objects.create(name="Field team")
    values = {"program": True, "group_id": group.pk, "cardholder_id": "ich_1", "card_id": "ic_1"}
    chosen = {name: values[name] if name in columns.split() else None for name in values}
    policy.assignments.all().delete()
    insert = (
        "INSERT INTO authorizations_assignment "
        "(policy_id, program, group_id, cardholder_id, card_id) VALUES (%s, %s, %s, %s, %s)"
    )
    chosen["program"] = bool(chosen["program"])
    refused_by(broken, lambda: execute(insert, policy.pk, *chosen.values()))
    if not broken:
        refused_by("assignment_once", lambda: execute(insert, policy.pk, *chosen.values()))


@pytest.mark.django_db
def test_only_the_first_card_of_a_chain_is_in_a_group() -> None:
    Shopper(card_id="ic_1").asks(0)
    Shopper(card_id="ic_2", card={"replacement_for": "ic_1"}).asks(0)
    group = CardGroup.objects.create(name="Field team")
    update = "UPDATE authorizations_card SET group_id = %s WHERE id = %s"
    execute(update, group.pk, "ic_1")
    refused_by("card_group_on_root", lambda: execute(update, group.pk, "ic_2"))


# --- tables laid out for the decision path

WRITTEN = (
    "authorizations_webhookrequest",
    "authorizations_decision",
    "authorizations_authorization",
    "authorizations_ledgerentry",
    "authorizations_usage",
)


@pytest.mark.django_db
@pytest.mark.parametrize("table", WRITTEN)
def test_a_table_that_decisions_write_has_at_most_three_whole_b_trees(table: str) -> None:
    found = execute("SELECT indexdef FROM pg_indexes WHERE tablename = %s", table)
    whole = [index for (index,) in found if "USING btree" in index and " WHERE " not in index]
    assert 1 <= len(whole) <= 3, whole


@pytest.mark.django_db
def test_usage_is_found_by_scope_and_kind_and_then_by_the_end_of_its_window() -> None:
    [(index,)] = execute("SELECT indexdef FROM pg_indexes WHERE tablename = 'authorizations_usage'")
    columns = "(scope, piece_seconds, window_end, window_start, filter_key, currency)"
    assert index.endswith(f"USING btree {columns}")


# Without the triggers, which would keep the history of each row.
MANY = """
SET LOCAL session_replication_role = replica;
INSERT INTO authorizations_cardholder (id, name, details_at, first_seen)
    SELECT 'ich_' || n, '', 0, now() FROM generate_series(2, 4000) n;
INSERT INTO authorizations_cardgroup (id, name, description)
    SELECT n, 'Group ' || n, '' FROM generate_series(100001, 103000) n;
INSERT INTO authorizations_card (
    id, cardholder_id, root_id, replacement_for, group_id, last4, brand, type, currency, status,
    frozen, frozen_reason, details_at, first_seen
) SELECT 'ic_' || n, 'ich_' || n, 'ic_' || n, '', 100001 + n % 3000, '', '', '', '', 'active',
    false, '', 0, now() FROM generate_series(2, 4000) n;
INSERT INTO authorizations_policy
    SELECT (jsonb_populate_record(policy, jsonb_build_object('id', n, 'name', 'Policy ' || n))).*
    FROM authorizations_policy policy, generate_series(100001, 102000) n WHERE policy.name = 'Test';
INSERT INTO authorizations_assignment (policy_id, program, card_id)
    SELECT 100001 + n % 2000, false, 'ic_' || n FROM generate_series(2, 4000) n;
INSERT INTO authorizations_decision
    SELECT (jsonb_populate_record(
        one::authorizations_decision, jsonb_build_object('id', 'evt_many_' || n)
    )).*
    FROM (SELECT * FROM authorizations_decision LIMIT 1) one, generate_series(1, 4000) n;
INSERT INTO authorizations_webhookrequest
    SELECT (jsonb_populate_record(
        one::authorizations_webhookrequest, jsonb_build_object('id', 100000 + n)
    )).*
    FROM (SELECT * FROM authorizations_webhookrequest LIMIT 1) one, generate_series(1, 4000) n;
INSERT INTO authorizations_authorization
    SELECT (jsonb_populate_record(one::authorizations_authorization, jsonb_build_object(
        'id', 'iauth_many_' || n, 'card_id', 'ic_' || n % 999,
        'cardholder_id', 'ich_' || n % 999, 'group_id', 100001 + n % 999
    ))).*
    FROM (SELECT * FROM authorizations_authorization LIMIT 1) one, generate_series(1, 5000) n;
INSERT INTO authorizations_transaction (
    id, type, amount, currency, merchant_amount, merchant_currency, merchant_name, created, card_id,
    linked, booked_under, reported_at
) SELECT 'ipi_' || n, 'capture', -1, 'eur', 0, '', '', now(), 'ic_' || n, 'iauth_many_' || n,
    'iauth_many_' || n, 0 FROM generate_series(1, 4000) n;
INSERT INTO authorizations_usage
    SELECT (jsonb_populate_record(
        one::authorizations_usage, jsonb_build_object('scope', 'card:ic_' || n)
    )).*
    FROM (SELECT * FROM authorizations_usage LIMIT 1) one, generate_series(2, 5000) n;
SET LOCAL session_replication_role = origin;
ANALYZE
"""


def text_of(name: str) -> str:
    """The named statement."""
    modules = (statements, sum_statements, write_statements)
    [text] = [getattr(module, name) for module in modules if hasattr(module, name)]
    return str(text)


def scanned(node: dict[str, Any]) -> Iterator[str]:
    """The tables that a plan reads from end to end."""
    if node["Node Type"] == "Seq Scan":
        yield node["Relation Name"]
    for part in node.get("Plans", []):
        yield from scanned(part)


SCOPES = [("card", "ic_7"), ("cardholder", "ich_7"), ("group", "100007")]
PARAMETERS: dict[str, dict[str, Any]] = {
    "SETTINGS": {"patience": None},
    "LOCK_CARDS": {"ids": ["ic_7", "ic_8"]},
    "LOCK_CARDHOLDERS": {"ids": ["ich_7"]},
    "LOCK_GROUPS": {"ids": [100007]},
    "DECIDED": {"events": ["evt_many_7"]},
    "PURCHASES": {"authorizations": ["iauth_many_7"]},
    "USAGE": {"scopes": ["card:ic_7", "cardholder:ich_7"], "times": [NOON, NOON]},
    "POLICIES": {
        "scopes": ["card:ic_7", "cardholder:ich_7", "group:100007"],
        "measured": ["card:ic_7", "cardholder:ich_7", "group:100007", "member:100007:ich_7"],
    },
    "FIRST_PURCHASES": {
        "asked": json.dumps(
            [
                {"place": 0, "own": "iauth_new", "root": "ic_7", "country": "FR", "code": "5462",
                 "category_name": "bakeries", "network_id": "9", "name": "lepic", "position": 0,
                 "of_merchant": True, "of_category": True, "of_country": True}
            ]
        )
    },
    "STRAYS": {"authorizations": ["iauth_many_7"]},
    "VERSIONS": {"ids": [100007]},
    "SUM": {
        "ranges": json.dumps(
            [
                {"place": place, "kind": kind, "id": key, "currency": "eur", "grain": 3600,
                 "spans": f"{{[{NOON - 3600},{NOON}),[{NOON + 60},{NOON + 3600})}}",
                 "by_merchant": True, "most": 100}
                for place, (kind, key) in enumerate(SCOPES)
            ]
        )
    },
    "PIECES": {
        "windows": json.dumps(
            [
                {"place": place, "kind": kind, "id": key, "start": NOON - 3600, "end": NOON + 3600,
                 "filter_key": "", "currency": "eur", "longest": 86400}
                for place, (kind, key) in enumerate(SCOPES)
            ]
        )
    },
    "ANSWERS": {"event": "evt_many_7"},
    "WRITE_REPEAT": {
        "body": b"{}", "request": "{}", "first": None, "event": "evt_many_7", "sha256": "",
        "now": "2026-11-18T12:00:00Z", "most": 60,
    },
    "WRITE": {
        "bodies": [b"{}"], "requests": "[]", "decisions": "[]", "purchases": "[]", "entries": "[]",
        "usage": "[]", "numbers": 0,
    },
}  # fmt: skip


@pytest.mark.django_db
def test_no_statement_of_a_decision_reads_a_table_from_end_to_end() -> None:
    in_force(spending_limits=[DAILY])
    assert Shopper().reason(100) == "approved"
    connection.connection.execute(MANY)
    for name, parameters in PARAMETERS.items():
        # As text with the parameters in it: what is planned is what is looked up.
        statement = ClientCursor(connection.connection).mogrify(text_of(name), parameters)
        [(plan,)] = execute("EXPLAIN (FORMAT JSON) " + statement.replace("%", "%%"))
        [tree] = json.loads(plan) if isinstance(plan, str) else plan
        assert list(scanned(tree["Plan"])) == [], name


@pytest.mark.django_db
def test_what_is_in_force_is_looked_up_by_plans_that_were_made_while_there_was_nothing() -> None:
    """`migrate` ends with ANALYZE: what was planned then decides until a connection is replaced."""
    tables = ("openinstruction", "potsum", "assignment", "policy")
    for table in tables:
        execute(f"ANALYZE authorizations_{table}")
    with transaction.atomic():
        execute(text_of("SETTINGS").replace("%(patience)s", "NULL"))
        parameters = PARAMETERS["POLICIES"]
        statement = ClientCursor(connection.connection).mogrify(text_of("POLICIES"), parameters)
        [(plan,)] = execute("EXPLAIN (FORMAT JSON) " + statement.replace("%", "%%"))
    [tree] = json.loads(plan) if isinstance(plan, str) else plan
    found = {
        node["Relation Name"].removeprefix("authorizations_"): "Index Cond" in node
        for node in nodes(tree["Plan"])
        if "Relation Name" in node
    }
    assert found == dict.fromkeys(tables, True)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


# --- what goes over the wire


@contextmanager
def sent() -> Iterator[list[str]]:
    """The statements this thread's connection sends meanwhile, ours by their names.

    As libpq tells them, so nothing can slip past.
    """
    connection.ensure_connection()
    pgconn = connection.connection.pgconn
    found: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "trace")
        with path.open("w") as file:
            pgconn.trace(file.fileno())
            yield found
            pgconn.untrace()
        lines = path.read_text(errors="replace").splitlines()
    prepared: dict[str, str] = dict(execute("SELECT name, statement FROM pg_prepared_statements"))
    for line in lines:
        if match := re.search(r'\tF\t\d+\t(Query|Bind)\t "([^"]*)"(?: "([^"]*)")?', line):
            kind, text, name = match.groups()
            if not text.startswith("SET ROLE"):  # which only tests do
                found.append(text if kind == "Query" else named(prepared[name]))


def named(statement: str) -> str:
    """The name of one of ours; other statements as they are."""
    for name in PARAMETERS:
        beginning = text_of(name).split("%(", 1)[0]
        if statement.startswith(beginning):
            return name
    return statement


@pytest.mark.django_db(transaction=True)
def test_a_decision_locks_looks_up_and_writes_in_one_transaction_and_sums_only_when_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(usage, "_KEEP_UP_EVERY", 2**32)  # not by the luck of an id
    policy = in_force(
        spending_limits=[DAILY, {"count": 9, "interval": "weekly"}, DAILY | {"countries": ["FR"]}]
    )
    shopper = Shopper()
    shopper.asks(0)  # now card, cardholder and policy version are known
    first = shopper.purchase(100)
    tomorrow = replace(shopper, at=NOON + 86_400)
    locking = ["SETTINGS", "LOCK_CARDS", "LOCK_CARDHOLDERS"]
    looked_up = [*locking, "DECIDED", "PURCHASES", "USAGE", "POLICIES", "STRAYS"]
    declined = [*looked_up, "WRITE"]
    story: list[tuple[str, Callable[[], object], list[str]]] = [
        ("nothing to pay", lambda: shopper.asks(0), [*looked_up, "WRITE"]),
        ("new windows", lambda: shopper.asks(first, "evt_a"), [*looked_up, "SUM", "WRITE"]),
        ("known windows", lambda: shopper.asks(100), [*looked_up, "WRITE"]),
        (
            "an increment",
            lambda: shopper.asks(first.increment(50, approved=100, at=NOON)),
            [*looked_up, "WRITE"],
        ),
        (
            "the same event",
            lambda: shopper.asks(first, "evt_a"),
            [*looked_up, "ANSWERS", "WRITE_REPEAT"],
        ),
        ("too much", lambda: shopper.asks(99_999), declined),
        ("a new day", lambda: tomorrow.asks(100), [*looked_up, "SUM", "WRITE"]),
        ("the day before", lambda: shopper.asks(100), [*looked_up, "WRITE"]),
    ]
    for what, ask, expected in story:
        with sent() as statements:
            ask()
        assert statements == ["BEGIN", *expected, "COMMIT"], what
    republish(policy, spending_limits=[{"amount": 900, "interval": "rolling", "hours": 1}])
    shopper.asks(0)
    for amount, sums in ((100, 1), (100, 1), (800, 2)):  # once more to say when there is room
        with sent() as statements:
            shopper.asks(amount)
        assert statements == ["BEGIN", *looked_up, *["SUM"] * sums, "WRITE", "COMMIT"]


# --- locks

LOCKED = {
    "root": ("authorizations_card", "ic_1"),
    "card": ("authorizations_card", "ic_2"),
    "cardholder": ("authorizations_cardholder", "ich_1"),
    "group": ("authorizations_cardgroup", "Field team"),
}
"""In the order in which a decision takes them."""


class Session:
    """A connection of its own, in a transaction."""

    def __init__(self) -> None:
        self.connection = connection.copy()

    def __enter__(self) -> Self:
        self.connection.set_autocommit(False)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.connection.close()

    def locks(self, name: str, strength: str) -> bool:
        """Whether the row can be locked without waiting."""
        table, key = LOCKED[name]
        column = "name" if name == "group" else "id"
        with self.connection.cursor() as cursor:
            cursor.execute(
                f"SELECT 1 FROM {table} WHERE {column} = %s FOR {strength} SKIP LOCKED",  # noqa: S608
                [key],
            )
            return cursor.fetchone() is not None

    def blocks(self) -> bool:
        """Whether another session waits for what this one has locked."""
        with self.connection.cursor() as cursor:
            cursor.execute(
                "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted "
                "AND pg_backend_pid() = ANY (pg_blocking_pids(pid)))"
            )
            return bool(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
def test_a_decision_locks_root_card_card_cardholder_and_group_in_this_order() -> None:
    in_force()
    Shopper(card_id="ic_1").asks(0)
    shopper = Shopper(card_id="ic_2", card={"replacement_for": "ic_1"})
    shopper.asks(0)
    Card.objects.filter(pk="ic_1").update(group=CardGroup.objects.create(name="Field team"))
    for place, name in enumerate(LOCKED):
        reasons: list[str] = []
        thread = threading.Thread(target=append_reason, args=(shopper, reasons))
        with Session() as watching, Session() as holding:
            assert holding.locks(name, "NO KEY UPDATE")
            thread.start()
            until(holding.blocks)
            free = {other for other in LOCKED if watching.locks(other, "NO KEY UPDATE")}
            assert free == set(list(LOCKED)[place + 1 :])
            # Rows that only refer to a locked one need not wait.
            assert all(watching.locks(other, "KEY SHARE") for other in LOCKED)
        thread.join(PATIENCE_S)
        assert reasons == ["approved"]


def append_reason(shopper: Shopper, reasons: list[str]) -> None:
    try:
        reasons.append(shopper.reason(1))
    finally:
        connection.close()


def until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < end, "Nobody ever waited for the lock."
        time.sleep(0.01)
