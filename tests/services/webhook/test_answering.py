"""Purchases first: what asks nothing, or is not Stripe's, never has all threads of a process."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
from django.db import OperationalError

from authorizations.rules.decision.stand_in import StandInCause
from authorizations.services.lifecycle import intake
from authorizations.services.runtime import budget
from authorizations.services.runtime.breaker import Breaker
from authorizations.services.runtime.delivery import Stopwatch
from authorizations.services.stand_in import answers
from authorizations.services.webhook import answering
from tests.support.builders import request_event
from tests.support.spool import delivery_of
from tests.support.timeouts import PATIENCE_S


@pytest.fixture(autouse=True)
def breaker(monkeypatch: pytest.MonkeyPatch) -> Breaker:
    """Of this test alone, which nothing closes."""
    own = Breaker(probe=lambda: None, recovered=lambda: None, pause=_for_ever)
    monkeypatch.setattr(answering, "breaker", own)
    monkeypatch.setattr(answering, "deadline", lambda _: nullcontext())  # no database is asked
    return own


def _for_ever(_: float) -> None:
    threading.Event().wait()


class Busy:
    """Two events that are being applied, for as long as the test wants."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.goes_on, self.begun = threading.Event(), threading.Semaphore(0)
        self.kept: list[str] = []
        for turn in ("REPORT_TURN_MS", "KEEPING_TURN_MS"):
            monkeypatch.setattr(budget, turn, 10)
        monkeypatch.setattr(intake, "receive", lambda *_, **__: self.work(b"applied"))
        monkeypatch.setattr(intake, "keep_for_later", self.keep)

    def work(self, body: bytes) -> intake.Answered:
        self.begun.release()
        assert self.goes_on.wait(PATIENCE_S)
        return intake.Answered(200, body)

    def keep(self, _: Any, why: str) -> intake.Answered:
        self.kept.append(why)
        return intake.Answered(200, b"kept")

    def begin(self, threads: ThreadPoolExecutor) -> Future[intake.Answered]:
        found = threads.submit(answering.take, delivery_of(request_event()))
        assert self.begun.acquire(timeout=PATIENCE_S)
        return found


def test_events_that_find_no_turn_are_kept_for_the_background(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    busy = Busy(monkeypatch)
    with ThreadPoolExecutor(2) as threads:
        first = [busy.begin(threads) for _ in range(2)]
        try:
            further = [answering.take(delivery_of(request_event())) for _ in range(5)]
        finally:
            busy.goes_on.set()
        assert [answered.result().body for answered in first] == [b"applied"] * 2
    assert further == [intake.Answered(200, b"kept")] * 5
    assert busy.kept == [intake.TOO_MANY] * 5
    assert answering.take(delivery_of(request_event())).body == b"applied"


def test_where_even_keeping_takes_its_time_a_thread_is_left_for_purchases(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    busy = Busy(monkeypatch)
    monkeypatch.setattr(intake, "keep_for_later", lambda *_: busy.work(b"kept"))
    with ThreadPoolExecutor(3) as threads:
        first = [busy.begin(threads) for _ in range(3)]
        try:
            assert answering.take(delivery_of(request_event())).status == 503
        finally:
            busy.goes_on.set()
        assert [answered.result().body for answered in first] == [b"applied", b"applied", b"kept"]


@pytest.mark.parametrize("fails", ["receive", "keep_for_later"])
def test_a_turn_is_given_back_where_the_database_fails(
    fails: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> intake.Answered:
        raise OperationalError("gone")

    busy = Busy(monkeypatch)
    with monkeypatch.context() as patched, ThreadPoolExecutor(2) as threads:
        patched.setattr(intake, fails, refuse)
        first = [] if fails == "receive" else [busy.begin(threads) for _ in range(2)]
        try:
            tried = [answering.take(delivery_of(request_event())) for _ in range(4)]
        finally:
            busy.goes_on.set()
        assert {answered.status for answered in tried} == {503}
        assert all(answered.result().status == 200 for answered in first)
    assert answering.take(delivery_of(request_event())).body == b"applied"


def test_an_open_breaker_has_nothing_kept(
    breaker: Breaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = Busy(monkeypatch)
    breaker.is_open = True
    assert answering.take(delivery_of(request_event())).status == 503
    assert not busy.kept


@pytest.mark.parametrize(
    ("budget_ms", "waited_ms", "left_ms"),
    [(700, 0, 700), (700, 199.6, 500), (700, 499.6, 200), (700, 500, 200), (90, 45, 45)],
)
def test_what_a_purchase_waited_for_a_worker_is_taken_off_the_time_for_the_database(
    budget_ms: int, waited_ms: float, left_ms: int, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DECISION_BUDGET_MS = budget_ms
    ends: list[float] = []
    monkeypatch.setattr(answering, "monotonic", lambda: 0.0)
    monkeypatch.setattr(Stopwatch, "elapsed_us", 0)
    monkeypatch.setattr(answering, "authorize", lambda *_: b"decided")

    def deadline(at: float) -> nullcontext[None]:
        ends.append(at)
        return nullcontext()

    monkeypatch.setattr(answering, "deadline", deadline)
    asked = replace(delivery_of(request_event()), waited_ms=waited_ms)
    assert answering.answer(asked) == b"decided"
    assert ends == [left_ms / 1000]


@pytest.mark.parametrize(("budget_ms", "waited_ms"), [(700, 500.5), (700, 5_000), (90, 46)])
def test_a_purchase_is_only_overloaded_where_too_little_is_left_to_ask_the_database(
    budget_ms: int,
    waited_ms: float,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    breaker: Breaker,
) -> None:
    causes: list[StandInCause] = []

    def answer(*given: Any) -> bytes:
        causes.append(given[-1])
        return b"stood in"

    settings.DECISION_BUDGET_MS = budget_ms
    monkeypatch.setattr(answers, "answer", answer)
    asked = replace(delivery_of(request_event()), waited_ms=waited_ms)
    for _ in range(5):
        assert answering.answer(asked) == b"stood in"
    assert causes == [StandInCause.OVERLOADED] * 5
    assert not breaker.opened  # overload says nothing about the database
