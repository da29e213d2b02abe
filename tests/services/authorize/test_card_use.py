"""Limits that name how the card is used: in person or not, by which methods."""

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from authorizations.admin.shared.explained import explained
from authorizations.admin.shared.facts import facts
from authorizations.models import Authorization, Card, Decision, Usage
from authorizations.services.policies.own_amounts_table import import_own_amounts
from authorizations.services.queries import remaining
from authorizations.services.verify.redecide import redecide
from simulator.stripe.sample_lives import force_capture
from simulator.stripe.samples import Json, Purchase
from tests.support.damage import damage
from tests.support.desk import NOON, Shopper, deliver, in_force
from tests.support.lifecycle import Told, card_of
from tests.support.verification import assert_clean

pytestmark = pytest.mark.django_db

LIMIT: dict[str, Any] = {"amount": 10_000, "interval": "daily"}
ONLINE = LIMIT | {"card_presences": ["not_present"]}
CONTACTLESS = LIMIT | {"authorization_methods": ["contactless"]}


def used() -> dict[str, int]:
    """By the text of a filter, the amount that is stored for it."""
    rows = Usage.objects.exclude(filter_key="").filter(piece_seconds=0)
    return dict(rows.values_list("filter", "amount"))


def silent(amount: int, **facts: Any) -> Json:
    """A request that does not tell how the card is used."""
    shopper = Shopper()
    event = shopper.event(shopper.purchase(amount, **facts))
    event["data"]["object"] |= {"authorization_method": None, "card_presence": None}
    return event


def reason(event: Json) -> str:
    return str(deliver(event).json()["metadata"]["reason"])


def test_a_limit_concerns_the_purchases_that_it_names_and_counts_only_these() -> None:
    in_force(unlimited=True, spending_limits=[ONLINE, CONTACTLESS])
    assert Shopper().reason(20_000, method="chip") == "approved"
    assert Shopper().reason(9_000, method="contactless") == "approved"
    assert Shopper().reason(6_000, method="online") == "approved"
    assert Shopper().reason(4_001, method="keyed_in") == "amount_limit_exceeded"
    assert Shopper().reason(4_000, method="keyed_in") == "approved"
    assert Shopper().reason(1_001, method="contactless") == "amount_limit_exceeded"
    assert used() == {
        '{"card_presences":["not_present"]}': 10_000,
        '{"authorization_methods":["contactless"]}': 9_000,
    }
    assert_clean()


def test_a_limit_grants_only_what_it_names() -> None:
    in_force(spending_limits=[ONLINE])
    assert Shopper().reason(100, method="online") == "approved"
    assert Shopper().reason(100, method="chip") == "no_policy"
    assert reason(silent(100)) == "no_policy"
    told = explained(Decision.objects.order_by("-position")[0]).staff
    assert "how the card was used is not reported" in told
    assert_clean()


def test_decision_and_card_say_what_the_limit_is_about() -> None:
    in_force(spending_limits=[LIMIT, CONTACTLESS | {"amount": 500}])
    assert Shopper().reason(501, method="contactless", event_id="evt_it") == "amount_limit_exceeded"
    told = explained(Decision.objects.get(pk="evt_it"))
    assert "Daily limit of €5.00 contactless: €0.00 used + €5.01 = €5.01" in told.staff
    assert "daily limit of €5.00 contactless" in told.cardholder
    assert Shopper().reason(500, method="contactless") == "approved"
    [policy] = remaining.of_card(Card.objects.get(pk="ic_1"), NOON)
    assert [limit.figures.available for limit in policy.limits] == [9_500, 0]


def test_a_part_is_approved_up_to_it() -> None:
    in_force(partial_approval=True, spending_limits=[LIMIT, ONLINE | {"amount": 700}])
    asked: Json = {"is_amount_controllable": True}
    assert Shopper().asks(900, method="online", **asked)["amount"] == 700
    assert "amount" not in Shopper().asks(900, method="chip", **asked)
    assert_clean()


def test_a_new_limit_finds_what_was_bought_before() -> None:
    in_force()
    for method, amount in (("chip", 100), ("online", 2_000), ("keyed_in", 30)):
        assert Shopper().reason(amount, method=method) == "approved"
    assert reason(silent(4)) == "approved"
    in_force("Later", spending_limits=[ONLINE])
    assert Shopper().reason(7_967, method="online") == "amount_limit_exceeded"
    assert Shopper().reason(7_966, method="online") == "approved"
    assert used() == {'{"card_presences":["not_present"]}': 10_000}
    assert_clean()


# --- What is not told


def test_what_does_not_tell_how_the_card_is_used_counts_in_every_such_limit() -> None:
    in_force(unlimited=True, spending_limits=[ONLINE, CONTACTLESS])
    assert reason(silent(6_000)) == "approved"
    for method in ("online", "contactless"):
        assert Shopper().reason(4_001, method=method) == "amount_limit_exceeded"
    assert reason(silent(4_001)) == "amount_limit_exceeded"
    assert Shopper().reason(4_001, method="chip") == "approved"
    assert_clean()


def test_a_keyed_in_number_of_an_old_api_version_may_have_been_keyed_in_at_a_counter() -> None:
    in_person = ONLINE | {"card_presences": ["present"]}
    in_force(unlimited=True, spending_limits=[ONLINE, in_person])
    shopper = Shopper()
    event = shopper.event(shopper.purchase(6_000, method="keyed_in"))
    del event["data"]["object"]["card_presence"]
    assert reason(event) == "approved"
    assert sorted(used().values()) == [6_000, 6_000]
    row = Authorization.objects.get()
    assert (row.card_presence, row.authorization_method) == ("", "keyed_in")


def test_a_capture_without_authorization_counts_in_every_such_limit() -> None:
    """A transaction tells neither."""
    in_force(unlimited=True, spending_limits=[ONLINE, CONTACTLESS, LIMIT | {"amount": 99_999}])
    assert Shopper().reason(1_000, method="online") == "approved"
    card = card_of(Shopper())
    assert (
        deliver(force_capture(card, amount=6_000, at=NOON + 60, chance=Random(1))).status_code
        == 200
    )
    row = Authorization.objects.exclude(pk__startswith="iauth_").get()
    assert (row.card_presence, row.authorization_method) == ("", "")
    assert Shopper().reason(3_001, method="online") == "amount_limit_exceeded"
    assert Shopper().reason(3_000, method="online") == "approved"
    assert Shopper().reason(4_001, method="contactless") == "amount_limit_exceeded"
    assert_clean()


def test_a_capture_told_before_its_authorization_counts_by_that_in_the_end() -> None:
    in_force(unlimited=True, spending_limits=[ONLINE, CONTACTLESS])
    assert Shopper().reason(1, method="online") == "approved"
    bought = Told(5_000, method="chip")
    bought.life.ask(at=bought.tick())
    told = bought.life.answered(approved=True, at=bought.tick())
    captured, _ = bought.life.capture(5_000, at=bought.tick())
    bought.hears(captured)
    assert Shopper().reason(5_000, method="online") == "amount_limit_exceeded"
    bought.hears(told)
    assert Shopper().reason(5_000, method="online") == "approved"
    assert_clean()


def test_what_is_unreadable_declines() -> None:
    in_force(spending_limits=[LIMIT, ONLINE])
    event = silent(100)
    event["data"]["object"]["card_presence"] = "Somewhere?"
    assert reason(event) == "field_unreadable"


# --- Later events, and increments


def test_stripes_reports_tell_it_too() -> None:
    """An approval that Stripe gave without asking."""
    in_force(unlimited=True, spending_limits=[ONLINE, CONTACTLESS])
    assert Shopper().reason(1, method="chip") == "approved"
    for method in ("online", "contactless", "chip"):
        bought = Told(9_000, method=method)
        bought.life.ask(at=bought.tick())
        bought.stripe("card_active", approved=True)
        row = Authorization.objects.get(pk=bought.id)
        expected = "not_present" if method == "online" else "present"
        assert (row.card_presence, row.authorization_method) == (expected, method)
    for method in ("online", "contactless"):
        assert Shopper().reason(1_001, method=method) == "amount_limit_exceeded"
        assert Shopper().reason(1_000, method=method) == "approved"
    assert_clean()


def test_captures_and_refunds_move_it_as_they_move_every_limit() -> None:
    in_force(unlimited=True, spending_limits=[ONLINE])
    bought = Told(8_000, method="online")
    bought.buys()
    bought.captures(9_000)
    bought.refunds(500)
    assert Shopper().reason(1_501, method="online") == "amount_limit_exceeded"
    assert Shopper().reason(1_500, method="online") == "approved"
    assert_clean()


def increment(purchase: Purchase, amount: int, method: str) -> Purchase:
    more = purchase.increment(amount, approved=purchase.amount, at=NOON + 60)
    return replace(more, method=method)


def test_an_increment_counts_by_how_the_purchase_began() -> None:
    in_force(unlimited=True, spending_limits=[ONLINE, CONTACTLESS])
    purchase = Shopper().purchase(1_000, method="contactless")
    assert Shopper().reason(purchase) == "approved"
    assert Shopper().reason(increment(purchase, 8_000, "online")) == "approved"
    assert Shopper().reason(1_001, method="contactless") == "amount_limit_exceeded"
    assert Shopper().reason(10_000, method="online") == "approved"
    row = Authorization.objects.get(pk=purchase.authorization_id)
    assert (row.card_presence, row.authorization_method) == ("present", "contactless")
    assert_clean()


def test_rules_look_at_the_increment_itself() -> None:
    in_force(blocked_authorization_methods=["keyed_in"], spending_limits=[LIMIT])
    purchase = Shopper().purchase(1_000, method="contactless")
    assert Shopper().reason(purchase) == "approved"
    keyed_in = increment(purchase, 100, "keyed_in")
    assert Shopper().reason(keyed_in) == "authorization_method_not_allowed"
    assert_clean()


def test_a_grant_must_concern_how_the_purchase_began_and_how_it_goes_on() -> None:
    in_force(spending_limits=[CONTACTLESS])
    purchase = Shopper().purchase(1_000, method="contactless")
    assert Shopper().reason(purchase) == "approved"
    more = increment(purchase, 100, "chip")
    assert Shopper().reason(more, event_id="evt_chip") == "no_policy"
    row = Decision.objects.get(pk="evt_chip")
    shown = explained(row)
    told = shown.staff
    assert shown.request
    assert dict(facts(shown.request))["When the purchase began"] == "Contactless, present"
    assert "a purchase begun at" not in told  # the merchant is the same
    elsewhere = replace(shown.request.asked_at, name="Another shop")
    both = dict(facts(replace(shown.request, named_merchant=elsewhere)))
    assert both["When the purchase began"] == "Contactless, present"
    assert both["Purchase began at"]
    assert "both to how the card is used now and to how it was used when the purchase began" in told
    assert Shopper().reason(increment(purchase, 100, "contactless")) == "approved"
    assert redecide("evt_chip") == []
    assert_clean()


def test_an_increment_that_tells_nothing_is_used_as_it_began() -> None:
    in_force(spending_limits=[CONTACTLESS])
    purchase = Shopper().purchase(1_000, method="contactless")
    assert Shopper().reason(purchase) == "approved"
    event = Shopper().event(increment(purchase, 9_000, "contactless"), "evt_silent")
    event["data"]["object"] |= {"authorization_method": None, "card_presence": None}
    assert reason(event) == "approved"
    assert Decision.objects.get(pk="evt_silent").request["named_merchant"] is None
    assert_clean()


def test_a_decision_from_before_purchases_kept_it_is_decided_again_the_same() -> None:
    in_force(spending_limits=[LIMIT])
    purchase = Shopper().purchase(1_000, method="contactless")
    Shopper().asks(purchase, event_id="evt_first")
    Shopper().asks(increment(purchase, 100, "online"), event_id="evt_more")
    for row in Decision.objects.all():
        assert row.request
        for name in ("card_presence", "authorization_method"):
            del row.request["merchant"][name]
        damage(row, request=row.request | {"named_merchant": None})
    Authorization.objects.update(card_presence="", authorization_method="")
    assert_clean()
    # Its purchase doesn't tell, so it counts everywhere.
    in_force("Later", spending_limits=[ONLINE])
    assert Shopper().reason(8_901, method="online") == "amount_limit_exceeded"
    assert Shopper().reason(8_900, method="online") == "approved"


# --- With what else limits have


def test_attempts_in_one_way() -> None:
    tries = {"key": "tries", "attempts": 2, "interval": "daily", "card_presences": ["not_present"]}
    in_force(spending_limits=[tries])
    assert [Shopper().reason(100, method="online") for _ in range(3)] == [
        *("approved", "approved", "attempt_limit_exceeded")
    ]
    assert Shopper().reason(100, method="chip") == "approved"
    assert reason(silent(100)) == "attempt_limit_exceeded"
    assert_clean()


def test_a_card_can_have_its_own_amount() -> None:
    in_force("Team", spending_limits=[LIMIT, ONLINE | {"key": "online", "amount": 500}])
    import_own_amounts(
        "card,policy,limit,amount,raise_by,until,reason\nic_1,Team,online,20.00,,,Conference"
    )
    assert Shopper().reason(2_001, method="online") == "amount_limit_exceeded"
    assert Shopper().reason(2_000, method="online") == "approved"
    other = Shopper(card_id="ic_2", cardholder_id="ich_2")
    assert other.reason(501, method="online") == "amount_limit_exceeded"
    assert_clean()
