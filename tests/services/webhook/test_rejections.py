"""Requests that are rejected at the door: counted in memory, and written once a second."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone

from authorizations.models import RejectedMinute, RejectedRequest
from authorizations.services.runtime.seldom import Seldom
from authorizations.services.stand_in import answers
from authorizations.services.webhook import answering, rejections
from authorizations.services.webhook.rejections import RejectionCounter
from authorizations.wire.signature import sign

NOON = datetime(2026, 11, 18, 12, 0, 30, tzinfo=UTC)
transactional = pytest.mark.django_db(transaction=True)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    now = [NOON]
    monkeypatch.setattr(timezone, "now", lambda: now[0])
    return lambda instant: now.__setitem__(0, instant)


@pytest.fixture
def counter(clock: Callable[[datetime], None]) -> RejectionCounter:
    return RejectionCounter()


def note(counter: RejectionCounter, times: int = 1, body: bytes = b"{}") -> None:
    for _ in range(times):
        counter.note(body, "mismatch", sender="192.0.2.7")


def minutes() -> dict[datetime, int]:
    return dict(RejectedMinute.objects.values_list("minute", "count"))


# No database here: any use of it would fail the test.
def test_a_rejected_request_takes_no_connection_is_no_miss_and_opens_no_cap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise AssertionError("a rejected request got further than the door")

    monkeypatch.setattr(connection, "ensure_connection", fail)
    monkeypatch.setattr(type(answering.breaker), "miss", fail)
    monkeypatch.setattr(answers, "answer", fail)
    for body, headers in ((b"{}", {}), (b"\0" * 2_000, {"Stripe-Signature": f"t=1,v1={'0' * 64}"})):
        answer = Client().post("/webhook", body, content_type="application/json", headers=headers)
        assert answer.status_code == 400


def test_the_reason_is_a_line_on_the_console_and_a_flood_is_not(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(rejections, "_seldom", Seldom(logging.getLogger(rejections.__name__)))
    forged = {"Stripe-Signature": sign(b"{}", "whsec_of_somebody_else", int(time.time()))}
    for _ in range(50):
        for headers in (forged, {}):
            client.post("/webhook", b"{}", content_type="application/json", headers=headers)
    told = [it for it in caplog.records if it.name == rejections.__name__]
    assert [it.levelname for it in told] == ["WARNING", "WARNING"]
    first, second = (it.getMessage() for it in told)
    assert first.startswith("Rejected a request from 127.0.0.1: No configured secret made this ")
    assert "There is no Stripe-Signature header" in second


def test_memory_is_bounded_however_long_the_database_is_away(
    counter: RejectionCounter,
    clock: Callable[[datetime], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rejections, "MAX_WAITING", 100)
    monkeypatch.setattr(rejections, "MAX_MINUTES", 3)
    for minute in range(10):
        clock(NOON.replace(minute=minute))
        note(counter, 61, b"x" * 100_000)
    assert sum(counter._counts.values()) == 610
    assert len(counter._counts) == 3
    assert len(counter._waiting) == 100
    assert {len(rejection.body_start) for rejection in counter._waiting} == {1024 + 128}


@transactional
def test_of_each_minute_all_are_counted_and_the_first_sixty_kept_whichever_process_had_them(
    counter: RejectionCounter, clock: Callable[[datetime], None]
) -> None:
    other = RejectionCounter()
    note(counter, 45)
    note(other, 45)
    counter.write()
    other.write()
    note(other, 5)
    clock(NOON.replace(minute=1))
    note(other, 70)
    other.write()
    noon = NOON.replace(second=0)
    assert minutes() == {noon: 95, noon.replace(minute=1): 70}
    kept = RejectedRequest.objects.values_list("received_at", flat=True)
    assert sorted(kept) == [NOON] * 60 + [NOON.replace(minute=1)] * 60


@transactional
def test_what_cannot_be_written_waits_for_the_next_time(
    counter: RejectionCounter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise OperationalError("away")

    note(counter, 3)
    with monkeypatch.context() as broken:
        broken.setattr(connection, "ensure_connection", away)
        with pytest.raises(OperationalError):
            counter.write()
    note(counter, 2)
    counter.write()
    assert list(minutes().values()) == [5]
    assert RejectedRequest.objects.count() == 5
    counter.write()
    assert list(minutes().values()) == [5]


@transactional
def test_many_threads_lose_none(counter: RejectionCounter) -> None:
    threads = [threading.Thread(target=note, args=(counter, 200)) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        counter.write()
    counter.write()
    assert list(minutes().values()) == [800]
    assert RejectedRequest.objects.count() == 60
