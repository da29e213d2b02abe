"""Every ending of a life, told to a server that approves, declines, or says nothing sensible."""

import json
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any, TypeAlias

import pytest

from simulator.cast import CAST
from simulator.lives import DECLINED, ENDINGS, Step, life
from simulator.mix import USUAL
from simulator.scene import DAY, Clock
from tests.support.builders import CREATED
from tests.wire.stripes_schema import faults

Server: TypeAlias = Callable[[dict[str, Any]], bytes | None]


def approves(_: dict[str, Any]) -> bytes:
    return b'{"approved": true}'


def declines(_: dict[str, Any]) -> bytes:
    return b'{"approved": false, "metadata": {"reason": "country_not_allowed"}}'


def babbles(_: dict[str, Any]) -> bytes:
    return b"<html>502</html>"


def is_down(_: dict[str, Any]) -> None:
    return None


def played(
    ending: str, server: Server, place: int = 0, longest: int | None = None
) -> tuple[str, list[dict[str, Any]]]:
    """How a life ended, and its events."""
    clock = Clock(CREATED, longest_pause_seconds=longest)
    steps = life(Random(f"{ending}/{place}"), {ending: 1}, CAST, clock)
    events: list[dict[str, Any]] = []
    reply = None
    while True:
        try:
            step = steps.send(reply)
        except StopIteration as over:
            return over.value, events
        events.append(json.loads(step.body))
        assert events[-1]["type"] == step.kind
        reply = server(events[-1]) if step.kind.endswith(".request") else None


def last_authorization(events: list[dict[str, Any]]) -> dict[str, Any]:
    found: list[dict[str, Any]] = [event["data"]["object"] for event in events]
    return [one for one in found if one["object"] == "issuing.authorization"][-1]


def transactions(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = [event["data"]["object"] for event in events]
    return [one for one in found if one["object"] == "issuing.transaction"]


@pytest.mark.parametrize("server", [approves, declines, babbles, is_down])
@pytest.mark.parametrize("ending", ENDINGS)
def test_whatever_the_server_says_every_event_fits_stripes_schema_and_time_goes_forward(
    ending: str, server: Server
) -> None:
    for place in range(10):
        _, events = played(ending, server, place)
        assert faults(events) == []
        times = [event["created"] for event in events]
        assert times == sorted(times)
        assert len({event["id"] for event in events}) == len(events)


def test_some_lives_list_balance_transactions_and_others_none() -> None:
    ended = [last_authorization(played("capture", approves, place)[1]) for place in range(30)]
    assert {bool(found["balance_transactions"]) for found in ended} == {True, False}


# The status of the authorization in its last event, and its transactions, once approved.
ENDS: dict[str, tuple[str, list[str]]] = {
    "capture": ("closed", ["capture"]),
    "partial_capture": ("closed", ["capture"]),
    "tip": ("closed", ["capture"]),
    "increments": ("closed", ["capture"]),
    "partial_reversal": ("closed", ["capture"]),
    "void": ("reversed", []),
    "lowered": ("closed", ["capture"]),
    "expiry": ("expired", []),
    "late_capture": ("closed", ["capture"]),
    "refund": ("closed", ["capture", "refund"]),
    "fuel": ("closed", ["capture"]),
    "cash": ("closed", ["capture"]),
    "verification": ("pending", []),
    "declined_capture": ("closed", ["capture"]),
    "stripe_decline": ("closed", []),
    "card_active": ("closed", ["capture"]),
    "network_fallback": ("closed", []),
}


@pytest.mark.parametrize("ending", ENDS)
def test_an_approved_life_ends_as_its_name_says(ending: str) -> None:
    name, events = played(ending, approves)
    found = last_authorization(events)
    status, kinds = ENDS[ending]
    assert (name, found["status"]) == (ending, status)
    assert [one["type"] for one in transactions(events)] == kinds


@pytest.mark.parametrize(
    ("ending", "kind"), [("force_capture", "capture"), ("unlinked_refund", "refund")]
)
def test_some_lives_are_one_transaction_without_authorization(ending: str, kind: str) -> None:
    _, events = played(ending, approves)
    assert [(one["type"], one["authorization"]) for one in transactions(events)] == [(kind, None)]
    assert len(events) == 1


@pytest.mark.parametrize("ending", ["capture", "tip", "increments", "fuel", "void", "verification"])
def test_what_the_server_declines_is_over(ending: str) -> None:
    name, events = played(ending, declines)
    assert name == DECLINED
    assert [event["type"] for event in events] == [
        "issuing_authorization.request",
        "issuing_authorization.created",
    ]
    assert last_authorization(events)["request_history"][0]["reason"] == "webhook_declined"


def test_a_partial_approval_is_what_is_held_and_captured() -> None:
    _, events = played("capture", lambda _: b'{"approved": true, "amount": 7}')
    assert events[1]["data"]["object"]["amount"] == 7
    assert transactions(events)[0]["amount"] == -7


def test_no_usable_answer_is_an_error_of_the_webhook() -> None:
    for server in (babbles, is_down):
        _, events = played("capture", server)
        entry = last_authorization(events)["request_history"][0]
        assert (entry["reason"], entry["approved"]) == ("webhook_error", False)


@pytest.mark.parametrize("ending", ["webhook_timeout", "webhook_error"])
def test_an_answer_that_does_not_count_is_asked_for_all_the_same(ending: str) -> None:
    decided = Counter[bool]()
    for place in range(40):
        _, events = played(ending, approves, place)
        assert events[0]["type"] == "issuing_authorization.request"
        entry = events[1]["data"]["object"]["request_history"][0]
        assert entry["reason"] == ending
        decided[entry["approved"]] += 1
        assert bool(transactions(events)) == entry["approved"]
    assert decided[False] > decided[True] > 0


@pytest.mark.parametrize(("server", "approved"), [(approves, False), (declines, True)])
def test_the_network_does_the_opposite_of_what_we_said(server: Server, approved: bool) -> None:
    _, events = played("network_fallback", server)
    entry = events[1]["data"]["object"]["request_history"][0]
    assert (entry["reason"], entry["approved"]) == ("network_fallback", approved)
    assert bool(transactions(events)) == approved


@pytest.mark.parametrize(
    ("server", "reason"), [(approves, "webhook_timeout"), (declines, "webhook_declined")]
)
def test_a_capture_against_a_decline_follows_a_decline_whatever_we_say(
    server: Server, reason: str
) -> None:
    _, events = played("declined_capture", server)
    entry = last_authorization(events)["request_history"][0]
    assert (entry["reason"], entry["approved"]) == (reason, False)
    assert transactions(events)[0]["amount"] == -entry["amount"]


def test_a_tip_is_more_than_was_approved_and_several_captures_are_not() -> None:
    for place in range(10):
        _, events = played("tip", approves, place)
        assert -transactions(events)[0]["amount"] > events[1]["data"]["object"]["amount"]
        _, events = played("several_captures", approves, place)
        taken = -sum(one["amount"] for one in transactions(events))
        assert len(transactions(events)) >= 2
        assert taken == events[1]["data"]["object"]["amount"]


def test_a_pump_asks_for_one_and_holds_what_was_pumped() -> None:
    _, events = played("fuel", approves)
    asked = events[0]["data"]["object"]
    assert asked["merchant_data"]["category_code"] == "5542"
    assert asked["pending_request"]["merchant_amount"] == 100
    assert -transactions(events)[0]["amount"] > 1_000


def test_a_pump_that_was_told_how_far_it_may_go_goes_no_further() -> None:
    _, events = played("fuel", lambda _: b'{"approved": true, "amount": 2000}')
    assert transactions(events)[0]["amount"] == -2_000


def test_a_hotel_asks_again_with_what_was_approved_before() -> None:
    _, events = played("increments", approves)
    asked = [event for event in events if event["type"].endswith(".request")]
    histories = [len(event["data"]["object"]["request_history"]) for event in asked]
    assert histories == list(range(len(asked)))
    assert len(asked) > 1
    held = last_authorization(events)["request_history"]
    assert -transactions(events)[0]["amount"] == sum(entry["amount"] for entry in held)


def test_the_same_seed_lives_the_same_again() -> None:
    assert played("refund", approves, 3) == played("refund", approves, 3)
    assert played("refund", approves, 3) != played("refund", approves, 4)


def test_time_can_be_shortened_and_still_goes_forward() -> None:
    _, long = played("late_capture", approves)
    _, short = played("late_capture", approves, longest=1)
    assert long[-1]["created"] - long[0]["created"] > 7 * DAY
    assert 0 < short[-1]["created"] - short[0]["created"] < 10


def test_the_usual_mix_has_every_ending_and_mostly_captures() -> None:
    assert set(USUAL) == set(ENDINGS)
    drawn = Counter[str]()
    for place in range(400):
        steps = life(Random(place), USUAL, CAST, Clock(CREATED))
        reply = None
        try:
            while True:
                step: Step = steps.send(reply)
                reply = b'{"approved": true}' if step.kind.endswith(".request") else None
        except StopIteration as over:
            drawn[over.value] += 1
    assert drawn.most_common(1)[0][0] == "capture"
    assert len(drawn) >= 18
