"""One captured request sent again and again: its body is kept once, and soon it is only counted."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from authorizations.models import Decision, RepeatedMinute, UnappliedEvent, WebhookRequest
from authorizations.services.lifecycle import intake
from authorizations.services.store import repeats
from simulator.stripe import samples
from simulator.stripe.sample_lives import force_capture
from tests.admin import pages
from tests.admin.conftest import auditor, login, staff  # noqa: F401 - fixtures
from tests.support.builders import CREATED
from tests.support.desk import Shopper, deliver, in_force
from tests.support.lifecycle import Told
from tests.support.lives import approved, card
from tests.support.spool import delivery_of
from tests.support.verification import differences, redecided

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    repeats._beyond.clear()
    yield
    repeats._beyond.clear()


@pytest.fixture
def body() -> bytes:
    in_force(spending_limits=[{"amount": 10_000, "interval": "daily"}])
    shopper = Shopper()
    return samples.to_bytes(shopper.event(shopper.purchase(4_000), "evt_again"))


def rows() -> list[WebhookRequest]:
    return list(WebhookRequest.objects.order_by("pk"))


def test_a_repeat_refers_to_the_delivery_that_keeps_the_body(body: bytes) -> None:
    answers = {deliver(body).content for _ in range(3)}
    assert len(answers) == 1
    first, *others = rows()
    assert (bytes(first.body), first.repeats) == (body, None)
    for row in others:
        assert (bytes(row.body), row.repeats, row.kept_body) == (b"", first, body)
        assert row.body_sha256 == first.body_sha256
    assert Decision.objects.get().webhook_request == first
    assert redecided() == []
    assert differences() == []


def test_the_same_event_as_another_endpoint_renders_it_keeps_its_own_body(body: bytes) -> None:
    deliver(body)
    other = body.replace(b'"livemode":', b'"of_a_later_version":1,"livemode":', 1)
    assert other != body
    assert {deliver(other).content for _ in range(2)} == {deliver(body).content}
    kept = [(bytes(row.body), row.repeats_id and row.kept_body) for row in rows()]
    assert kept == [(body, None), (other, None), (b"", other), (b"", body)]


def test_beyond_sixty_a_minute_there_is_only_a_count_and_no_work(body: bytes) -> None:
    answers = [deliver(body).content for _ in range(62)]
    with CaptureQueriesContext(connection) as asked:
        answers += [deliver(body).content for _ in range(3)]
    assert len({*answers}) == 1
    assert len(rows()) == 60  # the question and 59 repeats
    assert [q for q in asked.captured_queries if "authorizations_" in q["sql"]] == []
    repeats.write()
    repeats.write()
    assert sum(row.count for row in RepeatedMinute.objects.all()) == 5
    assert RepeatedMinute.objects.filter(request=rows()[0]).exists()
    assert differences() == []


def test_memory_answers_for_the_rest_of_that_minute_alone(body: bytes) -> None:
    for _ in range(62):
        deliver(body)
    sha256, now = rows()[0].body_sha256, timezone.now()
    assert repeats.answer_at_once(sha256, now + timedelta(minutes=1)) is None
    assert repeats.answer_at_once("0" * 64, now) is None


def test_its_page_shows_the_body_and_where_it_is_kept(auditor: Client, body: bytes) -> None:  # noqa: F811
    for _ in range(61):
        deliver(body)
    first, again, *_ = rows()
    page = auditor.get(pages.change_url(again))
    assert "evt_again" in page.content.decode()
    assert pages.change_url(first) in page.content.decode()
    assert "1 more delivery of this body was counted, not stored" in pages.text(page)
    assert "All deliveries of this event" in pages.text(page)
    assert "Stored with the first delivery" in pages.text(page)


def test_of_a_later_event_too_and_nothing_is_done_again(body: bytes) -> None:
    told = Told(4_000)
    told.buys()
    captured, _ = told.life.capture(4_000, at=told.tick())
    sent = samples.to_bytes(captured)
    entries = [deliver(sent).status_code for _ in range(3)] and told.lines
    first, *others = rows()[-3:]
    assert (bytes(first.body), first.repeats) == (sent, None)
    assert [(bytes(row.body), row.repeats) for row in others] == [(b"", first)] * 2
    assert told.lines == entries
    assert differences() == []


def test_what_can_not_be_applied_is_tried_again_and_kept_once() -> None:
    capture = force_capture(card(), amount=2_500, at=CREATED, chance=approved().chance)
    capture["data"]["object"]["cardholder"] = None
    sent = samples.to_bytes(capture)
    assert [deliver(sent).status_code for _ in range(2)] == [503, 503]
    waiting = UnappliedEvent.objects.get()
    assert waiting.attempts == 2
    first, again = rows()
    assert (waiting.webhook_request, again.repeats, bytes(again.body)) == (again, first, b"")
    in_force(spending_limits=[{"amount": 10_000, "interval": "daily"}])
    for event in approved().events:
        deliver(event)
    assert intake.apply_again(waiting) == ""
    applied = rows()[-1]
    assert (applied.repeats, applied.kept_body) == (first, sent)
    assert deliver(sent).status_code == 200


def test_an_applied_event_that_is_kept_for_later_in_another_rendering_is_applied_again() -> None:
    capture = force_capture(card(), amount=2_500, at=CREATED, chance=approved().chance)
    capture["data"]["object"]["cardholder"] = None
    assert deliver(capture).status_code == 503
    in_force(spending_limits=[{"amount": 10_000, "interval": "daily"}])
    for event in approved().events:
        deliver(event)
    assert intake.apply_again(UnappliedEvent.objects.get()) == ""
    other = samples.to_bytes(capture).replace(b'"livemode":', b'"of_a_later_version":1,"livemode":')
    intake.keep_for_later(delivery_of(other), intake.TOO_LONG)
    assert UnappliedEvent.objects.get().applied_at is None
    assert intake.apply_due(60.0) == 1
    assert UnappliedEvent.objects.get().applied_at
    assert differences() == []
