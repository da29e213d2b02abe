"""Limits on attempts in policies: their normal form, and what sentences and differences say."""

from typing import Any

import pytest

from authorizations.rules.policy.differences import differences
from authorizations.rules.policy.document import completed, controls, normalize
from authorizations.rules.policy.summary import summary
from tests.support.documents import policy

TRIES = {
    "key": "tries",
    "attempts": 5,
    "interval": "rolling",
    "minutes": 60,
    "declined_only": True,
    "then_freeze_minutes": 1_440,
}
AMOUNT = {"amount": 50_000, "interval": "monthly"}


def normal(*limits: dict[str, Any]) -> dict[str, Any]:
    return normalize(policy(spending_limits=list(limits)))


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (TRIES, "at most 5 declined attempts in 60 minutes, then frozen for 24 hours"),
        (
            {"attempts": 1, "interval": "daily", "then_freeze": True},
            "at most 1 attempt a day, then frozen until somebody lifts it",
        ),
        (
            {"attempts": 1_000, "interval": "all_time", "countries": ["FR"]},
            "at most 1,000 attempts in all in FR",
        ),
    ],
)
def test_a_sentence_says_how_many_of_which_and_what_follows(
    limit: dict[str, Any], words: str
) -> None:
    assert words in summary(controls(normal(AMOUNT, limit)))[0]


def test_it_grants_nothing() -> None:
    found = summary(controls(normal(TRIES)))
    assert found[-1] == "Grants no purchase: cards need another policy that does."


def test_the_normal_form_is_that_of_itself_and_has_attempts_last() -> None:
    found = normal(TRIES, AMOUNT)
    assert normalize(found) == normalize(completed(found)) == found
    tries = found["spending_limits"][1]
    assert {key: tries[key] for key in ("attempts", "declined_only", "hours")} == {
        "attempts": 5,
        "declined_only": True,
        "hours": 1,
    }
    value = controls(found)
    [limit] = value.attempt_limits
    assert (limit.attempts, limit.declined_only, limit.then_freeze) == (5, True, 1_440)
    assert (limit.key, limit.rolling_seconds, limit.amount, limit.count) == (
        "tries",
        3_600,
        None,
        None,
    )
    assert [it.amount for it in value.spending_limits] == [50_000]


def test_the_same_limits_have_the_same_keys_whatever_number_and_freeze_they_have() -> None:
    first = {"attempts": 5, "interval": "daily"}
    for changed in ({"attempts": 6}, {"then_freeze": True}):
        [one], [other] = (
            controls(normal(limit)).attempt_limits for limit in (first, first | changed)
        )
        assert one.key == other.key == "daily_attempts"
    [declined] = controls(normal(first | {"declined_only": True})).attempt_limits
    assert declined.key == "daily_attempts_declined_only"


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        (
            {"attempts": 3},
            "Limit in 60 minutes: 5 declined attempts → 3 declined attempts",
        ),
        (
            {"declined_only": False},
            (
                "Limit: 5 declined attempts in 60 minutes, then frozen for 24 hours → "
                "5 attempts in 60 minutes, then frozen for 24 hours"
            ),
        ),
        (
            {"then_freeze_minutes": None},
            (
                "Limit: 5 declined attempts in 60 minutes, then frozen for 24 hours → "
                "5 declined attempts in 60 minutes"
            ),
        ),
        (
            {"minutes": 30},
            (
                "Limit: 5 declined attempts in 60 minutes, then frozen for 24 hours → "
                "5 declined attempts in 30 minutes, then frozen for 24 hours"
            ),
        ),
    ],
)
def test_a_difference_says_what_changed(changed: dict[str, Any], line: str) -> None:
    [found] = differences(normal(AMOUNT, TRIES), normal(AMOUNT, TRIES | changed))
    assert str(found) == line
