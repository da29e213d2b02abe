"""Policy files: what goes out comes back, all of it or nothing, and everything wrong is told."""

import json

import pytest
from django.contrib.auth.models import User

from authorizations.models import (
    Assignment,
    Card,
    CardGroup,
    Policy,
    PolicyVersion,
)
from authorizations.services.policies.files import compare, export_policies
from tests.support.damage import damage
from tests.support.desk import Shopper, republish
from tests.support.policy_files import WHOLE, everything, load

pytestmark = pytest.mark.django_db


def assignments() -> set[tuple[str, str]]:
    return set(Assignment.objects.values_list("policy__name", "scope"))


def cards_of(group: str) -> set[str]:
    return set(Card.objects.filter(group__name=group).values_list("pk", flat=True))


def test_a_file_makes_policies_groups_and_assignments_and_puts_them_in_force() -> None:
    load(WHOLE)
    group = CardGroup.objects.get(name="Field team")
    assert assignments() == {
        ("Travel", "card:ic_1"),
        ("Baseline", "program:"),
        ("Team", f"group:{group.pk}"),
        ("Team", "cardholder:ich_1"),
    }
    assert cards_of("Field team") == {"ic_1", "ic_2"}
    assert Shopper(card_id="ic_2", cardholder_id="ich_2").reason(2) == "amount_limit_exceeded"


def test_what_is_exported_and_imported_again_changes_nothing() -> None:
    load(WHOLE)
    before, exported = everything(), export_policies()
    assert not compare(json.dumps(exported))
    assert not load(exported)
    assert everything() == before
    assert export_policies() == exported


def test_an_export_holds_every_key_and_builds_the_same_desk_elsewhere() -> None:
    load(WHOLE)
    exported = export_policies()
    assert [policy["name"] for policy in exported["policies"]] == ["Baseline", "Team", "Travel"]
    assert len({len(policy) for policy in exported["policies"]}) == 1
    Assignment.objects.all().delete()
    Card.objects.update(group=None)
    CardGroup.objects.all().delete()
    for policy in Policy.objects.all():
        republish(policy, spending_limits=[], unlimited=False)
    load(exported)
    assert export_policies() == exported


def test_unchanged_policies_make_no_new_version_and_changed_ones_exactly_one() -> None:
    load(WHOLE)
    edited = json.loads(json.dumps(WHOLE))
    edited["policies"][0]["spending_limits"][0]["amount"] = 60_000
    load(edited)
    versions = PolicyVersion.objects.order_by("pk").values_list("policy__name", "number")
    assert sorted(versions) == [("Baseline", 1), ("Team", 1), ("Travel", 1), ("Travel", 2)]


def test_a_version_of_before_a_rule_was_known_is_unchanged_by_a_file_that_does_not_set_it() -> None:
    load({"policies": [{"name": "Old", "max_network_risk_score": 80}]})
    version = PolicyVersion.objects.get()
    newer = ("cities", "postal_codes", "merchant_data", "currency_only", "token", "despite", "age")
    content = {
        key: value
        for key, value in json.loads(version.content).items()
        if not any(word in key for word in newer)
    }
    assert "network_token" not in content
    damage(version, content=json.dumps(content))
    changes = load({"policies": [{"name": "Old", "max_network_risk_score": 80}]})
    assert [*changes.lines()] == []
    assert PolicyVersion.objects.count() == 1


def test_a_policy_that_has_no_version_is_put_in_force_as_a_new_one() -> None:
    Policy.objects.create(name="Draft")
    changes = load({"policies": [{"name": "Draft"}]})
    assert 'Policy "Draft": new' in changes.lines()
    assert Policy.objects.get().current_version is not None


def test_versions_carry_author_and_reason() -> None:
    author = User.objects.create(username="ops")
    load(WHOLE, author=author, reason="Season")
    assert set(PolicyVersion.objects.values_list("author__username", "reason")) == {
        ("ops", "Season")
    }


def test_what_the_file_does_not_name_stays() -> None:
    load(WHOLE)
    load({"policies": [{"name": "Other"}], "groups": [{"name": "Others", "cards": ["ic_9"]}]})
    assert Policy.objects.count() == 4
    assert len(assignments()) == 4
    assert cards_of("Field team") == {"ic_1", "ic_2"}


def test_assignments_of_the_file_s_policies_that_it_does_not_list_are_removed() -> None:
    load(WHOLE)
    load({"policies": [WHOLE["policies"][2]], "assignments": []})
    assert assignments() == {("Travel", "card:ic_1"), ("Baseline", "program:")}


def test_assignments_to_policies_outside_the_file_only_add() -> None:
    load(WHOLE)
    load({"assignments": [{"policy": "Team", "card": "ic_2"}]})
    assert len(assignments()) == 5


def test_a_group_gets_exactly_the_cards_listed() -> None:
    load(WHOLE)
    load({"groups": [{"name": "Field team", "cards": ["ic_2", "ic_3"]}]})
    assert cards_of("Field team") == {"ic_2", "ic_3"}
    load({"groups": [{"name": "Field team", "cards": []}]})
    assert cards_of("Field team") == set()


def test_a_group_without_a_list_of_cards_keeps_its_own() -> None:
    load(WHOLE)
    load({"groups": [{"name": "Field team"}, {"name": "Empty"}]})
    assert cards_of("Field team") == {"ic_1", "ic_2"}
    assert CardGroup.objects.filter(name="Empty").exists()


@pytest.mark.parametrize("turned", [False, True])
def test_a_card_can_move_from_one_group_of_the_file_to_another(turned: bool) -> None:
    load(WHOLE)
    groups = [{"name": "Field team", "cards": ["ic_2"]}, {"name": "New", "cards": ["ic_1"]}]
    load({"groups": groups[::-1] if turned else groups})
    assert (cards_of("Field team"), cards_of("New")) == ({"ic_2"}, {"ic_1"})


def test_a_replaced_card_stands_for_the_first_of_its_chain() -> None:
    Shopper(card_id="ic_old").asks(100)
    Shopper(card_id="ic_new", card={"replacement_for": "ic_old"}).asks(100)
    file = {
        "policies": [{"name": "P"}],
        "groups": [{"name": "G", "cards": ["ic_new"]}],
        "assignments": [{"policy": "P", "card": "ic_new"}],
    }
    load(file)
    assert assignments() == {("P", "card:ic_old")}
    assert cards_of("G") == {"ic_old"}
    assert not compare(json.dumps(file))


def test_a_card_never_seen_before_is_filled_in_by_its_first_purchase() -> None:
    load(WHOLE)
    assert Card.objects.get(pk="ic_1").last4 == ""
    Shopper(card_id="ic_1", cardholder_id="ich_1").asks(100)
    card = Card.objects.select_related("cardholder", "group").get(pk="ic_1")
    assert (card.last4, str(card.cardholder), str(card.group)) == (
        "0005",
        "Ada Lovelace",
        "Field team",
    )
