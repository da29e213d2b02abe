"""What an authorization's own lists say is held and captured."""

from typing import Any

import pytest

from authorizations.rules.purchases.snapshots import Snapshot
from authorizations.wire import events, reports
from simulator.stripe import samples
from tests.support.builders import CREATED
from tests.support.lives import approved

HOLD, RELEASE = "issuing_authorization_hold", "issuing_authorization_release"


def row(amount: Any, type_: Any = HOLD, currency: Any = "eur") -> dict[str, Any]:
    return {"id": "txn_1", "amount": amount, "currency": currency, "type": type_}


def told(**changes: Any) -> Snapshot:
    """By the request for more and by the report of an approval of 100.00, which say the same."""
    story = approved()
    asked = story.ask(500, at=CREATED + 60)
    reported = story.answered(approved=True, at=CREATED + 61)
    for event in (asked, reported):
        event["data"]["object"] |= {**changes, "request_history": []}
    of_request = events.authorization_request(events.read(samples.to_bytes(asked))).snapshot
    of_report = reports.report(events.read(samples.to_bytes(reported))).snapshot  # type: ignore[union-attr]
    for name in ("held", "captured", "cashback"):
        assert getattr(of_request, name) == getattr(of_report, name)
    return of_request


@pytest.mark.parametrize(
    ("rows", "held"),
    [
        ([row(-10_000)], 10_000),
        ([row(-10_000), row(4_000, RELEASE)], 6_000),
        ([row(-10_000), row(10_000, RELEASE), row(-2_500)], 2_500),
        ([row(-10_000), row(10_000, RELEASE)], 0),
        ([row(-10_000), row(12_000, RELEASE)], 0),
        ([row(-10_000, currency="EUR")], 10_000),
        # These tell nothing, so that the amount does.
        ([], None),
        (None, None),
        ([row(-10_000, currency="usd")], None),
        ([row(-10_000), row(-4_000, "issuing_transaction")], None),
        ([row(-10_000), row(4_000, "a_type_of_next_year")], None),
        ([row(-(2**53) + 1), row(-(2**53) + 1)], None),
        (["txn_1"], None),
        ([row("10000")], None),
        ([row(-10_000, type_=None)], None),
        ([{}], None),
        ({"data": []}, None),
        ("none", None),
    ],
)
def test_balance_transactions_tell_what_is_held_where_all_are_holds_and_releases(
    rows: Any, held: int | None
) -> None:
    assert told(balance_transactions=rows).held == held


def moved(amount: int, type_: str) -> dict[str, Any]:
    return {"id": f"ipi_{type_}", "amount": amount, "type": type_, "created": CREATED + 9}


@pytest.mark.parametrize(
    ("rows", "captured"),
    [
        ([], None),
        ([moved(2_000, "refund")], None),
        ([moved(-4_000, "capture")], 4_000),
        ([moved(-4_000, "capture"), moved(-1_000, "cash_withdrawal")], 5_000),
        ([moved(-4_000, "capture"), moved(2_000, "refund")], 4_000),
        ([moved(1_000, "a_type_of_next_year")], None),
    ],
)
def test_the_captures_that_an_authorization_lists_are_added_up(
    rows: list[dict[str, Any]], captured: int | None
) -> None:
    assert told(transactions=rows).captured == captured


@pytest.mark.parametrize(
    ("details", "cashback"),
    [({"cashback_amount": 2_000, "atm_fee": None}, 2_000), ({}, 0), (None, 0)],
)
def test_the_cash_back_of_the_authorization_as_a_whole_is_told(details: Any, cashback: int) -> None:
    assert told(amount_details=details).cashback == cashback


def test_a_request_tells_the_transactions_that_it_lists() -> None:
    story = approved()
    taken, _ = story.capture(4_000, at=CREATED + 60, close=False)
    asked = events.authorization_request(
        events.read(samples.to_bytes(story.ask(500, at=CREATED + 90)))
    )
    [transaction] = asked.transactions
    assert (transaction.id, transaction.amount) == (taken["data"]["object"]["id"], -4_000)
    assert (transaction.at, transaction.created) == (CREATED + 90, CREATED + 60)
