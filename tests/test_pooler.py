"""Behind PgBouncer, where each transaction is on whichever connection to PostgreSQL is free."""

import json
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.core import checks
from django.core.management import CommandError, call_command
from django.db import connection

from authorizations.models import Decision
from authorizations.wire.signature import sign
from authz_project import pooler
from authz_project.deadline import DeadlineConnection
from simulator.stripe import samples
from simulator.stripe.samples import Json
from tests.services.authorize import test_races as races
from tests.support import database, desk, pgbouncer, server
from tests.support.pgbouncer import BLIND

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pooled(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """The tests' database, through PgBouncer, with fewer connections than threads ask for."""
    with django_db_blocker.unblock():
        url = database.url()
    with pgbouncer.pooling(url, default_pool_size=5) as through:
        yield through


@pytest.fixture(scope="module", params=["noticed at once", "noticed by what fails"])
def behind_it(
    request: pytest.FixtureRequest, pooled: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[server.Server]:
    """A desk's server that reaches its database through PgBouncer."""
    variables = {
        "DATABASE_URL": pooled,
        "DECISION_BUDGET_MS": "9999",
        BLIND: "yes" if request.param == "noticed by what fails" else "",
    }
    log = tmp_path_factory.mktemp("pooled") / "log"
    with server.running(log, "tests.support.pooled_app", **variables) as running:
        yield running


@pytest.fixture
def asked_there(behind_it: server.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever knocks in this test knocks at that server."""

    def deliver(event: Json) -> Any:
        body = samples.to_bytes(event)
        header = sign(body, settings.STRIPE_WEBHOOK_SECRETS[0], int(time.time()))
        headers = {"Stripe-Signature": header, "Content-Type": "application/json"}
        _, content = behind_it.ask("/webhook", body, headers)
        return SimpleNamespace(content=content, json=lambda: json.loads(content))

    for module in (desk, races):
        monkeypatch.setattr(module, "deliver", deliver)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("asked_there")
@pytest.mark.parametrize(
    "race",
    [
        races.test_first_use_of_a_new_card_by_sixteen_at_once_fills_its_limit_and_no_more,
        races.test_limits_of_every_scope_hold_while_cards_of_two_groups_pay_at_once,
        races.test_one_event_delivered_sixteen_times_at_once_is_decided_once,
        races.test_a_limit_lowered_in_the_middle_of_the_rush_holds_for_every_later_request,
    ],
    ids=lambda race: race.__name__.removeprefix("test_"),
)
def test_a_race_ends_as_it_does_without_a_pooler_and_nothing_stands_in(
    race: Callable[[], None],
) -> None:
    race()
    assert {*Decision.objects.values_list("stand_in", flat=True)} == {""}


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("asked_there")
def test_whoever_asks_whether_the_desk_is_ready_is_told(behind_it: server.Server) -> None:
    desk.in_force()
    for _ in range(20):  # in each of its processes something must have failed first
        races.at_once(*[lambda: desk.Shopper().asks(1)] * races.THREADS)
        if behind_it.log.count("statements run unprepared") == server.WORKERS:
            break
    told = races.at_once(*[lambda: json.loads(behind_it.ask("/readyz")[1])] * 8)
    assert {each["pooler"] for each in told} == {"noticed"}, behind_it.log


def straight() -> dict[str, Any]:
    """How to connect to PostgreSQL itself."""
    return connection.get_connection_params() | {"cursor_factory": psycopg.Cursor}


@pytest.fixture
def unaware(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pooler, "_noticed", False)


@pytest.mark.django_db
@pytest.mark.usefixtures("unaware")
@pytest.mark.parametrize("autocommit", [True, False])
def test_a_new_connection_tells_whether_a_pooler_is_in_between(
    pooled: str, autocommit: bool
) -> None:
    with DeadlineConnection.connect(**straight(), autocommit=autocommit) as direct:
        assert direct.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    assert not pooler.is_noticed()
    assert pooler.sentence() == ""
    with DeadlineConnection.connect(pooled, autocommit=autocommit) as through:
        assert through.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    assert pooler.is_noticed()
    assert "DATABASE_URL" in pooler.sentence()


@pytest.mark.django_db
def test_a_statement_has_the_same_name_in_every_session_and_no_other_has_it() -> None:
    def named(*statements: str) -> dict[str, str]:
        with DeadlineConnection.connect(**straight()) as opened:
            for statement in statements:
                opened.execute(statement, prepare=True)
            found = opened.execute("SELECT statement, name FROM pg_prepared_statements")
            return {str(statement): str(name) for statement, name in found}

    first, second = named("SELECT 1", "SELECT 2"), named("SELECT 2", "SELECT 3")
    assert first["SELECT 2"] == second["SELECT 2"]
    assert len({*first.values(), *second.values()}) == 3


@pytest.mark.django_db
def test_a_statement_that_failed_when_it_was_first_run_can_be_prepared_again() -> None:
    """As one does whose lock timed out; else it would look like a pooler in between."""
    divide = "SELECT 1 / %(by)s::int"
    with DeadlineConnection.connect(**straight()) as opened:
        for _ in range(2):
            with pytest.raises(psycopg.errors.DivisionByZero):
                opened.execute(divide, {"by": 0}, prepare=True)
            opened.rollback()
        assert opened.execute(divide, {"by": 1}, prepare=True).fetchone() == (1,)
        assert opened.execute(divide, {"by": 1}, prepare=True).fetchone() == (1,)


@pytest.mark.django_db
def test_the_checks_say_it_where_they_may_ask_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks.run_checks(tags=[checks.Tags.database], databases=["default"]) == []
    monkeypatch.setattr(pooler, "_noticed", True)
    assert checks.run_checks(databases=None) == []
    [found] = checks.run_checks(tags=[checks.Tags.database], databases=["default"])
    assert found.id == "authorizations.I001"
    assert found.msg == pooler.sentence()


@pytest.mark.django_db
def test_what_needs_a_session_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pooler, "_noticed", True)
    with pytest.raises(CommandError, match="Set DATABASE_URL to PostgreSQL itself"):
        call_command("digest", verify=True)
