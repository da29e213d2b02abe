"""What is wrong with a policy file is told at once, place by place, and changes nothing."""

import json
from typing import Any

import pytest

from authorizations.rules.policy.document import InvalidPolicyError
from authorizations.services.policies.files import import_policies
from tests.support.desk import Shopper
from tests.support.policy_files import everything

pytestmark = pytest.mark.django_db


def problems(file: Any) -> list[str]:
    """What an import refuses, sentence by sentence; and that it changed nothing."""
    before = everything()
    with pytest.raises(InvalidPolicyError) as refused:
        import_policies(file if isinstance(file, str) else json.dumps(file))
    assert everything() == before
    return [str(problem) for problem in refused.value.problems]


def test_all_errors_are_told_at_once_each_with_its_path() -> None:
    assert problems(
        {
            "policies": [
                {"name": "A", "spending_limits": [{"amount": 5, "interval": "daily"}]},
                {"name": "B", "currency": "eur", "colour": 1},
                {
                    "name": "A",
                    "currency": "eur",
                    "spending_limits": [
                        {"amount": 5, "interval": "daily"},
                        {"amount": -1, "interval": "monthly"},
                    ],
                },
                7,
            ],
            "groups": [
                {"name": "G", "cards": ["ic_1", "ic_1", 7]},
                {"cards": "ic_1"},
                {"name": "G"},
            ],
            "assignments": [
                {"policy": "Nobody's", "card": "ic_1"},
                {"policy": "B"},
                {"policy": "B", "program": True, "card": "ic_1"},
                {"policy": "B", "group": "Nowhere"},
                {"policy": "B", "program": "yes"},
                {"card": "ic_1"},
                {"policy": "A", "card": "ic 1"},
                {"policy": "A", "card": "ic_5"},
                {"policy": "A", "card": "ic_6", "since": "today"},
            ],
            "polices": [],
        }
    ) == [
        'polices: There is no key "polices". Did you mean "policies"?',
        "policies[3]: Give an object in braces: {…}.",
        "policies[2].name: policies[0] has this name already: choose another.",
        (
            "policies[0].spending_limits[0].currency: Say in which currency, here or for the whole "
            'policy: "eur".'
        ),
        'policies[1].colour: There is no key "colour". Leave it out.',
        (
            "policies[2].spending_limits[1].amount: An amount can't be negative: use 0 if "
            "nothing may be spent."
        ),
        "groups[2].name: groups[0] has this name already: choose another.",
        "groups[0].cards[1]: This is groups[0].cards[0] again: a card is in one group, once.",
        'groups[0].cards[2]: Give Stripe\'s id as text, such as "ic_1MnnZGLcWs".',
        "groups[1].name: Give the group a name.",
        "groups[1].cards: Give the cards' ids as a list in square brackets: […].",
        (
            'assignments[1]: Say what it applies to: one of "program": true, "group", "cardholder" '
            'and "card".'
        ),
        (
            'assignments[2]: Choose one only, one of "program": true, "group", "cardholder" and '
            '"card".'
        ),
        "assignments[4].program: Write true or false, without quotes.",
        "assignments[5].policy: Name the policy.",
        'assignments[6].card: Give Stripe\'s id as text, such as "ic_1MnnZGLcWs".',
        'assignments[8].since: There is no key "since". Leave it out.',
        (
            'assignments[0].policy: There is no policy "Nobody\'s", here or in the database: '
            "add it to the file."
        ),
        (
            'assignments[3].group: There is no group "Nowhere", here or in the database: add it to '
            "the file."
        ),
    ]


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ('{"policies": [{"name": "A",}]}', "not JSON: line 1, column 28"),
        ("", "not JSON: line 1, column 1"),
        ("[]", "A policy file is an object in braces"),
        ('{"groups": 5}', "groups: Give a list in square brackets"),
        ('{"policies": [{"name": "A", "name": "B"}]}', 'the key "name" is repeated'),
        ('{"policies": [{"name": "A", "max_network_risk_score": NaN}]}', "NaN is not a number"),
        ("[" * 100_000, "not JSON"),
        ('{"assignments": [{"policy": "\\ud800", "program": true}]}', "can't be seen"),
    ],
)
def test_what_is_no_policy_file_is_refused_with_a_sentence(written: str, sentence: str) -> None:
    assert sentence in problems(written)[0]


def test_what_follows_from_one_cause_is_told_once_with_its_number() -> None:
    cards = [f"ic_{number}" for number in range(1_000)]
    own = {"limit": "monthly", "amount": 1, "reason": "x"}
    team = {
        "name": "Team",
        "currency": "eur",
        "spending_limits": [{"amount": 1, "interval": "daily"}],
    }
    assert problems(
        {
            "policies": [team],
            "assignments": [{"policy": "Tema", "card": card} for card in cards],
            "overrides": [
                *({"policy": "Tema", "card": card, **own} for card in cards),
                *({"policy": "Team", "card": card, **own} for card in cards[:2]),
            ],
        }
    ) == [
        (
            'assignments[0].policy: There is no policy "Tema", here or in the database: add it to '
            "the file. 1,999 more entries have the same problem."
        ),
        (
            'overrides[1000].limit: The policy has no limit "monthly"; it has daily. 1 more entry '
            "has the same problem."
        ),
    ]


def test_of_an_unreadable_list_nothing_is_missing() -> None:
    assert problems(
        {
            "policies": {"name": "Team"},
            "groups": "Drivers",
            "assignments": [{"policy": "Team", "group": "Drivers"}],
        }
    ) == [
        "policies: Give a list in square brackets: […].",
        "groups: Give a list in square brackets: […].",
    ]


def test_of_many_problems_the_first_are_shown_and_the_rest_are_counted() -> None:
    policies = [{"name": f"P{number}", "colour": 1} for number in range(1_234)]
    with pytest.raises(InvalidPolicyError) as refused:
        import_policies(json.dumps({"policies": policies}))
    lines = str(refused.value).splitlines()
    assert len(lines) == 51
    assert lines[-1] == "And 1,184 more."
    assert len(refused.value.problems) == 1_234


def test_the_same_assignment_twice_is_a_slip() -> None:
    same = {"policy": "A", "card": "ic_1"}
    [problem] = problems({"policies": [{"name": "A"}], "assignments": [same, same]})
    assert problem == "assignments[1]: This is assignments[0] again: keep one of them."


def test_cards_of_one_chain_can_t_be_put_in_two_groups() -> None:
    Shopper(card_id="ic_old").asks(100)
    Shopper(card_id="ic_new", card={"replacement_for": "ic_old"}).asks(100)
    groups = [{"name": "A", "cards": ["ic_old"]}, {"name": "B", "cards": ["ic_new"]}]
    [problem] = problems({"groups": groups})
    assert problem.startswith("groups[1].cards: ic_new replaces a card of groups[0]")
