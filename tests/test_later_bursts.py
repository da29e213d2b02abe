"""A settlement batch: more later events at once than there are turns for, at a real server."""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import transaction
from django.utils import timezone

from authorizations.models import Decision, Transaction, UnappliedEvent, WebhookRequest
from authorizations.services.lifecycle import intake
from authorizations.services.store import locks
from simulator.stripe.samples import Json
from tests.support import server
from tests.support.builders import signed
from tests.support.desk import Shopper, in_force
from tests.support.lifecycle import Told
from tests.support.verification import differences

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

AT_ONCE = 16  # twice as many as the server has threads
PARTS, PART = 50, 100


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[server.Server]:
    in_force(spending_limits=[{"amount": 10_000_000, "interval": "monthly"}])
    with server.running(tmp_path / "log") as running:
        yield running


@pytest.fixture
def captures() -> tuple[Told, list[Json]]:
    """A purchase, and the events of its captures, each told by itself."""
    bought = Told(PARTS * PART)
    bought.buys()
    events = [
        bought.life.capture(PART, at=bought.tick(), close=n == PARTS - 1)[0] for n in range(PARTS)
    ]
    return bought, events


def statuses(desk: server.Server, events: Iterable[Json]) -> list[int]:
    """How each was answered, so many at a time."""
    with ThreadPoolExecutor(AT_ONCE) as clients:
        return list(clients.map(lambda event: desk.ask("/webhook", *signed(event))[0], events))


def wait_until(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + server.PATIENCE_S
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.05)


def all_applied() -> bool:
    return not UnappliedEvent.objects.filter(applied_at=None).exists()


def test_a_burst_that_finds_no_turn_is_kept_and_applied_once_it_can_be(
    desk: server.Server, captures: tuple[Told, list[Json]]
) -> None:
    """Its card stays locked meanwhile, so every turn is held for as long as it may be."""
    bought, events = captures
    other = Shopper(card_id="ic_2", cardholder_id="ich_2", name="Grace Hopper")
    assert desk.ask("/webhook", *signed(other.event(other.purchase(100))))[0] == 200
    before = Decision.objects.count()
    with transaction.atomic(), ThreadPoolExecutor(1) as apart:
        locks.hold(cards=["ic_1"])
        burst = apart.submit(statuses, desk, events)
        answers = []
        while not burst.done():
            _, body = desk.ask("/webhook", *signed(other.event(other.purchase(100))))
            answers.append(json.loads(body))
        assert burst.result() == [200] * PARTS
        kept = UnappliedEvent.objects.filter(applied_at=None, retry_at__isnull=False)
        assert kept.count() == PARTS
        assert kept.filter(error=intake.TOO_MANY).exists()
        assert not intake.needing_attention(timezone.now()).exists()
    assert all(answer["approved"] for answer in answers)
    assert not any("stand_in" in answer["metadata"] for answer in answers)
    wait_until(all_applied)
    assert Decision.objects.count() == before + len(answers)
    assert bought.counts == (PARTS * PART, 0, 1)
    assert Transaction.objects.count() == PARTS
    assert WebhookRequest.objects.filter(sender="applied again").count() >= PARTS
    assert differences() == []


def test_what_comes_again_in_a_burst_counts_once(
    desk: server.Server, captures: tuple[Told, list[Json]]
) -> None:
    bought, events = captures
    assert statuses(desk, [*events, *events[::-1], *events]) == [200] * 3 * PARTS
    wait_until(all_applied)
    assert bought.counts == (PARTS * PART, 0, 1)
    assert Transaction.objects.count() == PARTS
    assert differences() == []
