"""Whole purchases, as an accountant reads them: what happened, and what the limits saw of it.

Each is told with the ledger's lines (why, and by how much in cents) and what the purchase counts
for in the end: amount, refunds, and whether it is a purchase.
"""

from random import Random

import pytest

from authorizations.models import Authorization, Card, Decision, Finding, Transaction, Usage
from authorizations.services.queries import remaining
from simulator.stripe.sample_lives import force_capture, unlinked_refund
from simulator.stripe.samples import MERCHANTS, SampleMerchant
from tests.support.desk import NOON, Shopper, deliver, in_force
from tests.support.lifecycle import Told, card_of, counts_of, findings_of, lines_of, tomorrow
from tests.support.verification import differences

pytestmark = pytest.mark.django_db

LIMIT = {"amount": 10_000, "interval": "daily"}
RESTAURANT = next(m for m in MERCHANTS if m.mcc == "5812")
CASH_MACHINE = next(m for m in MERCHANTS if m.mcc == "6011")
ABROAD = next(m for m in MERCHANTS if m.currency != "eur" and m.mcc not in ("5542", "6011"))


@pytest.fixture(autouse=True)
def policy() -> None:
    in_force(spending_limits=[LIMIT], partial_approval=True)


def left(at: int = NOON) -> int:
    """What the day's limit of €100.00 has left, as the card's page tells it."""
    [policy] = remaining.of_card(Card.objects.get(pk="ic_1"), at)
    return policy.limits[0].figures.available


def test_approved_then_captured() -> None:
    bought = Told(5_000)
    bought.buys()
    bought.captures(5_000)
    assert bought.lines == [("hold", 5_000)]
    assert bought.counts == (5_000, 0, 1)
    assert left() == 5_000
    row = Authorization.objects.get(pk=bought.id)
    assert (row.status, row.captured_amount, row.is_held) == ("closed", 5_000, False)


def test_captured_in_part_and_closed() -> None:
    bought = Told(5_000)
    bought.buys()
    bought.captures(3_000)
    assert bought.lines == [("hold", 5_000), ("closed", -2_000)]
    assert bought.counts == (3_000, 0, 1)
    assert left() == 7_000


@pytest.mark.parametrize("lowers_amount", [True, False])
def test_captured_several_times(lowers_amount: bool) -> None:
    """Stripe's object may or may not tell less with each: it makes no difference."""
    bought = Told(5_000)
    bought.buys()
    bought.captures(1_500, close=False, lowers_amount=lowers_amount)
    assert bought.counts == (5_000, 0, 1)
    bought.captures(2_500, close=False, lowers_amount=lowers_amount)
    assert bought.counts == (5_000, 0, 1)
    bought.captures(500, lowers_amount=lowers_amount)
    assert bought.lines == [("hold", 5_000), ("closed", -500)]
    assert bought.counts == (4_500, 0, 1)


def test_a_restaurant_captures_a_tip() -> None:
    bought = Told(5_000, merchant=RESTAURANT)
    bought.buys()
    bought.captures(5_900)
    assert bought.lines == [("hold", 5_000), ("capture", 900)]
    assert (bought.counts, left()) == ((5_900, 0, 1), 4_100)
    assert bought.findings == []  # a tip of up to 20 % is usual there


@pytest.mark.parametrize(("merchant", "most"), [(RESTAURANT, 6_000), (MERCHANTS[0], 5_000)])
def test_a_cent_more_than_is_usual_is_a_finding(merchant: SampleMerchant, most: int) -> None:
    for captured, found in ((most, []), (most + 1, [("captured_above_approval", most - 4_999)])):
        bought = Told(5_000, tomorrow(Shopper()) if found else Shopper(), merchant=merchant)
        bought.buys()
        bought.captures(captured)
        assert bought.findings == found


def test_incremented_twice_then_captured() -> None:
    bought = Told(2_000)
    bought.buys()
    bought.buys(1_000)
    bought.buys(500)
    bought.captures(3_500)
    assert bought.lines == [("hold", 2_000), ("increment", 1_000), ("increment", 500)]
    assert bought.counts == (3_500, 0, 1)


def test_an_increment_we_declined_changes_nothing() -> None:
    bought = Told(8_000)
    bought.buys()
    assert bought.buys(2_001)["approved"] is False
    bought.captures(8_000)
    assert bought.lines == [("hold", 8_000)]
    assert bought.findings == []


def test_partly_reversed() -> None:
    bought = Told(5_000)
    bought.buys()
    bought.lowers_by(1_200)
    assert bought.lines == [("hold", 5_000), ("lowered", -1_200)]
    assert (bought.counts, left()) == ((3_800, 0, 1), 6_200)


def test_voided() -> None:
    """The room is back, but it was a purchase."""
    bought = Told(5_000)
    bought.buys()
    bought.voids()
    assert bought.lines == [("hold", 5_000), ("reversed", -5_000)]
    assert (bought.counts, left()) == ((0, 0, 1), 10_000)


def test_lowered_to_nothing_and_raised_again() -> None:
    bought = Told(5_000)
    bought.buys()
    bought.is_now(0)
    assert bought.counts == (0, 0, 1)
    bought.is_now(4_000)
    assert bought.lines == [("hold", 5_000), ("lowered", -5_000), ("raised", 4_000)]
    assert bought.counts == (4_000, 0, 1)


def test_expired_then_captured_late() -> None:
    bought = Told(5_000)
    bought.buys()
    bought.expires()
    assert (bought.counts, left()) == ((0, 0, 1), 10_000)
    bought.captures(5_000)
    assert bought.lines == [("hold", 5_000), ("expired", -5_000), ("capture", 5_000)]
    assert (bought.counts, left()) == ((5_000, 0, 1), 5_000)
    assert bought.findings == [("captured_late", 5_000)]


def test_declined_by_us_then_captured_all_the_same() -> None:
    bought = Told(12_000, is_amount_controllable=False)
    assert bought.buys()["approved"] is False
    bought.captures(12_000)
    assert bought.lines == [("capture", 12_000)]
    assert (bought.counts, left()) == ((12_000, 0, 1), -2_000)
    assert sorted(bought.findings) == [
        ("captured_above_approval", 12_000),
        ("limit_exceeded", 2_000),
    ]


def test_captured_with_no_authorization() -> None:
    Shopper().asks(0)
    event = force_capture(card_of(Shopper()), amount=4_000, at=NOON + 5, chance=Random(1))
    assert deliver(event).status_code == 200
    key = event["data"]["object"]["id"]
    assert (lines_of(key), counts_of(key)) == ([("capture", 4_000)], (4_000, 0, 1))
    assert findings_of(key) == [("captured_above_approval", 4_000)]
    assert left() == 6_000


def test_a_card_never_seen_is_captured_from() -> None:
    event = force_capture(card_of(Shopper()), amount=4_000, at=NOON + 5, chance=Random(1))
    deliver(event)
    deliver(event)
    assert counts_of(event["data"]["object"]["id"]) == (4_000, 0, 1)
    assert left() == 6_000


def test_a_capture_is_refunded_in_two_parts() -> None:
    bought = Told(5_000)
    bought.buys()
    bought.captures(5_000)
    bought.refunds(1_000)
    bought.refunds(500)
    assert bought.lines == [("hold", 5_000), ("refund", -1_000), ("refund", -500)]
    assert (bought.counts, left()) == ((5_000, 1_500, 1), 6_500)


def test_refunds_give_no_room_back_where_the_policy_says_so() -> None:
    in_force("Strict", spending_limits=[LIMIT], refunds_restore=False)
    bought = Told(5_000)
    bought.buys()
    bought.captures(5_000)
    bought.refunds(5_000)
    rooms = {
        policy.policy.controls.name: policy.limits[0].figures.available
        for policy in remaining.of_card(Card.objects.get(pk="ic_1"), NOON)
    }
    assert rooms == {"Test": 10_000, "Strict": 5_000}


def test_a_refund_in_later_days_goes_back_to_the_purchase_s_own_day() -> None:
    bought = Told(5_000)
    bought.buys()
    bought.captures(5_000)
    bought.at += 40 * 86_400
    bought.refunds(5_000)
    assert (left(), left(NOON + 40 * 86_400)) == (10_000, 10_000)


def test_a_refund_that_names_no_purchase_moves_nothing() -> None:
    Shopper().asks(0)
    event = unlinked_refund(card_of(Shopper()), amount=4_000, at=NOON + 5, chance=Random(1))
    deliver(event)
    key = event["data"]["object"]["id"]
    assert (lines_of(key), counts_of(key), left()) == ([], (0, 0, 0), 10_000)
    assert findings_of(key) == [("unlinked_refund", 4_000)]


def test_a_refund_that_names_no_purchase_is_taken_back_by_an_equal_one() -> None:
    Shopper().asks(0)
    chance = Random(1)
    for place, amount in enumerate((4_000, -4_000)):
        event = unlinked_refund(
            card_of(Shopper()), amount=4_000, at=NOON + 5 + place, chance=chance
        )
        event["data"]["object"]["amount"] = amount
        deliver(event)
    assert (left(), counts_of(event["data"]["object"]["id"])) == (10_000, (0, 0, 0))
    kinds = Finding.objects.order_by("pk").values_list("kind", "amount")
    assert [*kinds] == [("unlinked_refund", 4_000), ("refund_reversed", 4_000)]


def test_money_out_of_a_kind_we_do_not_know() -> None:
    """Older versions of Stripe's API call cash taken at a machine cash_withdrawal."""
    bought = Told(5_000, merchant=CASH_MACHINE)
    bought.buys()
    taken, closed = bought.life.capture(6_000, at=bought.tick())
    taken["data"]["object"]["type"] = "cash_withdrawal"
    closed["data"]["object"]["transactions"][0]["type"] = "cash_withdrawal"
    bought.hears(taken, closed)
    assert bought.lines == [("hold", 5_000), ("capture", 1_000)]
    assert (bought.counts, left()) == ((6_000, 0, 1), 4_000)
    assert sorted(bought.findings) == [
        ("captured_above_approval", 1_000),
        ("unknown_transaction", 6_000),
    ]


def test_cash_with_its_fee() -> None:
    in_force("Cash", spending_limits=[{"amount": 6_000, "interval": "daily", "cash_only": True}])
    bought = Told(5_250, merchant=CASH_MACHINE, atm_fee=250)
    bought.buys()
    bought.captures(5_250)
    row = Authorization.objects.get(pk=bought.id)
    assert (row.counted_amount, row.counted_cash) == (5_250, 5_250)
    assert Shopper().reason(800, merchant=CASH_MACHINE) == "amount_limit_exceeded"
    assert Shopper().reason(700, merchant=CASH_MACHINE) == "approved"


def test_cash_back_with_a_part_approved() -> None:
    """The limit leaves €100.00: the goods are cut, the cash is not."""
    bought = Told(12_000, cashback=2_000, is_amount_controllable=True)
    assert bought.buys()["amount"] == 10_000
    bought.captures(10_000)
    assert bought.lines == [("hold", 10_000)]
    row = Authorization.objects.get(pk=bought.id)
    assert (row.counted_amount, row.counted_cash) == (10_000, 2_000)
    assert bought.findings == []


def test_another_currency_is_captured_at_another_rate() -> None:
    """What was charged abroad is what was approved: nobody is to blame for the rate."""
    bought = Told(5_000, merchant=ABROAD, merchant_amount=6_000, merchant_currency=ABROAD.currency)
    bought.buys()
    bought.captures(5_140, merchant_amount=6_000)
    assert bought.counts == (5_140, 0, 1)
    assert bought.findings == []


def test_more_is_captured_abroad_than_was_approved() -> None:
    bought = Told(5_000, merchant=ABROAD, merchant_amount=6_000, merchant_currency=ABROAD.currency)
    bought.buys()
    bought.captures(5_000, merchant_amount=9_000)  # though the rate hides it
    assert bought.findings == [("captured_above_approval", 1_666)]


def test_a_verification_of_amount_0() -> None:
    bought = Told(0)
    bought.buys()
    bought.voids()
    assert (bought.lines, bought.counts, bought.findings) == ([], (0, 0, 0), [])


def test_stripe_declined_before_asking_us() -> None:
    bought = Told(5_000)
    bought.stripe("insufficient_funds", approved=False)
    assert (bought.lines, bought.counts, bought.findings) == ([], (0, 0, 0), [])
    row = Decision.objects.get(authorization=bought.id)
    assert (row.decided_by, row.approved, row.reason, row.amount, row.merchant_name) == (
        "stripe",
        False,
        "stripe:insufficient_funds",
        5_000,
        bought.purchase.merchant.name,
    )


@pytest.mark.parametrize("reason", ["card_active", "network_fallback"])
def test_stripe_approved_without_asking_us(reason: str) -> None:
    bought = Told(5_000)
    bought.stripe(reason, approved=True)
    assert bought.lines == [("approved_by_stripe", 5_000)]
    assert (bought.counts, left()) == ((5_000, 0, 1), 5_000)
    assert bought.findings == [("never_asked", 5_000)]


@pytest.mark.parametrize(
    ("reason", "kind"),
    [("webhook_timeout", "answered_too_late"), ("webhook_error", "answer_not_understood")],
)
def test_our_approval_did_not_count_and_gives_its_room_back(reason: str, kind: str) -> None:
    bought = Told(5_000)
    assert bought.asks()["approved"] is True
    bought.stripe(reason, approved=False, reason_message="No Stripe-Version header.")
    assert bought.lines == [("hold", 5_000), ("not_approved", -5_000)]
    assert (bought.counts, left()) == ((0, 0, 0), 10_000)
    assert bought.findings == [(kind, 5_000)]
    assert "No Stripe-Version header." in Finding.objects.get().description


def test_our_decline_did_not_count_and_stripe_s_approval_takes_room() -> None:
    bought = Told(12_000)
    assert bought.asks()["approved"] is False
    bought.stripe("webhook_timeout", approved=True)
    assert bought.lines == [("approved_by_stripe", 12_000)]
    assert left() == -2_000
    assert bought.findings == [("answered_too_late", 12_000), ("limit_exceeded", 2_000)]


def test_the_network_overruled_our_decline() -> None:
    bought = Told(12_000)
    assert bought.asks()["approved"] is False
    bought.stripe("network_fallback", approved=True)
    assert bought.findings == [("approved_against_us", 12_000), ("limit_exceeded", 2_000)]


def test_stripe_overruled_our_approval() -> None:
    bought = Told(5_000)
    bought.asks()
    bought.stripe("suspected_fraud", approved=False)
    assert bought.lines == [("hold", 5_000), ("not_approved", -5_000)]
    assert bought.findings == [("overruled", 5_000)]


def test_an_approval_by_a_webhook_that_left_no_record() -> None:
    bought = Told(5_000)
    bought.stripe("webhook_approved", approved=True)
    assert bought.findings == [("not_recorded", 5_000)]


def test_limits_follow_the_card_that_replaces_another() -> None:
    bought = Told(6_000)
    bought.buys()
    replacement = Shopper(card_id="ic_2", card={"replacement_for": "ic_1"})
    second = Told(3_000, replacement)
    second.buys()
    second.captures(4_500)
    bought.captures(6_000)
    assert left() == -500
    assert second.findings == [("captured_above_approval", 1_500), ("limit_exceeded", 500)]


# --- a hold that changes before it is captured, and stays open after that


@pytest.mark.parametrize("balances", [True, False])
@pytest.mark.parametrize("lowers_amount", [True, False])
class TestAHoldThatChanges:
    """By balance transactions or without them; a capture may lower Stripe's amount or not."""

    def test_lowered_and_captured_in_part(self, balances: bool, lowers_amount: bool) -> None:
        """€100.00 approved, lowered to €60.00; €40.00 of that captured: €60.00 counts."""
        bought = Told(10_000, balances=balances)
        bought.buys()
        bought.is_now(6_000)
        bought.captures(4_000, close=False, lowers_amount=lowers_amount)
        assert bought.lines == [("hold", 10_000), ("lowered", -4_000)]
        assert (bought.counts, left()) == ((6_000, 0, 1), 4_000)
        bought.captures(2_000, lowers_amount=lowers_amount)
        assert (bought.counts, left()) == ((6_000, 0, 1), 4_000)

    def test_a_hotel_bill_raised_twice_then_lowered(
        self, balances: bool, lowers_amount: bool
    ) -> None:
        """€50.00, €20.00 and €10.00 approved, lowered to €64.00 and captured: €64.00 counts."""
        bought = Told(5_000, balances=balances)
        for amount in (5_000, 2_000, 1_000):
            bought.buys(amount)
        bought.is_now(6_400)
        bought.captures(6_400, close=False, lowers_amount=lowers_amount)
        assert (bought.counts, left()) == ((6_400, 0, 1), 3_600)

    def test_undone_and_held_again(self, balances: bool, lowers_amount: bool) -> None:
        """€50.00 undone, €25.00 held again and captured: €25.00 counts."""
        bought = Told(5_000, balances=balances)
        bought.buys()
        bought.is_now(0)
        bought.is_now(2_500)
        bought.captures(2_500, close=False, lowers_amount=lowers_amount)
        assert (bought.counts, left()) == ((2_500, 0, 1), 7_500)

    def test_an_order_sent_in_parcels(self, balances: bool, lowers_amount: bool) -> None:
        """€90.00 lowered to €80.00: so much counts until the last parcel closes it at €75.00."""
        bought = Told(9_000, balances=balances)
        bought.buys()
        bought.is_now(8_000)
        for amount in (3_000, 2_000):
            bought.captures(amount, close=False, lowers_amount=lowers_amount)
            assert (bought.counts, left()) == ((8_000, 0, 1), 2_000)
        bought.captures(2_500, lowers_amount=lowers_amount)
        assert (bought.counts, left()) == ((7_500, 0, 1), 2_500)

    def test_a_part_approved_and_captured(self, balances: bool, lowers_amount: bool) -> None:
        """Of €120.00 the limit leaves €100.00; lowered to €80.00, captured €30.00: €80.00."""
        bought = Told(12_000, is_amount_controllable=True, balances=balances)
        assert bought.buys()["amount"] == 10_000
        bought.is_now(8_000)
        bought.captures(3_000, close=False, lowers_amount=lowers_amount)
        assert (bought.counts, left()) == ((8_000, 0, 1), 2_000)


def test_closed_without_a_history_after_our_approval() -> None:
    """Closed ends all that was asked before it: the €50.00 that we approved are given back."""
    bought = Told(5_000)
    bought.asks()
    closed = bought.life.reverse(at=bought.tick())
    closed["data"]["object"] |= {"status": "closed", "request_history": []}
    bought.hears(closed)
    assert bought.lines == [("hold", 5_000), ("closed", -5_000)]
    assert (bought.counts, left()) == ((0, 0, 1), 10_000)


# --- out of order


def test_money_that_moved_before_its_authorization_was_heard_of_moves_to_it() -> None:
    """The capture comes first: until the purchase is known it stands for itself."""
    bought = Told(5_000)
    asked = bought.life.ask(at=NOON)
    created = bought.life.answered(approved=True, at=NOON + 1)
    captured, closed = bought.life.capture(4_000, at=NOON + 86_400)
    alone = captured["data"]["object"]["id"]
    bought.hears(captured)
    assert (counts_of(alone), left(), left(NOON + 86_400)) == ((4_000, 0, 1), 10_000, 6_000)
    assert findings_of(alone) == [("captured_above_approval", 4_000)]
    bought.hears(closed)
    assert (counts_of(alone), counts_of(bought.id)) == ((0, 0, 0), (4_000, 0, 1))
    assert (left(), left(NOON + 86_400)) == (6_000, 10_000)
    assert (lines_of(alone), bought.lines) == (
        [("capture", 4_000), ("moved", -4_000)],
        [("capture", 4_000)],
    )
    assert findings_of(alone) == []
    assert Transaction.objects.get(pk=alone).booked_under == bought.id
    bought.hears(created)
    deliver(asked)
    assert bought.counts == (4_000, 0, 1)


def test_money_that_moves_changes_the_sums_around_it_and_has_none_of_them_forgotten() -> None:
    """€30.00 bought elsewhere on the second day; then €40.00 counted there move to the first."""
    bought = Told(5_000)
    bought.life.ask(at=NOON)
    bought.life.answered(approved=True, at=NOON + 1)
    captured, closed = bought.life.capture(4_000, at=NOON + 86_400)
    Shopper(at=NOON).asks(0)
    Shopper(at=NOON + 86_400).asks(3_000)
    bought.hears(captured)
    second_day = Usage.objects.get(currency="eur", window_start__gt=NOON)
    assert (second_day.amount, second_day.count) == (7_000, 2)
    bought.hears(closed)
    second_day.refresh_from_db()  # it would not be there
    assert (second_day.amount, second_day.count) == (3_000, 1)
    assert (left(), left(NOON + 86_400)) == (6_000, 7_000)
    assert differences() == []


def test_a_late_answer_of_ours_is_recorded_and_takes_nothing() -> None:
    bought = Told(5_000)
    asked = bought.life.ask(at=NOON)
    bought.hears(bought.life.answered(approved=False, reason="webhook_timeout", at=NOON + 3))
    assert deliver(asked).json()["approved"] is True
    assert (bought.lines, bought.counts) == ([], (0, 0, 0))
    assert bought.findings == [("answered_too_late", 5_000)]
    assert "we had approved €50.00" in Finding.objects.get().description


def test_a_finding_that_later_events_explain_is_settled_by_itself() -> None:
    bought = Told(5_000)
    bought.asks()
    created = bought.life.answered(approved=True, at=NOON + 100)
    captured, closed = bought.life.capture(5_000, at=NOON + 200)
    refund = bought.life.refund(1_000, at=NOON + 300)
    bought.hears(refund)
    assert bought.findings == [("unlinked_refund", 1_000)]
    bought.hears(captured, closed, created)
    assert bought.findings == []
    assert Finding.objects.get().state == Finding.State.GONE
    assert bought.counts == (5_000, 1_000, 1)
