"""Rules of groups in policy files: cards that join by metadata, beside those there by hand."""

import json
from typing import Any

import pytest

from authorizations.models import Card, CardGroup
from authorizations.rules.policy.document import InvalidPolicyError
from authorizations.services.policies.files import compare, export_policies
from tests.support.desk import Shopper
from tests.support.policy_files import everything, load

# A card is added in a transaction of its own, before its first request.
pytestmark = pytest.mark.django_db(transaction=True)

GROUP: dict[str, Any] = {"name": "Drivers", "cards": ["ic_1"], "metadata": {"team": "drivers"}}


def file(**group: Any) -> dict[str, Any]:
    kept = {key: value for key, value in (GROUP | group).items() if value is not None}
    return {"groups": [kept]}


def joined() -> dict[str, str]:
    cards = Card.objects.filter(group__name="Drivers")
    return dict(cards.order_by("pk").values_list("pk", "grouped_by"))


@pytest.fixture(autouse=True)
def drivers() -> None:
    changes = load(file())
    assert '  cards with "team" = "drivers" in their metadata join' in list(changes.lines())
    Shopper(card_id="ic_2", card={"metadata": {"team": "drivers"}}).asks(1)
    assert joined() == {"ic_1": "hand", "ic_2": "rule"}


def test_it_comes_back_as_it_went_and_changes_nothing() -> None:
    assert export_policies()["groups"] == [GROUP]
    before = everything()
    assert not compare(json.dumps(file()))
    assert not load(export_policies())
    assert everything() == before


def test_cards_that_joined_by_metadata_stay_without_the_list_and_beside_it() -> None:
    assert not load(file(cards=None))
    changes = load(file(cards=["ic_3"]))
    assert "  - ic_1" in list(changes.lines())
    assert joined() == {"ic_2": "rule", "ic_3": "hand"}
    assert Card.objects.get(pk="ic_1").grouped_by == ""  # the file does not say


def test_a_card_that_the_file_lists_is_there_by_hand_from_then_on() -> None:
    changes = load(file(cards=["ic_1", "ic_2"]))
    assert "  + ic_2, by hand from now on" in list(changes.lines())
    assert joined() == {"ic_1": "hand", "ic_2": "hand"}
    assert not load(file(cards=["ic_1", "ic_2"]))


def test_a_file_without_the_key_leaves_the_rule_and_an_empty_one_ends_it() -> None:
    assert not load(file(metadata=None))
    changes = load(file(metadata={}))
    assert "  cards no longer join by metadata" in list(changes.lines())
    assert joined() == {"ic_1": "hand"}  # the list is all of its cards again
    assert CardGroup.objects.get().metadata_key == ""
    assert not load(export_policies())


@pytest.mark.parametrize(
    ("metadata", "sentence"),
    [
        ({"a": "b", "c": "d"}, 'Give one key with its value, such as {"team": "drivers"}'),
        ("drivers", "Give one key with its value"),
        ({"team": 5}, "text"),
        ({"team": ""}, ""),
        ({"t" * 41: "x"}, "40"),
    ],
)
def test_what_is_no_pair_is_refused(metadata: Any, sentence: str) -> None:
    with pytest.raises(InvalidPolicyError) as refused:
        load(file(metadata=metadata))
    [problem] = refused.value.problems
    assert problem.path == ("groups", 0, "metadata")
    assert sentence in problem.message
