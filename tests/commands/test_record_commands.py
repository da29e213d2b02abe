"""`redecide` and `verify_books` as people run them: what they print, and how they end."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from authorizations.models import Authorization, Decision, Usage
from authorizations.services.verify_books import processes_for
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


def test_books_that_are_right_are_told_with_what_was_checked() -> None:
    printed, error = run("verify_books")
    assert printed == (
        "Checked 1 cards, 3 authorizations, 0 transactions, 1 remembered sums, 3 decisions and 3 "
        "ledger entries.\nAll is as it should be.\n"
    )
    assert not error


def test_a_sum_that_is_off_ends_with_status_1_and_names_it() -> None:
    Usage.objects.update(amount=1)
    printed, error = run("verify_books")
    assert "usage of card:ic_1" in printed
    assert "amount=3000" in printed
    assert error == "1 differences from what should be. (status 1)"


def test_of_many_differences_the_first_twenty_are_shown() -> None:
    for _ in range(19):
        Shopper().asks(100)
    Authorization.objects.update(status="closed")
    printed, error = run("verify_books")
    assert printed.count("should be pending after its books") == 20
    assert "... and 2 more." in printed
    assert error.startswith("22 differences")


def test_figures_that_nobody_can_tell_any_more_are_counted() -> None:
    """Two purchases, and only then is it known that the card replaces another."""
    for card in ({}, {}, {"replacement_for": "ic_1"}):
        Shopper(card_id="ic_2", card=card).asks(100)
    printed, error = run("verify_books")
    assert "1 usage figures can't be told any more: their card was hung under another" in printed
    assert not error


@pytest.mark.parametrize(("rows", "processes"), [(None, 1), (0, 1), (20_000, 1), (20_001, 6)])
def test_all_processors_share_the_work_where_there_is_much(
    rows: int | None, processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 6)
    assert processes_for(rows) == processes


def test_people_at_a_terminal_see_how_far_it_is() -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    call_command("verify_books", stdout=out)
    assert "Checking the books" in out.getvalue()
    assert "Checking the books" not in run("verify_books")[0]
