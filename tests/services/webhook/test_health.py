"""What is looked at to see whether a desk is well, and what is said of each."""

import re
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import DatabaseError, connection
from django.test import Client, override_settings
from django.utils import timezone

from authorizations.models import ProofRun, WebhookRequest
from authorizations.services.host import spool_reader, spool_writer
from authorizations.services.webhook import health
from authorizations.services.webhook.database_roles import quoted
from authorizations.services.webhook.health import (
    HealthCheck,
    HealthState,
    configured,
    database,
    host,
)
from authorizations.wire.signature import sign
from authz_project import pooler
from simulator.stripe import samples
from tests.support import database_roles, stand_in
from tests.support.damage import damage
from tests.support.desk import Shopper, deliver, in_force

pytestmark = pytest.mark.django_db

SECRETS = ("whsec_shown_to_nobody", "rk_live_shown_to_nobody", "a-key-that-is-shown-to-nobody-" * 3)


@pytest.fixture(autouse=True)
def directory(tmp_path: Path) -> Iterator[Path]:
    """A spool of its own; and settings are looked at anew."""
    configured._messages.cache_clear()
    with override_settings(SPOOL_DIR=tmp_path / "spool"):
        yield tmp_path / "spool"
    configured._messages.cache_clear()


def found(name: str) -> list[HealthCheck]:
    return [check for check in health.examine() if check.name == name]


def only(name: str) -> tuple[HealthState, str]:
    [check] = found(name)
    return check.state, check.sentence


def received(row: WebhookRequest, **ago: int) -> None:
    """Let it have come so long ago, and signed then."""
    at = row.received_at - timedelta(**ago)
    signature = re.sub(r"t=\d+", f"t={int(at.timestamp())}", row.headers["Stripe-Signature"])
    damage(row, received_at=at, headers=row.headers | {"Stripe-Signature": signature})


def test_of_a_desk_that_is_well_nothing_is_wrong() -> None:
    in_force()
    User.objects.create_superuser("admin")
    Shopper().asks(1_000)
    stand_in.knows()
    wrong = [check for check in health.examine() if check.state is HealthState.BAD]
    assert wrong == []


def test_no_secret_is_ever_said() -> None:
    with override_settings(
        STRIPE_WEBHOOK_SECRETS=[SECRETS[0]], STRIPE_API_KEY=SECRETS[1], SECRET_KEY=SECRETS[2]
    ):
        said = " ".join(check.sentence for check in health.examine())
    assert "1 webhook secret is set." in said
    assert not any(secret in said for secret in SECRETS)


def test_what_check_knows_is_part_of_it() -> None:
    with override_settings(ALLOWED_HOSTS=[], SECRET_KEY="a b"):
        said = [check.sentence for check in found("Settings")]
    assert any(sentence.startswith("ALLOWED_HOSTS is not set. Set it to") for sentence in said)
    assert any(sentence.startswith("SECRET_KEY contains white space.") for sentence in said)


@pytest.mark.parametrize(
    ("name", "settings_", "state", "sentence"),
    [
        (
            "Mode",
            {"DEBUG": True},
            HealthState.WARN,
            "DEBUG is true, which is for development only.",
        ),
        (
            "Mode",
            {"STRIPE_LIVEMODE": None},
            HealthState.WARN,
            "set STRIPE_LIVEMODE to true or false",
        ),
        (
            "Mode",
            {"STRIPE_LIVEMODE": True},
            HealthState.OK,
            "Live events are approved, others declined.",
        ),
        (
            "Secrets",
            {"STRIPE_WEBHOOK_SECRETS": []},
            HealthState.BAD,
            "STRIPE_WEBHOOK_SECRET is not set",
        ),
        (
            "Secrets",
            {"STRIPE_WEBHOOK_SECRETS": ["a", "b"]},
            HealthState.OK,
            "2 webhook secrets are set.",
        ),
        (
            "API key",
            {"STRIPE_API_KEY": ""},
            HealthState.WARN,
            "`reconcile` can't bring in what the webho",
        ),
        (
            "API key",
            {"STRIPE_API_KEY": "whsec_1"},
            HealthState.BAD,
            "is neither a secret (sk_...) nor a re",
        ),
        (
            "API key",
            {"STRIPE_API_KEY": "sk_test_1"},
            HealthState.WARN,
            "A restricted key that may read ",
        ),
        (
            "API key",
            {"STRIPE_API_KEY": "rk_test_1", "STRIPE_LIVEMODE": True},
            HealthState.BAD,
            "for a different mode than STRIPE_LIVEMODE",
        ),
        ("API key", {"STRIPE_API_KEY": "rk_test_1"}, HealthState.OK, "is a restricted key."),
    ],
)
def test_settings_and_secrets_are_there_and_of_the_right_form(
    name: str, settings_: dict[str, Any], state: HealthState, sentence: str
) -> None:
    with override_settings(**settings_):
        said = [*configured.mode(), *configured.secrets()]
    [check] = [check for check in said if check.name == name]
    assert check.state is state
    assert sentence in check.sentence


def test_what_the_shell_fills_in_for_another_database_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("PGOPTIONS", "PGDATESTYLE", "PGHOST"):
        monkeypatch.setenv(name, "")
    assert found("Environment") == []  # the embedded server's clients have no use for them
    monkeypatch.setitem(connection.settings_dict, "ENGINE", "authz_project.postgresql")
    monkeypatch.setitem(connection.settings_dict, "HOST", "db.example.com")
    state, sentence = only("Environment")
    assert state is HealthState.WARN
    assert sentence.startswith("PGDATESTYLE and PGOPTIONS in the environment apply to the databas")


# --- the database


def test_it_says_which_database_answers() -> None:
    state, sentence = only("Database")
    assert state is HealthState.OK
    assert f" answers for {connection.settings_dict['NAME']}, within " in sentence
    assert sentence.startswith("PostgreSQL 1")


def test_a_database_that_does_not_answer_is_all_that_is_said_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse() -> None:
        raise DatabaseError("connection failed: Connection refused")

    away = SimpleNamespace(ensure_connection=refuse, settings_dict=connection.settings_dict)
    monkeypatch.setattr(database, "connection", away)
    checks = health.examine()
    [said] = [check for check in checks if check.name == "Database"]
    assert said.state is HealthState.BAD
    assert "Connection refused. Check that PostgreSQL runs and listens there" in said.sentence
    assert checks[-1] == said


def test_a_pooler_that_was_noticed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert only("Pooler") == (HealthState.OK, "No pooler was noticed in front of the database.")
    monkeypatch.setattr(pooler, "_noticed", True)
    assert only("Pooler") == (HealthState.WARN, pooler.sentence())


def test_migrations_that_are_not_applied_are_named() -> None:
    assert only("Migrations") == (HealthState.OK, "The tables are those this program expects.")
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE name = '0004_history'")
    state, sentence = only("Migrations")
    assert state is HealthState.BAD
    assert "authorizations.0004_history first: run `migrate`." in sentence


def test_the_owner_of_the_tables_should_not_serve() -> None:
    assert only("Rights")[0] is HealthState.OK  # the embedded server knows one role only
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(connection.settings_dict, "ENGINE", "authz_project.postgresql")
        state, sentence = only("Rights")
    assert state is HealthState.WARN
    assert "owns the tables, so it could drop the record's triggers." in sentence


@pytest.mark.parametrize("role", ["webhook", "admin", "record"])
def test_each_role_is_known_by_its_rights_and_one_it_lacks_is_named(role: str) -> None:
    name = database_roles.names()[role]
    with database_roles.served_as(role):
        assert only("Rights") == (HealthState.OK, f"{name} has the rights of the {role} role.")
    with connection.cursor() as cursor:
        cursor.execute(f"REVOKE INSERT ON authorizations_card FROM {quoted(name)}")
    with database_roles.served_as(role):
        state, sentence = only("Rights")
    assert state is HealthState.BAD
    assert sentence.startswith(f"{name} lacks INSERT on authorizations_card. Run what `manage.py ")


def test_a_role_that_may_delete_from_the_record_is_wrong() -> None:
    name = database_roles.names()["webhook"]
    with connection.cursor() as cursor:
        cursor.execute(f"GRANT DELETE ON authorizations_decision TO {quoted(name)}")
    with database_roles.served_as("webhook"):
        state, sentence = only("Rights")
    assert state is HealthState.BAD
    assert sentence.startswith(f"{name} may delete what is on record")


def test_what_a_role_may_not_see_is_left_to_others() -> None:
    with database_roles.served_as("webhook"):
        checks = health.examine()
    assert not [check for check in checks if check.name in ("People", "Proofs")]
    assert not [check for check in checks if "This check failed" in check.sentence]


@pytest.mark.parametrize(
    ("ahead_s", "state", "whose"),
    [
        (0, HealthState.OK, "apart."),
        (10, HealthState.WARN, "the database"),
        (-90, HealthState.BAD, "this host"),
    ],
)
def test_the_clocks_of_host_and_database_are_compared(
    monkeypatch: pytest.MonkeyPatch, ahead_s: int, state: HealthState, whose: str
) -> None:
    monkeypatch.setattr(database.time, "time", lambda now=time.time: now() + ahead_s)  # type: ignore[attr-defined]
    found_state, sentence = only("Database's clock")
    assert found_state is state
    assert whose in sentence


def test_an_empty_desk_declines_all_and_nobody_could_log_in() -> None:
    assert only("Policies")[0] is HealthState.BAD
    assert (
        "every purchase is declined: create one under Policies, and assign it"
        in (only("Policies")[1])
    )
    assert only("People") == (
        HealthState.WARN,
        (
            "There is no active superuser, who could give others roles: "
            "`manage.py createsuperuser` makes one."
        ),
    )
    in_force(blocked_categories=["bakeries"], unlimited=False)
    assert only("Policies")[0] is HealthState.BAD
    in_force(name="Grants")
    assert only("Policies") == (HealthState.OK, "A policy that grants purchases is assigned.")


def test_the_newest_run_of_each_proof_counts() -> None:
    assert "verify_record and verify_books and redecide did not complete" in only("Proofs")[1]
    for command in ProofRun.Command:
        prove(command)
    assert only("Proofs") == (HealthState.OK, "The record was proved in the last three days.")
    prove(ProofRun.Command.VERIFY_BOOKS, result="different", differences=7)
    assert only("Proofs") == (
        HealthState.BAD,
        "The last verify_books found 7 differences. See Proofs.",
    )


def prove(command: str, result: str = "right", differences: int = 0) -> None:
    now = timezone.now()
    ProofRun.objects.create(
        command=command, started_at=now, ended_at=now, result=result, differences=differences
    )


# --- this host


def test_what_lies_in_the_spool_is_told(directory: Path) -> None:
    assert only("Answers to bring in")[0] is HealthState.OK
    spool_writer.append(b"an answer")
    [path] = spool_reader.waiting(directory)
    path.rename(path.with_name(f"{time.time_ns() - 600 * 10**9}-1-1.spool"))
    state, sentence = only("Answers to bring in")
    assert state is HealthState.WARN
    assert "1 files of answers wait, the oldest for 10 minutes" in sentence
    [path] = spool_reader.waiting(directory)
    record = spool_reader.read(path)
    assert record
    spool_reader.keep_aside(path, record, "it could not be read")
    assert found("Answers to bring in")[0].state is HealthState.BAD


def test_a_spool_that_cannot_be_written_is_wrong(directory: Path) -> None:
    directory.touch()
    state, sentence = only("Spool")
    assert state is HealthState.BAD
    assert f"SPOOL_DIR, {directory}, can't be written by " in sentence


@pytest.mark.parametrize(
    ("free", "state"),
    [(2**40, HealthState.OK), (2**29, HealthState.WARN), (2**20, HealthState.BAD)],
)
def test_room_on_the_disk_is_told(
    monkeypatch: pytest.MonkeyPatch, free: int, state: HealthState
) -> None:
    class Disk:
        f_bavail, f_frsize = free // 4096, 4096

    monkeypatch.setattr(host.os, "statvfs", lambda _path: Disk)  # type: ignore[attr-defined]
    assert only("Disk")[0] is state


def test_the_age_of_stand_ins_copy_is_told() -> None:
    assert only("Stand-in's copy")[0] is HealthState.WARN
    for age_s, state in ((2, HealthState.OK), (600, HealthState.WARN), (4_000, HealthState.BAD)):
        stand_in.knows(age_s=age_s)
        assert only("Stand-in's copy")[0] is state


# --- what requests tell


def test_an_endpoint_of_which_nothing_is_heard_is_wrong_after_ten_minutes() -> None:
    in_force()
    shopper = Shopper()
    purchases = [shopper.purchase(1_000) for _ in range(2)]
    for purchase in purchases:
        shopper.asks(purchase)
    state, sentence = only("Stripe's endpoints")
    assert state is HealthState.OK
    assert sentence.startswith("No approval of the last day is ten minutes old")
    for row in WebhookRequest.objects.all():
        received(row, minutes=11)
    state, sentence = only("Stripe's endpoints")
    assert state is HealthState.BAD
    assert sentence.startswith("Of 2 approvals of the last day that are ten minutes old, 0 have ")
    assert "a later event from Stripe. Register a webhook endpoint" in sentence
    for purchase in purchases:
        deliver(shopper.event(purchase) | {"type": "issuing_authorization.updated"})
    assert only("Stripe's endpoints")[0] is HealthState.OK


@pytest.mark.parametrize(
    ("off_s", "state", "whose"),
    [
        (0, HealthState.OK, "when they arrived"),
        (20, HealthState.WARN, "this host's clock is ahead"),
        (-20, HealthState.WARN, "this host's clock is behind"),
        (-90, HealthState.BAD, "this host's clock is behind"),
    ],
)
def test_signatures_tell_whether_this_hosts_clock_is_off(
    off_s: int, state: HealthState, whose: str
) -> None:
    Shopper().asks(1_000)
    row = WebhookRequest.objects.get()
    damage(row, received_at=row.received_at + timedelta(seconds=off_s))
    found_state, sentence = only("Stripe's clock")
    assert found_state is state
    assert whose in sentence


def test_a_proxy_that_is_not_believed_is_named() -> None:
    for peer in ("10.9.8.7", "127.0.0.1"):
        body = samples.to_bytes(Shopper().event(Shopper().purchase(1_000)))
        signature = sign(body, settings.STRIPE_WEBHOOK_SECRETS[0], int(time.time()))
        headers = {"Stripe-Signature": signature, "X-Forwarded-For": "203.0.113.9"}
        Client(REMOTE_ADDR=peer).post(
            "/webhook", body, content_type="application/json", headers=headers
        )
    first, second = found("Proxies")
    assert (first.state, second.state) == (HealthState.WARN, HealthState.WARN)
    assert "came from 10.9.8.7, which sends X-Forwarded-For and is not in TRUST" in (first.sentence)
    assert "TRUST_PROXY_TLS is not set" in second.sentence
    with override_settings(SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https")):
        assert len(found("Proxies")) == 1


def test_versions_that_meet_are_named() -> None:
    assert only("Stripe's versions") == (HealthState.OK, "Answers use API version 2022-08-01.")
    assert only("Program")[1].startswith("Python 3.")
    deliver(Shopper().event(Shopper().purchase(1)) | {"api_version": "2026-10-28.endive"})
    assert "events arrive in 2026-10-28.endive." in only("Stripe's versions")[1]
    deliver(Shopper().event(Shopper().purchase(1)) | {"api_version": "2024-06-20"})
    assert only("Stripe's versions")[0] is HealthState.WARN


def test_a_check_that_fails_itself_is_said_and_stops_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> Iterator[HealthCheck]:
        raise LookupError("whsec_shown_to_nobody")

    monkeypatch.setattr(health, "_WITH_DATABASE", (("Broken", fail), ("Fine", database.clock)))
    assert only("Broken") == (
        HealthState.BAD,
        "This check failed (LookupError): the log says more.",
    )
    assert only("Database's clock")[0] is HealthState.OK
