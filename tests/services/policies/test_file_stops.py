"""Freezes and blocks in policy files: made once, and never again by the same words."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from authorizations.models import CardGroup, Instruction
from authorizations.rules.basics.controls import Scope, ScopeKind
from authorizations.rules.policy.document import InvalidPolicyError
from authorizations.services.policies import plan, stops
from authorizations.services.policies.changes import Changes
from authorizations.services.policies.files import compare, export_policies, import_policies
from simulator.stripe.sample_merchants import MERCHANTS
from tests.support.desk import Shopper, in_force
from tests.support.policy_files import load

pytestmark = pytest.mark.django_db

SOON = (datetime.now(UTC) + timedelta(days=3)).replace(microsecond=0).isoformat()
FILE: dict[str, Any] = {
    "groups": [{"name": "Drivers", "cards": ["ic_1"]}],
    "freezes": [
        {"cardholder": "ich_3", "until": None, "reason": "Left the company"},
        {"group": "Drivers", "until": SOON, "reason": "Audit", "reference": "AUD-1"},
    ],
    "blocks": [
        {"merchant": {"network_id": "1234567890"}, "group": "Drivers", "reason": "Fraud"},
        {"category": "betting_casino_gambling", "reason": "Never"},
        {"country": "kp", "until": SOON, "reason": "Sanctions", "reference": "S-1"},
    ],
}


def rows() -> list[tuple[str, str, dict[str, Any]]]:
    return list(Instruction.objects.order_by("pk").values_list("kind", "scope", "terms"))


def test_a_file_freezes_and_blocks_what_it_lists() -> None:
    in_force(spending_limits=[{"amount": 100_000, "interval": "monthly"}])
    changes = load(FILE)
    group = CardGroup.objects.get().pk
    assert rows() == [
        ("freeze", "cardholder:ich_3", {}),
        ("freeze", f"group:{group}", {}),
        ("block", f"group:{group}", {"merchant": {"network_id": "1234567890"}}),
        ("block", "program:", {"category": "betting_casino_gambling"}),
        ("block", "program:", {"country": "KP"}),
    ]
    lines = list(changes.lines())
    assert "  + Freeze, for cardholder ich_3: Left the company" in lines
    assert "  + Block of merchant network id 1234567890, for group Drivers: Fraud" in lines
    assert Shopper(card_id="ic_3", cardholder_id="ich_3").reason(100) == "card_frozen"
    assert Shopper(card_id="ic_1", cardholder_id="ich_1").reason(100) == "card_frozen"
    casino = MERCHANTS[0]._replace(category="betting_casino_gambling", mcc="7995")
    other = Shopper(card_id="ic_9", cardholder_id="ich_9")
    assert (other.reason(100, merchant=casino), other.reason(100)) == ("blocked", "approved")


def test_a_file_imported_again_changes_nothing_whatever_happened_between() -> None:
    load(FILE)
    operator = User.objects.create(username="operator")
    for row in Instruction.objects.all():
        stops.lift(row, by=operator, reason="Settled")
    before = rows()
    assert not compare(json.dumps(FILE))
    assert not load(FILE)
    assert rows() == before
    assert not stops.in_force().exists()


def test_what_is_left_out_stays_in_force() -> None:
    load(FILE)
    assert not load({"freezes": [], "blocks": []})
    assert stops.in_force().count() == 5


def test_what_is_past_its_end_is_skipped() -> None:
    past = {"program": True, "until": "2020-01-01T00:00:00Z", "reason": "Long ago"}
    assert not load({"freezes": [past]})
    assert not Instruction.objects.exists()


def test_what_several_stopped_at_once_is_exported_and_read_again() -> None:
    operator = User.objects.create(username="operator")
    program = Scope(ScopeKind.PROGRAM, "")
    soon = datetime.now(UTC).replace(microsecond=250_000) + timedelta(hours=1)
    for reason, until in [("Attack", None), ("Attack", None), ("Audit", None), ("Audit", soon)]:
        stops.freeze(program, by=operator, reason=reason, until=until)
    exported = export_policies()
    to_the_second = soon.replace(microsecond=0).isoformat()
    assert exported["freezes"] == [
        {"program": True, "reason": "Attack"},
        {"program": True, "reason": "Audit"},
        {"program": True, "until": to_the_second, "reason": "Audit"},
    ]
    assert not load(exported)


@pytest.mark.parametrize("words", [{}, {"reference": "4242 4242 4242 4242"}])
def test_a_card_number_is_masked_and_the_file_known_again(words: dict[str, str]) -> None:
    file = {"freezes": [{"card": "ic_1", "reason": "Stolen 4242 4242 4242 4242", **words}]}
    assert load(file)
    assert "4242 4242 4242" not in str(Instruction.objects.values_list("reason", "reference"))
    assert not load(file)
    assert not load(export_policies())


@pytest.mark.django_db(transaction=True)
def test_two_imports_at_once_make_each_once() -> None:
    both_compared = Barrier(2, timeout=60)
    compared = plan.changes

    def changes(*given: Any) -> Changes:
        found = compared(*given)
        both_compared.wait()
        return found

    def imported(_: int) -> Changes:
        try:
            return load(FILE)
        finally:
            connection.close()

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(2) as pool:
        patch.setattr(plan, "changes", changes)
        done = list(pool.map(imported, range(2)))
    assert sorted(len(one.stops) for one in done) == [0, 5]
    assert Instruction.objects.count() == 5


def test_a_reference_of_another_kind_is_told_and_nothing_is_taken_for_stopped() -> None:
    load(FILE)
    freeze = {"card": "ic_9", "reason": "Lost", "reference": "S-1"}
    with pytest.raises(InvalidPolicyError) as refused:
        compare(json.dumps({"freezes": [freeze]}))
    [problem] = map(str, refused.value.problems)
    wrong = '"S-1" refers to another kind of instruction already (block): choose another.'
    assert problem == f"freezes[0].reference: {wrong}"


def test_a_dry_run_writes_nothing() -> None:
    assert compare(json.dumps(FILE)).stops
    assert not Instruction.objects.exists()


def test_what_is_exported_builds_the_same_desk_and_changes_nothing_here() -> None:
    load(FILE)
    lifted = Instruction.objects.get(scope="cardholder:ich_3")
    stops.lift(lifted, by=User.objects.create(username="operator"), reason="Back again")
    exported = export_policies()
    assert [it["reason"] for it in exported["freezes"]] == ["Audit"]
    assert [it["reason"] for it in exported["blocks"]] == ["Fraud", "Never", "Sanctions"]
    assert not compare(json.dumps(exported))
    assert exported["freezes"][0] == FILE["freezes"][1]


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({"freezes": [{"reason": "x"}]}, 'freezes[0]: Say what it applies to: one of "program"'),
        ({"freezes": [{"program": True}]}, "freezes[0].reason: Give a reason"),
        ({"freezes": [{"program": True, "card": "ic_1", "reason": "x"}]}, "Choose one only"),
        ({"blocks": [{"reason": "x"}]}, 'blocks[0]: Say what is blocked: one of "merchant"'),
        ({"blocks": [{"country": "FR", "category": "bakeries", "reason": "x"}]}, "Choose one only"),
        ({"blocks": [{"country": "Atlantis", "reason": "x"}]}, "There is no country"),
        ({"blocks": [{"country": "FR", "card": "ic_1", "reason": "x"}]}, 'There is no key "card"'),
        ({"blocks": [{"country": "FR", "until": "soon", "reason": "x"}]}, "Write a date"),
        ({"blocks": [{"country": "FR", "group": "No", "reason": "x"}]}, 'no group "No"'),
        (
            {"freezes": [{"program": True, "reason": "x"}, {"program": True, "reason": "x"}]},
            "freezes[1]: This is freezes[0] again: keep one of them.",
        ),
        (
            {
                "freezes": [{"program": True, "reason": "x", "reference": "R-1"}],
                "blocks": [{"country": "FR", "reason": "x", "reference": "R-1"}],
            },
            "blocks[0]: This is freezes[0] again: keep one of them.",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_place_and_changes_nothing(
    entry: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InvalidPolicyError) as refused:
        import_policies(json.dumps(entry))
    assert sentence in str(refused.value)
    assert not Instruction.objects.exists()
