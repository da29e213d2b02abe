"""Own amounts in policy files, which follow the file as assignments do."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from authorizations.models import Card, CardGroup, Instruction, Lifting, Policy
from authorizations.rules.basics.controls import Scope, ScopeKind
from authorizations.rules.policy.document import InvalidPolicyError
from authorizations.services.policies import own_amounts
from authorizations.services.policies.files import compare, export_policies, import_policies
from authorizations.services.policies.publish import publish
from authorizations.services.policies.stops import StopError
from tests.support.damage import rewrite
from tests.support.desk import Shopper
from tests.support.policy_files import load

pytestmark = pytest.mark.django_db

SOON = (datetime.now(UTC) + timedelta(days=3)).replace(microsecond=0).isoformat()
CARD = {"policy": "Team", "limit": "monthly", "card": "ic_1", "amount": 80_000, "reason": "Lyon"}
FILE: dict[str, Any] = {
    "policies": [
        {
            "name": "Team",
            "currency": "eur",
            "spending_limits": [
                {"amount": 50_000, "interval": "monthly"},
                {"key": "visits", "count": 9, "interval": "daily"},
            ],
        }
    ],
    "groups": [{"name": "Drivers", "cards": ["ic_2"]}],
    "assignments": [{"policy": "Team", "program": True}],
    "overrides": [
        CARD | {"until": SOON},
        {
            "policy": "Team",
            "limit": "monthly",
            "cardholder": "ich_1",
            "raise_by": 30_000,
            "reason": "Conference",
        },
        {
            "policy": "Team",
            "limit": "visits",
            "group": "Drivers",
            "count": 1,
            "reason": "Audit",
        },
    ],
}


def others(*overrides: dict[str, Any]) -> dict[str, Any]:
    return FILE | {"overrides": list(overrides)}


def test_a_file_gives_own_amounts_which_hold_with_the_next_request() -> None:
    changes = load(FILE)
    shopper = Shopper(card_id="ic_1", cardholder_id="ich_1")
    assert shopper.reason(110_001) == "amount_limit_exceeded"
    assert shopper.reason(110_000) == "approved"
    driver = Shopper(card_id="ic_2", cardholder_id="ich_2")
    assert [driver.reason(1), driver.reason(1)] == ["approved", "count_limit_exceeded"]
    lines = list(changes.lines())
    assert "Own amounts" in lines
    assert any('"Team", monthly, set to €800.00 for card ic_1, until' in line for line in lines)
    assert '  + "Team", visits, set to 1 purchase for group Drivers: Audit' in lines


def test_imported_again_it_changes_nothing_and_it_comes_back_as_it_went() -> None:
    load(FILE)
    assert not compare(json.dumps(FILE))
    assert not load(FILE)
    exported = export_policies()
    assert exported["overrides"] == FILE["overrides"]
    assert not load(exported)
    assert Instruction.objects.count() == 3


def test_what_is_left_out_is_lifted_unless_the_file_has_no_such_list() -> None:
    load(FILE)
    without = {name: value for name, value in FILE.items() if name != "overrides"}
    assert not load(without)
    assert own_amounts.given().count() == 3
    changes = load(others(CARD))
    assert "  - 3 that the file does not have" in list(changes.lines())
    assert own_amounts.given().get().terms["amount"] == 80_000
    assert {row.reason for row in Lifting.objects.all()} == {"Not in the file"}
    load(others())
    assert not own_amounts.given().exists()


def test_own_amounts_of_policies_that_the_file_does_not_name_stay() -> None:
    load(FILE)
    load({"policies": [{"name": "Other"}], "overrides": []})
    assert own_amounts.given().count() == 3


def test_a_file_with_many_own_amounts_asks_the_database_as_one_with_a_single_one_does() -> None:
    def statements(*cards: str) -> int:
        file = others(*(CARD | {"card": card} for card in cards))
        with CaptureQueriesContext(connection) as asked:
            assert len(load(file).own_amounts) == len(cards)
        return len(asked)

    load(others(CARD))
    cards = [f"ic_m{number}" for number in range(502)]
    Card.objects.bulk_create(Card(id=card, root_id=card) for card in cards)
    statements(cards[0])  # reads the policy's version, which is cached from then on
    assert statements(cards[1]) == statements(*cards[2:])


def test_a_replacement_stands_for_the_first_card_of_its_chain() -> None:
    load(others())
    assert Shopper(card_id="ic_old", cardholder_id="ich_1").reason(1) == "approved"
    successor = Shopper(card_id="ic_1", cardholder_id="ich_1", card={"replacement_for": "ic_old"})
    assert successor.reason(1) == "approved"
    load(others(CARD))
    assert own_amounts.given().get().scope == "card:ic_old"
    assert not load(others(CARD))
    assert Card.objects.get(pk="ic_1").root_id == "ic_old"


def test_what_is_past_its_end_is_skipped() -> None:
    assert not load(others(CARD | {"until": "2020-01-01T00:00:00Z"})).own_amounts
    assert not Instruction.objects.exists()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"limit": "weekly"}, 'no limit "weekly"; it has monthly, visits.'),
        ({"policy": "Nobody"}, 'There is no policy "Nobody"'),
        ({"amount": None}, 'Give the figure: one of "amount"'),
        ({"raise_by": 5}, "Choose one only"),
        ({"amount": None, "count": 5}, "This limit is of an amount"),
        ({"limit": "visits"}, "This limit counts purchases"),
        ({"amount": -1}, "An amount can't be negative"),
        ({"reason": None}, "Give a reason"),
        ({"from": "2040-01-01", "until": "2039-01-01"}, "is not later than the beginning"),
        ({"group": "Drivers"}, "Choose one only"),
        ({"colour": 1}, 'There is no key "colour"'),
    ],
)
def test_what_is_wrong_is_named_with_its_place_and_changes_nothing(
    change: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InvalidPolicyError) as refused:
        import_policies(json.dumps(others(CARD | change)))
    assert sentence in str(refused.value)
    assert "overrides[0]" in str(refused.value)
    assert not Instruction.objects.exists()


def test_an_exported_file_can_be_imported_where_an_own_amount_has_no_limit_any_more() -> None:
    load(FILE)
    team = Policy.objects.get()
    publish({**team.document, "spending_limits": team.document["spending_limits"][:1]}, None)
    exported = export_policies()
    assert [entry["limit"] for entry in exported["overrides"]] == ["monthly", "monthly"]
    assert not load(exported)
    assert own_amounts.given().count() == 3  # one sleeps
    load(exported | {"policies": FILE["policies"]})  # it would wake, against the file
    assert own_amounts.given().count() == 2


def test_the_same_is_given_once_by_hand_and_a_file_does_not_make_it_again() -> None:
    load(FILE)
    card, team = Scope(ScopeKind.CARD, "ic_1"), Policy.objects.get()
    until = datetime.fromisoformat(SOON)
    with pytest.raises(StopError, match="in force already, with the same end and reason"):
        own_amounts.give(card, team, "monthly", by=None, reason=" Lyon", amount=80_000, until=until)
    own_amounts.give(card, team, "monthly", by=None, reason="Paris", raise_by=500)
    own_amounts.give(card, team, "monthly", by=None, reason="Paris, longer", raise_by=500)
    with pytest.raises(StopError, match="in force already"):
        own_amounts.give(card, team, "monthly", by=None, reason="Paris", raise_by=500)
    exported = export_policies()
    assert not load(exported)
    assert own_amounts.given().count() == 5


def test_what_was_given_while_a_file_was_compared_is_not_made_again() -> None:
    load(others())
    planned = compare(json.dumps(others(CARD))).own_amounts
    card, team = Scope(ScopeKind.CARD, "ic_1"), Policy.objects.get()
    Card.objects.create(pk="ic_1", root_id="ic_1")
    own_amounts.give(card, team, "monthly", by=None, reason="Lyon", amount=80_000)
    own_amounts.follow(planned, (), by=None)
    assert own_amounts.given().count() == 1


def test_two_cards_that_turn_out_to_be_one_have_an_amount_twice_and_a_file_says_it_once() -> None:
    load(others(CARD))
    row = own_amounts.given().get()
    row.pk = None
    row.save(force_insert=True)
    exported = export_policies()
    assert len(exported["overrides"]) == 1
    assert not load(exported)
    load(others())
    assert not own_amounts.given().exists()


def of_team(*limits: dict[str, Any]) -> dict[str, Any]:
    """The file with other limits, and without a list of own amounts."""
    [team] = FILE["policies"]
    return {"policies": [team | {"spending_limits": list(limits)}]}


VISITS = {"key": "visits", "count": 9, "interval": "daily"}


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        ([VISITS], "2 own amounts sleep, as the version has no such limit: card ic_1 (€500.00 a"),
        (
            [VISITS, {"key": "monthly", "amount": 50_000, "interval": "weekly"}],
            "2 own amounts sleep",
        ),
        (
            [VISITS, {"amount": 50_000, "interval": "monthly", "currency": "usd"}],
            "2 own amounts sleep",
        ),
        (
            [{"amount": 1, "interval": "monthly"}, VISITS | {"interval": "weekly"}],
            "1 own amount sleeps, as the version has no such limit: group Drivers (9 purchases a",
        ),
        ([{"amount": 1, "interval": "monthly"}, VISITS], ""),
    ],
)
def test_a_version_without_the_limit_of_own_amounts_says_which_fall_asleep_before_it_is_saved(
    limits: list[dict[str, Any]], sentence: str
) -> None:
    load(FILE)
    lines = [*compare(json.dumps(of_team(*limits))).lines()]
    told = [line for line in lines if "own amount" in line]
    assert (f"  please check: {sentence}" in told[0]) if sentence else (told == [])


def test_what_the_file_itself_ends_does_not_fall_asleep() -> None:
    load(FILE)
    lines = [*compare(json.dumps(of_team(VISITS) | {"overrides": []})).lines()]
    assert "  - 3 that the file does not have" in lines
    assert not any("sleep" in line for line in lines)


def test_of_many_that_fall_asleep_the_first_are_named_and_all_are_counted() -> None:
    load(others(*(CARD | {"card": f"ic_{number}"} for number in range(1204))))
    [change] = compare(json.dumps(of_team(VISITS))).policies
    assert str(change.asleep).startswith(
        "1,204 own amounts sleep, as the version has no such limit: card ic_0 (€500.00 a "
        "month), card ic_1 (€500.00 a month), card ic_2 (€500.00 a month) and 1,201 more."
    )


def test_one_that_begins_later_is_known_before_and_after_it_begins() -> None:
    later = CARD | {"from": SOON, "until": "2040-01-01T00:00:00+00:00"}
    changes = load(others(later))
    assert any(", from " in line and ", until " in line for line in changes.lines())
    [row] = own_amounts.given()
    assert row.starts_at == datetime.fromisoformat(SOON)
    shopper = Shopper(card_id="ic_1")
    assert [shopper.reason(50_001), shopper.reason(50_000)] == ["amount_limit_exceeded", "approved"]
    assert export_policies()["overrides"] == [later]
    assert not compare(json.dumps(others(later)))
    rewrite(row, starts_at=timezone.now() - timedelta(hours=1))
    begun = CARD | {"from": "2026-11-01T00:00:00+00:00", "until": "2040-01-01T00:00:00+00:00"}
    assert not compare(json.dumps(others(begun)))
    assert not compare(json.dumps(export_policies()))
    assert [shopper.reason(30_001), shopper.reason(30_000)] == ["amount_limit_exceeded", "approved"]


def test_an_own_amount_is_refused_where_its_limit_measures_nothing_after_the_import() -> None:
    to_the_group = FILE | {"assignments": [{"policy": "Team", "group": "Drivers"}]}
    with pytest.raises(InvalidPolicyError) as refused:
        load(to_the_group)
    [problem] = refused.value.problems
    assert problem.path == ("overrides", 0, "card")
    assert problem.message == f"{own_amounts.NOT_MEASURED} 1 more entry has the same problem."
    assert not Policy.objects.exists()
    each = [{"policy": "Team", "group": "Drivers", "each": "card"}]
    load(FILE | {"assignments": each})
    assert own_amounts.given().count() == 3


def test_assignments_that_a_file_leaves_as_they_are_measure_its_own_amounts() -> None:
    load(others())
    load({"overrides": [CARD]})
    load({"policies": FILE["policies"], "overrides": [CARD | {"amount": 70_000}]})
    with pytest.raises(InvalidPolicyError):  # with the list the policy is assigned nowhere else
        load({"policies": FILE["policies"], "assignments": [], "overrides": [CARD]})
    assert own_amounts.given().get().terms["amount"] == 70_000


def test_an_own_amount_whose_limit_measures_nothing_any_more_is_in_no_file_and_stays() -> None:
    load(others(CARD))
    Policy.objects.get().assignments.update(program=False, group=CardGroup.objects.get())
    exported = export_policies()
    assert exported["overrides"] == []
    assert not load(exported)
    assert own_amounts.given().count() == 1
    load(exported | {"assignments": FILE["assignments"]})  # it would hold again, against the file
    assert not own_amounts.given().exists()
