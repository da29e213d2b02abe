"""Every decision's figures are the ledger's as of then, whatever happened before and after."""

import gc
from typing import Any

import pytest

from authorizations.models import (
    Card,
    Cardholder,
    Decision,
    LedgerEntry,
    WebhookRequest,
)
from authorizations.services.verify import decision_stream, decisions, windows_as_of
from authorizations.services.verify.books import verify_books
from tests.support.damage import damage, remove
from tests.support.desk import NOON, Shopper, in_force
from tests.support.lifecycle import Told
from tests.support.verification import differences, differences_piecemeal

pytestmark = pytest.mark.django_db

HOUR = {"amount": 9_000, "interval": "rolling", "hours": 1}
LIMITS = [
    {"amount": 20_000, "interval": "daily"},
    {"count": 50, "interval": "weekly"},
    {"amount": 15_000, "interval": "monthly", "cash_only": True},
    HOUR,
]


@pytest.fixture(scope="module", autouse=True)
def _lives(one_transaction: None) -> None:
    """Purchases of two days that go on while others are decided."""
    in_force("All", spending_limits=LIMITS, partial_approval=True)
    for place in range(3):
        shopper = Shopper(at=NOON + 1_800 * place)
        bought = Told(2_000, shopper)
        bought.buys()
        cash = Told(3_000, shopper, cashback=1_000)
        cash.buys()
        bought.captures(1_500)
        bought.refunds(300)
        cash.voids()
        cash.buys(500)  # what it tells of itself was not heard before
    # Out of the order of time, and a day later.
    Shopper(at=NOON - 600).asks(1_000)
    Shopper(at=NOON + 86_400).asks(1_000)
    Shopper(card_id="ic_2", cardholder_id="ich_2").asks(700)


def checked(what: str) -> int:
    return sum(piece.number for piece in verify_books() if piece.what == what)


def decision(**filters: Any) -> Decision:
    found = Decision.objects.filter(**filters).order_by("webhook_request_id").last()
    assert found
    return found


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    assert {"refunded", "amount"} <= decision(authorization__card="ic_1").usage[0][1].keys()
    assert differences() == []
    assert checked("decisions") == Decision.objects.count() > 10
    assert checked("ledger entries") == LedgerEntry.objects.count() > 15


def test_what_was_forgotten_is_summed_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    assert differences_piecemeal(monkeypatch) == []


def test_what_was_captured_before_anything_was_decided_about_the_card_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(decision_stream, "SIZE", 2)
    shopper = Shopper(card_id="ic_7", cardholder_id="ich_7")
    Told(4_000, shopper).captures(1_500)
    for _ in range(4):
        Shopper().asks(100)
    shopper.asks(100)
    assert decision(authorization__card="ic_7").usage[0][1]["amount"] == 1_500
    assert differences() == []


@pytest.mark.parametrize("limit", LIMITS)
def test_what_was_spent_before_there_was_a_limit_is_counted(
    limit: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decision_stream, "SIZE", 2)
    in_force("Later", spending_limits=[limit | {"merchants": ["a"]}])
    Shopper().asks(200, cashback=100)
    assert differences() == []
    row = decision(authorization__card="ic_1")
    assert len(row.usage) == len(LIMITS) + 1
    assert any(row.usage[-1][1].values())


def test_what_was_read_while_nobody_asked_is_added_before_it_is_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(windows_as_of, "_MAX_WAITING", 2)
    assert differences() == []


@pytest.mark.parametrize("number", [2, 3, 7])
def test_shared_out_the_same_is_found(number: int) -> None:
    found = [
        piece
        for span in decision_stream.spans([place / number for place in range(1, number)])
        for piece in decisions.verify_decisions(span)
    ]
    assert not any(piece.differences for piece in found)
    for what, model in (("decisions", Decision), ("ledger entries", LedgerEntry)):
        assert sum(piece.number for piece in found if piece.what == what) == model.objects.count()


@pytest.mark.parametrize("figure", ["amount", "refunded", "count"])
@pytest.mark.parametrize("place", range(4))
def test_a_usage_figure_that_is_one_off_is_named(place: int, figure: str) -> None:
    row = Decision.objects.filter(authorization__card="ic_1").order_by("webhook_request_id")[4]
    row.usage[place][1][figure] += 1
    damage(row, usage=row.usage)
    [found] = differences()
    assert found.startswith(f"decision {row.pk}: usage of card:ic_1")


def test_an_entry_removed_is_missed_by_the_decisions_after_it_and_by_no_other() -> None:
    entry = LedgerEntry.objects.order_by("pk")[2]
    remove(entry)
    named = {line.split()[1].rstrip(":") for line in differences() if line.startswith("decision")}
    after = Decision.objects.filter(authorization__card="ic_1", position__gt=entry.pk)
    assert named
    assert named <= set(after.values_list("pk", flat=True))


def test_an_approval_beyond_a_limit_is_named_with_the_limit() -> None:
    row = decision(authorization__card="ic_2")
    damage(row, approved_amount=9_001)
    [found] = differences()
    assert found.startswith(f"decision {row.pk}: policy All (program:), ")
    assert found.endswith("is 9001; expected at most 9000")


def test_an_approval_up_to_the_limit_is_right() -> None:
    damage(decision(authorization__card="ic_2"), approved_amount=9_000)
    assert differences() == []


def test_a_part_of_what_was_asked_for_is_measured_by_what_was_approved() -> None:
    shopper = Shopper(card_id="ic_2", cardholder_id="ich_2")
    answer = shopper.asks(12_000, is_amount_controllable=True)
    assert answer["amount"] == 8_300
    assert differences() == []
    damage(decision(is_partial=True), approved_amount=8_301)
    assert "expected at most 9000" in differences()[0]


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("request", {"amount": 5}, "content"),
        ("request", 5, "content"),
        ("context", 5, "content"),
        ("usage", [["card:ic_2"]], "content"),
        ("usage", [], "usage is none"),
        (
            "policies",
            [{"version": 10**9, "number": 1, "scope": "program:", "measured": "card:x"}],
            "number of policy version",
        ),
    ],
)
def test_a_row_that_can_t_be_read_is_named(column: str, value: object, words: str) -> None:
    row = decision(authorization__card="ic_2")
    damage(row, **{column: value})
    [found] = differences()
    assert found.startswith(f"decision {row.pk}: {words}")


def test_a_window_whose_filter_no_limit_has_is_named() -> None:
    row = decision(authorization__card="ic_2")
    row.usage[0][0][3] = "0" * 32
    damage(row, usage=row.usage)
    assert f"decision {row.pk}: filter of card:ic_2" in differences()[0]


def test_decisions_that_asked_no_policy_are_left_out() -> None:
    before = checked("decisions")
    bought = Told(1_000)
    bought.stripe("insufficient_funds", approved=False)
    again = Told(1_000, Shopper(card_id="ic_2", cardholder_id="ich_2"))
    again.purchase = bought.purchase
    conflicting = Shopper(card_id="ic_2", cardholder_id="ich_2")
    assert conflicting.reason(bought.purchase) == "conflicting_event"
    assert checked("decisions") == before
    assert differences() == []


def test_what_a_card_used_before_it_replaced_another_card_is_unverifiable() -> None:
    Shopper(card_id="ic_2", cardholder_id="ich_2").asks(100)
    Shopper(card_id="ic_2", cardholder_id="ich_2", card={"replacement_for": "ic_1"}).asks(100)
    assert Card.objects.get(pk="ic_2").root_id == "ic_1"
    assert differences() == []
    assert sum(piece.unchecked for piece in verify_books()) > 0


def test_what_its_holder_used_is_told_all_the_same() -> None:
    holder = Cardholder.objects.get(pk="ich_2")
    limits = [{"amount": 90_000, "interval": "daily"}]
    in_force("Hers", spending_limits=limits, to={"cardholder": holder})
    shopper = Shopper(card_id="ic_2", cardholder_id="ich_2")
    shopper.asks(100)
    row = decision(authorization__card="ic_2")
    shopper = Shopper(card_id="ic_2", cardholder_id="ich_2", card={"replacement_for": "ic_1"})
    shopper.asks(100)
    place = next(n for n, (window, _) in enumerate(row.usage) if window[0][0] == "cardholder")
    row.usage[place][1]["amount"] += 1
    damage(row, usage=row.usage)
    [found] = differences()
    assert found.startswith(f"decision {row.pk}: usage of cardholder:ich_2")


def test_decisions_that_wrote_in_another_order_than_they_were_decided_in() -> None:
    """One of another card takes its number first and writes last: it is read last, then."""
    for card in (3, 2):
        Shopper(card_id=f"ic_{card}", cardholder_id=f"ich_{card}").asks(100)
    early, late = decision(authorization__card="ic_3"), decision(authorization__card="ic_2")
    swapped = WebhookRequest.objects.latest("pk").pk + 1
    damage(early, webhook_request_id=swapped)
    assert early.position < late.position
    assert differences() == []


def test_where_every_figure_is_wrong_nothing_piles_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decision_stream, "SIZE", 2)
    for _ in range(60):
        Shopper(card_id="ic_9", cardholder_id="ich_9").asks(0)
        Shopper(card_id="ic_9", cardholder_id="ich_9").asks(1)
    for row in Decision.objects.filter(authorization__card="ic_9", amount__gt=0):
        row.usage[0][1]["amount"] += 1_000_000
        damage(row, usage=row.usage)
    alive, wrong = [], 0
    for piece in verify_books():
        if piece.what == "decisions":
            wrong += len(piece.differences)
            alive.append(len(gc.get_objects()))
    assert wrong >= 60
    assert alive[-1] - alive[len(alive) // 2] < 500


def test_a_session_that_drew_its_numbers_later_and_came_first_makes_no_difference() -> None:
    """As when a group's numbers are drawn between another decision's request and its position.

    Then all of the group's entries are read before its first decision.
    """
    shopper = Shopper(card_id="ic_3", cardholder_id="ich_3")
    shopper.asks(700)
    shopper.asks(800)
    Shopper(card_id="ic_4", cardholder_id="ich_4").asks(900)
    of_group = list(Decision.objects.filter(card="ic_3").order_by("webhook_request_id"))
    other = decision(card="ic_4")
    assert other.position > max(row.position for row in of_group)
    numbers = sorted(row.webhook_request_id for row in (*of_group, other))
    for row, number in zip((other, *of_group), numbers, strict=True):
        damage(row, webhook_request_id=number)
    assert [it for it in differences() if "usage of" in it] == []
