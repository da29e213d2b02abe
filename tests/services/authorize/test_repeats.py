"""Stories of events that come again: what was sent first is the answer, to the byte."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from authorizations.models import Authorization, Card, Decision, WebhookRequest
from authorizations.rules.decision.stand_in import StandInCause
from authorizations.services.host import host_answers, recent_answers, recent_ring
from authorizations.services.runtime import budget
from authorizations.services.stand_in import replay, replay_one
from authorizations.services.stand_in.replay_one import Replayed
from authorizations.services.verify.redecide import redecide
from simulator.stripe.samples import Json
from tests.support.desk import NOON, Shopper, deliver, in_force
from tests.support.lifecycle import counts_of
from tests.support.spool import EARLIER, answered, asked
from tests.support.stand_in import delivery, knows, on_this_host, stood_in
from tests.support.verification import contradictions, differences

pytestmark = pytest.mark.django_db(transaction=True)

LIMIT = {"amount": 10_000, "interval": "daily"}


@pytest.fixture(autouse=True)
def host(tmp_path: Path) -> Iterator[Path]:
    with on_this_host(tmp_path / "spool") as directory:
        yield directory
        replayed(directory)
    assert contradictions() == []


def replayed(directory: Path) -> list[Replayed | None]:
    return [step.replayed for step in replay.steps(directory, with_growing=True)]


@contextmanager
def locked(card_id: str) -> Iterator[None]:
    """Somebody else has the card, and purchases wait for it only 50 ms."""
    other: Any = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor, pytest.MonkeyPatch.context() as patch:
            cursor.execute("SELECT FROM authorizations_card WHERE id = %s FOR UPDATE", [card_id])
            patch.setattr(budget, "LOCK_TIMEOUT_MS", 50)
            yield
    finally:
        other.close()


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def reason_of(answer: bytes) -> str:
    return str(json.loads(answer)["metadata"]["reason"])


# --- the same question


def test_a_purchase_declined_while_its_card_was_locked_stays_declined(host: Path) -> None:
    in_force(spending_limits=[LIMIT])
    shopper = Shopper()
    assert shopper.reason(1_000) == "approved"
    event = shopper.event(shopper.purchase(2_000), "evt_it")
    with locked("ic_1"):
        first = deliver(event).content
        still_locked = deliver(event).content
    assert reason_of(first) == "stand_in"
    at_once, again = deliver(event).content, deliver(event).content
    assert not Decision.objects.filter(pk="evt_it").exists()  # its record waits in the spool
    assert replayed(host).count(Replayed.WRITTEN) == 1
    assert {still_locked, at_once, again, deliver(event).content} == {first}
    assert not Decision.objects.get(pk="evt_it").approved
    assert Decision.objects.count() == 2
    assert WebhookRequest.objects.filter(event_id="evt_it", answer_body=first.decode()).count() == 5
    assert counts_of(event["data"]["object"]["id"]) == (0, 0, 0)
    assert differences() == []
    assert redecide("evt_it") == []


def test_an_approval_of_stand_in_is_given_again_and_counts_once(host: Path) -> None:
    in_force(spending_limits=[LIMIT])
    event = asked(Shopper(), 4_000, "evt_it")
    knows({"spending_limits": [LIMIT], "stand_in_amount": 5_000, "stand_in_cap": 5_000},
          cards=(("ic_1", "ic_1", "ich_1", ""),), around=NOON)  # fmt: skip
    first = stood_in(delivery(event), StandInCause.DATABASE_UNREACHABLE)
    assert json.loads(first)["approved"] is True
    Card.objects.update(frozen=True)
    again = [deliver(event).content, deliver(event).content]
    replayed(host)
    again += [deliver(event).content, stood_in(delivery(event), StandInCause.DATABASE_UNREACHABLE)]
    replayed(host)
    assert set(again) == {first}
    assert counts_of(event["data"]["object"]["id"]) == (4_000, 0, 1)
    assert Decision.objects.count() == 1
    assert differences() == []


def test_what_was_committed_too_late_to_be_sent_is_never_sent(host: Path) -> None:
    """The worker's COMMIT was under way when its time was up, and a decline was sent."""
    in_force(spending_limits=[LIMIT])
    event = asked(Shopper(), 2_000, "evt_it")
    assert deliver(event).json()["approved"] is True
    recorded = Decision.objects.select_related("webhook_request").get(pk="evt_it")
    at = recorded.webhook_request.received_at
    sent = answered(event, None, cause="deadline_missed", received_at=at)
    host_answers.note("evt_it", sent.as_sent())
    assert deliver(event).content.decode() == sent.answer
    assert replay_one.replay(sent) is Replayed.CORRECTED
    assert Decision.objects.get(pk="evt_it/answered").supersedes == "evt_it"
    as_another_process()
    (host / host_answers.FILE).unlink()  # on another host
    assert deliver(event).content.decode() == sent.answer
    assert counts_of(event["data"]["object"]["id"])[0] == 0
    assert differences() == []


@pytest.mark.parametrize("first_is", ["approved", "declined"])
def test_of_two_hosts_answers_the_first_is_given_again_and_the_approval_counts(
    first_is: str,
) -> None:
    in_force(spending_limits=[LIMIT])
    event = asked(Shopper(), 4_000, "evt_it")
    a_second_later = EARLIER + timedelta(seconds=1)
    approval = answered(
        event, 4_000, received_at=EARLIER if first_is == "approved" else a_second_later
    )
    decline = answered(
        event, None, received_at=a_second_later if first_is == "approved" else EARLIER
    )
    for record in (decline, approval):
        assert replay_one.replay(record) is Replayed.WRITTEN
    assert counts_of(event["data"]["object"]["id"]) == (4_000, 0, 1)
    sent = approval if first_is == "approved" else decline
    assert deliver(event).content.decode() == sent.answer
    assert {row.answer for row in Decision.objects.all()} == {approval.answer, decline.answer}
    assert differences() == []


def test_another_rendering_of_the_same_event_gets_the_recorded_answer() -> None:
    """Two endpoints deliver an event in two API versions."""
    in_force(spending_limits=[LIMIT])
    event = asked(Shopper(), 4_000, "evt_it")
    first = deliver(event).content
    found = event["data"]["object"]
    found["pending_request"] |= {"network_risk_score": 77, "is_amount_controllable": True}
    found |= {"verification_data": None, "card_presence": None, "wallet": "apple_pay"}
    found["merchant_data"] |= {"city": "Paris 18", "terminal_id": None, "category_code": None}
    found["card"]["cardholder"] = found["card"]["cardholder"]["id"]
    assert deliver(event | {"api_version": "2020-08-27"}).content == first


def test_an_increment_that_names_another_merchant_is_a_repeat_all_the_same() -> None:
    in_force(spending_limits=[LIMIT])
    shopper = Shopper()
    purchase = shopper.purchase(1_000)
    shopper.asks(purchase)
    event = shopper.event(purchase.increment(500, approved=1_000, at=NOON + 60), "evt_more")
    event["data"]["object"]["merchant_data"] |= {"name": "Elsewhere", "network_id": "9"}
    assert deliver(event).content == deliver(event).content
    assert Decision.objects.get(pk="evt_more").approved


def test_what_stand_in_could_not_read_is_declined_in_the_same_words_again(host: Path) -> None:
    event = asked(Shopper(), 100, "evt_it")
    event["data"]["object"]["pending_request"] = None
    execute("ALTER TABLE authorizations_decision RENAME TO away")
    try:
        first = deliver(event).content
    finally:
        execute("ALTER TABLE away RENAME TO authorizations_decision")
    assert b"stand_in" in first
    assert deliver(event).content == first
    replayed(host)
    assert deliver(event).content == first
    assert Decision.objects.get().answer.encode() == first


def test_what_the_database_answered_is_given_again_by_stand_in(host: Path) -> None:
    """Nothing is known to stand-in here but what the database answered: it would decline."""
    in_force(spending_limits=[LIMIT])
    events = [asked(Shopper(), 4_000, f"evt_{number}") for number in range(3)]
    sent = [deliver(event).content for event in events]
    assert [json.loads(answer)["approved"] for answer in sent] == [True, True, False]
    recent_answers._ring._file = None  # as another process of the host
    again = [stood_in(delivery(event), StandInCause.DEADLINE_MISSED) for event in events]
    assert again == sent
    assert reason_of(stood_in(delivery(other(events[0], "currency")), StandInCause.OVERLOADED)) == (
        "conflicting_event"
    )
    replayed(host)
    assert Decision.objects.count() == 3
    assert WebhookRequest.objects.count() == 7
    assert differences() == []


def test_a_process_remembers_its_newest_answers(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent_ring, "SLOTS", 2)
    sent = [answered(asked(Shopper(), 1, f"evt_{number}"), 1).as_sent() for number in range(3)]
    for number, answer in enumerate(sent):
        recent_answers.note(f"evt_{number}", answer)
    found = [recent_answers.look_up(f"evt_{number}") for number in range(3)]
    assert found == [None, sent[1], sent[2]]


# --- another question

_CHANGES: dict[str, Callable[[Json], Any]] = {
    "currency": lambda it: it["pending_request"].update(currency="usd"),
    "amount": lambda it: it["pending_request"].update(amount=1),
    "cash": lambda it: it["pending_request"]["amount_details"].update(cashback_amount=500),
    "creation": lambda it: it.update(created=it["created"] - 1),
    "request_index": lambda it: it.update(
        request_history=[it["pending_request"] | {"approved": False, "created": NOON, "reason": ""}]
    ),
    "authorization": lambda it: it.update(id="iauth_other"),
    "card": lambda it: it["card"].update(id="ic_other"),
    "merchant's name": lambda it: it["merchant_data"].update(name="Casino"),
    "merchant's code": lambda it: it["merchant_data"].update(category_code="7995"),
    "merchant's network id": lambda it: it["merchant_data"].update(network_id="1"),
    "merchant's country": lambda it: it["merchant_data"].update(country="MT"),
}


def other(event: Json, what: str) -> Json:
    changed: Json = json.loads(json.dumps(event))
    if what == "mode":
        return changed | {"livemode": not changed["livemode"]}
    _CHANGES[what](changed["data"]["object"])
    return changed


@pytest.mark.parametrize("what", [*_CHANGES, "mode"])
@pytest.mark.parametrize("way", ["database", "stand-in", "stand-in, then database"])
def test_the_same_id_about_another_question_is_declined_and_takes_nothing(
    what: str, way: str, host: Path
) -> None:
    in_force(spending_limits=[LIMIT])
    shopper = Shopper()
    event = asked(shopper, 4_000, "evt_it")
    knows({}, cards=tuple((card, card, "ich_1", "") for card in ("ic_1", "ic_other")))
    ask: Callable[[Json], bytes] = lambda event: deliver(event).content  # noqa: E731
    stand_in: Callable[[Json], bytes] = lambda event: stood_in(  # noqa: E731
        delivery(event), StandInCause.DATABASE_UNREACHABLE
    )
    first = (ask if way == "database" else stand_in)(event)
    assert json.loads(first)["approved"] is True
    again = stand_in if way == "stand-in" else ask
    assert reason_of(again(other(event, what))) == "conflicting_event"
    assert again(event) == first
    replayed(host)
    assert reason_of(ask(other(event, what))) == "conflicting_event"
    assert ask(event) == first
    assert [(row.pk, row.approved) for row in Decision.objects.all()] == [("evt_it", True)]
    assert Authorization.objects.get().counted_amount == 4_000
    assert differences() == []


def test_many_authorizations_under_one_id_are_approved_once(host: Path) -> None:
    """Fifteen purchases of 50.00: 50.00 go out, and 50.00 are in the books."""
    in_force(spending_limits=[{**LIMIT, "amount": 100_000}])
    knows({}, cards=(("ic_1", "ic_1", "ich_1", ""),))
    events = [asked(Shopper(), 5_000, "evt_one") for _ in range(15)]
    sent = [stood_in(delivery(event), StandInCause.DATABASE_UNREACHABLE) for event in events]
    assert [json.loads(answer)["approved"] for answer in sent].count(True) == 1
    replayed(host)
    counted = Authorization.objects.values_list("counted_amount", flat=True)
    assert sum(counted) == 5_000
    assert Decision.objects.get(approved=True).pk == "evt_one"
    assert differences() == []


def test_two_hosts_approvals_of_two_questions_under_one_id_both_count() -> None:
    in_force(spending_limits=[LIMIT])
    records = [answered(asked(Shopper(), 4_000, "evt_it"), 4_000) for _ in range(2)]
    assert [replay_one.replay(record) for record in records * 2] == [
        *[Replayed.WRITTEN] * 2, *[Replayed.KNOWN] * 2
    ]  # fmt: skip
    assert list(Authorization.objects.values_list("counted_amount", flat=True)) == [4_000, 4_000]
    second = Decision.objects.get(pk="evt_it/answered")
    assert second.problem == "A different question was answered under this event id: evt_it."
    for record in records:
        assert deliver(record.body).content.decode() == record.answer
    assert differences() == []


# --- all processes of a host


def test_what_one_process_answered_every_other_gives_again(host: Path) -> None:
    in_force(spending_limits=[LIMIT])
    event = asked(Shopper(), 4_000, "evt_it")
    sent = stood_in(delivery(event), StandInCause.DATABASE_UNREACHABLE)
    program = """
import sys
from django.conf import settings
settings.configure(SPOOL_DIR=sys.argv[1])
from authorizations.services.host import host_answers
sys.stdout.write(host_answers.look_up("evt_it").text)
"""
    found = subprocess.run(
        [sys.executable, "-c", program, str(host)], capture_output=True, check=True
    )
    assert found.stdout == sent


def as_another_process() -> None:
    host_answers._store = host_answers._Store()


def test_after_a_power_cut_what_waits_in_the_spool_is_remembered(host: Path) -> None:
    event = asked(Shopper(), 4_000, "evt_it")
    sent = stood_in(delivery(event), StandInCause.DATABASE_UNREACHABLE)
    as_another_process()
    for file in host.glob(f"{host_answers.FILE}*"):
        file.unlink()
    (host / host_answers.FILE).write_bytes(b"not what it was " * 1_000)
    assert host_answers.look_up("evt_it") is None
    assert (host / f"{host_answers.FILE}.damaged").exists()
    assert not host_answers.is_whole()
    replay.restore_host_answers()
    assert host_answers.is_whole()
    assert deliver(event).content == sent


def test_answers_are_forgotten_a_week_after_nothing_waits_any_more(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stood_in(delivery(asked(Shopper(), 4_000, "evt_it")), StandInCause.DATABASE_UNREACHABLE)
    as_another_process()
    replay.run_for(60)
    assert host_answers.look_up("evt_it")
    monkeypatch.setattr(host_answers, "KEPT_S", -1.0)
    host_answers.forget_replayed()
    as_another_process()
    assert host_answers.look_up("evt_it") is None
