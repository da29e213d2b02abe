"""Events that list many transactions: kept at once, applied in the background piece by piece."""

import json
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from authorizations.models import (
    Authorization,
    Finding,
    LedgerEntry,
    Transaction,
    UnappliedEvent,
    WebhookRequest,
)
from authorizations.services.lifecycle import apply, intake
from authorizations.services.lifecycle.apply import AT_ONCE
from authorizations.services.runtime import budget
from authorizations.services.runtime.breaker import Breaker
from authorizations.services.store import locks
from simulator.stripe import samples
from simulator.stripe.sample_lives import card_event, force_capture
from simulator.stripe.samples import Json
from tests.support.desk import NOON, Shopper, deliver, in_force
from tests.support.lifecycle import Told, card_of, counts_of
from tests.support.spool import delivery_of
from tests.support.threads import apart, done
from tests.support.verification import differences

pytestmark = pytest.mark.django_db(transaction=True)

DOOR_BYTES = 256 * 1024


@pytest.fixture(autouse=True)
def no_miss(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of these events says anything about the database."""

    def missed(_: Breaker) -> None:
        raise AssertionError("A later event never counts against the database.")

    monkeypatch.setattr(Breaker, "miss", missed)
    in_force(spending_limits=[{"amount": 10_000_000, "interval": "monthly"}])


def captured_in(parts: int, amount: int = 100) -> tuple[Told, list[Json], Json]:
    """A purchase captured in so many parts, none of which is told yet; the events of the parts, and
    the closing one that lists them all.
    """
    bought = Told(parts * amount)
    bought.buys()
    events = [
        bought.life.capture(amount, at=NOON + 100 + n, close=n == parts - 1) for n in range(parts)
    ]
    return bought, [found[0] for found in events], events[-1][-1]


def closed_with(parts: int) -> tuple[Told, bytes]:
    """A purchase, and the body of its closing event with so many captures of 1.00 that say no more
    than they must.
    """
    bought = Told(parts * 100)
    bought.buys()
    event = bought.life.capture(parts * 100, at=bought.tick())[-1]
    told = event["data"]["object"]
    keys = ("object", "currency", "created", "type")
    short = {key: told["transactions"][0][key] for key in keys}
    told["transactions"] = [short | {"id": f"ipi_{n:024}", "amount": -100} for n in range(parts)]
    told["balance_transactions"] = []
    event["data"].pop("previous_attributes", None)
    return bought, json.dumps(event, separators=(",", ":")).encode()


def transactions_used() -> int:
    """How many transactions of the database wrote what came after the hold."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(DISTINCT xmin::text) FROM authorizations_transaction")
        [number] = cursor.fetchone()
    return int(number)


def test_a_thousand_short_transactions_fit_the_door_and_are_all_applied() -> None:
    """1,000 captures of 1.00 of a purchase of 1,000.00, told by its closing event alone."""
    bought, body = closed_with(1_000)
    assert len(body) <= DOOR_BYTES
    answer = deliver(body)
    assert (answer.status_code, answer.json()) == (200, {"received": True})
    kept = UnappliedEvent.objects.get()
    assert (kept.applied_at, kept.webhook_request.event_id) == (None, kept.pk)
    assert Transaction.objects.count() == 0
    assert intake.apply_due(60) >= 1
    assert bought.counts == (100_000, 0, 1)
    assert Authorization.objects.get().captured_amount == 100_000
    assert Transaction.objects.count() == 1_000
    assert transactions_used() == 1_000 / AT_ONCE
    assert UnappliedEvent.objects.get().applied_at
    assert intake.apply_due(60) == 0
    assert differences() == []


def few_at_once(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(apply, "AT_ONCE", number)
    monkeypatch.setattr(intake, "AT_ONCE", number)


def test_parts_that_came_first_by_themselves_move_in_pieces_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few_at_once(monkeypatch, 10)
    bought, parts, closed = captured_in(25)
    for event in parts:
        event["data"]["object"]["authorization"] = None  # linked only by what lists them
        assert deliver(event).status_code == 200
    assert Authorization.objects.count() == 26
    assert deliver(closed).status_code == 200
    assert not UnappliedEvent.objects.get().applied_at
    intake.apply_due(60)
    assert bought.counts == (2_500, 0, 1)
    strays = Authorization.objects.exclude(pk=bought.id)
    assert set(strays.values_list("counted_amount", "count")) == {(0, 0)}
    assert UnappliedEvent.objects.get().applied_at
    assert not Finding.objects.filter(state=Finding.State.OPEN).exists()
    assert differences() == []


@pytest.mark.parametrize("are_strays", [False, True])
def test_many_transactions_take_no_more_statements_than_few(are_strays: bool) -> None:
    numbers = []
    for parts in (3, 40):
        _, events, closed = captured_in(parts)
        if are_strays:
            for event in events:
                event["data"]["object"]["authorization"] = None
                deliver(event)
        with CaptureQueriesContext(connection) as queries:
            assert deliver(closed).status_code == 200
        # What becomes of a finding is a row each.
        numbers.append(sum("authorizations_finding" not in query["sql"] for query in queries))
    assert numbers[0] == numbers[1]


@pytest.mark.parametrize("seed", range(4))
def test_in_pieces_the_books_are_as_in_one(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts told or not told before, in any order, and the closing event again and again."""
    chance = Random(seed)
    bought, parts, closed = captured_in(23)
    told = [event for event in parts if chance.random() < 0.4]
    for event in told:
        event["data"]["object"]["authorization"] = chance.choice([bought.id, None])
    chance.shuffle(told)
    with transaction.atomic():
        for event in (*told, closed):
            deliver(event)
        whole = books(bought.id)
        transaction.set_rollback(True)
    few_at_once(monkeypatch, 3)
    for event in (*told, closed, closed):
        assert deliver(event).status_code == 200
    intake.apply_due(60)
    assert books(bought.id) == whole
    assert differences() == []
    assert deliver(closed).status_code == 200
    assert books(bought.id) == whole


def test_a_purchase_never_heard_of_is_applied_in_pieces_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few_at_once(monkeypatch, 3)
    bought = Told(2_300)
    bought.life.ask(at=bought.tick())
    bought.life.answered(approved=True, reason="card_active", at=bought.tick())
    for n in range(23):
        *_, closed = bought.life.capture(100, at=NOON + 300 + n, close=n == 22)
    deliver(card_event(card_of(bought.shopper), "created", at=NOON, chance=Random(1)))
    assert deliver(closed).status_code == 200
    assert not Authorization.objects.exists()
    assert intake.apply_due(60) == 1
    assert bought.counts == (2_300, 0, 1)
    assert Transaction.objects.count() == 23
    assert differences() == []


def books(authorization_id: str) -> Any:
    return Authorization.objects.values_list("books", flat=True).get(pk=authorization_id)


# --- what takes too long, and who applies it


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> tuple[Told, Json]:
    """An event that came while its card was locked."""
    monkeypatch.setattr(budget, "LOCK_TIMEOUT_MS", 50)
    bought = Told(5_000)
    bought.buys()
    _, closed = bought.life.capture(3_000, at=bought.tick())
    with transaction.atomic():
        locks.hold(cards=["ic_1"])
        answer = done(partial(deliver, closed))
    assert (answer.status_code, answer.json()) == (200, {"received": True})
    assert bought.counts == (5_000, 0, 1)
    monkeypatch.setattr(budget, "BACKGROUND_LOCK_MS", 60_000)  # however busy this machine is
    return bought, closed


def test_what_fails_by_time_is_kept_and_applied_in_the_background(late: tuple[Told, Json]) -> None:
    bought, closed = late
    assert intake.apply_due(60) == 1
    assert bought.counts == (3_000, 0, 1)
    assert UnappliedEvent.objects.get(pk=closed["id"]).applied_at
    senders = WebhookRequest.objects.filter(event_id=closed["id"]).order_by("pk")
    assert list(senders.values_list("sender", flat=True)) == ["127.0.0.1", "applied again"]


def test_while_its_card_stays_locked_it_is_tried_again_later(late: tuple[Told, Json]) -> None:
    bought, _ = late
    with transaction.atomic():
        locks.hold(cards=["ic_1"])
        assert done(partial(intake.apply_due, 60)) == 1
    waiting = UnappliedEvent.objects.get()
    assert waiting.applied_at is None
    assert waiting.retry_at
    assert "lock timeout" in waiting.error
    UnappliedEvent.objects.update(retry_at=timezone.now())
    assert intake.apply_due(60) == 1
    assert bought.counts == (3_000, 0, 1)


def test_one_process_applies_it_and_after_a_restart_the_next(
    late: tuple[Told, Json], monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    bought, _ = late
    with monkeypatch.context() as patched:
        patched.setattr(intake, "_apply", killed)
        with pytest.raises(KeyboardInterrupt):
            intake.apply_due(60)
    UnappliedEvent.objects.update(retry_at=timezone.now() + timedelta(hours=1))
    assert done(partial(intake.apply_due, 60)) == 0  # it may still be at it
    UnappliedEvent.objects.update(retry_at=timezone.now())
    found = [apart(partial(intake.apply_due, 60)) for _ in range(4)]
    assert sorted(tried.result() for tried in found) == [0, 0, 0, 1]
    assert bought.counts == (3_000, 0, 1)
    assert LedgerEntry.objects.filter(cause="closed").count() == 1


def test_what_contradicts_the_books_is_not_tried_for_ever(late: tuple[Told, Json]) -> None:
    bought, closed = late
    Authorization.objects.filter(pk=bought.id).update(currency="usd")
    assert intake.apply_due(60) == 1
    waiting = UnappliedEvent.objects.get(pk=closed["id"])
    assert (waiting.applied_at, waiting.retry_at) == (None, None)
    assert "Look it up at Stripe" in waiting.error
    assert intake.apply_due(60) == 0


@pytest.mark.usefixtures("late")
def test_nobody_is_asked_to_look_after_what_the_background_applies() -> None:
    now = UnappliedEvent.objects.get().failed_at
    assert not intake.needing_attention(now).exists()
    # It should be done by then.
    assert intake.needing_attention(now + timedelta(minutes=2)).exists()
    UnappliedEvent.objects.update(retry_at=None)
    assert intake.needing_attention(now).exists()


@pytest.mark.parametrize(
    ("applied_s_ago", "attempts", "is_alarm"),
    [(30, 1, False), (30, 2, False), (30, 3, True), (90, 1, True), (None, 1, True)],
)
def test_a_long_queue_is_no_alarm_while_it_moves_on(
    applied_s_ago: int | None, attempts: int, is_alarm: bool
) -> None:
    """What was tried in vain and tried again is one, however the others move on."""
    now = timezone.now()
    if applied_s_ago is not None:
        waiting("evt_0", now, applied_at=now - timedelta(seconds=applied_s_ago))
    waiting("evt_1", now, attempts=attempts)
    assert intake.needing_attention(now).exists() == is_alarm


def test_what_was_applied_at_the_door_does_not_make_the_queue_move_on() -> None:
    now = timezone.now()
    waiting("evt_0", now, applied_at=now, retry_at=None)
    waiting("evt_1", now)
    assert intake.needing_attention(now).get().pk == "evt_1"


def waiting(event_id: str, now: datetime, **facts: Any) -> UnappliedEvent:
    """An event kept for the background ten minutes ago."""
    usual = {
        "event_type": "issuing_transaction.created",
        "webhook_request_id": 1,
        "error": intake.TOO_MANY,
        "failed_at": now - timedelta(minutes=10),
        "retry_at": now - timedelta(minutes=10),
    }
    return UnappliedEvent.objects.create(pk=event_id, **usual | facts)


def test_what_waits_for_another_event_is_tried_again_until_that_is_there() -> None:
    """Stripe, which was told that it is kept, does not send it again."""
    event = force_capture(card_of(Shopper()), amount=5_000, at=NOON, chance=Random(2))
    event["data"]["object"]["cardholder"] = None
    intake.keep_for_later(delivery_of(samples.to_bytes(event)), intake.TOO_MANY)
    for exponent in (2, 3):
        assert intake.apply_due(60) == 1
        row = UnappliedEvent.objects.get()
        assert "is not known yet" in row.error
        assert row.retry_at
        wait = row.retry_at - timezone.now()
        assert timedelta(0) < wait <= timedelta(seconds=2**exponent)
        UnappliedEvent.objects.update(retry_at=timezone.now())
    deliver(card_event(card_of(Shopper()), "created", at=NOON, chance=Random(1)))
    assert intake.apply_due(60) == 1
    assert UnappliedEvent.objects.get().applied_at
    assert counts_of(event["data"]["object"]["id"]) == (5_000, 0, 1)


def test_what_changes_nothing_here_is_done_with_once_it_was_its_turn() -> None:
    event = {"id": "evt_1", "object": "event", "type": "issuing_token.created", "created": NOON}
    body = samples.to_bytes(event | {"data": {}})
    intake.keep_for_later(delivery_of(body), intake.TOO_MANY)
    assert intake.apply_due(60) == 1
    assert UnappliedEvent.objects.get().applied_at
    assert intake.apply_due(60) == 0


def test_a_repeat_of_what_is_applied_is_not_kept_for_the_background() -> None:
    bought = Told(5_000)
    bought.buys()
    captured, _ = bought.life.capture(3_000, at=bought.tick())
    bought.hears(captured)
    entries = LedgerEntry.objects.count()
    intake.keep_for_later(delivery_of(samples.to_bytes(captured)), intake.TOO_MANY)
    assert not UnappliedEvent.objects.exists()
    first, again = WebhookRequest.objects.filter(event_id=captured["id"]).order_by("pk")
    assert again.repeats == first
    assert LedgerEntry.objects.count() == entries


def test_where_it_cannot_even_be_kept_stripe_sends_it_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OperationalError("gone")

    bought, body = closed_with(AT_ONCE + 1)
    monkeypatch.setattr(WebhookRequest.objects, "create", refuse)
    assert deliver(body).status_code == 503
    assert counts_of(bought.id) == ((AT_ONCE + 1) * 100, 0, 1)
