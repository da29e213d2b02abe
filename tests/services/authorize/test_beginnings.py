"""Months and years that begin on another day: what was spent counts where it belongs."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from authorizations.models import Usage
from tests.support.desk import Shopper, in_force
from tests.support.verification import differences

pytestmark = pytest.mark.django_db

MONTHLY: dict[str, Any] = {"amount": 10_000, "interval": "monthly"}
PARIS = ZoneInfo("Europe/Paris")


def at(month: int, day: int, hour: int = 12, minute: int = 0) -> int:
    return int(datetime(2026, month, day, hour, minute, tzinfo=PARIS).timestamp())


def publish(*limits: dict[str, Any]) -> None:
    in_force("Travel", time_zone="Europe/Paris", spending_limits=list(limits))


def answer(amount: int, when: int) -> str:
    return Shopper(at=when).reason(amount)


def test_a_month_from_the_16th_ends_with_the_last_second_of_the_15th() -> None:
    publish(MONTHLY | {"month_starts": 16})
    assert answer(8_000, at(10, 16, 0)) == "approved"
    assert answer(8_000, at(11, 15, 23, 59)) == "amount_limit_exceeded"
    assert answer(8_000, at(11, 16, 0)) == "approved"
    assert differences() == []


def test_a_quarter_follows_a_fiscal_year() -> None:
    publish(MONTHLY | {"interval": "quarterly", "year_starts": "04-06"})
    assert answer(8_000, at(7, 6, 0)) == "approved"
    assert answer(8_000, at(10, 5, 23, 59)) == "amount_limit_exceeded"
    assert answer(8_000, at(10, 6, 0)) == "approved"
    assert differences() == []


def test_once_another_beginning_is_in_force_earlier_purchases_count_in_the_new_windows() -> None:
    publish(MONTHLY)
    assert answer(3_000, at(11, 10)) == "approved"
    assert answer(4_000, at(11, 17)) == "approved"
    assert answer(4_000, at(11, 18)) == "amount_limit_exceeded"
    before = {(row.window_start, row.window_end) for row in Usage.objects.all()}
    publish(MONTHLY | {"month_starts": 16})
    # The purchase of the 10th belongs to the month before now.
    assert answer(6_000, at(11, 18)) == "approved"
    assert answer(1, at(11, 18)) == "amount_limit_exceeded"
    # Without its own beginning the limit has the windows of before.
    publish(MONTHLY)
    assert answer(1, at(11, 19)) == "amount_limit_exceeded"
    after = {(row.window_start, row.window_end) for row in Usage.objects.all()}
    assert before == {(at(11, 1, 0), at(12, 1, 0))}
    assert after == {*before, (at(11, 16, 0), at(12, 16, 0))}
    assert differences() == []
