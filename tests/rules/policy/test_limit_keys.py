"""The keys of limits: always the same, kept when the figure is edited, unique in a policy."""

from typing import Any

import pytest

from authorizations.rules.policy.document import (
    InvalidPolicyError,
    canonical_json,
    controls,
    normalize,
)
from tests.support.documents import policy


def keys(*limits: dict[str, Any]) -> list[str]:
    found = normalize(policy(spending_limits=list(limits)))
    return [limit.key for limit in controls(found).spending_limits]


MONTHLY = {"amount": 50_000, "interval": "monthly"}
MINUTES = {"count": 5, "interval": "rolling", "minutes": 60}
AT_SHOPS = MONTHLY | {"categories": ["bakeries"]}


def test_a_key_says_what_the_limit_is_whatever_its_figure() -> None:
    shops = keys(AT_SHOPS)[0]
    assert shops.startswith("monthly_")
    assert keys(MONTHLY, MINUTES, AT_SHOPS) == ["monthly", "rolling_1_hours_count", shops]
    edited = [MONTHLY | {"amount": 1}, MINUTES | {"count": 9}, AT_SHOPS | {"amount": 2}]
    assert keys(*edited) == keys(MONTHLY, MINUTES, AT_SHOPS)
    assert keys(MONTHLY | {"currency": "usd"}) == ["monthly_usd"]


def test_two_alike_are_numbered_and_a_key_that_is_given_is_kept() -> None:
    other = MONTHLY | {"amount": 60_000}
    assert keys(MONTHLY, other) == ["monthly", "monthly_2"]
    assert keys(MONTHLY | {"key": "trips"}, other) == ["trips", "monthly"]
    assert keys(MONTHLY | {"key": "monthly_2"}, other) == ["monthly_2", "monthly"]
    assert keys(MONTHLY | {"key": "x"}, other | {"key": "monthly_2"}) == ["x", "monthly_2"]


def test_when_a_window_begins_is_part_of_the_key_so_that_order_changes_nothing() -> None:
    limits = [MONTHLY, MONTHLY | {"month_starts": 16}]
    assert keys(*limits) == ["monthly", "monthly_from_16"]
    assert keys(*reversed(limits)) == ["monthly_from_16", "monthly"]


def test_the_normal_form_of_a_policy_without_keys_stays_what_it_was() -> None:
    plain, named = (
        canonical_json(normalize(policy(spending_limits=[limit])))
        for limit in (MONTHLY, MONTHLY | {"key": "monthly"})
    )
    assert plain == named
    assert b"key" not in plain
    kept = normalize(policy(spending_limits=[MONTHLY | {"key": "trips"}]))
    assert kept["spending_limits"][0]["key"] == "trips"
    assert normalize(kept) == kept


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        ([MONTHLY | {"key": "Trips!"}], "Write a key of up to 60 small letters"),
        ([MONTHLY | {"key": 7}], "Write a key of up to 60 small letters"),
        (
            [MONTHLY | {"key": "trips"}, MINUTES | {"key": "trips"}],
            "spending_limits[1].key: spending_limits[0] has this key already.",
        ),
        ([MONTHLY, MONTHLY | {"key": "trips"}], "This is spending_limits[0] again"),
    ],
)
def test_a_key_that_is_none_or_there_twice_is_refused(
    limits: list[dict[str, Any]], sentence: str
) -> None:
    with pytest.raises(InvalidPolicyError) as refused:
        normalize(policy(spending_limits=limits))
    assert sentence in str(refused.value)
