"""Whose own limits are, in policy files: it follows them as assignments do."""

import json
from typing import Any

import pytest

from authorizations.models import Assignment
from authorizations.rules.policy.document import InvalidPolicyError
from authorizations.services.policies.files import compare, export_policies, import_policies
from tests.support.desk import Shopper
from tests.support.policy_files import load

pytestmark = pytest.mark.django_db


def file(**each: str) -> dict[str, Any]:
    """A group's assignment and the program's, each with whose own its limits are."""
    limits = [{"amount": 1_000, "interval": "daily"}]
    return {
        "policies": [
            {"name": name, "currency": "eur", "spending_limits": limits} for name in ("Team", "All")
        ],
        "groups": [{"name": "Drivers", "cards": ["ic_1", "ic_2", "ic_3"]}],
        "assignments": [
            {"policy": "All", "program": True}
            | ({"each": each["program"]} if "program" in each else {}),
            {"policy": "Team", "group": "Drivers"}
            | ({"each": each["group"]} if "group" in each else {}),
        ],
    }


def eaches() -> dict[str, str]:
    return dict(Assignment.objects.values_list("policy__name", "each"))


@pytest.mark.parametrize("group", ["card", "cardholder"])
def test_what_a_file_says_comes_back_and_imported_again_changes_nothing(group: str) -> None:
    whole = file(group=group, program="cardholder")
    load(whole)
    assert eaches() == {"Team": group, "All": "cardholder"}
    assert not compare(json.dumps(whole))
    exported = export_policies()
    assert exported["assignments"] == whole["assignments"]
    assert not load(exported)


def test_each_card_of_the_program_is_what_it_is_without() -> None:
    load(file(program="card"))
    assert eaches() == {"Team": "", "All": ""}
    assert not load(file())


def test_a_change_is_shown_and_forgets_nothing_that_was_spent() -> None:
    load(file())
    first, second = (Shopper(card_id=f"ic_{n}", cardholder_id=f"ich_{n}") for n in (1, 2))
    assert first.reason(600) == "approved"
    changes = load(file(group="cardholder"))
    assert list(changes.lines()) == [
        "Assignments",
        '  "Team" to group Drivers: one shared budget -> each cardholder\'s own in this group',
    ]
    assert first.reason(401) == "amount_limit_exceeded"
    assert second.reason(1_000) == "approved"
    assert [*load(file(group="card", program="cardholder")).lines()] == [
        "Assignments",
        "  \"All\" to every card of the program: each card's own -> each cardholder's own",
        "  \"Team\" to group Drivers: each cardholder's own in this group -> each card's own",
    ]
    load(file())
    assert first.reason(1) == "amount_limit_exceeded"


def test_a_new_assignment_says_whose_own_its_limits_are() -> None:
    lines = list(load(file(group="card")).lines())
    assert '  + "Team" to group Drivers, each card\'s own' in lines
    assert '  + "All" to every card of the program' in lines


def test_a_file_without_assignments_leaves_them_as_they_are() -> None:
    load(file(group="card"))
    load({"policies": file()["policies"]})
    assert eaches()["Team"] == "card"


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({"card": "ic_1", "each": "card"}, "Leave this out: the limits are this card's own."),
        (
            {"cardholder": "ich_1", "each": "cardholder"},
            "Leave this out: the limits are this cardholder's own.",
        ),
        ({"group": "Drivers", "each": "person"}, 'Give "card" or "cardholder", or leave it out'),
        ({"group": "Drivers", "each": ["card"]}, 'Give "card" or "cardholder", or leave it out'),
    ],
)
def test_what_makes_no_sense_is_refused(entry: dict[str, Any], sentence: str) -> None:
    wrong = file() | {"assignments": [{"policy": "Team"} | entry]}
    with pytest.raises(InvalidPolicyError) as refused:
        import_policies(json.dumps(wrong))
    [problem] = refused.value.problems
    assert f"assignments[0].each: {sentence}" in str(problem)
    assert not Assignment.objects.exists()
