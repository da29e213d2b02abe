"""Every life tells what Stripe would tell: the figures of each event, and all fit its schema."""

from collections.abc import Callable

import pytest

from authorizations.wire.events import authorization_request, read
from simulator.stripe import samples
from simulator.stripe.sample_lives import Life, described
from tests.support.builders import CREATED
from tests.support.lives import approved, card, life, merchant
from tests.wire.lifecycles import LIVES, Line
from tests.wire.stripes_schema import faults

T = CREATED
DAY = 86_400


def told(event: samples.Json) -> Line:
    found = event["data"]["object"]
    return event["type"].rpartition(".")[2], found.get("status") or found["type"], found["amount"]


@pytest.mark.parametrize("story", LIVES, ids=lambda story: story.__name__)
class TestEveryLife:
    def test_its_events_tell_status_and_amount_of_each_step(
        self, story: Callable[[], Life]
    ) -> None:
        assert [told(event) for event in story().events] == LIVES[story]

    def test_its_events_fit_stripes_schema(self, story: Callable[[], Life]) -> None:
        assert faults(story().events) == []

    def test_its_requests_can_be_read(self, story: Callable[[], Life]) -> None:
        for event in story().events:
            if event["type"] == "issuing_authorization.request":
                request = authorization_request(read(samples.to_bytes(event)))
                assert request.snapshot.amount == event["data"]["object"]["amount"]

    def test_the_api_tells_the_authorization_of_the_last_event(
        self, story: Callable[[], Life]
    ) -> None:
        lived = story()
        now = described(lived)
        shown = [
            event["data"]["object"]
            for event in lived.events
            if event["data"]["object"]["object"] == "issuing.authorization"
        ]
        refunds = [found for found in now["transactions"] if found["type"] == "refund"]
        shown[-1]["transactions"] += refunds
        assert now == shown[-1]


def test_no_id_of_an_event_or_transaction_comes_twice_in_a_life() -> None:
    lived = approved()
    for at in (T + 60, T + 90):
        lived.capture(1_000, close=False, at=at)
    ids = [event["id"] for event in lived.events]
    ids += [found["id"] for found in described(lived)["transactions"]]
    assert len(set(ids)) == len(ids)


def test_the_same_life_has_the_same_ids_again() -> None:
    first, second = (approved(authorization_id="iauth_same") for _ in range(2))
    assert first.events == second.events


def test_an_event_told_does_not_change_with_the_life() -> None:
    story = life()
    asked = story.ask(at=T)
    story.answered(approved=True, at=T + 1)
    story.capture(at=T + 2)
    assert asked["data"]["object"]["request_history"] == []
    assert asked["data"]["object"]["pending_request"]["amount"] == 10_000


def test_a_request_says_what_was_asked_before_and_how_it_ended() -> None:
    asked_again = approved().ask(700, at=T + 60)
    request = authorization_request(read(samples.to_bytes(asked_again)))
    assert (request.amount, request.request_index, request.snapshot.amount) == (700, 1, 10_000)
    assert [entry.reason for entry in request.snapshot.history] == ["webhook_approved"]


def test_a_second_attempt_at_a_question_is_another_event_with_the_same_history() -> None:
    story = life()
    first, second = story.ask(at=T), story.ask(at=T + 1)
    assert first["id"] != second["id"]
    assert first["data"] == second["data"]


@pytest.mark.parametrize(
    ("is_approved", "reason", "message"),
    [
        (True, None, None),
        (False, None, None),
        (False, "webhook_timeout", None),
        (True, "webhook_timeout", None),
        (False, "webhook_error", "The response's body is not JSON."),
        (True, "network_fallback", None),
        (False, "spending_controls", None),
    ],
)
def test_the_history_says_who_decided_and_why(
    is_approved: bool, reason: str | None, message: str | None
) -> None:
    story = life()
    story.ask(at=T)
    created = story.answered(approved=is_approved, reason=reason, reason_message=message, at=T + 2)
    entry = created["data"]["object"]["request_history"][0]
    ours = "webhook_approved" if is_approved else "webhook_declined"
    assert (entry["approved"], entry["reason"], entry["reason_message"]) == (
        is_approved,
        reason or ours,
        message,
    )
    assert (entry["amount"], entry["created"]) == (10_000, T + 2)
    assert faults(story.events) == []


def test_before_basil_an_expired_authorization_is_called_reversed() -> None:
    old = life(api_version="2024-06-20")
    old.answered(approved=True, at=T)
    expired = old.expire(at=T + 7 * DAY)
    assert (expired["data"]["object"]["status"], expired["api_version"]) == (
        "reversed",
        "2024-06-20",
    )


def test_an_update_says_what_was_different_before() -> None:
    story = approved()
    lowered = story.set_amount(4_000, at=T + 5)
    assert lowered["data"]["previous_attributes"] == {"amount": 10_000, "merchant_amount": 10_000}
    _, closed = story.capture(at=T + 9)
    assert closed["data"]["previous_attributes"] == {"status": "pending", "transactions": []}


def balances(found: samples.Json) -> list[tuple[str, int]]:
    rows = found["data"]["object"]["balance_transactions"]
    return [(row["type"].rpartition("_")[2], row["amount"]) for row in rows]


def test_balance_transactions_hold_and_release_what_is_open() -> None:
    story = approved(balances=True)
    story.set_amount(6_000, at=T + 60)
    taken, listed = story.capture(4_000, at=T + 90, close=False)
    asked = story.ask(500, at=T + 120)
    story.answered(approved=True, at=T + 121)
    *_, closed = story.capture(1_000, at=T + DAY)
    held = [("hold", -10_000), ("release", 4_000), ("release", 4_000)]
    assert balances(listed) == balances(asked) == held
    assert balances(closed) == [*held, ("hold", -500), ("release", 2_500)]
    assert "balance_transactions" not in taken["data"]["object"]
    assert closed["data"]["previous_attributes"].keys() >= {"balance_transactions", "status"}
    assert faults(story.events) == []


def test_the_merchants_currency_goes_along_at_the_rate_of_the_first_request() -> None:
    story = approved(
        10_000, merchant=merchant("5411"), merchant_amount=16_400, merchant_currency="jpy"
    )
    story.ask(1_000, at=T + 60)
    increased = story.answered(approved=True, at=T + 61)["data"]["object"]
    assert (increased["merchant_amount"], increased["merchant_currency"]) == (18_040, "jpy")
    taken, _ = story.capture(11_200, merchant_amount=18_040, at=T + DAY)
    assert (taken["data"]["object"]["amount"], taken["data"]["object"]["merchant_amount"]) == (
        -11_200,
        -18_040,
    )
    assert faults(story.events) == []


def test_cash_is_told_by_the_request_its_history_the_authorization_and_the_transaction() -> None:
    story = approved(atm_fee=250, merchant=merchant("6011"))
    captured, _ = story.capture(at=T + DAY)
    fee = {"atm_fee": 250, "cashback_amount": None}
    asked, created = (event["data"]["object"] for event in story.events[:2])
    assert asked["pending_request"]["amount_details"] == fee
    assert created["request_history"][0]["amount_details"] == fee
    assert created["amount_details"] == fee
    assert captured["data"]["object"]["amount_details"] == fee


def test_an_increment_asks_for_no_cash_again() -> None:
    story = approved(cashback=2_000)
    asked = story.ask(500, at=T + 60)["data"]["object"]
    assert asked["pending_request"]["amount_details"]["cashback_amount"] is None
    assert asked["amount_details"]["cashback_amount"] == 2_000


def test_a_life_on_connect_names_the_account_in_every_event() -> None:
    story = life(paid_by=card(livemode=True), account="acct_1")
    story.answered(approved=True, at=T)
    story.capture(at=T + 1)
    assert {(event["account"], event["livemode"]) for event in story.events} == {("acct_1", True)}
