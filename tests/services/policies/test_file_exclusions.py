"""Who assignments leave out, in policy files: it follows them as assignments do."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from authorizations.models import Assignment, Instruction, Lifting
from authorizations.rules.policy.document import InvalidPolicyError
from authorizations.services.policies import exclusions, own_amounts
from authorizations.services.policies.files import compare, export_policies, import_policies
from tests.support.desk import Shopper
from tests.support.policy_files import load

pytestmark = pytest.mark.django_db

SOON = (datetime.now(UTC) + timedelta(days=3)).replace(microsecond=0).isoformat()
CARD = {"card": "ic_1", "reason": "On a trip"}
BOTH = [CARD, {"cardholder": "ich_2", "until": SOON, "reason": "Leaves"}]


def file(*left_out: dict[str, Any], **entry: Any) -> dict[str, Any]:
    assignment: dict[str, Any] = {"policy": "Team", "group": "Drivers", "each": "card"}
    return {
        "policies": [
            {"name": "All", "unlimited": True},
            {
                "name": "Team",
                "currency": "eur",
                "spending_limits": [{"amount": 1_000, "interval": "daily"}],
            },
        ],
        "groups": [{"name": "Drivers", "cards": ["ic_1", "ic_2", "ic_3"]}],
        "assignments": [
            {"policy": "All", "program": True},
            assignment | ({"except": [*left_out]} if left_out else {}) | entry,
        ],
    }


def test_a_file_leaves_out_and_it_holds_with_the_next_request() -> None:
    changes = load(file(*BOTH))
    lines = list(changes.lines())
    assert '  + "Team" to group Drivers, without card ic_1: On a trip' in lines
    reasons = [
        Shopper(card_id=f"ic_{n}", cardholder_id=f"ich_{n}").reason(1_001) for n in (1, 2, 3)
    ]
    assert reasons == ["approved", "approved", "amount_limit_exceeded"]


def test_imported_again_it_changes_nothing_and_it_comes_back_as_it_went() -> None:
    whole = file(*BOTH)
    load(whole)
    assert not compare(json.dumps(whole))
    exported = export_policies()
    assert exported["assignments"] == whole["assignments"]
    assert not load(exported)
    assert Instruction.objects.count() == 2


def test_what_a_file_with_assignments_does_not_have_is_lifted() -> None:
    load(file(*BOTH))
    load({"policies": file()["policies"]})
    assert exclusions.in_force().count() == 2
    changes = load(file(CARD))
    assert "  - 1 that the file does not have" in list(changes.lines())
    assert exclusions.in_force().get().scope == "card:ic_1"
    load(file())
    assert not exclusions.in_force().exists()
    assert {row.reason for row in Lifting.objects.all()} == {"Not in the file"}


def test_with_its_assignment_it_ends() -> None:
    load(file(CARD))
    load(file() | {"assignments": [{"policy": "All", "program": True}]})
    assert not exclusions.in_force().exists()


def test_nobody_may_spend_by_an_assignment_that_is_about_to_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    generous = file(CARD) | {"assignments": file(CARD)["assignments"][1:]}
    load(generous)
    ada = Shopper(card_id="ic_1", cardholder_id="ich_1")
    assert ada.reason(100) == "no_policy"
    without = generous | {"assignments": []}
    with monkeypatch.context() as patched:
        # Cut off before the assignments that end, which are last.
        patched.setattr(own_amounts, "follow", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            load(without)
    assert ada.reason(100) == "no_policy"
    load(without)
    assert not Assignment.objects.exists()
    assert not exclusions.in_force().exists()
    assert not load(without)


def test_what_is_past_its_end_is_skipped() -> None:
    load(file(CARD | {"until": "2020-01-01T00:00:00Z"}))
    assert not Instruction.objects.exists()


@pytest.mark.parametrize(
    ("left_out", "sentence"),
    [
        ({"card": "ic_1"}, "Give a reason"),
        ({"reason": "x"}, "Say what it applies to"),
        ({"group": "Drivers", "reason": "x"}, "Leave out the assignment instead"),
        ({"program": True, "reason": "x"}, "There is no key"),
        ({"card": "ic_1", "until": "soon", "reason": "x"}, "until"),
    ],
)
def test_what_makes_no_sense_is_refused(left_out: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidPolicyError) as refused:
        import_policies(json.dumps(file(left_out)))
    assert sentence in str(refused.value.problems[0])
    assert "assignments[1].except[0]" in str(refused.value.problems[0])
    assert not Instruction.objects.exists()
