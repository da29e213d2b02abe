"""Purchases first: what asks nothing, or is not Stripe's, never has all threads of a process."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest

from authorizations.rules.stand_in import StandInCause
from authorizations.services import answering, later, stand_in
from authorizations.services.breaker import Breaker
from authorizations.services.delivery import Stopwatch
from tests.builders import request_event
from tests.spooling import delivery_of

PATIENCE_S = 60


@pytest.fixture(autouse=True)
def breaker(monkeypatch: pytest.MonkeyPatch) -> Breaker:
    """Of this test alone, which nothing closes."""
    own = Breaker(probe=lambda: None, recovered=lambda: None, pause=_for_ever)
    monkeypatch.setattr(answering, "breaker", own)
    monkeypatch.setattr(answering, "deadline", lambda _: nullcontext())  # no database is asked
    return own


def _for_ever(_: float) -> None:
    threading.Event().wait()


def test_events_that_ask_nothing_leave_threads_for_purchases(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    goes_on, busy = threading.Event(), threading.Semaphore(0)

    def take(_: Any, **_how: Any) -> later.Answered:
        busy.release()
        assert goes_on.wait(PATIENCE_S)
        return later.Answered(200, b"kept")

    monkeypatch.setattr(later, "take", take)
    with ThreadPoolExecutor(2) as threads:
        kept = [threads.submit(answering.take, delivery_of(request_event())) for _ in range(2)]
        for _ in kept:
            assert busy.acquire(timeout=PATIENCE_S)
        try:
            assert answering.take(delivery_of(request_event())).status == 503
        finally:
            goes_on.set()
        assert [answered.result().status for answered in kept] == [200, 200]
    assert answering.take(delivery_of(request_event())).status == 200


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
    monkeypatch.setattr(stand_in, "answer", answer)
    asked = replace(delivery_of(request_event()), waited_ms=waited_ms)
    for _ in range(5):
        assert answering.answer(asked) == b"stood in"
    assert causes == [StandInCause.OVERLOADED] * 5
    assert not breaker.opened  # overload says nothing about the database
