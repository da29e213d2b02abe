"""Lists side by side, exempt merchants and conditions, from Stripe's event to the record."""

import json
from hashlib import sha256
from typing import Any

import pytest

from authorizations.models import Decision, PolicyVersion
from authorizations.rules.policy.document import canonical_json
from authorizations.services.verify.redecide import redecide
from simulator.stripe.sample_merchants import MERCHANTS, SampleMerchant
from tests.support.damage import damage
from tests.support.desk import Shopper, deliver, in_force, republish
from tests.support.policy_files import load
from tests.support.verification import contradictions

pytestmark = pytest.mark.django_db

SHOP = MERCHANTS[0]
EXEMPT = {"begins_with": "SNCF"}
NEWER = ("blocked_wallets", "exempt_merchants", "any_of")
"""Keys that earlier versions of a policy lack."""


def answered(event_id: str, shop: SampleMerchant = SHOP) -> str:
    Shopper().asks(1_000, event_id=event_id, merchant=shop)
    row = Decision.objects.get(pk=event_id)
    assert redecide(event_id) == []
    return row.reason or "approved"


def test_of_both_lists_blocked_wins_and_the_row_has_the_list_that_decided() -> None:
    in_force(allowed_merchants=["Uber"], blocked_merchants=["Uber Eats"])
    answers = [
        answered(f"evt_{place}", SHOP._replace(name=name))
        for place, name in enumerate(("UBER TRIP", "UBER EATS", "KIOSK"))
    ]
    assert answers == ["approved", "merchant_not_allowed", "merchant_not_allowed"]
    limits = [
        check["limit"]
        for row in Decision.objects.order_by("pk")
        for check in row.trace
        if check["rule"] == "merchant_not_allowed"
    ]
    assert limits == [{"allowed": ["Uber"]}, {"blocked": ["Uber Eats"]}, {"allowed": ["Uber"]}]
    assert contradictions() == []


def test_at_an_exempt_merchant_the_rules_on_place_and_merchant_give_way_and_limits_hold() -> None:
    in_force(
        blocked_merchant_countries=["FR"],
        allowed_merchants=["Uber"],
        exempt_merchants=[{"begins_with": "SNCF"}],
        spending_limits=[{"amount": 1_500, "interval": "daily"}],
    )
    train, kiosk = (SHOP._replace(name=name, country="FR") for name in ("SNCF CONNECT", "KIOSK"))
    assert answered("evt_0", kiosk) == "merchant_country_not_allowed"
    assert answered("evt_1", train) == "approved"
    assert answered("evt_2", train) == "amount_limit_exceeded"
    limits = {
        check["rule"]: (check["passed"], check["limit"])
        for check in Decision.objects.get(pk="evt_1").trace
        if "limit" in check
    }
    assert limits == {
        "currency_not_allowed": (True, ["eur"]),
        "merchant_country_not_allowed": (True, {"blocked": ["FR"], "exempt": EXEMPT}),
        "merchant_not_allowed": (True, {"allowed": ["Uber"], "exempt": EXEMPT}),
    }
    assert contradictions() == []


def test_a_purchase_meets_one_of_the_conditions_or_is_declined() -> None:
    conditions = [{"countries": ["FR"], "merchants": ["Total"]}, {"categories": ["5994"]}]
    in_force(any_of=conditions, exempt_merchants=[EXEMPT])
    french, german = (SHOP._replace(name="TOTAL 12", country=code) for code in ("FR", "DE"))
    assert answered("evt_0", french) == "approved"
    assert answered("evt_1", german) == "no_condition_met"
    assert answered("evt_2", german._replace(name="SNCF CONNECT")) == "approved"
    checks = {
        row.pk: next(check for check in row.trace if check["rule"] == "no_condition_met")
        for row in Decision.objects.all()
    }
    assert checks["evt_0"]["limit"] == {"met": conditions[0]}
    missed = {"any_of": conditions[::-1]}
    assert checks["evt_1"]["limit"] == missed
    assert checks["evt_2"]["limit"] == missed | {"exempt": EXEMPT}
    assert contradictions() == []


def test_an_odd_field_that_only_another_policys_condition_asks_for_declines() -> None:
    in_force("Fuel", any_of=[{"categories": ["5542"]}, {"countries": ["DE"]}])
    event = Shopper().event(Shopper().purchase(1_000), "evt_odd")
    event["data"]["object"]["merchant_data"]["name"] = ["odd"]
    assert deliver(event).json()["metadata"]["reason"] == "no_condition_met"
    in_force("Total", any_of=[{"merchants": ["Total"]}])
    event = Shopper().event(Shopper().purchase(1_000), "evt_odder")
    event["data"]["object"]["merchant_data"]["name"] = ["odd"]
    assert deliver(event).json()["metadata"]["reason"] == "field_unreadable"
    assert [redecide(event_id) for event_id in ("evt_odd", "evt_odder")] == [[], []]


def test_an_exemption_that_is_taken_away_leaves_earlier_decisions_as_they_were() -> None:
    policy = in_force(blocked_merchant_countries=["FR"], exempt_merchants=[EXEMPT])
    train = SHOP._replace(name="SNCF CONNECT", country="FR")
    assert answered("evt_before", train) == "approved"
    republish(policy, exempt_merchants=[])
    assert answered("evt_after", train) == "merchant_country_not_allowed"
    assert redecide("evt_before") == []
    assert contradictions() == []


def test_a_version_of_an_earlier_form_decides_again_alike_and_its_file_makes_no_new_one() -> None:
    said: dict[str, Any] = {"currency": "eur", "unlimited": True, "blocked_merchants": ["Uber"]}
    policy = in_force("Old", **said)
    version = PolicyVersion.objects.get(policy=policy)
    earlier = {key: it for key, it in json.loads(version.content).items() if key not in NEWER}
    content = canonical_json(earlier)
    damage(version, content=content.decode(), sha256=sha256(content).hexdigest())
    assert answered("evt_declined", SHOP._replace(name="UBER")) == "merchant_not_allowed"
    assert answered("evt_approved") == "approved"
    load({"policies": [{"name": "Old"} | said]})
    assert PolicyVersion.objects.filter(policy=policy).count() == 1
    assert contradictions() == []
