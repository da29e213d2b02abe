"""Exceptions in policy files: each is given once, whatever became of it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User

from authorizations.models import Instruction, Policy
from authorizations.rules.basics.purchase_exceptions import Waiver
from authorizations.rules.policy.document import InvalidPolicyError
from authorizations.services.policies import purchase_exceptions, stops
from authorizations.services.policies.files import compare, export_policies, import_policies
from simulator.stripe.sample_merchants import MERCHANTS
from tests.support.desk import Shopper, in_force, republish
from tests.support.policy_files import load

pytestmark = pytest.mark.django_db

ADA = Shopper(card_id="ic_1", cardholder_id="ich_1")
HOTEL = MERCHANTS[0]._replace(name="Hotel Lepic", network_id="1234567890")
SOON = (datetime.now(UTC) + timedelta(hours=3)).replace(microsecond=0).isoformat()
AT_HOTEL: dict[str, Any] = {
    "card": "ic_1",
    "merchant": {"network_id": "1234567890"},
    "up_to": 60_000,
    "currency": "eur",
    "until": SOON,
    "waives": ["amount_limit_exceeded"],
    "reason": "Trip",
}
ANYWHERE: dict[str, Any] = {
    "card": "ic_1",
    "up_to": 70_000,
    "currency": "eur",
    "until": SOON,
    "waives": [
        {"reason": "amount_limit_exceeded", "policy": "Team", "limit": "monthly"},
        {"reason": "blocked", "block": {"country": "FR"}},
    ],
    "reason": "Conference",
    "reference": "EX-1",
}
FILE = {"exceptions": [AT_HOTEL, ANYWHERE]}


@pytest.fixture(autouse=True)
def team() -> Policy:
    return in_force("Team", spending_limits=[{"amount": 50_000, "interval": "monthly"}])


def test_a_file_lets_through_what_it_lists() -> None:
    changes = load(FILE)
    place = "at merchant network id 1234567890, for card ic_1"
    told = f"  + One purchase up to €600.00 {place}, until {_words(SOON)}: Trip"
    assert list(changes.lines())[:2] == ["Exceptions", told]
    reasons = [ADA.reason(54_000, merchant=HOTEL) for _ in range(3)]
    assert reasons == ["approved", "approved", "amount_limit_exceeded"]


def _words(instant: str) -> str:
    at = datetime.fromisoformat(instant)
    return f"{at.day} {at:%b} {at.year} {at:%H:%M} UTC"


@pytest.mark.parametrize("became", ["used", "lifted", "open"])
def test_a_file_imported_again_changes_nothing_whatever_became_of_them(became: str) -> None:
    load(FILE)
    if became == "used":
        assert [ADA.reason(54_000, merchant=HOTEL) for _ in range(2)] == ["approved"] * 2
    elif became == "lifted":
        operator = User.objects.create(username="operator")
        for row in Instruction.objects.all():
            stops.lift(row, by=operator, reason="Over")
    assert not compare(json.dumps(FILE))
    assert not load(FILE)
    assert not load({"exceptions": []})
    assert Instruction.objects.count() == 2


def test_what_is_past_its_end_is_skipped() -> None:
    assert not load({"exceptions": [AT_HOTEL | {"until": "2020-01-01T00:00:00Z"}]})
    assert not Instruction.objects.exists()


def test_those_in_force_and_unused_are_exported_and_read_again() -> None:
    load(FILE)
    assert export_policies()["exceptions"] == [AT_HOTEL, ANYWHERE]
    assert not compare(json.dumps(export_policies()))
    assert ADA.reason(54_000, merchant=HOTEL) == "approved"
    assert export_policies()["exceptions"] == [ANYWHERE]


def test_a_row_names_policies_by_id_and_files_by_their_present_names(team: Policy) -> None:
    load(FILE)
    [row] = Instruction.objects.filter(reference="EX-1")
    assert [one.get("policy") for one in row.terms["waives"]] == [team.pk, None]
    republish(team, name="Crew")
    exported = export_policies()
    [_, anywhere] = exported["exceptions"]
    assert anywhere["waives"][0]["policy"] == "Crew"
    assert not compare(json.dumps(exported))
    assert not load(exported)
    assert [ADA.reason(54_000), ADA.reason(54_000)] == ["approved", "amount_limit_exceeded"]


@pytest.mark.parametrize("reference", ["", "EX-2"])
def test_after_a_rename_it_is_known_by_its_policy_whatever_that_is_called(
    team: Policy, reference: str
) -> None:
    """Without a reference by all that it says, with the policy that has the name now."""
    given = ANYWHERE | {"reference": reference}
    load({"exceptions": [given]})
    republish(team, name="Crew")
    [waiver, block] = given["waives"]
    renamed = given | {"waives": [waiver | {"policy": "Crew"}, block]}
    assert not load({"exceptions": [renamed]})
    if reference:
        assert not load({"exceptions": [given]})
    else:
        with pytest.raises(InvalidPolicyError) as refused:
            load({"exceptions": [given]})
        where = "exceptions[0].waives[0].policy"
        assert f'{where}: There is no policy "Team", here or in the database' in str(refused.value)
    assert Instruction.objects.count() == 1


def test_a_policy_that_takes_the_name_is_another_one(team: Policy) -> None:
    load({"exceptions": [ANYWHERE | {"reference": ""}]})
    republish(team, name="Crew")
    other = in_force("Team", spending_limits=[{"amount": 50_000, "interval": "monthly"}])
    assert load({"exceptions": [ANYWHERE | {"reference": ""}]})
    waived = [row.terms["waives"][0]["policy"] for row in Instruction.objects.order_by("pk")]
    assert waived == [team.pk, other.pk]


def test_an_exception_can_waive_a_policy_that_its_file_brings() -> None:
    policy = {"name": "New", "currency": "eur", "blocked_categories": [HOTEL.category]}
    waiver = {"reason": "category_not_allowed", "policy": "New"}
    file = {
        "policies": [policy],
        "assignments": [{"policy": "New", "program": True}],
        "exceptions": [AT_HOTEL | {"waives": [waiver]}],
    }
    load(file)
    [row] = Instruction.objects.all()
    assert row.terms["waives"][0]["policy"] == Policy.objects.get(name="New").pk
    assert not load(file)
    assert ADA.reason(100, merchant=HOTEL) == "approved"
    assert ADA.reason(100, merchant=HOTEL) == "category_not_allowed"


def test_what_is_past_its_end_may_name_a_policy_that_is_gone() -> None:
    waiver = {"reason": "no_condition_met", "policy": "Of old"}
    past = {"until": "2020-01-01T00:00:00Z", "waives": [waiver]}
    assert not load({"exceptions": [AT_HOTEL | past]})


def test_one_given_from_a_decision_is_known_by_what_it_says() -> None:
    purchase_exceptions.allow_once(
        "ic_1",
        [Waiver("no_policy")],
        up_to=100,
        currency="eur",
        until=datetime.now(UTC) + timedelta(hours=1),
        by=None,
        reason="Trip",
        decision="evt_declined",
    )
    exported = export_policies()
    assert exported["exceptions"][0]["waives"] == ["no_policy"]
    assert not load(exported)
    assert Instruction.objects.count() == 1


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"card": None}, "exceptions[0].card: Name the card."),
        ({"up_to": None}, "exceptions[0].up_to: Give the amount"),
        ({"up_to": "60"}, "exceptions[0].up_to: Give the amount as a whole number"),
        ({"currency": None}, "exceptions[0].currency: Give the currency"),
        ({"until": None}, "exceptions[0].until: Say until when it holds."),
        ({"reason": None}, "exceptions[0].reason: Give a reason"),
        ({"waives": []}, "exceptions[0].waives: Say what it waives"),
        ({"waives": ["card_frozen"]}, "waives[0]: No exception waives card_frozen: leave it out."),
        ({"waives": ["amount"]}, 'waives[0]: There is no reason "amount". Did you mean'),
        ({"waives": [{"limit": "monthly"}]}, "waives[0]: Write a reason"),
        (
            {"waives": [{"reason": "amount_limit_exceeded", "limit": "monthly"}]},
            "waives[0]: Name the policy that has this limit, too.",
        ),
        (
            {"waives": [{"reason": "blocked", "block": {"card": "ic_1"}}]},
            "waives[0]: Write what the block is about",
        ),
        ({"category": "bakeries"}, "Name a merchant or a category, not both."),
        ({"cardholder": "ich_1"}, 'There is no key "cardholder"'),
    ],
)
def test_what_is_wrong_is_named_with_its_place_and_changes_nothing(
    wrong: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InvalidPolicyError) as refused:
        import_policies(json.dumps({"exceptions": [AT_HOTEL | wrong]}))
    assert sentence in str(refused.value)
    assert not Instruction.objects.exists()


def test_a_reference_is_of_one_instruction_of_a_file() -> None:
    freeze = {"program": True, "reason": "Audit", "reference": "EX-1"}
    with pytest.raises(InvalidPolicyError, match=r"freezes\[0\]: This is exceptions\[0\] again"):
        load({"exceptions": [ANYWHERE], "freezes": [freeze]})
