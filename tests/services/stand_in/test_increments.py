"""Increments without the database: limits keep the merchant that the purchase began with, where
this host knows it; where not, it may have been any.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from authorizations.admin.shared.explained import explained
from authorizations.models import Decision
from authorizations.rules.decision.stand_in import StandInCause
from authorizations.services.host import host_memory, recent_merchants
from authorizations.services.stand_in import local_copy_refresh, replay_one, usage_refresh
from authorizations.services.verify.redecide import redecide
from simulator.stripe.sample_merchants import MERCHANTS, SampleMerchant
from simulator.stripe.samples import Purchase
from tests.support.desk import NOON, Shopper, in_force
from tests.support.stand_in import delivery, on_this_host, spooled, stood_in
from tests.support.verification import contradictions, differences

pytestmark = pytest.mark.django_db

RESTAURANT = next(shop for shop in MERCHANTS if shop.name == "Chez Ninon")
CASINO = SampleMerchant(
    *("Royal Casino", "betting_casino_gambling", "7995", "Valletta", "MT", "700000000007"),
    *("eur", 5_000),
)
LIMIT = {"amount": 10_000, "interval": "all_time"}
ON_ALL, ON_CASH = LIMIT, LIMIT | {"cash_only": True}
ON_RESTAURANTS, ON_CASINOS = LIMIT | {"categories": ["5812"]}, LIMIT | {"categories": ["7995"]}
IN_FRANCE, AT_NINON = LIMIT | {"countries": ["FR"]}, LIMIT | {"merchants": ["Ninon"]}
NOT_ON_CASINOS, NOT_ABROAD = (
    LIMIT | {"except_categories": ["7995"]},
    LIMIT | {"except_countries": ["MT"]},
)
NOT_AT_NINON = LIMIT | {"except_merchants": ["Ninon"]}
LEAVING_OUT = [NOT_ON_CASINOS, NOT_ABROAD, NOT_AT_NINON]
IN_PERSON, BY_CHIP = (
    LIMIT | {"card_presences": ["present"]},
    LIMIT | {"authorization_methods": ["chip"]},
)
AT_PUMPS = LIMIT | {"categories": ["5542"]}
ALLOWED: dict[str, Any] = {"stand_in_amount": 8_000, "stand_in_cap": 30_000}


@pytest.fixture(autouse=True)
def host(tmp_path: Path) -> Iterator[Path]:
    with on_this_host(tmp_path / "spool") as directory:
        yield directory


def begun(is_known: bool = True, **document: Any) -> Purchase:
    """An authorization opened with 0 at a restaurant in Lyon, with the database; then it is away.

    Where not `is_known`, another host took it, or this one was started again.
    """
    in_force(**document)
    for merchant in (RESTAURANT, CASINO):  # so that what is used is counted
        Shopper().asks(100, merchant=merchant)
    purchase = Shopper().purchase(0, merchant=RESTAURANT)
    Shopper().asks(purchase)
    renew()
    if not is_known:
        forget()
    return purchase


def renew() -> None:
    local_copy_refresh.renew_policies()
    usage_refresh.renew_usage()
    local_copy_refresh.renew_cards()


def forget() -> None:
    for path in host_memory.directory().glob("*.merchants"):
        path.unlink()
    recent_merchants._ring._file = None


def increment(
    purchase: Purchase, amount: int = 5_000, merchant: SampleMerchant = CASINO
) -> Purchase:
    """The next request of the same authorization, by default at a casino in Malta."""
    return replace(purchase.increment(amount, approved=0, at=NOON + 60), merchant=merchant)


def reason(purchase: Purchase, event_id: str = "") -> str:
    """How stand-in answers it."""
    event = Shopper().event(purchase, event_id)
    answer = json.loads(stood_in(delivery(event), StandInCause.DATABASE_UNREACHABLE))
    return str(answer["metadata"]["reason"])


def replay(host: Path) -> None:
    for kept in spooled(host):
        replay_one.replay(kept)


# --- where it began is not known here


@pytest.mark.parametrize(
    "limit",
    [
        *(ON_RESTAURANTS, ON_CASINOS, IN_FRANCE, AT_NINON, AT_PUMPS, *LEAVING_OUT),
        *(IN_PERSON, BY_CHIP, LIMIT | {"authorization_methods": ["swipe"]}),
    ],
)
def test_a_limit_that_asks_for_the_merchant_binds_whoever_asks_now(limit: dict[str, Any]) -> None:
    """Its policy allows nothing in stand-in, so nothing that the limit may concern is approved."""
    purchase = begun(is_known=False, unlimited=True, spending_limits=[limit])
    assert reason(increment(purchase)) == "stand_in"
    assert reason(increment(purchase, merchant=RESTAURANT)) == "stand_in"


def test_on_cash_alone_it_binds_as_well() -> None:
    """The purchase may have begun at a cash machine: then all of it is cash."""
    purchase = begun(is_known=False, unlimited=True, spending_limits=[ON_CASH])
    assert reason(increment(purchase)) == "stand_in"


@pytest.mark.parametrize(
    "limit",
    [
        *(ON_RESTAURANTS, ON_CASINOS, IN_FRANCE, AT_NINON, ON_CASH, *LEAVING_OUT),
        *(IN_PERSON, BY_CHIP),
    ],
)
def test_a_limit_that_asks_for_the_merchant_grants_nothing(limit: dict[str, Any]) -> None:
    purchase = begun(is_known=False, spending_limits=[limit], **ALLOWED)
    assert reason(increment(purchase, 1)) == "no_policy"
    assert reason(increment(purchase, 1, RESTAURANT)) == "no_policy"


def test_a_limit_on_everything_is_as_for_any_purchase() -> None:
    purchase = begun(is_known=False, spending_limits=[ON_ALL], **ALLOWED)
    assert reason(increment(purchase, 8_001)) == "stand_in"
    assert reason(increment(purchase, 8_000)) == "approved"


def test_it_counts_in_every_window_that_it_may_belong_to() -> None:
    """Of 99.00 left at restaurants, and as much at casinos, 80.00 are taken: 19.00 are left."""
    limits = [ON_RESTAURANTS, ON_CASINOS, ON_ALL | {"amount": 1_000_000}]
    purchase = begun(is_known=False, spending_limits=limits, **ALLOWED)
    assert reason(increment(purchase, 8_000)) == "approved"
    for merchant in (RESTAURANT, CASINO):
        assert reason(Shopper().purchase(1_901, merchant=merchant)) == "stand_in"
    assert reason(Shopper().purchase(1_900, merchant=CASINO)) == "approved"
    assert reason(Shopper().purchase(1_900, merchant=RESTAURANT)) == "approved"


def test_rules_look_at_the_merchant_that_this_request_names() -> None:
    purchase = begun(is_known=False, blocked_categories=["7995"])
    assert reason(increment(purchase)) == "category_not_allowed"
    assert reason(increment(purchase, merchant=RESTAURANT)) == "approved"


def test_a_first_request_says_itself_where_it_begins() -> None:
    begun(is_known=False, unlimited=True, spending_limits=[ON_CASINOS])
    assert reason(Shopper().purchase(5_000, merchant=RESTAURANT)) == "approved"
    assert reason(Shopper().purchase(5_000, merchant=CASINO)) == "stand_in"


@pytest.mark.parametrize("amount", [5_000, 9_000])
def test_it_is_decided_again_from_its_row_and_the_page_says_why(amount: int, host: Path) -> None:
    limits = [ON_RESTAURANTS, ON_ALL]
    purchase = begun(is_known=False, spending_limits=limits, **ALLOWED)
    expected = "approved" if amount == 5_000 else "stand_in"
    assert reason(increment(purchase, amount), event_id="evt_more") == expected
    replay(host)
    assert redecide("evt_more") == []
    assert contradictions() == []
    assert differences() == []
    row = Decision.objects.get(pk="evt_more")
    assert row.context is not None
    assert row.context["began_at"] is None
    words = explained(row)
    assert "began earlier, at a merchant that this server does not know" in words.stand_in
    assert words.stand_in in words.staff


# --- where it began is known here


def test_limits_keep_the_merchant_that_the_purchase_began_with() -> None:
    purchase = begun(unlimited=True, spending_limits=[ON_CASINOS])
    assert reason(increment(purchase)) == "approved"
    purchase = begun(unlimited=True, spending_limits=[ON_RESTAURANTS])
    assert reason(increment(purchase)) == "stand_in"


def test_limits_keep_how_the_card_was_used_when_the_purchase_began() -> None:
    """It began by chip; the increment is keyed in."""
    purchase = begun(unlimited=True, spending_limits=[BY_CHIP])
    more = replace(increment(purchase, merchant=RESTAURANT), method="keyed_in")
    assert reason(more) == "stand_in"
    keyed_in = LIMIT | {"authorization_methods": ["keyed_in"]}
    purchase = begun(unlimited=True, spending_limits=[keyed_in])
    more = replace(increment(purchase, merchant=RESTAURANT), method="keyed_in")
    assert reason(more) == "approved"


def test_a_grant_must_concern_both_ways_of_using_the_card(host: Path) -> None:
    purchase = begun(spending_limits=[BY_CHIP], **ALLOWED)
    more = replace(increment(purchase, merchant=RESTAURANT), method="keyed_in")
    assert reason(more, event_id="evt_more") == "no_policy"
    assert reason(increment(purchase, merchant=RESTAURANT)) == "approved"
    replay(host)
    assert redecide("evt_more") == []
    assert contradictions() == []


def test_a_grant_must_concern_both_merchants(host: Path) -> None:
    purchase = begun(spending_limits=[ON_RESTAURANTS], **ALLOWED)
    assert reason(increment(purchase), event_id="evt_more") == "no_policy"
    assert reason(increment(purchase, merchant=RESTAURANT)) == "approved"
    replay(host)
    assert redecide("evt_more") == []
    assert contradictions() == []
    words = explained(Decision.objects.get(pk="evt_more"))
    assert "Limits used the merchant where the purchase began: Chez Ninon." in words.stand_in


def test_what_stand_in_itself_approved_is_known_too() -> None:
    begun(is_known=False, unlimited=True, spending_limits=[ON_CASINOS])
    purchase = Shopper().purchase(0, merchant=RESTAURANT)
    assert reason(purchase) == "approved"
    assert reason(increment(purchase)) == "approved"
    shutil.rmtree(host_memory.directory())
    forget()
    assert reason(increment(purchase)) == "stand_in"


def test_an_increment_approved_without_knowing_is_no_beginning() -> None:
    limits = [ON_ALL | {"amount": 1_000_000}]
    purchase = begun(is_known=False, spending_limits=limits, **ALLOWED)
    assert reason(increment(purchase, 100)) == "approved"
    assert recent_merchants.look_up(purchase.authorization_id) is None
