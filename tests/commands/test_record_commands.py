"""`redecide` and `verify_usage` as people run them: what they print, and how they end."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from authorizations.models import Decision, Usage
from tests.desk import Shopper, in_force
from tests.services.damage import damage

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _purchases() -> None:
    in_force(spending_limits=[{"amount": 10_000, "interval": "daily"}])
    for place in range(3):
        Shopper().asks(1_000, event_id=f"evt_{place}")


def run(*command: str) -> tuple[str, str]:
    """What was printed, and the error it ended with, or nothing."""
    out = StringIO()
    try:
        call_command(*command, stdout=out)
    except CommandError as problem:
        return out.getvalue(), f"{problem} (status {problem.returncode})"
    return out.getvalue(), ""


def test_all_decisions_and_versions_are_made_again_and_counted() -> None:
    printed, error = run("redecide", "--all")
    assert "3 decisions checked: all as they should be." in printed
    assert "1 policy versions checked" in printed
    assert not error


def test_one_decision_can_be_made_again_alone() -> None:
    damage(Decision.objects.get(pk="evt_2"), approved_amount=7)
    assert run("redecide", "--decision", "evt_1")[1] == ""
    printed, error = run("redecide", "--decision", "evt_2")
    assert "evt_2: approved_amount is kept as 7, but should be 1000" in printed
    assert "1 of 1 decisions differ" in error


def test_a_decision_nobody_knows_is_told_with_where_to_find_its_id() -> None:
    assert "There is no decision evt_9" in run("redecide", "--decision", "evt_9")[1]


def test_redecide_wants_to_know_which_decisions() -> None:
    assert "required" in run("redecide")[1]


def test_usage_is_counted_again() -> None:
    printed, error = run("verify_books")
    assert "all as they should be" in printed
    assert not error


def test_a_sum_that_is_off_ends_with_status_1_and_names_it() -> None:
    Usage.objects.update(amount=1)
    printed, error = run("verify_books")
    assert "usage of card:ic_1" in printed
    assert "amount=3000" in printed
    assert error.endswith("differ from what they should be. (status 1)")
