"""Planned versions in policy files: with their policy, each a document of its own."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from authorizations.models import PlanCancellation, PlannedVersion, Policy, PolicyVersion
from authorizations.rules.policy.document import InvalidPolicyError
from authorizations.services.policies import stops
from authorizations.services.policies.files import (
    NewSpendingError,
    compare,
    export_policies,
    import_policies,
)
from tests.support.desk import Shopper
from tests.support.policy_files import load

pytestmark = pytest.mark.django_db

ADA = Shopper(card_id="ic_1", cardholder_id="ich_1")
_NOW = datetime.now(UTC).replace(microsecond=0)


def day(days: float) -> str:
    return (_NOW + timedelta(days=days)).isoformat()


def limited(amount: int, **when: Any) -> dict[str, Any]:
    """What a policy or a planned version says: an amount a purchase."""
    limits = [{"amount": amount, "interval": "per_authorization"}]
    return {"currency": "eur", "spending_limits": limits, **when}


def team(*planned: dict[str, Any], amount: int = 100) -> dict[str, Any]:
    policy = {"name": "Team", **limited(amount), "planned": list(planned)}
    return {"policies": [policy], "assignments": [{"policy": "Team", "program": True}]}


DECEMBER = limited(200, **{"from": day(1), "until": day(15)})
FROM_JANUARY = limited(300, **{"from": day(30), "until": None})
BEGUN = limited(200, **{"from": day(-1), "until": day(1)})
FILE = team(DECEMBER, FROM_JANUARY)


def largest() -> int:
    return max((sum_ for sum_ in (100, 200, 300) if ADA.reason(sum_) == "approved"), default=0)


def test_a_file_plans_versions_and_says_so() -> None:
    changes = load(FILE)
    plans = PlannedVersion.objects.values_list("version__number", "begins_at", "ends_at")
    assert [(number, begins.isoformat()) for number, begins, _ in plans] == [
        (2, day(1)),
        (3, day(30)),
    ]
    lines = list(changes.lines())
    assert any(line.startswith('Policy "Team", planned from') for line in lines)
    assert sum('"amount": 200' in line for line in lines) == 1
    assert largest() == 100


def test_what_is_in_force_by_a_plan_can_be_published_without_one() -> None:
    load(team(limited(200, **{"from": day(-1), "until": None})))
    alone = {"policies": [{"name": "Team", **limited(200)}]}
    assert load(alone)
    assert not load(alone)
    assert largest() == 200
    policy = Policy.objects.get()
    assert policy.version_in_force == policy.current_version


def test_imported_again_it_changes_nothing_and_it_comes_back_as_it_went() -> None:
    load(FILE)
    assert not compare(json.dumps(FILE))
    assert not load(FILE)
    exported = export_policies()
    [policy] = exported["policies"]
    assert [(plan["from"], plan["until"]) for plan in policy["planned"]] == [
        (day(1), day(15)),
        (day(30), None),
    ]
    assert not load(exported)
    assert PolicyVersion.objects.count() == 3


def test_two_that_begin_together_are_known_again_in_the_order_of_the_file() -> None:
    both = [limited(amount, **{"from": day(1), "until": None}) for amount in (200, 300)]
    for planned in (both, both[::-1]):
        load(team(*planned))
        assert not load(team(*planned))
        assert not compare(json.dumps(export_policies()))


def test_one_that_has_begun_holds_at_once_and_is_known_again() -> None:
    load(team(BEGUN))
    assert largest() == 200
    assert not load(team(BEGUN))
    exported = export_policies()
    assert not load(exported)
    [plan] = exported["policies"][0]["planned"]
    assert plan["until"] == day(1)


def test_one_that_has_begun_and_has_no_end_is_known_again() -> None:
    begun = limited(200, **{"from": day(-1)})
    load(team(begun))
    assert largest() == 200
    assert not load(team(begun))
    assert not load(export_policies())


def test_where_the_policy_changes_what_has_begun_is_planned_anew() -> None:
    """As what is published now would be in force after it."""
    load(team(BEGUN, amount=100))
    changed = team(BEGUN, amount=300)
    assert load(changed)
    assert largest() == 200
    assert not load(changed)
    assert not PlanCancellation.objects.exists()


def test_of_those_that_have_begun_the_last_of_the_file_is_in_force() -> None:
    early, late = (
        limited(sum_, **{"from": day(-at), "until": day(at)}) for sum_, at in ((200, 2), (300, 1))
    )
    load(team(late))
    assert largest() == 300
    load(team(early, late))
    assert largest() == 300
    assert not load(team(early, late))
    load(team(early))
    assert largest() == 200


def test_what_is_left_out_is_cancelled_unless_the_policy_has_no_such_list() -> None:
    load(FILE)
    [policy] = FILE["policies"]
    without = {key: value for key, value in policy.items() if key != "planned"}
    assert not load({"policies": [without]})
    assert not load({"policies": [{"name": "Team", "planned": policy["planned"]}]})
    changes = load(team(DECEMBER))
    assert 'Policy "Team": version 3 no longer planned' in list(changes.lines())
    assert [row.version.number for row in PlanCancellation.objects.all()] == [3]
    load(team())
    assert not PlannedVersion.objects.open().exists()
    assert not load(team())
    assert "planned" not in export_policies()["policies"][0]


def test_a_file_that_changes_a_policy_and_not_its_plans_says_what_becomes_of_them() -> None:
    load(team(BEGUN, DECEMBER))
    other = {"name": "Team", **limited(300)}
    lines = list(compare(json.dumps({"policies": [other]})).lines())
    by_plan = "version 2 is in force by a plan; this one replaces it at once, and for good"
    assert f"  please check: {by_plan}" in lines
    [yields] = [line for line in lines if line.endswith("; this one yields to it then")]
    assert yields.startswith("  please check: version 3 is planned from ")
    assert "please check" not in str(list(compare(json.dumps(team(BEGUN, amount=300))).lines()))
    load({"policies": [other]})
    assert largest() == 300


def test_own_amounts_that_a_planned_version_has_no_limit_for_are_told() -> None:
    limits = [{"key": "monthly", "amount": 500, "interval": "monthly"}]
    policy = {"name": "Team", "currency": "eur", "spending_limits": limits, "planned": [DECEMBER]}
    own = {"policy": "Team", "limit": "monthly", "card": "ic_1", "amount": 800, "reason": "Trip"}
    assignments = [{"policy": "Team", "program": True}]
    load({"policies": [policy | {"planned": []}], "assignments": assignments, "overrides": [own]})
    lines = list(compare(json.dumps({"policies": [policy]})).lines())
    [told] = [line for line in lines if "own amount" in line]
    assert told.startswith("  please check: ")
    # What holds for a limit of the policy or of a planned version is kept by a file that has it.
    load({"policies": [policy], "overrides": [own]})
    exported = export_policies()
    assert len(exported["overrides"]) == 1
    assert not load(exported)


def test_so_are_those_of_a_limit_on_attempts() -> None:
    limits = [{"key": "tries", "attempts": 5, "interval": "daily"}]
    policy = {"name": "Team", "unlimited": True, "spending_limits": limits}
    own = {"policy": "Team", "limit": "tries", "card": "ic_1", "attempts": 8, "reason": "Trip"}
    load({"policies": [policy], "overrides": [own]})
    planned = policy | {"planned": [{"from": day(1), "unlimited": True}]}
    lines = list(compare(json.dumps({"policies": [planned]})).lines())
    assert len([line for line in lines if "1 own amount sleeps" in line]) == 1


def test_a_policy_may_have_nothing_but_planned_versions() -> None:
    file: dict[str, Any] = {"policies": [{"name": "Team", "planned": [FROM_JANUARY]}]}
    load(file)
    assert Policy.objects.get().version_in_force is None
    assert not load(file)
    exported = export_policies()
    assert list(exported["policies"][0]) == ["name", "planned"]
    assert not load(exported)


def test_what_is_past_its_end_is_skipped_and_what_has_ended_comes_back_not() -> None:
    over = limited(200, until=day(-1))
    load(team(over))
    assert not PlannedVersion.objects.exists()
    end = (stops.now() + timedelta(seconds=3)).replace(microsecond=0)
    short = limited(200, until=end.isoformat())
    load(team(short))
    assert largest() == 200
    while stops.now() < end:
        time.sleep(0.05)
    assert largest() == 100
    assert not load(team(short))
    assert "planned" not in export_policies()["policies"][0]


def test_who_could_spend_once_it_begins_is_asked_for_first() -> None:
    forbidding: dict[str, Any] = {"name": "Team", "currency": "eur", "planned": []}
    assignments = [{"policy": "Team", "card": "ic_1"}]
    load({"policies": [forbidding], "assignments": assignments})
    forbidding["planned"] = [DECEMBER]
    text = json.dumps({"policies": [forbidding]})
    assert compare(text).grants.gained == 1
    with pytest.raises(NewSpendingError):
        import_policies(text)
    import_policies(text, allow_new_spending=True)
    assert PlannedVersion.objects.count() == 1


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (limited(1), 'policies[0].planned[0]: Say when: give "from", "until" or both.'),
        (
            limited(1, **{"from": day(2), "until": day(1)}),
            'policies[0].planned[0].until: This is not later than "from"',
        ),
        (
            limited(1, **{"from": "soon"}),
            "policies[0].planned[0].from: Write a date such as",
        ),
        (
            limited(1, name="Other", **{"from": day(1)}),
            "policies[0].planned[0].name: It has its policy's name",
        ),
        (
            limited(1, colour="red", **{"from": day(1)}),
            'policies[0].planned[0].colour: There is no key "colour"',
        ),
        (limited(-1, **{"from": day(1)}), "policies[0].planned[0].spending_limits[0].amount: "),
        (3, "policies[0].planned[0]: Give an object in braces"),
    ],
)
def test_every_problem_says_where_it_is_and_nothing_changes(entry: Any, problem: str) -> None:
    with pytest.raises(InvalidPolicyError) as caught:
        load(team(entry))
    assert problem in str(caught.value)
    assert not Policy.objects.exists()


def test_the_same_twice_is_a_problem() -> None:
    with pytest.raises(InvalidPolicyError, match=r"This is policies\[0\].planned\[0\] again"):
        load(team(DECEMBER, DECEMBER))
