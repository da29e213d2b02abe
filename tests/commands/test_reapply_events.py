"""`reapply_events`: what could not be applied when it came is applied later, or says why not."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from random import Random
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from authorizations.models import Authorization, UnappliedEvent, WebhookRequest
from simulator.stripe import samples
from simulator.stripe.sample_lives import Life, card_event, force_capture
from simulator.stripe.samples import Json
from tests.support.desk import NOON, Shopper, deliver
from tests.support.verification import differences

pytestmark = pytest.mark.django_db(transaction=True)

CARD = samples.card(
    card_id="ic_1",
    holder=samples.cardholder(cardholder_id="ich_1", name="Ada Lovelace", created=NOON),
    created=NOON,
)


def run(*options: str) -> tuple[str, str]:
    """What was printed, and the error it ended with, or nothing."""
    out = StringIO()
    try:
        call_command("reapply_events", *options, stdout=out)
    except CommandError as problem:
        return out.getvalue(), f"{problem} (status {problem.returncode})"
    return out.getvalue(), ""


def capture(seed: int = 1, **changes: Any) -> Json:
    """The event of a force capture of 9.00 that does not say whose card it was."""
    told = force_capture(CARD, amount=900, at=NOON, chance=Random(seed))
    told["data"]["object"] |= {"cardholder": None, **changes}
    return told


def card_told() -> Json:
    return card_event(CARD, "created", at=NOON, chance=Random("card"))


@contextmanager
def refusing(table: str, sentence: str) -> Iterator[None]:
    """The database refuses new rows of this table."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE FUNCTION refuse_for_a_test() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{sentence}'; END $$"
        )
        cursor.execute(
            f"CREATE TRIGGER refuse_for_a_test BEFORE INSERT ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_for_a_test()"
        )
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION refuse_for_a_test CASCADE")


def test_an_event_that_came_before_its_card_was_known_is_applied_afterwards() -> None:
    assert deliver(capture()).status_code == 503
    printed, error = run()
    assert "Card ic_1 is not known yet" in printed
    assert error == "0 applied, 1 still waiting. (status 1)"
    deliver(card_told())
    printed, error = run()
    assert ("1 applied, 0 still waiting." in printed, error) == (True, "")
    assert Authorization.objects.get().counted_amount == 900
    assert differences() == []
    assert UnappliedEvent.objects.get().applied_at


def test_of_two_that_wait_for_each_other_both_are_applied_whichever_came_first() -> None:
    deliver(capture())
    with refusing("authorizations_card", "Out of room."):
        assert deliver(card_told()).status_code == 503
    assert "2 applied, 0 still waiting." in run()[0]


def test_one_that_cannot_be_read_stays_and_says_why_while_others_are_applied() -> None:
    deliver(capture())
    unreadable = capture(2, amount="nine")
    assert deliver(unreadable).status_code == 200
    deliver(card_told())
    printed, error = run()
    assert f"issuing_transaction.created {unreadable['id']}: A part could not be read:" in printed
    assert "data.object.amount: expected a whole number" in printed
    assert error == "1 applied, 1 still waiting. (status 1)"
    assert UnappliedEvent.objects.get(applied_at=None).pk == unreadable["id"]


def test_what_the_database_refused_is_applied_when_stripe_sends_it_again() -> None:
    lived = Life(Shopper().purchase(5_000), CARD)
    told = lived.answered(approved=True, reason="card_active", at=NOON + 1)
    with refusing("authorizations_ledgerentry", "Disk is full."):
        answer = deliver(told)
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "not_applied"
    waiting = UnappliedEvent.objects.get()
    assert (waiting.pk, waiting.error) == (told["id"], "The database refused: Disk is full.")
    assert waiting.webhook_request.answer_status == 503
    assert not Authorization.objects.exists()
    assert deliver(told).status_code == 200
    waiting.refresh_from_db()
    assert waiting.applied_at
    assert Authorization.objects.get().counted_amount == 5_000
    assert "0 applied, 0 still waiting." in run()[0]


def test_one_event_can_be_applied_alone() -> None:
    first, second = capture(1), capture(2)
    for event in (first, second, card_told()):
        deliver(event)
    assert run("--event", second["id"])[1] == ""
    assert UnappliedEvent.objects.get(applied_at=None).pk == first["id"]
    assert "has been applied already" in run("--event", second["id"])[1]
    assert "No event evt_9 waits here." in run("--event", "evt_9")[1]


def test_each_try_is_on_record_as_a_delivery_of_its_own() -> None:
    event = capture()
    deliver(event)
    run()
    kept = WebhookRequest.objects.filter(event_id=event["id"]).order_by("pk")
    assert [row.sender for row in kept] == ["127.0.0.1", "applied again"]
    assert UnappliedEvent.objects.get().attempts == 2
