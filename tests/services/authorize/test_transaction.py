"""Stories of the transaction: what is asked, what is answered, and what is kept of it."""

import json
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection

from authorizations.models import (
    Authorization,
    Card,
    CardGroup,
    Cardholder,
    Decision,
    LedgerEntry,
    Usage,
    WebhookRequest,
)
from authorizations.rules.purchases import books
from authorizations.rules.purchases.books import StateTotals
from authorizations.services.store import statements, sum_statements, write_statements
from tests.support.desk import NOON, Shopper, deliver, in_force, publish_amount
from tests.support.verification import differences, redecided

pytestmark = pytest.mark.django_db

DAY = 86_400


def ledger() -> list[tuple[str, int, int]]:
    return list(LedgerEntry.objects.order_by("pk").values_list("cause", "amount", "count"))


def counted(purchase_id: str) -> tuple[int, int]:
    return Authorization.objects.values_list("counted_amount", "count").get(pk=purchase_id)


def test_a_card_without_a_policy_is_declined_and_the_decline_is_on_record() -> None:
    answer = Shopper().asks(4500, event_id="evt_a")
    assert answer == {"approved": False, "metadata": {"decision": "evt_a", "reason": "no_policy"}}
    row = Decision.objects.get(pk="evt_a")
    assert (row.approved, row.reason, row.amount, row.approved_amount) == (
        False,
        "no_policy",
        4500,
        0,
    )
    assert (
        row.webhook_request.answer_body == row.answer == json.dumps(answer, separators=(",", ":"))
    )
    assert not LedgerEntry.objects.exists()


def test_an_approval_takes_its_room_from_every_limit_until_none_is_left() -> None:
    in_force(spending_limits=[{"amount": 10_000, "interval": "monthly"}])
    shopper = Shopper()
    assert shopper.reason(6_000) == "approved"
    assert shopper.reason(4_001) == "amount_limit_exceeded"
    assert shopper.reason(4_000) == "approved"
    assert shopper.reason(1) == "amount_limit_exceeded"
    assert ledger() == [("hold", 6_000, 1), ("hold", 4_000, 1)]


def test_the_first_request_registers_card_and_cardholder_from_the_event() -> None:
    Shopper().asks(100)
    card = Card.objects.select_related("cardholder").get(pk="ic_1")
    assert (card.last4, card.status, card.root_id) == ("0005", "active", "ic_1")
    assert card.cardholder is not None
    assert card.cardholder.name == "Ada Lovelace"


def test_a_newer_event_updates_the_card_and_a_late_one_revives_nothing() -> None:
    newer = Shopper(at=NOON + 60, name="Ada King", card={"last4": "1111"})
    newer.asks(100)
    Shopper(at=NOON, name="Ada Lovelace", card={"last4": "0005"}).asks(100)
    assert Card.objects.get(pk="ic_1").last4 == "1111"
    assert Cardholder.objects.get(pk="ich_1").name == "Ada King"


def test_a_repeated_event_gets_the_recorded_answer_to_the_byte_and_counts_once() -> None:
    in_force(spending_limits=[{"amount": 10_000, "interval": "daily"}])
    shopper = Shopper()
    event = shopper.event(shopper.purchase(10_000), event_id="evt_again")
    first = deliver(event).content
    again = deliver(event | {"pending_webhooks": 0}).content
    assert first == again
    assert json.loads(first)["approved"] is True
    assert ledger() == [("hold", 10_000, 1)]
    assert WebhookRequest.objects.filter(event_id="evt_again").count() == 2


@pytest.mark.parametrize("change", ["authorization", "card", "amount"])
def test_the_same_event_id_about_something_else_is_declined_and_changes_nothing(
    change: str,
) -> None:
    in_force(spending_limits=[{"amount": 10_000, "interval": "daily"}])
    shopper = Shopper()
    purchase = shopper.purchase(5_000)
    assert shopper.asks(purchase, event_id="evt_same")["approved"] is True
    other = Shopper(card_id="ic_2") if change == "card" else shopper
    purchase = replace(
        purchase,
        amount=1 if change == "amount" else purchase.amount,
        authorization_id="iauth_x" if change == "authorization" else purchase.authorization_id,
    )
    answer = other.asks(purchase, event_id="evt_same")
    assert answer["approved"] is False
    assert answer["metadata"]["reason"] == "conflicting_event"
    assert Decision.objects.get(pk="evt_same").approved is True
    assert ledger() == [("hold", 5_000, 1)]


def test_an_authorization_can_not_change_its_card_currency_or_beginning() -> None:
    in_force()
    shopper = Shopper()
    purchase = shopper.purchase(5_000)
    assert shopper.reason(purchase) == "approved"
    for changed in (replace(purchase, currency="usd"), replace(purchase, created=NOON - 1)):
        assert shopper.reason(changed) == "conflicting_event"
    assert counted(purchase.authorization_id) == (5_000, 1)


def test_an_increment_asks_for_the_difference_and_is_counted_once() -> None:
    in_force(
        spending_limits=[
            {"amount": 10_000, "interval": "daily"},
            {"amount": 9_000, "interval": "per_authorization"},
            {"count": 1, "interval": "daily"},
        ]
    )
    shopper = Shopper()
    purchase = shopper.purchase(5_000)
    assert shopper.reason(purchase) == "approved"
    second = purchase.increment(3_000, approved=5_000, at=NOON + 60)
    assert shopper.reason(second) == "approved"
    assert counted(purchase.authorization_id) == (8_000, 1)
    third = second.increment(1_001, approved=3_000, at=NOON + 120)
    assert shopper.reason(third) == "amount_limit_exceeded"
    assert shopper.reason(1) == "count_limit_exceeded"
    assert ledger() == [("hold", 5_000, 1), ("increment", 3_000, 0)]


def test_an_increment_counts_in_the_windows_its_purchase_began_in() -> None:
    in_force(spending_limits=[{"amount": 10_000, "interval": "daily"}])
    shopper = Shopper()
    purchase = shopper.purchase(9_000)
    assert shopper.reason(purchase) == "approved"
    later = replace(shopper, at=NOON + DAY)
    increment = purchase.increment(1_500, approved=9_000, at=NOON + 60)
    assert later.reason(increment) == "amount_limit_exceeded"
    assert later.reason(10_000) == "approved"


def test_an_increment_of_an_authorization_never_seen_brings_its_earlier_amount_along() -> None:
    in_force(spending_limits=[{"amount": 10_000, "interval": "daily"}])
    shopper = Shopper()
    unseen = shopper.purchase(8_000).increment(1_000, approved=8_000, at=NOON)
    assert shopper.reason(unseen) == "approved"
    assert ledger() == [("approved_by_stripe", 8_000, 1), ("increment", 1_000, 0)]
    assert shopper.reason(1_001) == "amount_limit_exceeded"


def test_an_approval_stripe_did_not_count_gives_its_room_back_with_the_next_request() -> None:
    in_force(spending_limits=[{"amount": 10_000, "interval": "daily"}])
    shopper = Shopper()
    purchase = shopper.purchase(9_000)
    assert shopper.reason(purchase) == "approved"
    timed_out = purchase.increment(9_500, approved=0, at=NOON)
    assert shopper.reason(timed_out) == "approved"
    assert counted(purchase.authorization_id) == (9_500, 1)
    assert ledger() == [("hold", 9_000, 1), ("not_approved", -9_000, -1), ("increment", 9_500, 1)]


def test_the_same_question_under_a_new_event_id_replaces_the_earlier_hold() -> None:
    in_force(spending_limits=[{"amount": 10_000, "interval": "daily"}])
    shopper = Shopper()
    purchase = shopper.purchase(9_000)
    assert [shopper.reason(purchase), shopper.reason(purchase)] == ["approved", "approved"]
    assert counted(purchase.authorization_id) == (9_000, 1)
    assert ledger() == [("hold", 9_000, 1), ("reasked", -9_000, -1), ("hold", 9_000, 1)]


def test_a_later_decline_of_the_same_question_keeps_the_room_of_the_approval() -> None:
    """Both answers were sent, and either may be the one that Stripe goes by: 90.00 is taken."""
    policy = in_force(spending_limits=[{"amount": 10_000, "interval": "daily"}])
    shopper = Shopper()
    purchase = shopper.purchase(9_000)
    assert shopper.reason(purchase) == "approved"
    publish_amount(policy, 8_000)
    assert shopper.reason(purchase) == "amount_limit_exceeded"
    assert counted(purchase.authorization_id) == (9_000, 1)
    assert ledger() == [("hold", 9_000, 1), ("reasked", -9_000, -1), ("kept", 9_000, 1)]
    publish_amount(policy, 10_000)
    assert shopper.reason(1_001) == "amount_limit_exceeded"
    assert shopper.reason(1_000) == "approved"
    assert differences() == []


def test_the_same_question_for_less_keeps_the_larger_approval() -> None:
    """90.00 was approved; asked again for 20.00, 90.00 may still be what Stripe holds."""
    policy = in_force(spending_limits=[{"amount": 10_000, "interval": "daily"}])
    shopper = Shopper()
    purchase = shopper.purchase(9_000)
    assert shopper.reason(purchase) == "approved"
    assert shopper.reason(replace(purchase, amount=2_000)) == "approved"
    assert counted(purchase.authorization_id) == (9_000, 1)
    assert ledger() == [("hold", 9_000, 1), ("reasked", -2_000, 0), ("hold", 2_000, 0)]
    publish_amount(policy, 8_000)
    # Approving would commit 90.00 where 80.00 is allowed.
    assert shopper.reason(replace(purchase, amount=2_000)) == "amount_limit_exceeded"
    assert counted(purchase.authorization_id) == (9_000, 1)
    assert differences() == []


def test_a_part_smaller_than_was_approved_before_is_no_answer() -> None:
    """50.00 was approved; of a limit that is now 30.00 the same question gets no part."""
    limits = [{"amount": 5_000, "interval": "daily"}]
    policy = in_force(partial_approval=True, spending_limits=limits)
    shopper = Shopper()
    purchase = shopper.purchase(9_000, is_amount_controllable=True)
    assert shopper.asks(purchase)["amount"] == 5_000
    assert shopper.asks(purchase)["amount"] == 5_000
    publish_amount(policy, 7_000)
    assert shopper.asks(purchase)["amount"] == 7_000
    assert counted(purchase.authorization_id) == (7_000, 1)
    publish_amount(policy, 3_000)
    assert shopper.reason(purchase) == "amount_limit_exceeded"
    assert counted(purchase.authorization_id) == (7_000, 1)
    assert differences() == []
    assert redecided() == []


def test_a_request_that_comes_after_its_successor_takes_nothing() -> None:
    in_force(spending_limits=[{"amount": 10_000, "interval": "daily"}])
    shopper = Shopper()
    purchase = shopper.purchase(4_000)
    assert shopper.reason(purchase.increment(1_000, approved=4_000, at=NOON)) == "approved"
    assert shopper.reason(purchase) == "approved"
    assert counted(purchase.authorization_id) == (5_000, 1)


def test_an_amount_of_zero_passes_exhausted_limits_but_no_other_rule() -> None:
    in_force(
        spending_limits=[{"amount": 0, "interval": "daily"}, {"count": 0, "interval": "daily"}],
        blocked_merchant_countries=["DE"],
    )
    shopper = Shopper()
    assert shopper.reason(0) == "approved"
    assert shopper.reason(1) == "amount_limit_exceeded"
    assert not LedgerEntry.objects.exists()


def test_what_fits_is_approved_in_part_where_stripe_and_policy_allow_it() -> None:
    in_force(
        partial_approval=True,
        smallest_partial_amount=500,
        spending_limits=[{"amount": 10_000, "interval": "daily"}],
    )
    shopper = Shopper()
    assert shopper.reason(9_000) == "approved"
    answer = shopper.asks(2_000, is_amount_controllable=True)
    assert (answer["approved"], answer["amount"]) == (True, 1_000)
    assert shopper.reason(2_000, is_amount_controllable=True) == "amount_limit_exceeded"
    assert ledger()[-1] == ("hold", 1_000, 1)


def test_the_full_amount_is_answered_without_an_amount() -> None:
    in_force(partial_approval=True)
    assert "amount" not in Shopper().asks(2_000, is_amount_controllable=True)


def test_a_published_change_takes_effect_with_the_next_request() -> None:
    policy = in_force(spending_limits=[{"amount": 1_000, "interval": "daily"}])
    shopper = Shopper()
    assert shopper.reason(2_000) == "amount_limit_exceeded"
    publish_amount(policy, 2_000)
    assert shopper.reason(2_000) == "approved"


def test_a_group_shares_one_budget_and_a_cardholder_has_one_for_all_cards() -> None:
    for card_id in ("ic_1", "ic_2"):
        Shopper(card_id=card_id).asks(0)
    group = CardGroup.objects.create(name="Field team")
    Card.objects.update(group=group)
    in_force("Team", spending_limits=[{"amount": 10_000, "interval": "daily"}], to={"group": group})
    assert Shopper(card_id="ic_1").reason(6_000) == "approved"
    assert Shopper(card_id="ic_2").reason(4_001) == "amount_limit_exceeded"
    holder = Cardholder.objects.get(pk="ich_1")
    person = [{"amount": 7_000, "interval": "daily"}]
    in_force("Person", spending_limits=person, to={"cardholder": holder})
    assert Shopper(card_id="ic_2").reason(1_001) == "amount_limit_exceeded"
    assert Shopper(card_id="ic_2").reason(1_000) == "approved"


def test_the_program_measures_each_card_by_itself() -> None:
    in_force(spending_limits=[{"amount": 10_000, "interval": "daily"}])
    assert Shopper(card_id="ic_1").reason(10_000) == "approved"
    assert Shopper(card_id="ic_2").reason(10_000) == "approved"


def test_a_purchase_stays_in_the_group_it_began_in() -> None:
    shopper = Shopper()
    shopper.asks(0)
    old, new = (CardGroup.objects.create(name=name) for name in ("Old", "New"))
    for group, name in ((old, "Old"), (new, "New")):
        limits = [{"amount": 10_000, "interval": "daily"}]
        in_force(name, spending_limits=limits, to={"group": group})
    Card.objects.update(group=old)
    purchase = shopper.purchase(9_000)
    assert shopper.reason(purchase) == "approved"
    Card.objects.update(group=new)
    assert shopper.reason(10_000) == "approved"
    increment = purchase.increment(1_000, approved=9_000, at=NOON)
    assert shopper.reason(increment) == "approved"
    assert (
        shopper.reason(increment.increment(1, approved=1_000, at=NOON)) == "amount_limit_exceeded"
    )


def test_a_replacement_card_goes_on_with_the_limits_of_the_card_it_replaces() -> None:
    in_force(spending_limits=[{"amount": 10_000, "interval": "daily"}])
    assert Shopper(card_id="ic_1").reason(6_000) == "approved"
    second = Shopper(card_id="ic_2", card={"replacement_for": "ic_1"})
    assert second.reason(4_001) == "amount_limit_exceeded"
    assert second.reason(3_000) == "approved"
    third = Shopper(card_id="ic_3", card={"replacement_for": "ic_2"})
    assert third.reason(1_001) == "amount_limit_exceeded"
    assert set(Card.objects.values_list("root_id", flat=True)) == {"ic_1"}


def test_a_chain_learned_of_late_brings_its_usage_together() -> None:
    in_force(spending_limits=[{"amount": 10_000, "interval": "daily"}])
    assert Shopper(card_id="ic_1").reason(3_000) == "approved"
    # ic_3 replaces ic_2, of which nothing was heard: that it replaces ic_1 comes out later.
    assert Shopper(card_id="ic_3", card={"replacement_for": "ic_2"}).reason(5_000) == "approved"
    middle = Shopper(card_id="ic_2", card={"replacement_for": "ic_1"})
    assert middle.reason(2_001) == "amount_limit_exceeded"
    assert middle.reason(2_000) == "approved"
    assert Shopper(card_id="ic_3", card={"replacement_for": "ic_2"}).reason(1) != "approved"
    assert set(Card.objects.values_list("root_id", flat=True)) == {"ic_1"}


def test_freezing_belongs_to_the_single_card() -> None:
    in_force()
    Shopper(card_id="ic_1").asks(0)
    Card.objects.filter(pk="ic_1").update(frozen=True)
    assert Shopper(card_id="ic_1").reason(100) == "card_frozen"
    assert Shopper(card_id="ic_2", card={"replacement_for": "ic_1"}).reason(100) == "approved"


def test_a_card_that_is_not_active_in_its_own_request_is_declined() -> None:
    in_force()
    assert Shopper(card={"status": "inactive"}).reason(100) == "card_not_active"


def test_a_limit_assigned_later_finds_every_earlier_purchase() -> None:
    in_force("Free")
    shopper = Shopper()
    assert shopper.reason(8_000) == "approved"
    in_force("Late", spending_limits=[{"amount": 10_000, "interval": "all_time"}])
    assert shopper.reason(2_001) == "amount_limit_exceeded"
    assert shopper.reason(2_000) == "approved"


def test_remembered_usage_can_be_deleted_at_any_time() -> None:
    in_force(
        spending_limits=[
            {"amount": 10_000, "interval": "monthly"},
            {"amount": 5_000, "interval": "monthly", "countries": ["FR"]},
            {"count": 3, "interval": "weekly"},
        ]
    )
    shopper = Shopper()
    for _ in range(2):
        assert shopper.reason(1_000) == "approved"
    remembered = list(Usage.objects.order_by("pk").values())
    assert len(remembered) >= 2
    Usage.objects.all().delete()
    assert shopper.reason(10_000) == "amount_limit_exceeded"
    assert list(Usage.objects.order_by("pk").values()) == remembered


def test_rolling_limits_count_back_from_the_purchase_and_say_when_there_is_room() -> None:
    in_force(spending_limits=[{"count": 2, "interval": "rolling", "minutes": 60}])
    for minute in (0, 10):
        assert Shopper(at=NOON + minute * 60).reason(100) == "approved"
    assert Shopper(at=NOON + 59 * 60).reason(100) == "count_limit_exceeded"
    [check] = [row for row in Decision.objects.first().trace if not row["passed"]]  # type: ignore[union-attr]
    assert check["figures"]["available_at"] == NOON + 3600
    assert Shopper(at=NOON + 3600).reason(100) == "approved"
    assert Shopper(at=NOON + 3601).reason(100) == "count_limit_exceeded"


def test_purchases_that_arrive_out_of_order_can_not_slip_past_a_rolling_limit() -> None:
    in_force(spending_limits=[{"amount": 1_000, "interval": "rolling", "hours": 1}])
    assert Shopper(at=NOON + 1800).reason(1_000) == "approved"
    assert Shopper(at=NOON).reason(1) == "amount_limit_exceeded"


def test_cash_limits_measure_the_cash_in_a_purchase_and_never_cut_it() -> None:
    in_force(
        partial_approval=True,
        spending_limits=[
            {"amount": 5_000, "interval": "daily", "cash_only": True},
            {"amount": 20_000, "interval": "daily"},
        ],
    )
    shopper = Shopper()
    assert shopper.reason(9_000, cashback=3_000) == "approved"
    assert shopper.reason(6_000, cashback=2_001, is_amount_controllable=True) != "approved"
    assert shopper.reason(6_000, cashback=2_000) == "approved"
    # 5,000 of the daily 20,000 are left: goods may be cut to that.
    assert shopper.asks(6_000, is_amount_controllable=True)["amount"] == 5_000


def test_what_the_door_refuses_of_a_card_never_creates_it() -> None:
    event = Shopper().event(Shopper().purchase(100))
    del event["data"]["object"]["pending_request"]["amount"]
    answer = deliver(event).json()
    assert answer["approved"] is False
    assert answer["metadata"]["reason"] == "malformed_request"
    row = Decision.objects.get(pk=event["id"])
    assert "pending_request.amount" in row.problem
    assert not Card.objects.exists()
    assert deliver(event).json() == answer


def test_a_request_adds_up_each_state_of_its_purchase_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    in_force(spending_limits=[{"amount": 10_000, "interval": "monthly"}])
    shopper = Shopper()
    shopper.asks(1_000)
    added_up: list[StateTotals] = []

    def counting(**totals: Any) -> StateTotals:
        added_up.append(StateTotals(**totals))
        return added_up[-1]

    monkeypatch.setattr(books, "StateTotals", counting)
    assert shopper.reason(1_000) == "approved"
    # As the request reports it, as it is asked for, and as it is answered; what every purchase
    # begins with is added up already.
    assert [totals.amount for totals in added_up] == [0, 0, 1_000]


def test_the_statements_of_a_decision_are_prepared_once_and_used_again() -> None:
    in_force(spending_limits=[{"amount": 10_000, "interval": "daily"}])
    shopper = Shopper()
    for _ in range(3):
        shopper.asks(100)
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        prepared = {text.strip()[:20] for (text,) in cursor.fetchall()}
    assert {
        text.strip()[:20]
        for text in (
            statements.LOCK_CARDS,
            statements.USAGE,
            sum_statements.SUM,
            write_statements.WRITE,
        )
    } <= prepared
