"""Requests on an event loop: whatever hangs or ends, each is answered in time and kept once."""

import json
import os
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
from django.db import transaction

from authorizations.models import Authorization, Decision, WebhookRequest
from authorizations.services.authorize.group import decide_together
from authorizations.services.host import caps, host_answers, spool_writer
from authorizations.services.runtime import budget
from authorizations.services.runtime.breaker import Breaker
from authorizations.services.runtime.pipeline import BEGIN, COMMIT
from authorizations.services.stand_in import local_copy_refresh, replay, usage_refresh
from authorizations.services.store import locked_rows, locks, pipes
from authorizations.services.store.plans import Plan
from authorizations.services.webhook import together as groups
from simulator.stripe.samples import Json
from tests.support import together
from tests.support.desk import Shopper, in_force, publish_amount
from tests.support.spool import answered as spooled_answer
from tests.support.stand_in import on_this_host
from tests.support.timeouts import PATIENCE_S
from tests.support.together import Answer, RunningDesk
from tests.support.verification import differences, redecided

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

T = TypeVar("T")

EVER = {"amount": 100_000, "interval": "all_time"}
IN_TIME_S = budget.ANSWER_MS / 1000


LOCKED_S = 3.0
"""How long a locked row is waited for, so that a busy machine can do something else meanwhile."""


@pytest.fixture(autouse=True)
def misses(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """When the breaker was told of one."""
    settings.DECISION_BUDGET_MS = 20_000
    settings.STAND_IN_ON_DEADLINE_MISSED = True
    counted: list[float] = []
    monkeypatch.setattr(Breaker, "miss", lambda _: counted.append(time.monotonic()))
    monkeypatch.setattr(locked_rows, "_until", {})
    monkeypatch.setattr(budget, "LOCK_TIMEOUT_MS", int(LOCKED_S * 1000))
    with on_this_host(tmp_path / "spool"):
        yield counted


@pytest.fixture
def hurried(desk: RunningDesk, settings: Any) -> RunningDesk:
    """A desk that gives the database half a second, as in a shop."""
    settings.DECISION_BUDGET_MS = 500
    return desk


@pytest.fixture
def desk(misses: list[float]) -> Iterator[RunningDesk]:
    """With cards that have paid, whose policy lets stand-in approve something as well."""
    in_force(spending_limits=[EVER], stand_in_amount=1_000, stand_in_cap=50_000)
    for shopper in SHOPPERS:
        shopper.asks(0)
    with together.running() as [running]:
        assert set(running.reasons(*questions(1))) == {"approved"}
        local_copy_refresh.renew_policies()
        local_copy_refresh.renew_cards()
        usage_refresh.renew_usage()
        assert misses == []
        yield running


SHOPPERS = [Shopper(card_id=f"ic_{n}", cardholder_id=f"ich_{n // 2}") for n in range(8)]


def questions(amount: int = 300) -> list[Json]:
    """One of each of eight cards."""
    return [shopper.event(shopper.purchase(amount)) for shopper in SHOPPERS]


def assert_kept_once(asked: list[Json], answers: list[Answer]) -> None:
    """After what was spooled is replayed: one decision for each, and what it approved is held."""
    replay.run_for(60)
    for question, answer in zip(asked, answers, strict=True):
        [decision] = Decision.objects.filter(pk__startswith=question["id"])
        assert decision.approved == answer.told["approved"]
        purchase = Authorization.objects.get(pk=question["data"]["object"]["id"])
        assert purchase.counted_amount == (300 if decision.approved else 0)
    assert differences() == []
    assert redecided() == []


# --- the database stands still


@contextmanager
def before_sending(
    which: Callable[[list[Any]], bool], happens: Callable[[], None]
) -> Iterator[None]:
    """Something happens the first time that a group asks for this."""
    is_due = [True]

    def disturbed(members: Any) -> Plan[Any]:
        plan = decide_together(members)
        try:
            asked = next(plan)
            while True:
                if is_due and which(list(asked)):
                    is_due.clear()
                    happens()
                try:
                    answers = yield asked
                except Exception as error:  # noqa: BLE001 - the plan may handle it
                    asked = plan.throw(error)
                else:
                    asked = plan.send(answers)
        except StopIteration as done:
            return done.value

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(groups, "decide_together", disturbed)
        yield


def begins(asked: list[Any]) -> bool:
    return BEGIN in asked


def commits(asked: list[Any]) -> bool:
    return COMMIT in asked


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.002)


@contextmanager
def stopped(*backends: int) -> Iterator[None]:
    for backend in backends:
        os.kill(backend, signal.SIGSTOP)
    try:
        yield
    finally:
        for backend in backends:
            os.kill(backend, signal.SIGCONT)


@pytest.mark.parametrize("when", [begins, commits])
@pytest.mark.parametrize("goes_on", [True, False])
def test_a_group_whose_backend_stands_still_is_given_up_in_time_and_kept_once(
    hurried: RunningDesk, misses: list[float], when: Callable[[list[Any]], bool], goes_on: bool
) -> None:
    """Before BEGIN, or before the reply to COMMIT, which then happens or never does."""
    backends = hurried.backends()

    def stop() -> None:
        for backend in backends:
            os.kill(backend, signal.SIGSTOP)

    asked = questions()
    began = time.monotonic()
    try:
        with before_sending(when, stop):
            answers = hurried.asks(*asked)
    finally:
        for backend in backends:
            if not goes_on:
                os.kill(backend, signal.SIGTERM)
            os.kill(backend, signal.SIGCONT)
    expected = "approved" if when is commits else "deadline_missed"
    assert [answer.reason for answer in answers] == [expected] * 8
    assert all(answer.told["approved"] for answer in answers)
    [missed] = misses
    assert missed - began < IN_TIME_S  # what follows is stand-in's part
    for backend in backends if not goes_on else ():
        until_gone(backend)
    committed = Decision.objects.filter(pk__in=[question["id"] for question in asked])
    if goes_on and when is commits:
        until(lambda: committed.count() == 8)
    else:
        assert not committed.exists()
    hurried.until_open()
    assert_kept_once(asked, answers)


def test_what_waits_for_pipes_that_stand_still_is_answered_and_kept_once(
    hurried: RunningDesk,
    misses: list[float],
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A group of one in each pipe is given up, and no connection can be had."""
    all_of_them = questions()
    asked = [*all_of_them[::2], *all_of_them[1::2]]  # the first ones have nothing in common

    def refused() -> None:
        raise OSError("No connection can be had.")

    with stopped(*hurried.backends()), monkeypatch.context() as patch:
        patch.setattr(pipes, "_open", refused)
        begun = []
        for pipe in range(groups.PIPES):
            begun += hurried.begin(asked[pipe])
            until(partial(hurried.is_busy, pipe))
        begun += hurried.begin(*asked[groups.PIPES :])
        answers = [future.result(PATIENCE_S) for future in begun]
        given_up = [answer.reason for answer in answers[: groups.PIPES]]
        assert given_up == ["deadline_missed"] * groups.PIPES
        assert len(misses) == groups.PIPES
        settings.DECISION_BUDGET_MS = 20_000
        # Without a pipe everything is decided by itself.
        assert hurried.reasons(*questions(1)) == ["approved"] * 8
    hurried.until_open()
    assert_kept_once(asked, answers)


# --- what another group has locked


def test_requests_of_scopes_that_another_group_has_locked_wait_and_are_decided_together(
    desk: RunningDesk,
) -> None:
    """Others are decided meanwhile, by another pipe."""
    first, *behind = [SHOPPERS[0].event(SHOPPERS[0].purchase(10)) for _ in range(4)]
    other = SHOPPERS[7].event(SHOPPERS[7].purchase(10))
    groups_before = Decision.objects.count()
    is_begun = threading.Event()
    with transaction.atomic():
        locks.hold(cards=[SHOPPERS[0].card_id])
        with before_sending(begins, is_begun.set):
            begun = desk.begin(first)
            assert is_begun.wait(PATIENCE_S)
        begun += desk.begin(*behind)
        if groups.PIPES > 1:
            assert desk.reasons(other) == ["approved"]
    assert [future.result(PATIENCE_S).reason for future in begun] == ["approved"] * 4
    assert Decision.objects.count() == groups_before + 4 + (groups.PIPES > 1)
    assert differences() == []


# --- a connection ends, a client leaves


@pytest.mark.parametrize("when", [begins, commits])
def test_a_group_whose_backend_ends_is_decided_all_the_same_and_the_pipe_connects_again(
    desk: RunningDesk, misses: list[float], when: Callable[[list[Any]], bool]
) -> None:
    before = desk.backends()

    def end() -> None:
        for backend in before:
            os.kill(backend, signal.SIGTERM)
        for backend in before:
            until_gone(backend)

    asked, meanwhile = questions(), questions(1)
    with before_sending(when, end):
        answers = desk.asks(*asked)
    assert desk.reasons(*meanwhile) == ["approved"] * 8
    assert {answer.reason for answer in answers} == {"approved"}
    desk.until_open()
    assert set(before).isdisjoint(desk.backends())
    # Of COMMIT nobody knows whether it came that far.
    assert len(misses) == (when is commits)
    assert_kept_once(asked, answers)


def until_gone(process: int) -> None:
    with suppress(ProcessLookupError):
        while True:
            os.kill(process, 0)
            time.sleep(0.001)


def test_a_client_that_leaves_takes_nothing_from_those_asked_with_it(desk: RunningDesk) -> None:
    asked = questions()
    is_begun = threading.Event()

    def leave() -> None:
        assert is_begun.wait(10)
        begun[3].cancel()

    with before_sending(begins, leave):
        begun = desk.begin(*asked)
        is_begun.set()
        answers = [future.result(10) for place, future in enumerate(begun) if place != 3]
    assert {answer.reason for answer in answers} == {"approved"}
    assert_kept_once([*asked[:3], *asked[4:]], answers)
    assert desk.reasons(*questions(1)) == ["approved"] * 8


# --- rows are locked by someone else


@pytest.mark.parametrize("cards", [["ic_3"], ["ic_0", "ic_2", "ic_4", "ic_6"]])
def test_those_whose_card_is_locked_by_someone_else_hold_up_nobody_else(
    desk: RunningDesk, misses: list[float], cards: list[str]
) -> None:
    """Four are as many as there are threads for those who wait."""
    asked = questions()
    with transaction.atomic():
        locks.hold(cards=cards)
        answers = desk.asks(*asked)
    locked: list[Answer] = []
    others: list[Answer] = []
    for question, answer in zip(asked, answers, strict=True):
        is_locked = question["data"]["object"]["card"]["id"] in cards
        (locked if is_locked else others).append(answer)
    assert {answer.reason for answer in locked} == {"row_locked"}
    assert {answer.reason for answer in others} == {"approved"}
    assert max(other.seconds for other in others) < max(answer.seconds for answer in locked)
    assert max(other.seconds for other in others) < LOCKED_S
    assert misses == []
    assert_kept_once(asked, answers)


def test_sixteen_locked_cards_hold_up_nobody_else(
    desk: RunningDesk, misses: list[float], settings: Any
) -> None:
    settings.DECISION_BUDGET_MS = 5_000
    locked = [Shopper(card_id=f"ic_{n}", cardholder_id=f"ich_{n}") for n in range(100, 116)]
    for shopper in locked:
        shopper.asks(1)
    local_copy_refresh.renew_cards()
    strangers = [Shopper(card_id=f"ic_{n}", cardholder_id=f"ich_{n}") for n in range(200, 204)]
    asked = [shopper.event(shopper.purchase(300)) for shopper in locked]
    with transaction.atomic():
        locks.hold(cards=[shopper.card_id for shopper in locked])
        waiting = desk.begin(*asked)
        # Some of which need a thread, as their cards are new.
        others = questions() + [shopper.event(shopper.purchase(300)) for shopper in strangers]
        answered = desk.asks(*others)
        assert not all(future.done() for future in waiting)
        answers = [future.result(PATIENCE_S) for future in waiting]
    assert {answer.reason for answer in answered} == {"approved"}
    assert max(answer.seconds for answer in answered) < LOCKED_S
    assert {answer.reason for answer in answers} == {"row_locked"}
    assert misses == []
    assert_kept_once(asked + others, answers + answered)


# --- an event comes again, a policy changes


def test_an_event_that_comes_again_has_one_decision_and_one_answer() -> None:
    """In one group, across groups, and across processes at once."""
    in_force(spending_limits=[EVER | {"amount": 1_000}])
    asked = [shopper.event(shopper.purchase(600)) for shopper in SHOPPERS]
    for shopper in SHOPPERS:
        shopper.asks(1)
    with together.running(2) as (first, second):
        begun = first.begin(*asked, asked[0], *asked[:4]) + second.begin(*asked, *asked)
        answers = [future.result(PATIENCE_S) for future in begun]
        answers += first.asks(*asked) + second.asks(*asked)
    by_event = defaultdict(set)
    for answer in answers:
        by_event[answer.told["metadata"]["decision"]].add(json.dumps(answer.told))
    assert sorted(map(len, by_event.values())) == [1] * 8
    assert {answer.reason for answer in answers} == {"approved"}
    assert Decision.objects.filter(amount=600).count() == 8
    assert WebhookRequest.objects.count() == 8 + len(answers)
    assert differences() == []


def test_an_event_that_this_host_has_answered_without_the_database_gets_that_answer(
    desk: RunningDesk,
) -> None:
    """Though it comes again in a group, and before the answer is replayed."""
    asked = questions()
    sent = spooled_answer(asked[3], None)
    host_answers.note(asked[3]["id"], sent.as_sent())
    answers = desk.asks(*asked)
    assert answers.pop(3).told == json.loads(sent.as_sent().text)
    assert {answer.reason for answer in answers} == {"approved"}
    assert not Decision.objects.filter(pk=asked[3]["id"]).exists()


def test_a_policy_published_between_two_groups_binds_the_next(desk: RunningDesk) -> None:
    policy = in_force("Further", spending_limits=[EVER])
    assert set(desk.reasons(*questions(10))) == {"approved"}
    publish_amount(policy, 15)
    assert set(desk.reasons(*questions(10))) == {"amount_limit_exceeded"}
    publish_amount(policy, 100)
    assert set(desk.reasons(*questions(10))) == {"approved"}


# --- disks hang


class Disk:
    """A disk that hangs from the first call on until it `goes_on`."""

    def __init__(self) -> None:
        self.is_called, self._may_go_on = threading.Event(), threading.Event()

    def hanging(self, usual: Callable[..., T]) -> Callable[..., T]:
        def call(*arguments: Any, **named: Any) -> T:
            self.is_called.set()
            assert self._may_go_on.wait(PATIENCE_S)
            return usual(*arguments, **named)

        return call

    def goes_on(self) -> None:
        self._may_go_on.set()


@pytest.fixture
def disk() -> Iterator[Disk]:
    made = Disk()
    yield made
    made.goes_on()


def test_purchases_go_on_while_this_hosts_answers_hang(
    desk: RunningDesk, misses: list[float], disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_answers, "_WAIT_S", budget.HOST_ANSWERS_WAIT_MS / 1000)
    host_answers.note("evt_before", spooled_answer(questions()[0], None).as_sent())
    host_answers._store.own.clear()
    connected = host_answers._Store.connected
    monkeypatch.setattr(host_answers._Store, "connected", disk.hanging(connected))
    asked = questions()
    waiting = desk.begin(asked[0])
    assert disk.is_called.wait(PATIENCE_S)
    answers = desk.asks(*asked[2:])
    disk.goes_on()
    answers = [waiting[0].result(PATIENCE_S), *answers]
    assert {answer.reason for answer in answers} == {"approved"}
    del asked[1]  # of the cardholder that the first may have locked
    assert misses == []
    assert_kept_once(asked, answers)


def test_purchases_go_on_while_this_hosts_memory_hangs(
    desk: RunningDesk, misses: list[float], disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that a cap may have a say on wait for it, in threads; purchases of nothing don't."""
    monkeypatch.setattr(budget, "HOST_MEMORY_WAIT_MS", 100)
    monkeypatch.setattr(caps, "note", disk.hanging(caps.note))
    asked = questions()[:4:2]
    waiting = desk.begin(*asked)
    assert disk.is_called.wait(PATIENCE_S)
    for _ in range(3):
        assert desk.reasons(*questions(0)[4:]) == ["approved"] * 4
    assert not any(future.done() for future in waiting)
    disk.goes_on()
    answers = [future.result(PATIENCE_S) for future in waiting]
    assert {answer.reason for answer in answers} == {"approved"}
    assert misses == []
    assert_kept_once(asked, answers)


def test_purchases_go_on_while_the_spool_hangs(
    desk: RunningDesk, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "LOCK_TIMEOUT_MS", 100)
    slow = spool_writer.Disk(sync=disk.hanging(os.fdatasync))
    monkeypatch.setattr(spool_writer.spool(), "_disk", slow)
    asked, others = questions(), questions()
    with transaction.atomic():
        locks.hold(cards=["ic_0", "ic_2", "ic_4"])
        waiting = desk.begin(*asked[:6:2])
        assert disk.is_called.wait(PATIENCE_S)
        assert set(desk.reasons(*others[1::2], others[6])) == {"approved"}
        assert not any(future.done() for future in waiting)
        disk.goes_on()
        answers = [future.result(PATIENCE_S) for future in waiting]
    assert {answer.reason for answer in answers} == {"row_locked"}
    assert_kept_once(asked[:6:2], answers)
