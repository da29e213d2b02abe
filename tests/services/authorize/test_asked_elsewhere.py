"""An increment that names another merchant: limits keep the first, rules look at this one."""

from dataclasses import replace
from typing import Any

import pytest

from authorizations.models import Authorization, Decision, Usage
from authorizations.services.verify.redecide import redecide
from simulator.stripe.sample_merchants import MERCHANTS, SampleMerchant
from simulator.stripe.samples import Purchase
from tests.support.desk import NOON, Shopper, in_force

pytestmark = pytest.mark.django_db

RESTAURANT = next(shop for shop in MERCHANTS if shop.name == "Chez Ninon")
CASINO = SampleMerchant(
    *("Royal Casino", "betting_casino_gambling", "7995", "Valletta", "MT", "700000000007"),
    *("eur", 5_000),
)


def begun(**document: Any) -> Purchase:
    """An authorization opened with 0 at a restaurant in Lyon, as some terminals do."""
    in_force(**document)
    purchase = Shopper().purchase(0, merchant=RESTAURANT)
    assert Shopper().reason(purchase) == "approved"
    return purchase


def increment(purchase: Purchase, amount: int = 5_000, **facts: Any) -> Purchase:
    """The next request of the same authorization, by default at a casino in Malta."""
    facts = {"merchant": CASINO} | facts
    return replace(purchase.increment(amount, approved=0, at=NOON + 60), **facts)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"blocked_categories": ["betting_casino_gambling"]}, "category_not_allowed"),
        ({"blocked_categories": ["7995"]}, "category_not_allowed"),
        ({"allowed_categories": ["5812"]}, "category_not_allowed"),
        ({"blocked_merchant_countries": ["MT"]}, "merchant_country_not_allowed"),
        ({"allowed_merchant_countries": ["FR"]}, "merchant_country_not_allowed"),
        ({"blocked_merchants": ["Royal"]}, "merchant_not_allowed"),
        ({"allowed_merchants": ["Ninon"]}, "merchant_not_allowed"),
    ],
)
def test_rules_look_at_the_merchant_that_this_request_names(
    document: dict[str, Any], reason: str
) -> None:
    purchase = begun(**document)
    assert Shopper().reason(increment(purchase)) == reason
    assert Shopper().reason(increment(purchase, merchant=RESTAURANT)) == "approved"


def test_limits_keep_the_merchant_that_the_purchase_began_with() -> None:
    """€60.00 a day on restaurants: what an increment takes elsewhere is taken from that."""
    on_restaurants = {"amount": 6_000, "interval": "daily", "categories": ["5812"]}
    purchase = begun(unlimited=True, spending_limits=[on_restaurants])
    assert Shopper().reason(increment(purchase, 5_000)) == "approved"
    assert Shopper().reason(1_001, merchant=RESTAURANT) == "amount_limit_exceeded"
    assert Shopper().reason(1_000, merchant=RESTAURANT) == "approved"
    assert Shopper().reason(9_000, merchant=CASINO) == "approved"
    row = Authorization.objects.get(pk=purchase.authorization_id)
    assert (row.merchant_name, row.counted_amount) == ("Chez Ninon", 5_000)
    assert {usage.amount for usage in Usage.objects.exclude(filter_key="")} == {6_000}


def test_a_grant_must_concern_both_merchants() -> None:
    """€500.00 a day on restaurants alone opens no casino by the way of an increment."""
    purchase = begun(
        spending_limits=[{"amount": 50_000, "interval": "daily", "categories": ["5812"]}]
    )
    event_id = "evt_elsewhere"
    assert Shopper().reason(increment(purchase), event_id=event_id) == "no_policy"
    assert Shopper().reason(increment(purchase, merchant=RESTAURANT)) == "approved"
    assert redecide(event_id) == []


def test_the_row_shows_both_and_it_is_decided_again_from_the_row() -> None:
    purchase = begun(blocked_categories=["betting_casino_gambling"])
    Shopper().asks(increment(purchase), event_id="evt_elsewhere")
    row = Decision.objects.get(pk="evt_elsewhere")
    assert (row.merchant_name, row.category, row.merchant_country) == (
        "Royal Casino",
        "betting_casino_gambling",
        "MT",
    )
    assert row.request is not None
    assert row.request["merchant"]["name"] == "Chez Ninon"
    assert row.request["named_merchant"]["name"] == "Royal Casino"
    assert redecide("evt_elsewhere") == []


def without(shop: SampleMerchant, field: str) -> SampleMerchant:
    return SampleMerchant(**(shop._asdict() | {field: ""}))


@pytest.mark.parametrize("left_out", ["category", "mcc", "country", "network_id"])
def test_what_an_increment_leaves_out_makes_it_no_other_merchant(left_out: str) -> None:
    """The category it began with is blocked meanwhile: not told is not another."""
    purchase = begun()
    in_force(blocked_categories=["5812"])
    silent = increment(purchase, merchant=without(RESTAURANT, left_out))
    assert Shopper().reason(silent, event_id="evt_silent") == "category_not_allowed"
    assert Decision.objects.get(pk="evt_silent").request["named_merchant"] is None


def test_cash_at_the_second_merchant_is_never_cut() -> None:
    purchase = begun(
        partial_approval=True, spending_limits=[{"amount": 4_000, "interval": "daily"}]
    )
    machine = CASINO._replace(category="automated_cash_disburse", mcc="6011")
    asked = increment(purchase, merchant=machine, is_amount_controllable=True)
    assert Shopper().reason(asked) == "amount_limit_exceeded"
    asked = increment(purchase, merchant=RESTAURANT, is_amount_controllable=True)
    assert Shopper().asks(asked)["amount"] == 4_000
