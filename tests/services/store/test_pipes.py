"""However a plan ends on a pipe, no transaction stays open, and the pipe goes on."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import psycopg
import pytest
from django.db import connection, transaction
from psycopg.pq import TransactionStatus

from authorizations.models import Authorization, Card, Cardholder, Decision, LedgerEntry, Usage
from authorizations.services.authorize.group import Member, decide_together
from authorizations.services.host import versions
from authorizations.services.runtime.pipeline import BEGIN, COMMIT, ROLLBACK, Statement
from authorizations.services.store.pipes import Pipe
from authorizations.services.store.plans import Call, Plan, ask, drive
from authorizations.wire import events
from authz_project import pooler
from authz_project.deadline import DeadlineExceededError
from simulator.stripe.samples import Json
from tests.support import database, pgbouncer, together
from tests.support.database_roles import PASSWORD, names, served_as
from tests.support.desk import Shopper, in_force
from tests.support.spool import delivery_of
from tests.support.stand_in import on_this_host
from tests.support.threads import done
from tests.support.timeouts import PATIENCE_S
from tests.support.together import RunningDesk
from tests.support.verification import differences

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

T = TypeVar("T")

Driver = Callable[[Plan[Any]], Any]


class InjectedError(Exception):
    """Raised where a plan is disturbed."""


@pytest.fixture
def desk(tmp_path: Any) -> Iterator[RunningDesk]:
    with on_this_host(tmp_path / "spool"), together.running() as [running]:
        yield running


@pytest.fixture
def pipe(desk: RunningDesk) -> Pipe:
    found: Pipe = desk.desk._pipes[0]
    return found


@pytest.fixture
def on_pipe(desk: RunningDesk, pipe: Pipe) -> Driver:
    """Drives a plan on the pipe."""
    return lambda plan: driven(desk, pipe, plan)


def driven(desk: RunningDesk, pipe: Pipe, plan: Plan[T], within_s: float = PATIENCE_S) -> T:
    found: T = desk.run(pipe.drive(plan, time.monotonic() + within_s))
    return found


def in_a_thread(plan: Plan[Any]) -> Any:
    """Drives a plan on a connection of Django's, which is given back at the end."""

    def work() -> Any:
        with served_as("webhook"):
            return drive(plan)

    return done(work)


# --- a group, disturbed at each of its steps


def disturbed(plan: Plan[T], step: int, *, is_after: bool) -> Plan[T]:
    """The plan, with an error before it asks for the step, counted from 0, or after the answer."""
    try:
        asked = next(plan)
        while True:
            if step == 0 and not is_after:
                raise InjectedError
            answers = yield asked
            if step == 0 and asked[-1] is not COMMIT:
                raise InjectedError
            step -= 1
            asked = plan.send(answers)
    except StopIteration as finished:
        result: T = finished.value
        return result


def members(asked: list[Json]) -> list[Member]:
    deliveries = [delivery_of(event) for event in asked]
    return [Member(events.authorization_request(it.event), it) for it in deliveries]


def questions() -> list[Json]:
    shoppers = [Shopper(card_id=f"ic_{n}", cardholder_id=f"ich_{n}") for n in range(3)]
    return [shopper.event(shopper.purchase(300)) for shopper in shoppers]


def assert_nothing_is_kept_or_locked() -> None:
    for model in (Decision, Authorization, LedgerEntry, Usage):
        assert not model.objects.filter(pk__isnull=False).exists()
    with transaction.atomic(), connection.cursor() as cursor:
        # A connection that was closed may take a moment to end.
        cursor.execute(f"SET LOCAL lock_timeout = '{PATIENCE_S}s'")
        assert len(Card.objects.select_for_update()) == 3
        assert len(Cardholder.objects.select_for_update()) == 3


@pytest.mark.parametrize("is_after", [False, True])
@pytest.mark.parametrize("on", ["a pipe", "a thread's connection"])
def test_an_error_at_any_step_of_a_group_leaves_no_transaction_no_row_and_no_lock(
    on_pipe: Driver, pipe: Pipe, on: str, is_after: bool
) -> None:
    """Each step is taken: locks, versions not read yet, three sums, the host's memory, rows."""
    limit = {"amount": 1_000, "interval": "daily"}
    in_force(spending_limits=[limit], stand_in_amount=300, stand_in_cap=10_000)
    register(questions())
    driver = on_pipe if on == "a pipe" else in_a_thread
    steps = 0
    while True:
        versions._cache.clear()
        asked = questions()
        plan = disturbed(decide_together(members(asked)), steps, is_after=is_after)
        try:
            decided = driver(plan)
        except InjectedError:
            steps += 1
            if on == "a pipe":
                assert_idle(pipe)
            assert_nothing_is_kept_or_locked()
        else:
            break
    assert steps == (6 if is_after else 7)
    assert all(decided.computed)
    assert Decision.objects.count() == 3
    again = on_pipe(decide_together(members(questions())))
    assert all(again.computed)
    assert differences() == []


def register(asked: list[Json]) -> None:
    for member in members(asked):
        card = member.request.card
        Cardholder.objects.create(id=card.cardholder_id, name=card.cardholder_name)
        Card.objects.create(
            id=card.id,
            root_id=card.id,
            cardholder_id=card.cardholder_id,
            last4=card.last4,
            brand=card.brand,
            type=card.type,
            currency=card.currency,
            status=card.status,
        )


def assert_idle(pipe: Pipe) -> None:
    assert pipe.connection
    assert pipe.connection.pgconn.transaction_status == TransactionStatus.IDLE
    assert pipe.is_free


# --- plans of a few statements


BACKEND = "SELECT pg_backend_pid()"
DIVIDE = Statement("SELECT 1 / %(by)s::int", {"by": 0})
NEW = Statement(
    "INSERT INTO authorizations_cardholder (id, name, details_at, first_seen)"
    " VALUES ('ich_new', '', 0, now())"
)


def is_kept() -> bool:
    return bool(Cardholder.objects.filter(pk="ich_new").exists())


def test_statements_and_calls_are_answered_in_their_order(on_pipe: Driver) -> None:
    def plan() -> Plan[Any]:
        first = yield [Statement("SELECT 1"), Call(lambda: 2), Statement("SELECT 3"), Call(str)]
        second = yield []
        third = yield from ask("SELECT %(it)s::text", it="4")
        return first, second, third

    assert on_pipe(plan()) == ([[(1,)], 2, [(3,)], ""], [], [("4",)])


def test_an_error_of_the_database_is_raised_in_the_plan_which_may_go_on(
    on_pipe: Driver, pipe: Pipe
) -> None:
    def plan() -> Plan[Any]:
        with pytest.raises(psycopg.errors.DivisionByZero):
            yield [BEGIN, NEW, DIVIDE, COMMIT]
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            yield [NEW]
        return (yield [ROLLBACK, Statement("SELECT 1")])

    assert on_pipe(plan()) == [[], [(1,)]]
    assert_idle(pipe)
    assert not is_kept()


def ends_normally() -> Plan[None]:
    yield [BEGIN, NEW]


def fails() -> Plan[None]:
    yield [BEGIN, NEW]
    yield [DIVIDE]


def fails_in_a_call() -> Plan[None]:
    yield [BEGIN, NEW]
    yield [Call(lambda: 1 / 0)]


def fails_itself() -> Plan[None]:
    yield [BEGIN, NEW]
    raise ZeroDivisionError


@pytest.mark.parametrize("plan", [ends_normally, fails, fails_in_a_call, fails_itself])
def test_what_a_plan_does_not_commit_is_rolled_back(
    on_pipe: Driver, pipe: Pipe, plan: Callable[[], Plan[None]]
) -> None:
    before = on_pipe(ask(BACKEND))
    with suppress(ZeroDivisionError, psycopg.errors.DivisionByZero):
        on_pipe(plan())
    assert_idle(pipe)
    assert not is_kept()
    assert on_pipe(ask(BACKEND)) == before


def sleeps() -> Plan[None]:
    yield [BEGIN, NEW]
    yield [Statement("SELECT pg_sleep(30)")]


def waits_elsewhere() -> Plan[None]:
    yield [BEGIN, NEW]
    yield [Call(lambda: time.sleep(1))]


@pytest.mark.parametrize("plan", [sleeps, waits_elsewhere])
def test_a_plan_ends_at_its_time_and_the_pipe_connects_again(
    desk: RunningDesk, pipe: Pipe, on_pipe: Driver, plan: Callable[[], Plan[None]]
) -> None:
    before = on_pipe(ask(BACKEND))
    began = time.monotonic()
    with pytest.raises(DeadlineExceededError):
        driven(desk, pipe, plan(), within_s=0.2)
    assert 0.2 <= time.monotonic() - began < PATIENCE_S / 2
    desk.until_open()
    assert on_pipe(ask(BACKEND)) != before
    assert not is_kept()


def test_a_call_may_have_a_shorter_time_which_ends_nothing_else(
    on_pipe: Driver, pipe: Pipe
) -> None:
    answers_again = threading.Event()

    def plan() -> Plan[Any]:
        yield [BEGIN, NEW]
        with pytest.raises(DeadlineExceededError):
            yield [Call(lambda: answers_again.wait(PATIENCE_S), 0.05)]
        return (yield [Statement("SELECT 1"), COMMIT])

    try:
        assert on_pipe(plan()) == [[(1,)], []]
    finally:
        answers_again.set()
    assert_idle(pipe)
    assert is_kept()


def test_a_connection_that_ends_while_nobody_uses_it_is_replaced(
    desk: RunningDesk, on_pipe: Driver
) -> None:
    [(backend,)] = on_pipe(ask(BACKEND))
    os.kill(backend, signal.SIGTERM)
    for _ in range(int(PATIENCE_S / 0.01)):
        if backend not in desk.backends() and desk.backends():
            break
        time.sleep(0.01)
    desk.until_open()
    [(another,)] = on_pipe(ask(BACKEND))
    assert another != backend


def test_a_plan_whose_connection_was_replaced_meanwhile_writes_nothing_over_the_new_one(
    desk: RunningDesk, pipe: Pipe, on_pipe: Driver
) -> None:
    """Its locks ended with its connection: over the new one it would write without any."""

    def plan() -> Plan[Any]:
        _, [(backend,)] = yield [BEGIN, Statement(BACKEND)]
        yield [Call(lambda: replaced(backend))]
        return (yield [NEW, COMMIT])

    def replaced(backend: int) -> None:
        os.kill(backend, signal.SIGTERM)
        for _ in range(int(PATIENCE_S / 0.01)):
            if pipe.is_free:  # it takes other plans again
                return
            time.sleep(0.01)
        raise AssertionError("It was not connected again.")

    with pytest.raises(psycopg.OperationalError):
        on_pipe(plan())
    assert not is_kept()
    assert_idle(pipe)
    assert on_pipe(ask("SELECT 1")) == [(1,)]


def test_behind_a_pooler_a_pipe_goes_on_where_statements_were_prepared_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one connection to PostgreSQL for all pipes; none of them can tell before."""
    monkeypatch.setattr(pooler, "_noticed", False)
    monkeypatch.setattr(pooler, "look", lambda _: None)
    in_force(spending_limits=[{"amount": 10_000, "interval": "daily"}])
    role = {names()["webhook"]: PASSWORD}
    with (
        on_this_host(tmp_path / "spool"),
        pgbouncer.pooling(database.url(), role, default_pool_size=1) as through,
    ):
        where = urlsplit(through)
        at = {"host": where.hostname, "port": where.port}
        monkeypatch.setattr(together, "ELSEWHERE", at)
        register(questions())
        with together.running(2) as desks:
            for desk in desks * 2:
                assert desk.reasons(*questions()) == ["approved"] * 3
        assert pooler.is_noticed()
    assert differences() == []
