"""Policy files after a card of theirs has turned out to replace another."""

import time
from typing import Any

import pytest
from django.contrib.auth.models import User

from authorizations.models import Card, FundEntry, Instruction, PotSum
from authorizations.services.policies import stops
from authorizations.services.policies.files import export_policies
from tests.support.desk import Shopper
from tests.support.policy_files import load
from tests.support.verification import assert_clean

pytestmark = pytest.mark.django_db

NOW = int(time.time())
ADA = Shopper(card_id="ic_ada", cardholder_id="ich_ada", at=NOW + 86_400)
FILE: dict[str, Any] = {
    "policies": [
        {
            "name": "Team",
            "currency": "eur",
            "spending_limits": [
                {"key": "pot", "funds": True},
                {"key": "monthly", "amount": 9_000, "interval": "monthly"},
            ],
        },
        {"name": "Other", "currency": "eur", "unlimited": True},
    ],
    "groups": [],
    "assignments": [
        {"policy": "Team", "program": True},
        {"policy": "Other", "program": True, "except": [{"card": "ic_ada", "reason": "Trial"}]},
    ],
    "overrides": [
        {"policy": "Team", "limit": "monthly", "card": "ic_ada", "amount": 9_500, "reason": "Lyon"}
    ],
    "funds": [
        {
            "policy": "Team",
            "limit": "pot",
            "card": "ic_ada",
            "amount": amount,
            "reference": reference,
            "reason": "Week 49",
        }
        for amount, reference in ((2_500, "PO-17"), (-500, "PO-18"))
    ],
}


@pytest.fixture
def moved() -> None:
    load(FILE)
    assert ADA.reason(300) == "approved"
    late = Shopper(
        card_id="ic_ada", cardholder_id="ich_ada", at=ADA.at, card={"replacement_for": "ic_old"}
    )
    assert late.reason(1_701) == "funds_exceeded"
    assert Card.objects.get(pk="ic_ada").root_id == "ic_old"


@pytest.mark.usefixtures("moved")
def test_the_file_and_an_export_change_nothing() -> None:
    entries = FundEntry.objects.count()
    for file in (FILE, export_policies(), FILE):
        assert not load(file)
    assert FundEntry.objects.count() == entries
    assert_clean()


@pytest.mark.usefixtures("moved")
def test_an_export_says_each_once_of_the_first_of_the_chain() -> None:
    found = export_policies()
    assert [(it["card"], it["amount"], it["reference"]) for it in found["funds"]] == [
        ("ic_old", 2_500, "PO-17"),
        ("ic_old", -500, "PO-18"),
    ]
    assert [it["card"] for it in found["overrides"]] == ["ic_old"]
    [left_out] = [it["except"] for it in found["assignments"] if "except" in it]
    assert [it["card"] for it in left_out] == ["ic_old"]
    assert PotSum.objects.get(scope="card:ic_old").amount == 2_000


@pytest.mark.usefixtures("moved")
def test_what_is_lifted_afterwards_does_not_come_back_by_an_export() -> None:
    row = Instruction.objects.get(kind="override", scope="card:ic_old")
    by = User.objects.create(username="operator")
    assert stops.lift(row, by=by, reason="Back home")
    exported = export_policies()
    assert exported["overrides"] == []
    assert not load(exported)
