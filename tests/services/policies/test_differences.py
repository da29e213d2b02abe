"""What a policy file would change, in words: nothing is written, and nothing left unsaid."""

import json

import pytest

from authorizations.services.policies.files import compare
from tests.support.policy_files import WHOLE, everything, load

pytestmark = pytest.mark.django_db


def test_comparing_writes_nothing_and_tells_the_difference_key_by_key() -> None:
    load(WHOLE)
    edited = json.loads(json.dumps(WHOLE))
    travel = edited["policies"][0]
    travel |= {"currency": "usd", "blocked_categories": ["7995", "3000-3299"]}
    travel["spending_limits"][0]["amount"] = 60_000
    edited["policies"].append({"name": "New", "max_network_risk_score": 50})
    edited["groups"][0]["cards"] = ["ic_1", "ic_3"]
    edited["groups"].append({"name": "Other", "cards": ["ic_2"]})
    edited["assignments"][0]["card"] = "ic_3"
    edited["assignments"].append({"policy": "New", "cardholder": "ich_3"})
    before = everything()
    assert list(compare(json.dumps(edited)).lines()) == [
        'Policy "New": new',
        "  max_network_risk_score: null -> 50",
        (
            "  please check: This policy grants no purchase, as it has no amount limit and is not "
            "unlimited: its cards need another policy that grants what they may pay."
        ),
        'Policy "Travel"',
        '  currency: "eur" -> "usd"',
        "  blocked_categories:",
        '    - "betting_casino_gambling"',
        '    + "7995"',
        "  spending_limits:",
        '    - {"amount": 50000, "interval": "monthly"}',
        (
            '    - {"amount": 5000, "currency": "usd", "interval": "daily", "categories": '
            '["eating_places_restaurants"]}'
        ),
        '    + {"amount": 60000, "interval": "monthly"}',
        '    + {"amount": 5000, "interval": "daily", "categories": ["eating_places_restaurants"]}',
        (
            "  please check: required_verification: Subscription renewals and other charges to "
            "stored cards are declined: they hardly ever have a CVC, a postal code or 3-D "
            "Secure."
        ),
        'Group "Field team"',
        "  + ic_3",
        "  - ic_2",
        'Group "Other": new',
        '  + ic_2, from "Field team"',
        "Assignments",
        '  + "New" to cardholder ich_3',
        '  + "Travel" to card ic_3',
        '  - "Travel" to card ic_1',
        "Not seen yet; their details come with their first purchase",
        "  + card ic_3",
        "  + cardholder ich_3",
        "1 card could spend that could not before.",
        "1 card can no longer spend: everything it asks for is declined.",
    ]
    assert everything() == before


def test_a_slip_that_works_is_mentioned() -> None:
    limits = [{"amount": 100, "interval": "monthly"}, {"amount": 200, "interval": "daily"}]
    policy = {"name": "P", "currency": "eur", "spending_limits": limits}
    lines = load({"policies": [policy]}).lines()
    assert any("please check: spending_limits[1].amount" in line for line in lines)


def test_limits_in_another_order_are_said_to_be_only_that() -> None:
    load(WHOLE)
    edited = json.loads(json.dumps(WHOLE))
    edited["policies"][0]["spending_limits"].reverse()
    assert "  spending_limits: in a different order" in compare(json.dumps(edited)).lines()
