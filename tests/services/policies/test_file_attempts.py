"""Limits on attempts in policy files; what they froze is in none."""

import json
from typing import Any

import pytest

from authorizations.models import Card, Instruction
from authorizations.rules.policy.document import InvalidPolicyError
from authorizations.services.policies.files import compare, export_policies
from tests.support.desk import Shopper
from tests.support.policy_files import load

pytestmark = pytest.mark.django_db

TRIES = {
    "key": "tries",
    "attempts": 2,
    "interval": "rolling",
    "minutes": 60,
    "declined_only": True,
    "then_freeze_minutes": 1_440,
}
OWN = {"policy": "Team", "limit": "tries", "card": "ic_1", "attempts": 3, "reason": "Trip"}
FILE: dict[str, Any] = {
    "policies": [
        {
            "name": "Team",
            "currency": "eur",
            "unlimited": True,
            "allowed_merchant_countries": ["US"],
            "spending_limits": [TRIES],
        }
    ],
    "assignments": [{"policy": "Team", "program": True}],
    "overrides": [OWN],
}


def test_a_file_says_all_of_it_and_imported_twice_changes_nothing() -> None:
    load(FILE)
    assert not load(FILE)
    other = Shopper(card_id="ic_2", cardholder_id="ich_2")
    assert [other.reason(1) for _ in range(3)] == [
        *["merchant_country_not_allowed"] * 2,
        "card_frozen",
    ]
    assert Instruction.objects.filter(kind="freeze").count() == 1
    found = export_policies()
    assert found["freezes"] == []
    assert found["overrides"] == [OWN]
    assert not load(found)
    assert not load(FILE)
    shopper = Shopper()
    assert Card.objects.filter(pk="ic_1").exists()
    assert [shopper.reason(1) for _ in range(4)] == [
        *["merchant_country_not_allowed"] * 3,
        "card_frozen",
    ]


@pytest.mark.parametrize("how", ["count", "amount"])
def test_another_unit_than_the_limits_is_refused(how: str) -> None:
    own = {key: value for key, value in OWN.items() if key != "attempts"} | {how: 3}
    with pytest.raises(InvalidPolicyError, match="This limit counts attempts: give these"):
        compare(json.dumps(FILE | {"overrides": [own]}))
