"""Stories of answers that were sent without the database, and how they come into the books."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from django.db import OperationalError, transaction

from authorizations.models import (
    Authorization,
    Card,
    Decision,
    Finding,
    LedgerEntry,
    WebhookRequest,
)
from authorizations.rules.decision.values import DeclineReason
from authorizations.rules.purchases.books import AuthorizationState
from authorizations.services.host import spool_reader, spool_writer
from authorizations.services.runtime import codec
from authorizations.services.stand_in import replay, replay_one
from authorizations.services.stand_in.replay_one import Replayed
from authorizations.services.stand_in.spool_record import (
    COMMIT_UNKNOWN,
    SpoolRecord,
    UnreadableRecordError,
    decode,
    encode,
    spool_record,
)
from authorizations.services.store import writing as rows_written
from authorizations.services.store.plans import Plan
from authorizations.services.store.rows import PolicyRow
from authorizations.services.verify.redecide import redecide
from authorizations.wire.signature import fingerprint
from simulator.stripe import samples
from simulator.stripe.sample_lives import Life
from tests.settings import SECRETS
from tests.support.desk import NOON, Shopper, deliver, in_force
from tests.support.lifecycle import counts_of, findings_of, lines_of
from tests.support.spool import EARLIER, answered, asked, delivery_of, leave
from tests.support.verification import contradictions, differences, redecided

pytestmark = pytest.mark.django_db

LIMIT = {"amount": 10_000, "interval": "daily"}


@pytest.fixture
def directory(settings: Any, tmp_path: Path) -> Path:
    settings.SPOOL_DIR = tmp_path
    return tmp_path


def all_of(directory: Path) -> list[replay.ReplayStep]:
    return list(replay.steps(directory, with_growing=True))


def assert_exact() -> None:
    """Every sum is what its parts come to, and every ordinary decision comes out again."""
    assert differences() == []
    assert contradictions() == []
    stand_ins = Decision.objects.exclude(stand_in="").values_list("pk", flat=True)
    wrong = {found.where for found in redecided()}
    assert not wrong - set(stand_ins)  # those here are made up, and rest on nothing


def test_an_approval_takes_its_room_late_and_its_rows_have_the_times_it_was_given_at() -> None:
    in_force(spending_limits=[LIMIT])
    event = asked(Shopper(), 6_000, "evt_late")
    record = answered(event, 6_000)
    assert replay_one.replay(record) is Replayed.WRITTEN
    row = Decision.objects.select_related("webhook_request").get(pk="evt_late")
    request = row.webhook_request
    assert request.received_at == EARLIER
    assert row.decided_at == EARLIER + timedelta(milliseconds=40)
    assert row.duration_us == 40_000
    assert (row.stand_in, row.supersedes) == ("database_unreachable", "")
    assert (row.approved, row.approved_amount, row.amount) == (True, 6_000, 6_000)
    assert row.answer == request.answer_body == record.answer
    assert bytes(request.body) == samples.to_bytes(event)
    assert (request.sender, request.signing_key) == ("203.0.113.9", fingerprint(SECRETS[0]))
    assert request.timings == {"verified": 80}
    assert [(e.cause, e.amount, e.event_id) for e in LedgerEntry.objects.all()] == [
        ("hold", 6_000, "evt_late")
    ]
    assert Shopper().reason(4_001) == "amount_limit_exceeded"
    assert Shopper().reason(4_000) == "approved"
    assert not Finding.objects.exists()
    assert_exact()


def test_each_is_brought_in_once_however_often_it_is_replayed() -> None:
    in_force(spending_limits=[LIMIT])
    record = answered(asked(Shopper(), 6_000, "evt_late"), 6_000)
    done = [replay_one.replay(record) for _ in range(3)]
    assert done == [Replayed.WRITTEN, Replayed.KNOWN, Replayed.KNOWN]
    assert WebhookRequest.objects.count() == Decision.objects.count() == 1
    assert LedgerEntry.objects.count() == 1


def test_a_decline_is_on_record_and_takes_nothing() -> None:
    in_force(spending_limits=[LIMIT])
    replay_one.replay(answered(asked(Shopper(), 6_000, "evt_late"), None, cause="overloaded"))
    row = Decision.objects.get(pk="evt_late")
    assert (row.approved, row.reason, row.stand_in) == (
        False,
        "amount_limit_exceeded",
        "overloaded",
    )
    assert row.authorization_id
    assert counts_of(row.authorization_id) == (0, 0, 0)
    assert_exact()


def test_where_the_limit_has_no_room_it_is_taken_all_the_same_and_flagged() -> None:
    in_force("Travel", spending_limits=[LIMIT])
    shopper = Shopper()
    assert shopper.reason(8_000) == "approved"
    event = asked(shopper, 5_000, "evt_late")
    replay_one.replay(answered(event, 5_000))
    authorization_id = event["data"]["object"]["id"]
    assert counts_of(authorization_id) == (5_000, 0, 1)
    finding = Finding.objects.get()
    assert (finding.kind, finding.amount) == ("limit_exceeded", 3_000)
    assert (
        "Policy Travel (program): Daily limit of €100.00 is exceeded by €30.00."
        in finding.description
    )
    assert shopper.reason(1) == "amount_limit_exceeded"
    assert_exact()


def test_an_increment_adds_to_what_is_held_already() -> None:
    in_force(spending_limits=[LIMIT])
    shopper = Shopper()
    purchase = shopper.purchase(3_000)
    assert shopper.reason(purchase) == "approved"
    more = purchase.increment(2_000, approved=3_000, at=NOON + 60)
    replay_one.replay(answered(shopper.event(more), 2_000))
    assert lines_of(purchase.authorization_id) == [("hold", 3_000), ("increment", 2_000)]
    assert counts_of(purchase.authorization_id) == (5_000, 0, 1)
    assert_exact()


def test_what_stripe_has_told_of_already_takes_nothing_and_its_finding_is_settled() -> None:
    in_force(spending_limits=[LIMIT])
    shopper = Shopper()
    purchase = shopper.purchase(4_000)
    event = shopper.event(purchase)
    card = event["data"]["object"]["card"]
    told = Life(purchase, card).answered(approved=True, reason="webhook_approved", at=NOON + 1)
    assert deliver(told).status_code == 200
    assert findings_of(purchase.authorization_id) == [("not_recorded", 4_000)]
    replay_one.replay(answered(event, 4_000))
    assert lines_of(purchase.authorization_id) == [("approved_by_stripe", 4_000)]
    assert findings_of(purchase.authorization_id) == []
    assert_exact()


def test_what_stripe_did_not_go_by_is_a_finding_and_takes_nothing() -> None:
    in_force(spending_limits=[LIMIT])
    shopper = Shopper()
    purchase = shopper.purchase(4_000)
    event = shopper.event(purchase)
    card = event["data"]["object"]["card"]
    timeout = Life(purchase, card).answered(approved=False, reason="webhook_timeout", at=NOON + 1)
    deliver(timeout)
    replay_one.replay(answered(event, 4_000))
    assert counts_of(purchase.authorization_id) == (0, 0, 0)
    assert findings_of(purchase.authorization_id) == [("answered_too_late", 4_000)]


def test_a_card_never_seen_is_registered_first() -> None:
    replay_one.replay(answered(asked(Shopper(card_id="ic_new"), 700), 700))
    assert Card.objects.get(pk="ic_new").last4 == "0005"
    assert Authorization.objects.get().counted_amount == 700


def test_a_question_answered_again_meanwhile_under_another_event_counts_once() -> None:
    in_force(spending_limits=[LIMIT])
    shopper = Shopper()
    purchase = shopper.purchase(4_000)
    first = answered(shopper.event(purchase, "evt_first"), 4_000)
    assert shopper.asks(purchase, event_id="evt_second")["approved"]
    replay_one.replay(first)
    assert counts_of(purchase.authorization_id) == (4_000, 0, 1)
    books = msgspec.convert(Authorization.objects.get().books, AuthorizationState)
    assert [answer.event_id for answer in books.answers] == ["evt_first", "evt_second"]
    assert Decision.objects.get(pk="evt_first").approved
    assert_exact()


@pytest.mark.parametrize("late_amount", [None, 3_000, 6_000])
def test_of_two_answers_to_one_question_the_larger_counts_whichever_comes_late(
    late_amount: int | None,
) -> None:
    in_force(spending_limits=[LIMIT])
    shopper = Shopper()
    purchase = shopper.purchase(4_000)
    first = answered(shopper.event(purchase, "evt_first"), late_amount)
    assert shopper.asks(purchase, event_id="evt_second")["approved"]
    replay_one.replay(first)
    assert counts_of(purchase.authorization_id) == (max(4_000, late_amount or 0), 0, 1)
    assert_exact()


def test_a_purchase_that_contradicts_the_record_is_kept_but_not_counted() -> None:
    in_force()
    shopper = Shopper()
    purchase = shopper.purchase(4_000)
    shopper.asks(purchase)
    other = shopper.purchase(50, authorization_id=purchase.authorization_id, currency="usd")
    replay_one.replay(answered(shopper.event(other, "evt_late"), 50))
    assert "not counted" in Decision.objects.get(pk="evt_late").problem
    assert counts_of(purchase.authorization_id) == (4_000, 0, 1)


# --- what could not be read, or was never asked of a policy


@pytest.mark.parametrize("reason", [DeclineReason.MALFORMED_REQUEST, DeclineReason.INTERNAL_ERROR])
def test_a_request_that_could_not_be_read_is_on_record_with_its_decline(
    reason: DeclineReason,
) -> None:
    event = asked(Shopper(), 100, "evt_it")
    event["data"]["object"]["pending_request"] = None
    problem = "data.object.pending_request: expected an object"
    record = answered(event, None, reason=reason, problem=problem)
    assert [replay_one.replay(record), replay_one.replay(record)] == [
        Replayed.WRITTEN,
        Replayed.KNOWN,
    ]
    row = Decision.objects.get(pk="evt_it")
    assert (row.reason, row.problem, row.request) == (reason, problem, None)
    assert not Authorization.objects.exists()
    assert redecide("evt_it") == []


def test_without_an_event_id_the_body_names_the_decision() -> None:
    event = asked(Shopper(), 100)
    del event["id"]
    record = answered(event, None, reason=DeclineReason.MALFORMED_REQUEST)
    replay_one.replay(record)
    later = msgspec.structs.replace(record, received_at=EARLIER + timedelta(seconds=1))
    assert replay_one.replay(later) is Replayed.KNOWN
    assert Decision.objects.get().pk == delivery_of(event).decision_id
    assert WebhookRequest.objects.count() == 2


def test_a_decline_for_the_wrong_mode_leaves_card_and_books_alone() -> None:
    replay_one.replay(answered(asked(Shopper(), 100), None, reason=DeclineReason.WRONG_MODE))
    assert Decision.objects.get().reason == "wrong_mode"
    assert not Card.objects.exists()


# --- COMMIT unknown, and late workers


def kept_delivery(event: samples.Json) -> tuple[Decision, WebhookRequest]:
    """An event decided by the database, with the delivery it came by."""
    deliver(event)
    row = Decision.objects.select_related("webhook_request").get(pk=event["id"])
    return row, row.webhook_request


def unknown(row: Decision, request: WebhookRequest) -> SpoolRecord:
    """What the worker spooled whose COMMIT was never confirmed."""
    delivery = delivery_of(bytes(request.body), request.received_at)
    decided = answered(bytes(request.body), row.approved_amount or None, cause=COMMIT_UNKNOWN)
    return msgspec.structs.replace(
        spool_record(
            delivery,
            COMMIT_UNKNOWN,
            row.answer.encode(),
            decided.decision,
            context=row.context,
        ),
        policies=codec.value(list[PolicyRow], row.policies),
        usage=row.usage,
        answered_at=row.decided_at,
    )


def test_a_commit_that_was_made_after_all_leaves_nothing_to_do() -> None:
    in_force(spending_limits=[LIMIT])
    row, request = kept_delivery(asked(Shopper(), 4_000))
    assert replay_one.replay(unknown(row, request)) is Replayed.KNOWN
    assert (Decision.objects.count(), WebhookRequest.objects.count()) == (1, 1)
    assert LedgerEntry.objects.count() == 1


def test_a_commit_that_was_not_made_is_made_good_and_decides_again_as_ever() -> None:
    in_force(spending_limits=[LIMIT])
    shopper = Shopper()
    shopper.asks(500)
    event = asked(shopper, 4_000)
    with transaction.atomic():
        row, request = kept_delivery(event)
        record = decode(encode(unknown(row, request)))
        transaction.set_rollback(True)
    assert not Decision.objects.filter(pk=event["id"]).exists()
    assert replay_one.replay(record) is Replayed.WRITTEN
    again = Decision.objects.get(pk=event["id"])
    assert (again.stand_in, again.usage, again.answer) == ("", row.usage, row.answer)
    assert again.usage
    # The trace travels in the record of a real server; this one had none.
    assert [difference.what for difference in redecide(event["id"])] == ["length of the trace"]


@pytest.mark.parametrize(
    ("recorded", "sent", "counted", "lines"),
    [
        ("approved", None, 0, [("hold", 6_000), ("answered", -6_000)]),
        ("declined", 20_000, 20_000, [("answered", 20_000)]),
        ("approved", 2_000, 2_000, [("hold", 6_000), ("answered", -4_000)]),
    ],
)
def test_where_a_late_worker_committed_another_answer_the_one_that_was_sent_is_booked(
    recorded: str, sent: int | None, counted: int, lines: list[tuple[str, int]]
) -> None:
    in_force(spending_limits=[LIMIT])
    event = asked(Shopper(), 6_000 if recorded == "approved" else 20_000, "evt_it")
    _, request = kept_delivery(event)
    record = answered(event, sent, cause="deadline_missed", received_at=request.received_at)
    done = [replay_one.replay(record) for _ in range(2)]
    assert done == [Replayed.CORRECTED, Replayed.KNOWN]
    corrected = Decision.objects.get(pk="evt_it/answered")
    assert (corrected.supersedes, corrected.stand_in) == ("evt_it", "deadline_missed")
    assert corrected.answer == record.answer
    assert Decision.objects.get(pk="evt_it").approved == (recorded == "approved")
    authorization_id = event["data"]["object"]["id"]
    assert lines_of(authorization_id) == lines
    assert counts_of(authorization_id)[0] == counted
    assert_exact()


def test_a_correction_moves_nothing_once_stripe_has_told_how_it_ended() -> None:
    in_force(spending_limits=[LIMIT])
    shopper = Shopper()
    purchase = shopper.purchase(6_000)
    event = shopper.event(purchase, "evt_it")
    _, request = kept_delivery(event)
    card = event["data"]["object"]["card"]
    declined = Life(purchase, card).answered(approved=False, reason="webhook_declined", at=NOON + 1)
    deliver(declined)
    assert findings_of(purchase.authorization_id) == [("overruled", 6_000)]
    replay_one.replay(answered(event, None, received_at=request.received_at))
    assert lines_of(purchase.authorization_id) == [("hold", 6_000), ("not_approved", -6_000)]
    assert findings_of(purchase.authorization_id) == []
    assert Decision.objects.filter(pk="evt_it/answered").exists()


@pytest.mark.parametrize("seconds", [-2, 2])
@pytest.mark.parametrize("sent", [None, 4_000])
def test_of_two_deliveries_answered_otherwise_both_are_on_record_and_the_approval_counts(
    sent: int | None, seconds: int
) -> None:
    """Nobody knows which of the two answers arrived, whichever was first."""
    in_force(spending_limits=[{**LIMIT, "amount": 4_000 if sent is None else 1}])
    event = asked(Shopper(), 4_000, "evt_it")
    _, request = kept_delivery(event)
    other = request.received_at + timedelta(seconds=seconds)
    record = answered(event, sent, received_at=other)
    done = [replay_one.replay(record) for _ in range(2)]
    assert done == [Replayed.WRITTEN, Replayed.KNOWN]
    assert counts_of(event["data"]["object"]["id"])[0] == 4_000
    bodies = WebhookRequest.objects.order_by("pk").values_list("answer_body", flat=True)
    assert list(bodies)[1:] == [record.answer]
    beside = Decision.objects.get(pk="evt_it/answered")
    assert (beside.answer, beside.supersedes) == (record.answer, "")
    assert beside.problem == "A different answer to this event was sent as well: evt_it."
    first = request.answer_body if seconds > 0 else record.answer
    assert deliver(event).content.decode() == first
    assert_exact()


def test_of_two_answers_spooled_for_one_event_each_is_on_record() -> None:
    in_force(spending_limits=[LIMIT])
    event = asked(Shopper(), 4_000, "evt_it")
    second = EARLIER + timedelta(seconds=1)
    records = [answered(event, None), answered(event, 4_000, received_at=second)]
    for record in records * 2:
        replay_one.replay(record)
    assert set(Decision.objects.values_list("pk", "approved")) == {
        ("evt_it", False),
        ("evt_it/answered", True),
    }
    assert counts_of(event["data"]["object"]["id"]) == (4_000, 0, 1)


@pytest.mark.parametrize("amounts", [(1, 4_000), (4_000, 1)])
def test_one_event_approved_about_several_amounts_counts_the_largest(
    amounts: tuple[int, int],
) -> None:
    in_force(spending_limits=[LIMIT])
    events = [
        asked(Shopper(), Shopper().purchase(a, authorization_id="iauth_it"), "evt_it")
        for a in amounts
    ]
    for second, event in enumerate(events):
        at = EARLIER + timedelta(seconds=second)
        replay_one.replay(answered(event, amounts[second], received_at=at))
    assert counts_of("iauth_it") == (4_000, 0, 1)
    assert_exact()


def test_an_answer_repeated_from_the_record_is_kept_as_a_delivery_alone() -> None:
    in_force()
    event = asked(Shopper(), 4_000)
    row, request = kept_delivery(event)
    again = delivery_of(event, request.received_at + timedelta(seconds=1))
    record = spool_record(again, COMMIT_UNKNOWN, row.answer.encode(), None)
    for _ in range(2):
        assert replay_one.replay(record) is Replayed.KNOWN
    assert (Decision.objects.count(), WebhookRequest.objects.count()) == (1, 2)


# --- whole spools


def test_records_of_several_files_come_in_the_order_of_answering(directory: Path) -> None:
    in_force()
    times = [EARLIER + timedelta(seconds=second) for second in range(6)]
    records = [
        answered(asked(Shopper(), 100, f"evt_{number}"), 100, received_at=at)
        for number, at in enumerate(times)
    ]
    leave(directory, *records[::2])
    leave(directory, *records[1::2])
    assert [step.replayed for step in all_of(directory)] == [Replayed.WRITTEN] * 6
    written = Decision.objects.order_by("webhook_request_id").values_list("pk", flat=True)
    assert list(written) == [f"evt_{number}" for number in range(6)]
    assert spool_reader.waiting(directory) == []


def test_a_database_that_fails_in_between_stops_it_and_loses_and_doubles_nothing(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_force()
    leave(directory, *[answered(asked(Shopper(), 100), 100) for _ in range(4)])
    write, calls = rows_written.write, iter(range(100))

    def failing(*args: Any) -> Plan[None]:
        if next(calls) == 2:
            raise OperationalError("gone")
        yield from write(*args)

    monkeypatch.setattr(rows_written, "write", failing)
    with pytest.raises(OperationalError):
        all_of(directory)
    assert Decision.objects.count() == 2
    assert replay.run_for(60) == 2
    assert Decision.objects.count() == LedgerEntry.objects.count() == 4
    assert spool_reader.waiting(directory) == []


def test_some_stops_when_its_time_is_used_and_goes_on_where_it_was(directory: Path) -> None:
    in_force()
    leave(directory, *[answered(asked(Shopper(), 100), 100) for _ in range(3)])
    for done in (1, 2, 3):
        assert replay.run_for(0) == 1
        assert Decision.objects.count() == done
    assert replay.run_for(0) == 0
    assert [path.name for path in directory.iterdir()] == ["replay.lock"]


def test_some_lets_go_of_this_processes_own_file_and_leaves_those_of_others(
    directory: Path,
) -> None:
    in_force()
    other = spool_writer.Spool(directory, timeout_s=60)
    other.append(encode(answered(asked(Shopper(), 100, "evt_other"), 100)))
    own = spool_writer.spool()
    own._timeout_s = 60
    own.append(encode(answered(asked(Shopper(), 100, "evt_own"), 100)))
    assert replay.run_for(60) == 1
    assert list(Decision.objects.values_list("pk", flat=True)) == ["evt_own"]
    assert len(spool_reader.waiting(directory)) == 1


def test_what_a_living_process_has_written_is_brought_in_and_its_file_left_to_it(
    directory: Path,
) -> None:
    in_force()
    writer = spool_writer.Spool(directory, timeout_s=60)
    writer.append(encode(answered(asked(Shopper(), 100), 100)))
    assert [step.replayed for step in all_of(directory)] == [Replayed.WRITTEN]
    writer.append(encode(answered(asked(Shopper(), 100), 100)))
    assert [step.replayed for step in all_of(directory)] == [Replayed.WRITTEN]
    writer.rotate()
    assert all_of(directory) == []
    assert spool_reader.waiting(directory) == []


def test_only_one_replay_runs_on_a_host(directory: Path) -> None:
    in_force()
    leave(directory, answered(asked(Shopper(), 100), 100))
    with spool_reader.replaying(directory) as is_alone:
        assert is_alone
        assert replay.run_for(60) == 0
        with pytest.raises(replay.AnotherReplayError):
            all_of(directory)
    assert replay.run_for(60) == 1


def test_of_a_damaged_file_what_stands_before_is_brought_in_and_the_rest_kept_aside(
    directory: Path,
) -> None:
    in_force()
    path = leave(directory, *[answered(asked(Shopper(), 100), 100) for _ in range(3)])
    first = spool_reader.read(path)
    assert first
    content = bytearray(path.read_bytes())
    content[first.end + 20] ^= 1
    path.write_bytes(content)
    written, damaged = all_of(directory)
    assert written.replayed is Replayed.WRITTEN
    assert "checksum of a record is wrong" in damaged.problem
    [aside] = spool_reader.damaged(directory)
    assert aside.read_bytes() == bytes(content)
    # Put right and moved back, all of it comes in, once.
    content[first.end + 20] ^= 1
    aside.write_bytes(content)
    aside.rename(path)
    done = [step.replayed for step in all_of(directory)]
    assert done == [Replayed.KNOWN, Replayed.WRITTEN, Replayed.WRITTEN]


def test_an_unfinished_record_is_kept_aside_and_is_no_problem(directory: Path) -> None:
    in_force()
    path = leave(directory, *[answered(asked(Shopper(), 100), 100) for _ in range(2)])
    path.write_bytes(path.read_bytes()[:-5])
    written, unfinished = all_of(directory)
    assert (written.replayed, unfinished.problem) == (Replayed.WRITTEN, "")
    assert "never sent" in unfinished.note
    assert spool_reader.damaged(directory) == []
    assert len(list((directory / "damaged").glob("*.unfinished"))) == 1


def test_a_record_that_cannot_be_brought_in_is_kept_aside_while_the_others_are(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_force()
    record = answered(asked(Shopper(), 100, "evt_good"), 100)
    newer = msgspec.structs.replace(record, version=2)
    # An approval of what can't be read: the database refuses it.
    broken = asked(Shopper(), 100, "evt_broken")
    broken["data"]["object"]["pending_request"] = None
    leave(directory, newer, answered(broken, 100), record)
    steps = all_of(directory)
    assert [step.replayed for step in steps if step.replayed] == [Replayed.WRITTEN]
    newer_told, broken_told = [step.problem for step in steps if step.problem]
    assert "a newer version of this program wrote it (form 2)" in newer_told
    assert "decision_is_complete" in broken_told
    assert len(spool_reader.damaged(directory)) == 2
    assert spool_reader.waiting(directory) == []
    # What lies aside can be moved back as it is.
    for aside in spool_reader.damaged(directory):
        aside.rename(directory / aside.name)
    monkeypatch.setattr("authorizations.services.stand_in.spool_record.VERSION", 2)
    again = all_of(directory)
    assert [step.replayed for step in again if step.replayed] == [Replayed.KNOWN]
    assert len([step for step in again if step.problem]) == 1


def test_a_record_comes_back_as_it_was_written() -> None:
    in_force(spending_limits=[LIMIT])
    row, request = kept_delivery(asked(Shopper(), 4_000))
    record = unknown(row, request)
    assert decode(encode(record)) == record
    for payload in (b"{}", b"[]", b"\xff", encode(record)[:-1]):
        with pytest.raises(UnreadableRecordError):
            decode(payload)


@pytest.mark.parametrize("seed", range(3))
def test_any_order_of_replay_and_of_stripes_own_events_gives_the_same_books(seed: int) -> None:
    chance = Random(seed)
    in_force(spending_limits=[LIMIT])
    shopper = Shopper()
    purchase = shopper.purchase(3_000)
    event = shopper.event(purchase)
    life = Life(purchase, event["data"]["object"]["card"])
    told = life.answered(approved=True, reason="webhook_approved", at=NOON + 1)
    capture = life.capture(3_000, at=NOON + 100)
    steps: list[Callable[[], object]] = [
        lambda: replay_one.replay(answered(event, 3_000)),
        lambda: deliver(told),
        lambda: [deliver(each) for each in capture],
    ]
    steps *= 2
    chance.shuffle(steps)
    for step in steps:
        step()
    assert counts_of(purchase.authorization_id) == (3_000, 0, 1)
    assert findings_of(purchase.authorization_id) == []
    books = json.dumps(Authorization.objects.get(pk=purchase.authorization_id).books)
    assert f'"event_id": "{event["id"]}"' in books
    assert_exact()


def test_the_times_of_entries_are_those_at_which_the_room_was_taken() -> None:
    in_force()
    before = datetime.now(UTC)
    replay_one.replay(answered(asked(Shopper(), 100), 100))
    assert LedgerEntry.objects.get().entered_at >= before
