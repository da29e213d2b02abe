"""Whether a server should be sent purchases: with the database, without it, and at its start."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from pytest_django import Settings

from authorizations.models import PolicyVersion
from authorizations.services.authorize import rehearsal
from authorizations.services.host import versions
from authorizations.services.stand_in import spool_watch
from authorizations.services.store import statements
from authorizations.services.webhook import answering, readiness
from authorizations.services.webhook.readiness import STARTING_S, Warmth
from simulator.stripe import samples
from tests.admin.whole_database import changed, contents
from tests.support import server
from tests.support.builders import request_event, signed
from tests.support.desk import in_force
from tests.support.stand_in import knows

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _own_spool(settings: Settings, tmp_path: Path) -> None:
    settings.SPOOL_DIR = tmp_path


@pytest.fixture
def without_database(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def go() -> None:
        connection.close()
        monkeypatch.setitem(connection.settings_dict, "NAME", "no_such_database")

    return go


def asked(client: Client) -> tuple[int, dict[str, Any]]:
    answer = client.get("/readyz")
    return answer.status_code, answer.json()


def test_with_the_database_and_its_tables_it_is_ready(client: Client) -> None:
    status, facts = asked(client)
    assert (status, facts) == (
        200,
        {
            "status": "ready",
            "database": "answers",
            "breaker": "closed",
            "stand_in": "off",
            "pooler": "none noticed",
            "spool": "can be written",
        },
    )


def test_a_spool_that_cannot_be_written_is_said_and_matters_without_the_database(
    client: Client, without_database: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    knows({"scope": "program:"})
    monkeypatch.setattr(spool_watch, "_found", "SPOOL_DIR can't be written.")
    status, facts = asked(client)
    assert (status, facts["spool"]) == (200, "can't be written")
    without_database()
    status, facts = asked(client)
    assert (status, facts["status"], facts["spool"]) == (503, "unavailable", "can't be written")


@pytest.mark.parametrize("age_s", [0, 3_000])
def test_without_the_database_it_is_ready_where_stand_in_has_a_copy(
    client: Client, without_database: Callable[[], None], age_s: int
) -> None:
    knows({"scope": "program:"}, age_s=age_s)
    without_database()
    status, facts = asked(client)
    assert (status, facts["status"], facts["database"]) == (200, "ready", "does not answer")
    assert (facts["copy"], facts["cause"]) == ("used", "no connection")
    assert age_s <= facts["copy_age_seconds"] <= age_s + 60


def test_while_the_breaker_is_open_the_database_is_not_even_asked(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    knows({"scope": "program:"})
    monkeypatch.setattr(answering.breaker, "is_open", True)
    monkeypatch.setattr(readiness, "_migrations_problem", pytest.fail)
    status, facts = asked(client)
    assert (status, facts["status"], facts["breaker"]) == (200, "ready", "open")
    assert facts["cause"] == "the breaker is open"


@pytest.mark.parametrize(
    ("age_s", "may_stand_in", "copy"),
    [
        (None, True, "none"),
        (4_000, True, "older than STAND_IN_MAX_AGE_S"),
        (0, False, "not used: STAND_IN_ON_DATABASE_UNREACHABLE is false"),
    ],
)
def test_with_neither_database_nor_a_copy_to_use_it_is_not(
    settings: Settings,
    without_database: Callable[[], None],
    age_s: int | None,
    may_stand_in: bool,
    copy: str,
) -> None:
    settings.STAND_IN_ON_DATABASE_UNREACHABLE = may_stand_in
    if age_s is not None:
        knows({"scope": "program:"}, age_s=age_s)
    without_database()
    status, facts = asked(Client())
    assert (status, facts["status"], facts["copy"]) == (503, "unavailable", copy)


def test_tables_that_are_behind_a_database_that_answers_are_no_matter_for_stand_in(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    knows({"scope": "program:"})
    monkeypatch.setattr(readiness, "_migrations_problem", lambda: "not applied")
    status, facts = asked(client)
    assert (status, facts["status"], facts["migrations"]) == (503, "unavailable", "not applied")


def test_a_table_of_migrations_that_is_behind_is_seen() -> None:
    with connection.cursor() as cursor:
        last = "('authorizations', '0004_history')"
        cursor.execute(f"DELETE FROM django_migrations WHERE (app, name) = {last}")  # noqa: S608
        try:
            assert readiness.readiness().facts["migrations"] == "not applied"
        finally:
            cursor.execute(
                f"INSERT INTO django_migrations (app, name, applied) "  # noqa: S608
                f"SELECT app, name, now() FROM (VALUES {last}) AS it(app, name)"
            )
    assert readiness.readiness().is_ready


def test_a_server_that_starts_is_not_ready_but_for_some_seconds_at_most(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(readiness, "monotonic", lambda: now[0])
    warmth = Warmth()
    monkeypatch.setattr(readiness, "warmth", warmth)
    monkeypatch.setattr(readiness, "_migrations_problem", lambda: "")
    warmth.began = now[0]
    assert asked(client)[0] == 503
    assert asked(client)[1]["status"] == "starting"
    now[0] += STARTING_S
    assert asked(client)[0] == 200
    now[0] -= 1
    warmth.is_warm = True
    assert asked(client)[0] == 200


def test_a_server_that_starts_without_its_database_stands_in_within_seconds(
    settings: Settings, tmp_path: Path
) -> None:
    knows({"scope": "program:"}, around=int(time.time()))
    away = {"DATABASE_URL": "postgres://desk:desk@127.0.0.1:9/desk", "SPOOL_DIR": str(tmp_path)}
    with server.running(tmp_path / "log", **away) as desk:
        until = time.monotonic() + server.PATIENCE_S
        while (answer := desk.ask("/readyz"))[0] != 200:
            assert json.loads(answer[1])["status"] == "starting"
            assert time.monotonic() < until
            time.sleep(0.1)
        assert json.loads(answer[1])["copy"] == "used"
        event = request_event(created=int(time.time()))
        status, body = desk.ask("/webhook", *signed(samples.to_bytes(event)))
    told = json.loads(body)
    assert (status, told["approved"]) == (200, True)
    assert told["metadata"]["stand_in"] == "database_unreachable"


# --- what makes it warm


def test_a_rehearsal_leaves_nothing_behind_but_its_statements_planned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    in_force(spending_limits=[{"amount": 500, "interval": "daily"}])
    monkeypatch.setattr(versions, "_cache", {})
    rehearsal.load_versions()
    assert [key[0] for key in versions._cache] == [PolicyVersion.objects.get().pk]
    before, drawn = contents(), _drawn()
    rehearsal.rehearse(10.0)
    assert not changed(before)
    assert _drawn() == drawn


def _drawn() -> int | None:
    """The last number of a request: one that no row has would look like a deletion."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sequence_last_value('authorizations_webhookrequest_id_seq')")
        [last] = cursor.fetchone()
    return int(last) if last else None


def test_each_connection_of_a_pool_has_its_plans(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of four threads waits until all have a connection, so they are four.

    After five plans PostgreSQL keeps one, unless the tables make new ones look cheaper.
    """
    planned: dict[int, int] = {}
    once = rehearsal._once
    lock = threading.Lock()

    def noting() -> None:
        once()
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_backend_pid(), count(*) FROM pg_prepared_statements "
                "WHERE generic_plans + custom_plans > 5 GROUP BY 1"
            )
            found = cursor.fetchall()
        with lock:
            planned.update(found)

    class Pool:
        min_size = 4

    monkeypatch.setattr(rehearsal, "_once", noting)
    monkeypatch.setattr(type(connection), "pool", Pool(), raising=False)
    in_force()
    rehearsal.rehearse(10.0)
    assert list(planned.values()) == [10] * 4  # BEGIN, and all of an ordinary decision


def test_what_fails_in_one_of_the_threads_is_raised_where_it_was_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(statements, "USAGE", "SELECT nothing_like_it")
    with pytest.raises(Exception, match="nothing_like_it"):
        rehearsal.rehearse(10.0)
