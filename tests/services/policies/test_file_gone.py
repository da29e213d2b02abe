"""What a policy file names is renamed or deleted meanwhile: that is told, and nothing is lost."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from authorizations.models import Card, CardGroup, FundEntry, Instruction, Policy
from authorizations.rules.policy.document import InvalidPolicyError
from authorizations.services.policies import files, own_amounts_table, plan
from authorizations.services.policies.files import UnfinishedImportError, compare, import_policies
from authorizations.services.policies.names import ByName, GoneError
from authorizations.services.policies.own_amounts_table import import_own_amounts
from tests.support.desk import republish
from tests.support.meanwhile import right_after
from tests.support.policy_files import everything, load

pytestmark = pytest.mark.django_db

SOON = (datetime.now(UTC) + timedelta(hours=3)).replace(microsecond=0).isoformat()
BASIS: dict[str, Any] = {
    "policies": [
        {
            "name": "Team",
            "currency": "eur",
            "spending_limits": [
                {"amount": 50_000, "interval": "monthly"},
                {"key": "pot", "funds": True},
            ],
        }
    ],
    "groups": [{"name": "Drivers", "cards": ["ic_1"]}, {"name": "Others"}],
    "assignments": [
        {"policy": "Team", "program": True},
        {"policy": "Team", "group": "Drivers"},
    ],
}
LIMIT = {"policy": "Team", "limit": "monthly", "reason": "Trip"}
POT = {"policy": "Team", "limit": "pot", "amount": 100, "reference": "PO-1", "reason": "Trip"}
ASSIGNMENTS = BASIS["assignments"]
OF_GROUP: dict[str, dict[str, Any]] = {
    "assigned": {"assignments": [*ASSIGNMENTS, {"policy": "Team", "group": "Others"}]},
    "each": {"assignments": [ASSIGNMENTS[0], ASSIGNMENTS[1] | {"each": "card"}]},
    "left out": {
        "assignments": [
            ASSIGNMENTS[0] | {"except": [{"group": "Others", "reason": "Trip"}]},
            ASSIGNMENTS[1],
        ]
    },
    "own amounts": {"overrides": [LIMIT | {"group": "Drivers", "raise_by": 100}]},
    "funds": {"funds": [POT | {"group": "Drivers"}]},
    "freeze": {"freezes": [{"group": "Others", "reason": "Audit"}]},
    "block": {"blocks": [{"group": "Others", "country": "FR", "reason": "Audit"}]},
}
OF_POLICY: dict[str, dict[str, Any]] = {
    "assigned": {"assignments": [{"policy": "Team", "cardholder": "ich_1"}]},
    "each": {"assignments": [{"policy": "Team", "group": "Drivers", "each": "card"}]},
    "own amounts": {"overrides": [LIMIT | {"card": "ic_1", "raise_by": 100}]},
    "funds": {"funds": [POT | {"card": "ic_1"}]},
    "exception": {
        "exceptions": [
            {
                "card": "ic_1",
                "up_to": 100,
                "currency": "eur",
                "until": SOON,
                "waives": [{"reason": "amount_limit_exceeded", "policy": "Team"}],
                "reason": "Trip",
            }
        ]
    },
}


@pytest.fixture(autouse=True)
def basis() -> None:
    load(BASIS)


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[[], Any]], None]:
    """Do something once, as soon as a step of the plan is over."""
    return partial(right_after, monkeypatch, plan)


def delete_groups() -> None:
    Card.objects.update(group=None)
    CardGroup.objects.all().delete()


def rename() -> None:
    republish(Policy.objects.get(), name="Crew")


@pytest.mark.parametrize("step", ["unseen", "changes"])
@pytest.mark.parametrize("file", OF_GROUP.values(), ids=OF_GROUP)
def test_a_group_that_is_deleted_meanwhile_is_named(
    file: dict[str, Any], step: str, meanwhile: Any
) -> None:
    meanwhile(step, delete_groups)
    with pytest.raises(GoneError, match=r'The group "(Drivers|Others)" is gone: .* Import the'):
        import_policies(json.dumps(file), allow_new_spending=True)
    with pytest.raises(InvalidPolicyError, match="There is no group"):
        load(file)
    # Nothing of it is lost: with the groups it does the rest.
    load({"groups": BASIS["groups"], "assignments": ASSIGNMENTS})
    assert load(file)
    assert not load(file)


@pytest.mark.parametrize("step", ["unseen", "changes"])
@pytest.mark.parametrize("file", OF_POLICY.values(), ids=OF_POLICY)
def test_a_policy_that_is_renamed_meanwhile_is_named(
    file: dict[str, Any], step: str, meanwhile: Any
) -> None:
    meanwhile(step, rename)
    with pytest.raises(
        GoneError, match=r'"Team" (.* )?is gone: it was renamed or deleted meanwhile'
    ):
        import_policies(json.dumps(file), allow_new_spending=True)
    assert not Instruction.objects.exists()
    assert not FundEntry.objects.exists()
    with pytest.raises(InvalidPolicyError, match='There is no policy "Team"'):
        load(file)
    republish(Policy.objects.get(), name="Team")
    assert load(file)
    assert not load(file)


def test_comparing_alone_says_so_too(meanwhile: Any) -> None:
    renamed: list[Any] = []

    def rename_and_look() -> None:
        rename()
        renamed.extend(everything())

    meanwhile("unseen", rename_and_look)
    with pytest.raises(GoneError, match='The limit "pot" of the policy "Team" is gone'):
        compare(json.dumps(OF_POLICY["funds"]))
    assert everything() == renamed
    assert not FundEntry.objects.exists()


def test_a_limit_that_is_taken_out_meanwhile_is_named(meanwhile: Any) -> None:
    limits = BASIS["policies"][0]["spending_limits"][:1]
    meanwhile("changes", lambda: republish(Policy.objects.get(), spending_limits=limits))
    with pytest.raises(GoneError, match='The limit "pot" of the policy "Team" is gone'):
        import_policies(json.dumps(OF_POLICY["funds"]))
    assert not FundEntry.objects.exists()


def test_an_assignment_to_a_group_that_is_gone_has_not_to_be_removed(meanwhile: Any) -> None:
    meanwhile("changes", delete_groups)
    file = {"policies": BASIS["policies"], "assignments": [{"policy": "Team", "program": True}]}
    import_policies(json.dumps(file))
    assert [str(target) for target in plan.targets()] == ['"Team" to every card of the program']


def test_what_comes_before_an_error_of_a_later_part_stays(meanwhile: Any) -> None:
    """Somebody takes money out between comparing and importing."""
    pot = POT | {"card": "ic_1"}
    load({"funds": [pot]})
    less = pot | {"reference": "PO-2", "amount": -100}
    file = {"freezes": [{"card": "ic_1", "reason": "Audit"}], "funds": [less]}
    taken = pot | {"reference": "PO-3", "amount": -1}
    meanwhile("changes", lambda: load({"funds": [taken]}))
    with pytest.raises(UnfinishedImportError, match=r"Only €0\.99 is left"):
        import_policies(json.dumps(file))
    assert Instruction.objects.get().kind == "freeze"
    load({"funds": [pot | {"reference": "PO-4", "amount": 1}]})
    assert load(file)
    assert not load(file)
    assert Instruction.objects.count() == 1


def test_a_table_says_so_too(monkeypatch: pytest.MonkeyPatch) -> None:
    right_after(monkeypatch, own_amounts_table, "compare", rename)
    table = "card,policy,limit,amount,reason\nic_1,Team,monthly,800.00,Trip\n"
    with pytest.raises(GoneError, match='The policy "Team" is gone'):
        import_own_amounts(table)
    assert not Instruction.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_group_that_is_deleted_once_its_id_is_read_is_found_by_the_database(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(files, "group_ids", lambda: ByName("group", [("Drivers", 999)]))
    file = {"groups": [{"name": "Drivers", "cards": ["ic_1", "ic_2"]}]}
    with pytest.raises(GoneError, match="A policy or group that the file names is gone"):
        import_policies(json.dumps(file))
    monkeypatch.undo()
    assert load(file)
    assert not load(file)
