"""Answers without the database: any use of it would fail these tests."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from authorizations.rules.decision.stand_in import Refusal, StandInCause
from authorizations.rules.decision.values import (
    DeclineReason,
    PurchaseContext,
    Verdict,
    WindowUsage,
)
from authorizations.services.authorize.outcome import Outcome
from authorizations.services.authorize.transaction import CommitUnknownError, Computed
from authorizations.services.host import caps, spool_writer
from authorizations.services.runtime import budget
from authorizations.services.runtime.delivery import Delivery
from authorizations.services.stand_in import answers, durable_answer
from authorizations.services.store.lookup import LockedScopes
from authorizations.wire import events
from tests.support.builders import CREATED, request_event
from tests.support.stand_in import delivery, knows, on_this_host, spooled, stood_in
from tests.support.timeouts import PATIENCE_S

CAUSE = StandInCause.DATABASE_UNREACHABLE
LIMITED: dict[str, Any] = {
    "spending_limits": [{"amount": 50_000, "interval": "monthly"}],
    "stand_in_amount": 5_000,
    "stand_in_cap": 12_000,
}


@pytest.fixture(autouse=True)
def host(tmp_path: Path) -> Iterator[Path]:
    with on_this_host(tmp_path / "spool") as directory:
        yield directory


def answered(cause: StandInCause = CAUSE, **facts: Any) -> dict[str, Any]:
    """The answer to a purchase; `facts` are those of `request_event`."""
    found: dict[str, Any] = json.loads(stood_in(delivery(request_event(**facts)), cause))
    return found


def reason(cause: StandInCause = CAUSE, **facts: Any) -> str:
    return str(answered(cause, **facts)["metadata"]["reason"])


def refusal(host: Path) -> str | None:
    """What the newest record says stood against it."""
    decision = spooled(host)[-1].decision
    assert decision
    [check] = decision.trace
    return check.found and str(check.found)


# --- what is answered and kept


def test_an_approval_says_stand_in_and_is_kept_with_all_it_rests_on(host: Path) -> None:
    knows(LIMITED, frozen=("ic_other",))
    answer = answered(event_id="evt_a", amount=1_250)
    assert answer == {
        "approved": True,
        "metadata": {"decision": "evt_a", "reason": "approved", "stand_in": CAUSE},
    }
    [kept] = spooled(host)
    assert json.loads(kept.answer) == answer
    assert (kept.cause, kept.sender, kept.signing_key) == (CAUSE, "192.0.2.1", "k3y")
    assert kept.decision
    assert (kept.decision.approved, kept.decision.amount) == (True, 1_250)
    assert [policy.scope for policy in kept.policies] == ["program:"]
    assert (kept.context["card_frozen"], kept.context["hosts"]) == (False, 1)
    [(window, known)] = kept.context["windows"]
    assert window[0] == ["card", "ic_marie"]
    assert (known["used"]["amount"], known["taken"]) == (0, 0)


def test_a_decline_is_kept_with_its_own_reason(host: Path) -> None:
    knows(LIMITED, frozen=("ic_marie",))
    assert reason() == "card_frozen"
    [kept] = spooled(host)
    assert kept.decision
    assert kept.decision.reason is DeclineReason.CARD_FROZEN
    assert kept.context["card_frozen"] is True


def test_what_is_blocked_stays_blocked_whatever_the_caps_have_left(host: Path) -> None:
    knows(LIMITED, blocked=("FR",))
    assert reason() == "blocked"
    [stop] = spooled(host)[-1].context["stops"]
    assert (stop["country"], stop["reason"]) == ("FR", "sanctions")


def test_the_cap_is_used_up_by_one_purchase_after_the_other_and_by_each_event_once() -> None:
    knows(LIMITED)
    amounts = [5_000, 5_000, 2_001, 2_000, 1]
    asked: list[dict[str, Any]] = [
        {"event_id": f"evt_{n}", "amount": amount, "authorization_id": f"iauth_{n}"}
        for n, amount in enumerate(amounts)
    ]
    assert [reason(**facts) for facts in asked] == [
        "approved", "approved", "stand_in", "approved", "stand_in"
    ]  # fmt: skip
    assert reason(**asked[3]) == "approved"
    assert reason(**asked[2]) == "stand_in"


def test_three_cards_of_a_group_share_its_cap_and_what_its_budget_had_left() -> None:
    """A budget of 500.00 a month with a cap of 120.00, of which 80.00 are left."""
    cards = tuple((f"ic_{n}", f"ic_{n}", f"ich_{n}", "7") for n in range(3))
    budget_of_group = LIMITED | {"scope": "group:7"}
    knows(dict(budget_of_group), cards=cards)
    reasons = [reason(card_id=f"ic_{n}", cardholder_id=f"ich_{n}", amount=5_000) for n in range(3)]
    assert reasons == ["approved", "approved", "stand_in"]
    knows(dict(budget_of_group), cards=cards, used=WindowUsage(42_000))
    assert reason(card_id="ic_2", cardholder_id="ich_2", amount=2_000) == "stand_in"


def test_a_cap_lasts_for_the_window_of_the_limit_not_for_an_outage() -> None:
    knows(LIMITED)
    assert [reason(amount=5_000), reason(amount=5_000)] == ["approved"] * 2
    knows(LIMITED, age_s=-7_200)  # the database was there for hours
    assert reason(amount=2_001) == "stand_in"
    in_december = CREATED + 30 * 86_400
    assert reason(amount=2_001, created=in_december) == "stand_in"  # not heard of
    knows(LIMITED, around=in_december)
    assert reason(amount=5_000, created=in_december) == "approved"


def test_nothing_is_approved_beyond_what_was_left_when_last_heard_of() -> None:
    knows(LIMITED, used=WindowUsage(46_000))
    assert [reason(amount=2_500), reason(amount=1_501)] == ["approved", "stand_in"]
    assert reason(amount=1_500) == "approved"


def test_a_replaced_card_shares_the_cap_of_its_chain() -> None:
    cards = (("ic_marie", "ic_marie", "ich_marie", ""), ("ic_new", "ic_marie", "ich_marie", ""))
    knows(LIMITED, cards=cards)
    assert [reason(amount=5_000), reason(amount=5_000)] == ["approved"] * 2
    assert reason(card_id="ic_new", amount=2_001) == "stand_in"


def test_many_at_once_never_get_more_than_the_cap_and_all_of_it(host: Path) -> None:
    knows(LIMITED)
    threads = [threading.Thread(target=answered, kwargs={"amount": 1_500}) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    decisions = [kept.decision for kept in spooled(host) if kept.decision]
    assert sum(decision.amount for decision in decisions) == 12_000


def test_hosts_share_a_cap() -> None:
    knows(LIMITED)
    with override_settings(STAND_IN_HOSTS=3):
        assert [reason(amount=4_000), reason(amount=1)] == ["approved", "stand_in"]


# --- what must not be rested on


def test_without_a_copy_everything_is_declined(host: Path) -> None:
    assert reason() == "stand_in"
    assert refusal(host) == Refusal.NOTHING_KNOWN


def test_an_unknown_card_is_declined_whatever_the_policies_of_the_program_say(host: Path) -> None:
    knows({}, cards=())
    assert reason() == "stand_in"
    assert refusal(host) == Refusal.UNKNOWN_CARD


def test_what_only_forbids_opens_nothing_in_stand_in_either(host: Path) -> None:
    forbidding = {"unlimited": False, "blocked_merchants": ["ACME FRAUD"]}
    knows(forbidding)
    assert reason() == "no_policy"
    assert reason(amount=0) == "no_policy"
    knows(forbidding, {"unlimited": True})
    assert reason() == "approved"


def test_a_copy_that_is_too_old_is_not_rested_on(host: Path) -> None:
    knows({}, age_s=3_000)
    assert reason() == "approved"
    knows({}, age_s=3_601)
    assert reason() == "stand_in"
    assert refusal(host) == Refusal.COPY_TOO_OLD


@pytest.mark.parametrize(
    ("setting", "causes"),
    [
        ("STAND_IN_ON_DATABASE_UNREACHABLE", {"database_unreachable"}),
        ("STAND_IN_ON_OVERLOADED", {"overloaded"}),
        ("STAND_IN_ON_DEADLINE_MISSED", {"deadline_missed", "row_locked"}),
        ("STAND_IN_ON_INTERNAL_ERROR", {"internal_error"}),
    ],
)
def test_each_cause_can_be_switched_off_and_then_declines_everything(
    host: Path, setting: str, causes: set[str]
) -> None:
    knows({})
    with override_settings(**{"STAND_IN_ON_OVERLOADED": True, setting: False}):
        declined = {cause for cause in StandInCause if reason(cause) == "stand_in"}
    assert declined == causes


def test_overload_is_declined_unless_it_may_be_approved_and_opens_no_cap_even_then(
    host: Path,
) -> None:
    knows(LIMITED)
    assert reason(StandInCause.OVERLOADED, amount=0) == "stand_in"
    assert refusal(host) == Refusal.CAUSE_SWITCHED_OFF
    with override_settings(STAND_IN_ON_OVERLOADED=True):
        assert reason(StandInCause.OVERLOADED, amount=0) == "approved"
        assert reason(StandInCause.OVERLOADED, amount=100) == "stand_in"
    assert refusal(host) == Refusal.OVERLOAD_OPENS_NO_CAP


def test_a_cap_that_cannot_be_looked_up_declines_what_needs_it_and_nothing_else(
    host: Path,
) -> None:
    knows(LIMITED)
    (host / caps.FILE).write_bytes(b"not a database at all" * 100)
    assert reason() == "stand_in"
    assert refusal(host) == Refusal.CAP_UNKNOWN
    assert reason(amount=0) == "approved"


# --- when the disk fails


def failing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: bytes, within_s: float) -> None:
        raise spool_writer.SpoolFailedError("The disk is full.")

    monkeypatch.setattr(spool_writer, "append", fail)


def test_nothing_is_approved_that_cannot_be_kept(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    knows({})
    failing(monkeypatch)
    assert reason(event_id="evt_lost") == "internal_error"
    [alarm] = [entry for entry in caplog.records if entry.levelname == "CRITICAL"]
    assert "evt_lost" in alarm.getMessage()


def test_a_decline_keeps_its_reason_where_it_cannot_be_kept_at_once_and_its_record_follows(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    knows({}, frozen=("ic_marie",))
    failing(monkeypatch)
    assert reason() == "card_frozen"
    [followed] = wait_for_records(host, 1)
    assert followed
    assert followed.reason is DeclineReason.CARD_FROZEN


@pytest.fixture
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A disk that keeps everybody waiting until the event is set."""
    quick, released = spool_writer.append, threading.Event()

    def append(payload: bytes, within_s: float) -> None:
        released.wait(30)
        quick(payload)

    monkeypatch.setattr(spool_writer, "append", append)
    monkeypatch.setattr(budget, "STAND_IN_MS", 50)
    yield released
    released.set()
    for thread in threading.enumerate():
        if thread.name == "stand-in":
            thread.join(PATIENCE_S)


def wait_for_records(host: Path, number: int) -> list[Verdict | None]:
    until = time.monotonic() + PATIENCE_S
    while len(spooled(host)) < number and time.monotonic() < until:
        time.sleep(0.01)
    return [kept.decision for kept in spooled(host)]


def test_where_the_disk_takes_too_long_the_answer_is_a_decline_and_its_record_follows(
    host: Path, slow_disk: threading.Event
) -> None:
    knows({})
    assert reason() == "internal_error"
    slow_disk.set()
    late, sent = wait_for_records(host, 2)
    assert late
    assert sent
    assert (late.approved, sent.approved) == (True, False)
    assert sent.reason is DeclineReason.INTERNAL_ERROR


def test_where_the_disk_hangs_no_more_than_so_many_wait_for_it_and_all_are_answered(
    slow_disk: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    knows({})
    monkeypatch.setattr(durable_answer, "_slots", threading.BoundedSemaphore(2))
    assert [reason() for _ in range(4)] == ["internal_error"] * 4
    assert sum(thread.name == "stand-in" for thread in threading.enumerate()) <= 2


@pytest.mark.parametrize(
    ("waited_ms", "left_ms"), [(0, 880), (280, 600), (579, 301), (581, 300), (5_000, 300)]
)
def test_what_a_request_waited_for_a_worker_is_taken_off_the_time_for_its_answer(
    waited_ms: float, left_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "STAND_IN_MS", 880)
    asked = replace(delivery(request_event()), waited_ms=waited_ms)
    assert durable_answer._budget_ms(asked) == left_ms


def test_an_error_of_our_own_ends_in_a_decline_that_is_kept(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(answers, "stand_in", fail)
    assert reason() == "internal_error"
    [kept] = spooled(host)
    assert kept.decision
    assert kept.decision.reason is DeclineReason.INTERNAL_ERROR


# --- answers that no policy was asked for


def test_what_cannot_be_read_is_declined_and_kept_with_the_problem(host: Path) -> None:
    asked = delivery(request_event(event_id="evt_a"))
    body = answers.refused(asked, DeclineReason.MALFORMED_REQUEST, "No card.")
    assert json.loads(body)["metadata"] == {
        "decision": "evt_a",
        "reason": "malformed_request",
        "stand_in": "database_unreachable",
    }
    [kept] = spooled(host)
    assert (kept.problem, kept.answer) == ("No card.", body.decode())


# --- a COMMIT whose reply is lost


def unknown(asked: Delivery, *, approved: bool = True) -> CommitUnknownError:
    request = events.authorization_request(asked.event)
    decision = Verdict(approved=approved, amount=request.amount if approved else 0)
    held = LockedScopes("ic_marie", False, "ich_marie", None)
    outcome = Outcome(request, held, (), PurchaseContext(), {}, decision, None, [])
    return CommitUnknownError(Computed(b'{"approved":true}', outcome))


def test_the_computed_answer_is_sent_and_kept_for_the_replay_to_settle(host: Path) -> None:
    asked = delivery(request_event(amount=1_250))
    assert answers.commit_unknown(unknown(asked), asked) == b'{"approved":true}'
    [kept] = spooled(host)
    assert (kept.cause, kept.stand_in) == ("commit_unknown", "")
    assert kept.decision
    assert (kept.decision.approved, kept.decision.amount) == (True, 1_250)
    assert kept.context["card_frozen"] is False


def test_a_computed_approval_that_cannot_be_kept_is_not_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failing(monkeypatch)
    asked = delivery(request_event())
    assert json.loads(answers.commit_unknown(unknown(asked), asked))["approved"] is False


def test_a_recorded_answer_is_sent_again_whatever_becomes_of_the_record_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failing(monkeypatch)
    again = CommitUnknownError(Computed(b'{"approved":true}', None))
    assert answers.commit_unknown(again, delivery(request_event())) == b'{"approved":true}'
