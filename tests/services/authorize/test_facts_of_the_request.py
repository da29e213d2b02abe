"""Rules on what the request says of card and purchase, from Stripe's event to the record."""

from typing import Any

import pytest

from authorizations.models import Decision
from authorizations.services.verify.redecide import redecide
from tests.support.damage import damage
from tests.support.desk import Shopper, deliver, in_force
from tests.support.verification import contradictions

pytestmark = pytest.mark.django_db

NEWER = ("token", "verified_by_fraud_challenge")
"""The facts that older rows do not have, beside the card's `created`."""


def answered(event_id: str, **facts: Any) -> str:
    """The reason of the answer to a purchase with these facts: token, or card__created."""
    event = Shopper().event(Shopper().purchase(1_000), event_id)
    for path, value in facts.items():
        *parents, last = path.split("__")
        place: Any = event["data"]["object"]
        for parent in parents:
            place = place[parent]
        place[last] = value
    return str(deliver(event).json()["metadata"]["reason"])


def test_each_fact_is_asked_for_and_decided_again_alike() -> None:
    in_force(
        "Careful",
        max_network_risk_score=80,
        card_currency_only=True,
        minimum_card_age_days=1,
        network_token="forbidden",
        required_merchant_data=["category", "country"],
        blocked_merchant_postal_codes=["13*"],
    )
    old: dict[str, Any] = {"card__created": 1}
    risky = old | {"pending_request__network_risk_score": 92}
    answers: dict[str, tuple[dict[str, Any], str]] = {
        "evt_fine": (old, "approved"),
        "evt_new": ({"card__created": 2_000_000_000}, "card_too_new"),
        "evt_odd": ({"card__created": "1"}, "field_unreadable"),
        "evt_risky": (risky, "network_risk_too_high"),
        "evt_confirmed": (risky | {"verified_by_fraud_challenge": True}, "approved"),
        "evt_denied": (risky | {"verified_by_fraud_challenge": False}, "network_risk_too_high"),
        "evt_token": (old | {"token": "intok_1"}, "network_token_mismatch"),
        "evt_whole": (old | {"token": {"id": "intok_1"}}, "network_token_mismatch"),
        "evt_abroad": (
            old | {"pending_request__merchant_currency": "gbp"},
            "merchant_currency_not_allowed",
        ),
        "evt_nowhere": (old | {"merchant_data__country": None}, "merchant_country_required"),
        "evt_marseille": (
            old | {"merchant_data__postal_code": "13001"},
            "merchant_postal_code_not_allowed",
        ),
    }
    assert {name: answered(name, **facts) for name, (facts, _) in answers.items()} == {
        name: expected for name, (_, expected) in answers.items()
    }
    for name in answers:
        assert redecide(name) == [], name
    assert contradictions() == []


def test_a_row_from_before_the_facts_were_read_is_in_order_and_decided_again_as_before() -> None:
    in_force("Any")
    odd = {
        "card__created": "1",
        "token": 7,
        "verified_by_fraud_challenge": "yes",
        "pending_request__merchant_currency": 978,
        "merchant_data__city": 75018,
        "merchant_data__postal_code": 75018,
    }
    assert answered("evt_odd", **odd) == "approved"
    in_force("Risk", max_network_risk_score=80)
    assert answered("evt_risky", pending_request__network_risk_score=92) == "network_risk_too_high"
    for row in Decision.objects.all():
        assert row.request
        for fact in NEWER:
            del row.request[fact]
        del row.request["card"]["created"]
        row.request["unreadable"] = []
        damage(row, request=row.request)
    assert redecide("evt_odd") == []
    assert redecide("evt_risky") == []
    assert contradictions() == []


def test_a_newer_row_still_has_to_name_what_could_not_be_read() -> None:
    in_force("Any")
    assert answered("evt_1", merchant_data__city=75018) == "approved"
    row = Decision.objects.get(pk="evt_1")
    assert row.request
    assert row.request["unreadable"] == ["city"]
    damage(row, request=row.request | {"unreadable": []})
    assert [it.what for it in redecide("evt_1")] == ["request.unreadable"]
