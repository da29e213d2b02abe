"""Events that ask nothing, at the door: applied, or kept with what stands against them."""

from random import Random
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone

from authorizations.models import (
    Authorization,
    Card,
    Cardholder,
    Decision,
    HistoryEntry,
    LedgerEntry,
    UnappliedEvent,
    WebhookRequest,
)
from authorizations.services.lifecycle import intake
from authz_project.deadline import DeadlineExceededError
from simulator.stripe.sample_lives import (
    card_event,
    cardholder_event,
    force_capture,
    transaction_updated,
)
from simulator.stripe.samples import Json
from tests.support.desk import NOON, Shopper, deliver, in_force
from tests.support.lifecycle import Told, card_of, counts_of
from tests.support.metrics import counted

pytestmark = pytest.mark.django_db

CHANCE = Random(5)


@pytest.fixture(autouse=True)
def policy() -> None:
    in_force()


def changed(event: Json, path: str, value: object) -> Json:
    *parents, last = path.split(".")
    place: Any = event["data"]["object"]
    for parent in parents:
        place = place[int(parent) if parent.isdigit() else parent]
    place[last] = value
    return event


# --- cards and cardholders


def test_a_new_card_is_known_before_it_pays() -> None:
    deliver(card_event(card_of(Shopper()), "created", at=NOON, chance=CHANCE))
    card = Card.objects.get(pk="ic_1")
    assert (card.last4, card.status, card.cardholder_id) == ("0005", "active", "ich_1")


def test_a_card_is_as_the_newest_event_tells() -> None:
    Shopper().asks(0)
    newer = card_of(Shopper()) | {"status": "canceled"}
    older = card_of(Shopper()) | {"status": "inactive"}
    deliver(card_event(newer, "updated", at=NOON + 60, chance=CHANCE))
    deliver(card_event(older, "updated", at=NOON + 30, chance=CHANCE))
    assert Card.objects.get(pk="ic_1").status == "canceled"
    source = HistoryEntry.objects.filter(subject="card", subject_id="ic_1").latest("changed_at")
    assert source.source == "stripe"


def test_a_replacement_that_never_paid_hangs_on_its_chain() -> None:
    Shopper().asks(0)
    replacement = card_of(Shopper(card_id="ic_2")) | {"replacement_for": "ic_1"}
    deliver(card_event(replacement, "created", at=NOON, chance=CHANCE))
    assert Card.objects.get(pk="ic_2").root_id == "ic_1"


def test_a_cardholder_s_name_is_that_of_the_newest_event() -> None:
    holder = card_of(Shopper())["cardholder"]
    for name, at in (("Ada King", NOON + 60), ("Ada Byron", NOON)):
        event = cardholder_event(holder | {"name": name}, "updated", at=at, chance=CHANCE)
        assert deliver(event).status_code == 200
    assert Cardholder.objects.get(pk="ich_1").name == "Ada King"


def test_what_happened_before_its_card_went_to_another_holder_is_applied_afterwards() -> None:
    purchase = Told(5_000)
    purchase.buys()
    at = purchase.at + 3_600
    other = card_of(Shopper(cardholder_id="ich_2"))
    deliver(card_event(other, "updated", at=at, chance=CHANCE))
    assert Card.objects.get(pk="ic_1").cardholder_id == "ich_2"
    purchase.captures(4_000)
    assert counts_of(purchase.id) == (4_000, 0, 1)
    assert Authorization.objects.get(pk=purchase.id).cardholder_id == "ich_1"
    assert Shopper().reason(100) == "approved"


# --- what only needs keeping


@pytest.mark.parametrize("kind", ["issuing_token.created", "issuing_token.updated", "of_next_year"])
def test_other_events_are_recorded_and_answered(kind: str) -> None:
    answer = deliver({"id": "evt_1", "object": "event", "type": kind, "created": NOON, "data": {}})
    assert (answer.status_code, answer.json()) == (200, {"received": True})
    assert WebhookRequest.objects.get().event_type == kind
    assert not UnappliedEvent.objects.exists()


def test_a_dispute_on_a_transaction_changes_no_figure() -> None:
    bought = Told(5_000)
    bought.buys()
    bought.captures(5_000)
    found = bought.life.kept["transactions"][0]
    told = transaction_updated(found, at=bought.tick(), chance=CHANCE, changes={"dispute": "idp_1"})
    bought.hears(told)
    assert (bought.lines, bought.counts) == ([("hold", 5_000)], (5_000, 0, 1))


# --- what can't be applied


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("transactions.0.amount", 12.5, "data.object.transactions[0].amount"),
        ("request_history.0.amount", "5000", "data.object.request_history[0].amount"),
        ("amount", -1, "data.object.amount"),
        ("card", "ic_1", "data.object.card"),
        ("currency", None, "data.object.currency"),
        ("created", 2**60, "data.object.created"),
    ],
)
def test_an_event_with_an_unreadable_part_is_kept_with_its_problem(
    path: str, value: object, problem: str
) -> None:
    bought = Told(5_000)
    bought.buys()
    _, closed = bought.life.capture(5_000, at=bought.tick())
    answer = deliver(changed(closed, path, value))
    assert (answer.status_code, answer.json()) == (200, {"received": True})
    waiting = UnappliedEvent.objects.get()
    assert problem in waiting.error
    assert waiting.webhook_request.event_id == waiting.event_id == closed["id"]
    assert bought.counts == (5_000, 0, 1)


def test_an_event_that_contradicts_its_authorization_changes_nothing() -> None:
    bought = Told(5_000)
    bought.buys()
    event = changed(bought.life.set_amount(1, at=bought.tick()), "created", NOON - 5)
    assert deliver(event).status_code == 200
    assert "differ from what this authorization began with" in UnappliedEvent.objects.get().error
    assert bought.counts == (5_000, 0, 1)


def test_an_event_of_the_other_mode_is_kept_and_not_applied(settings: Any) -> None:
    settings.STRIPE_LIVEMODE = True
    event = force_capture(card_of(Shopper()), amount=5, at=NOON, chance=CHANCE)
    assert deliver(event).status_code == 200
    assert "This is a test event" in UnappliedEvent.objects.get().error
    assert not Authorization.objects.exists()


def test_a_connected_accounts_event_of_the_other_mode_is_kept_and_counted_and_no_work(
    settings: Any, client: Client
) -> None:
    """A live Connect endpoint is sent them as well, readable or not."""
    settings.STRIPE_LIVEMODE = True
    event = force_capture(card_of(Shopper()), amount=5, at=NOON, chance=CHANCE)
    unreadable = {"id": "evt_odd", "type": "issuing_transaction.created", "data": {"object": {}}}
    before = counted(client, "desk_other_mode_events_total")
    for told in (event, unreadable | {"livemode": False}):
        answer = deliver(told | {"account": "acct_1"})
        assert (answer.status_code, answer.json()) == (200, {"received": True})
    kept = list(WebhookRequest.objects.values_list("account", "livemode"))
    assert kept == [("acct_1", False)] * 2
    assert counted(client, "desk_other_mode_events_total") == before + 2
    assert not Authorization.objects.exists()
    assert not UnappliedEvent.objects.exists()


def test_one_that_waited_since_before_is_done_with_when_it_is_applied_again(settings: Any) -> None:
    event = {"id": "evt_odd", "type": "issuing_transaction.created", "data": {"object": {}}}
    deliver(event | {"livemode": False, "account": "acct_1"})
    [waiting] = UnappliedEvent.objects.all()
    settings.STRIPE_LIVEMODE = True
    assert intake.apply_again(waiting) == ""
    assert not intake.needing_attention(timezone.now()).exists()


# --- thin events


def thin(kind: str) -> Json:
    """As Stripe sends it to a destination whose payload style is thin."""
    return {
        "id": f"evt_test_65R9Ijk8dKEYZcXeRWn16R9A7j1FSQ3w3TGDPLLGSM4CW0{kind[:6]}",
        "object": "v2.core.event",
        "type": kind,
        "livemode": False,
        "created": "2024-09-17T06:20:52.246Z",
        "context": None,
        "related_object": {
            "id": "iauth_1",
            "type": "issuing.authorization",
            "url": "/v1/issuing/authorizations/iauth_1",
        },
    }


SENTENCE = "This destination sends thin events; choose snapshot events."


@pytest.mark.parametrize(
    "kind",
    ["v1.issuing_authorization.created", "v2.core.event_destination.ping", "issuing_card.updated"],
)
def test_a_thin_event_is_kept_as_not_applied_and_says_what_to_choose(kind: str) -> None:
    answer = deliver(thin(kind))
    assert (answer.status_code, answer.json()) == (200, {"received": True})
    waiting = UnappliedEvent.objects.get()
    assert (waiting.event_type, waiting.error) == (kind, SENTENCE)
    assert intake.apply_again(waiting) == SENTENCE


@pytest.mark.parametrize(
    "kind",
    [
        "issuing_authorization.request",
        "v1.issuing_authorization.request",
        "v2.issuing.authorization.request",
    ],
)
def test_a_thin_question_is_declined_and_says_what_to_choose(kind: str) -> None:
    answer = deliver(thin(kind))
    assert answer.status_code == 200
    assert answer.json()["approved"] is False
    assert answer.headers["Stripe-Version"]
    assert answer.json()["metadata"]["reason"] == "malformed_request"
    decision = Decision.objects.get()
    assert (decision.pk, decision.problem) == (thin(kind)["id"], SENTENCE)
    assert deliver(thin(kind)).content == answer.content
    assert not UnappliedEvent.objects.exists()
    call_command("verify_record", processes=1)


def test_money_of_a_card_nobody_knows_waits_until_it_is_known() -> None:
    event = force_capture(card_of(Shopper()), amount=5_000, at=NOON, chance=CHANCE)
    event["data"]["object"]["cardholder"] = None
    key = event["data"]["object"]["id"]
    assert deliver(event).status_code == 503
    assert deliver(event).status_code == 503
    waiting = UnappliedEvent.objects.get()
    assert "is not known yet" in waiting.error
    assert (waiting.attempts, waiting.applied_at) == (2, None)
    deliver(card_event(card_of(Shopper()), "created", at=NOON, chance=CHANCE))
    assert deliver(event).status_code == 200
    assert UnappliedEvent.objects.get().applied_at is not None
    assert counts_of(key) == (5_000, 0, 1)


def test_what_waits_can_be_applied_again_here() -> None:
    event = force_capture(card_of(Shopper()), amount=5_000, at=NOON, chance=CHANCE)
    event["data"]["object"]["cardholder"] = None
    deliver(event)
    [waiting] = intake.all_waiting()
    assert "is not known yet" in intake.apply_again(waiting)
    Shopper().asks(0)
    [waiting] = intake.all_waiting()
    assert intake.apply_again(waiting) == ""
    assert list(intake.all_waiting()) == []
    assert LedgerEntry.objects.get().amount == 5_000
    senders = WebhookRequest.objects.filter(event_id=event["id"]).values_list("sender", flat=True)
    assert sorted(senders) == ["127.0.0.1", "applied again", "applied again"]


BREAK = """
CREATE FUNCTION pg_temp.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'the disk is full' USING ERRCODE = '53100'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON authorizations_transaction
    FOR EACH ROW EXECUTE FUNCTION pg_temp.refuse()
"""


def test_a_failing_database_is_told_to_send_again_and_nothing_is_half_applied() -> None:
    bought = Told(5_000)
    bought.buys()
    captured, closed = bought.life.capture(3_000, at=bought.tick())
    with connection.cursor() as cursor:
        cursor.execute(BREAK)
    for event in (captured, closed):
        assert deliver(event).status_code == 503
    assert "the disk is full" in UnappliedEvent.objects.get(pk=captured["id"]).error
    assert bought.lines == [("hold", 5_000)]
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER refuse ON authorizations_transaction")
    bought.hears(closed, captured)
    assert bought.lines == [("hold", 5_000), ("closed", -2_000)]
    assert not UnappliedEvent.objects.filter(applied_at=None).exists()


def test_where_not_even_keeping_works_stripe_is_told_to_send_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(intake, "apply_report", refuse)
    monkeypatch.setattr(WebhookRequest.objects, "create", refuse)
    answer = deliver(force_capture(card_of(Shopper()), amount=5, at=NOON, chance=CHANCE))
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "try_again")


def test_where_the_time_is_used_up_it_is_kept_for_the_background(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def wait_in_vain(*_: object) -> None:
        raise OperationalError from DeadlineExceededError()

    monkeypatch.setattr(intake, "apply_report", wait_in_vain)
    event = force_capture(card_of(Shopper()), amount=5, at=NOON, chance=CHANCE)
    answer = deliver(event)
    assert (answer.status_code, answer.json()) == (200, {"received": True})
    waiting = UnappliedEvent.objects.get()
    assert waiting.retry_at
    assert waiting.applied_at is None
    assert waiting.webhook_request.event_id == event["id"]
