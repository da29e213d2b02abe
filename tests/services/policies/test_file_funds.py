"""Funds in policy files: each entry is made once, by its reference, whatever happened since."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command

from authorizations.models import CardGroup, ExceptionLimit, FundEntry, Policy, PotSum, Usage
from authorizations.rules.basics.controls import Scope, ScopeKind
from authorizations.rules.policy.document import InvalidPolicyError
from authorizations.services.policies import funds
from authorizations.services.policies.files import compare, export_policies, import_policies
from authorizations.services.store import locks, window_sums
from tests.support.desk import Shopper
from tests.support.lifecycle import Told
from tests.support.policy_files import load

pytestmark = pytest.mark.django_db

CARD = {"policy": "Team", "limit": "pot", "card": "ic_ada"}
FILE: dict[str, Any] = {
    "policies": [
        {
            "name": "Team",
            "currency": "eur",
            "spending_limits": [
                {"key": "pot", "funds": True},
                {"amount": 9_000_000, "interval": "monthly"},
            ],
        },
        {"name": "Holder", "currency": "eur", "spending_limits": [{"funds": True}]},
    ],
    "groups": [{"name": "Drivers", "cards": ["ic_bea"]}],
    "assignments": [
        {"policy": "Team", "program": True},
        {"policy": "Holder", "cardholder": "ich_ada"},
        {"policy": "Holder", "group": "Drivers"},
    ],
    "funds": [
        CARD | {"amount": 2_000, "reference": "PO-17", "reason": "Week 49"},
        CARD | {"amount": -500, "reference": "PO-18", "reason": "Too much"},
        {
            "policy": "Holder",
            "limit": "funds",
            "cardholder": "ich_ada",
            "amount": 1_000,
            "reference": "PO-17",
            "reason": "Trip",
        },
        {
            "policy": "Holder",
            "limit": "funds",
            "group": "Drivers",
            "amount": 700,
            "reference": "PO-1",
            "reason": "Fuel",
        },
    ],
}


def ada() -> Shopper:
    return Shopper(card_id="ic_ada", cardholder_id="ich_ada", at=int(time.time()) + 60)


def pots() -> dict[str, int]:
    return {pot.scope.partition(":")[0]: pot.amount for pot in PotSum.objects.all()}


def test_a_file_adds_and_takes_what_it_lists_once() -> None:
    changes = load(FILE)
    lines = list(changes.lines())
    assert '  + €20.00 to card ic_ada ("Team", pot): PO-17, Week 49' in lines
    assert '  - €5.00 from card ic_ada ("Team", pot): PO-18, Too much' in lines
    assert pots() == {"card": 1_500, "cardholder": 1_000, "group": 700}
    assert ada().reason(1_001) == "funds_exceeded"
    assert ada().reason(1_000) == "approved"
    assert not compare(json.dumps(FILE))
    assert not load(FILE)
    assert FundEntry.objects.count() == 4


def test_an_import_in_the_name_of_a_user_is_not_held_to_the_limits_of_their_role() -> None:
    user, role = User.objects.create(username="operator"), Group.objects.get(name="Operations")
    user.groups.add(role)
    ExceptionLimit.objects.create(role=role, currency="eur", amount=1)
    import_policies(json.dumps(FILE), author=user, allow_new_spending=True)
    assert pots()["card"] == 1_500


def test_leaving_an_entry_out_undoes_nothing_and_the_export_says_all_again() -> None:
    load(FILE)
    load(FILE | {"funds": []})
    assert pots()["card"] == 1_500
    exported = export_policies()
    assert exported["funds"] == FILE["funds"]
    assert not compare(json.dumps(exported))


def test_more_than_is_left_is_refused_before_anything_changes() -> None:
    load(FILE)
    assert ada().reason(900) == "approved"
    wrong = FILE | {
        "funds": [CARD | {"amount": -601, "reference": "PO-19", "reason": "Back"}],
        "groups": [{"name": "New"}],
    }
    for do in (compare, import_policies):
        with pytest.raises(InvalidPolicyError) as refused:
            do(json.dumps(wrong))
        [problem] = refused.value.problems
        assert "Only €6.00 is left" in problem.message
    assert pots()["card"] == 1_500
    load(FILE | {"funds": [CARD | {"amount": -600, "reference": "PO-19", "reason": "Back"}]})
    assert pots()["card"] == 900


def test_a_file_adds_nothing_where_its_limit_measures_nothing() -> None:
    """Nothing is changed by halves: a dry run says what the import would."""
    unassigned = FILE | {"assignments": FILE["assignments"][:1]}
    for do in (compare, import_policies):
        with pytest.raises(InvalidPolicyError) as refused:
            do(json.dumps(unassigned))
        [problem] = map(str, refused.value.problems)
        assert problem.startswith("funds[2].cardholder: The limit does not measure this")
        assert problem.endswith("1 more entry has the same problem.")
    assert not Policy.objects.exists()


def test_what_was_added_before_the_policy_was_unassigned_stays_and_is_in_no_export() -> None:
    load(FILE)
    load(FILE | {"assignments": FILE["assignments"][:1]})
    assert pots() == {"card": 1_500, "cardholder": 1_000, "group": 700}
    exported = export_policies()
    assert exported["funds"] == FILE["funds"][:2]
    assert not compare(json.dumps(exported))


def test_while_a_planned_version_without_them_is_in_force_funds_are_added_and_exported() -> None:
    later = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0).isoformat()
    [team, holder] = FILE["policies"]
    planned = [{"until": later, "currency": "eur", "unlimited": True}]
    file = FILE | {"policies": [team | {"planned": planned}, holder]}
    load(file)
    assert ada().reason(5_000_000) == "funds_exceeded"  # of Holder
    assert pots()["card"] == 1_500
    exported = export_policies()
    assert exported["funds"] == FILE["funds"]
    assert not compare(json.dumps(exported))
    assert not load(file)


def test_an_overdrawn_pot_has_less_than_what_is_added() -> None:
    load(FILE)
    bought = Told(1_000, ada())
    bought.buys()
    bought.captures(1_700)
    more = CARD | {"amount": 300, "reference": "PO-20", "reason": "x"}
    less = CARD | {"amount": -101, "reference": "PO-21", "reason": "x"}
    for do in (compare, import_policies):
        with pytest.raises(InvalidPolicyError, match=r"Only €1\.00 is left"):
            do(json.dumps(FILE | {"funds": [more, less]}))
    load(FILE | {"funds": [more, less | {"amount": -100}]})
    assert pots()["card"] == 1_700


def test_what_is_still_being_counted_can_be_added_to_and_taking_out_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    load(FILE)
    assert [ada().reason(1) for _ in range(3)] == ["approved"] * 3
    Usage.objects.all().delete()
    monkeypatch.setattr(window_sums, "AT_ONCE", 1)
    less = CARD | {"amount": -1, "reference": "PO-21", "reason": "x"}
    with pytest.raises(InvalidPolicyError) as refused:
        compare(json.dumps(FILE | {"funds": [less]}))
    [problem] = refused.value.problems
    assert str(problem).startswith("funds[0].amount: What was spent is still being counted")
    load(FILE | {"funds": [less | {"amount": 1}]})
    assert pots()["card"] == 1_501


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Lets something happen after a file was compared, before its funds are locked."""

    def then(happens: Callable[[], object]) -> None:
        hold = locks.hold

        def held(**rows: Any) -> dict[str, str]:
            monkeypatch.setattr(locks, "hold", hold)
            happens()
            return hold(**rows)

        monkeypatch.setattr(locks, "hold", held)

    return then


def by_hand(amount: int, reference: str) -> FundEntry:
    team, card = Policy.objects.get(name="Team"), Scope(ScopeKind.CARD, "ic_ada")
    return funds.enter(team, "pot", card, amount, by=None, reference=reference, reason="By hand")


def test_what_somebody_else_has_entered_meanwhile_is_not_entered_again(meanwhile: Any) -> None:
    load(FILE)
    more = CARD | {"amount": 300, "reference": "PO-20", "reason": "x"}
    meanwhile(lambda: by_hand(300, "PO-20"))
    changes = load(FILE | {"funds": [more, more | {"reference": "PO-21"}]})
    assert [change.listed.reference for change in changes.funds] == ["PO-21"]
    assert pots()["card"] == 2_100


def test_where_less_is_left_by_then_it_is_told_that_the_rest_is_done(
    meanwhile: Any, tmp_path: Path
) -> None:
    load(FILE)
    written = FILE | {
        "funds": [CARD | {"amount": -1_500, "reference": "PO-20", "reason": "x"}],
        "groups": [*FILE["groups"], {"name": "New"}],
    }
    path = tmp_path / "file.json"
    path.write_text(json.dumps(written))
    meanwhile(lambda: by_hand(-1, "PO-21"))
    with pytest.raises(CommandError) as interrupted:
        call_command("import_policies", str(path))
    assert str(interrupted.value).startswith("funds[0]: Only €14.99 is left: take that or less.")
    assert "What comes before this is written" in str(interrupted.value)
    assert "Nothing was written" not in str(interrupted.value)
    assert CardGroup.objects.filter(name="New").exists()


def test_an_entry_of_the_page_is_known_by_its_reference() -> None:
    load(FILE | {"funds": []})
    assert ada().reason(0) == "approved"
    user, team = User.objects.create(username="operator"), Policy.objects.get(name="Team")
    card = Scope(ScopeKind.CARD, "ic_ada")
    funds.enter(team, "pot", card, 900, by=user, reference="PO-17", reason="By hand")
    load(FILE)
    assert pots()["card"] == 400


def test_a_members_pot_is_named_by_group_and_cardholder() -> None:
    member = {"policy": "Holder", "limit": "funds", "group": "Drivers", "cardholder": "ich_ada"}
    file = FILE | {
        "assignments": [{"policy": "Holder", "group": "Drivers", "each": "cardholder"}],
        "funds": [member | {"amount": 500, "reference": "PO-1", "reason": "Fuel"}],
    }
    changes = load(file)
    assert any("cardholder ich_ada in group Drivers" in line for line in changes.lines())
    [pot] = PotSum.objects.all()
    assert (pot.scope.partition(":")[0], pot.amount) == ("member", 500)
    assert not compare(json.dumps(file))
    assert export_policies()["funds"] == file["funds"]
    assert not load(file)


@pytest.mark.parametrize(
    ("entry", "path", "sentence"),
    [
        ({"amount": 0}, "funds[0].amount", "not 0"),
        ({"amount": "5"}, "funds[0].amount", "whole number"),
        ({"reference": ""}, "funds[0].reference", "Give a reference"),
        ({"reason": None}, "funds[0].reason", "Give a reason"),
        ({"limit": "monthly"}, "funds[0].limit", "has no funds"),
        ({"limit": "nothing"}, "funds[0].limit", "has no limit"),
        ({"policy": "Nobody"}, "funds[0].policy", "There is no policy"),
        ({"group": "Drivers"}, "funds[0]", "Choose one only"),
        ({"until": "2027-01-01"}, "funds[0].until", ""),
    ],
)
def test_what_can_not_be_read_is_named(entry: dict[str, Any], path: str, sentence: str) -> None:
    usual = CARD | {"amount": 5, "reference": "R", "reason": "x"}
    with pytest.raises(InvalidPolicyError) as refused:
        compare(json.dumps(FILE | {"funds": [usual | entry]}))
    [problem] = refused.value.problems
    assert str(problem).startswith(path)
    assert sentence in problem.message


def test_funds_are_no_own_amount_in_a_file() -> None:
    own = CARD | {"amount": 5, "reason": "x"}
    with pytest.raises(InvalidPolicyError, match="list what is added under"):
        compare(json.dumps(FILE | {"overrides": [own]}))
