"""`redecide` and `verify_books` as people run them: what they print, and how they end."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from authorizations.models import Authorization, Decision, LedgerEntry, ProofRun, Usage
from authorizations.services.verify.checking import Checked
from authorizations.services.verify.parts import processes_for
from tests.support.damage import damage
from tests.support.desk import Shopper, in_force

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
    assert "Checked 3 decisions and 1 policy versions." in printed
    assert not error


def test_one_decision_can_be_made_again_alone() -> None:
    damage(Decision.objects.get(pk="evt_2"), approved_amount=7)
    assert run("redecide", "--decision", "evt_1")[1] == ""
    printed, error = run("redecide", "--decision", "evt_2")
    assert "evt_2: approved_amount is 7; expected 1000" in printed
    assert "2 differences found" in error  # the answer names no amount, either


def test_a_decision_nobody_knows_is_told_with_where_to_find_its_id() -> None:
    assert 'There is no decision "evt_9"' in run("redecide", "--decision", "evt_9")[1]


def test_redecide_wants_to_know_which_decisions() -> None:
    assert "required" in run("redecide")[1]


def test_books_that_are_right_are_told_with_what_was_checked() -> None:
    printed, error = run("verify_books")
    assert printed == (
        "Checked 1 cards, 3 authorizations, 0 transactions, 1 remembered sums, 0 pots, 3 decisions "
        "and 3 ledger entries.\nNo differences found.\n"
    )
    assert not error


def test_a_sum_that_is_off_ends_with_status_1_and_names_it() -> None:
    Usage.objects.update(amount=1)
    printed, error = run("verify_books")
    assert "usage of card:ic_1" in printed
    assert "amount=3000" in printed
    assert error == "1 differences found. (status 1)"


def test_of_many_differences_the_first_twenty_are_shown() -> None:
    for _ in range(19):
        Shopper().asks(100)
    Authorization.objects.update(status="closed")
    printed, error = run("verify_books")
    assert printed.count("expected pending after its books") == 20
    assert "... and 2 more." in printed
    assert error.startswith("22 differences")


def test_figures_that_nobody_can_tell_any_more_are_counted() -> None:
    """Two purchases, and only then is it known that the card replaces another."""
    for card in ({}, {}, {"replacement_for": "ic_1"}):
        Shopper(card_id="ic_2", card=card).asks(100)
    printed, error = run("verify_books")
    assert "1 usage figures cannot be verified: the card's replacement chain changed" in printed
    assert not error


@pytest.mark.parametrize("processes", ["0", "-3"])
def test_no_processes_at_all_are_refused(processes: str) -> None:
    _, error = run("verify_books", "--processes", processes)
    assert error.startswith("--processes must be 1 or more.")


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
    assert "verify_books: checking" in out.getvalue()
    assert "verify_books: checking" not in run("verify_books")[0]


def later(*, hours: float) -> datetime:
    return timezone.now() + timedelta(hours=hours)


def received_at(decision_id: str, at: datetime) -> None:
    """As if it had been written then."""
    decision = Decision.objects.get(pk=decision_id)
    row = decision.webhook_request
    damage(decision, decided_at=decision.decided_at + (at - row.received_at))
    damage(row, received_at=at, headers={})  # nor signed now
    for entry in LedgerEntry.objects.filter(event_id=decision_id):
        damage(entry, entered_at=at)


@pytest.fixture
def three_days() -> None:
    for place in range(3):
        received_at(f"evt_{place}", later(hours=24 * (place - 3)))


@pytest.mark.parametrize(
    ("range_", "decisions"),
    [
        ({}, 3),
        ({"since": "60h"}, 2),
        ({"until": "60h"}, 1),
        ({"since": "60h", "until": "36h"}, 1),
        ({"since": "20h"}, 0),
        ({"until": "80h"}, 0),
        ({"since": "300d"}, 3),
    ],
)
@pytest.mark.usefixtures("three_days")
def test_a_range_is_what_was_written_in_it(range_: dict[str, str], decisions: int) -> None:
    since_until = [word for name, value in range_.items() for word in (f"--{name}", value)]
    for command in (["redecide", "--all"], ["verify_books"]):
        printed, error = run(*command, *since_until)
        assert f"{decisions} decisions" in printed
        assert not error


@pytest.mark.usefixtures("three_days")
def test_what_lies_outside_the_range_is_not_looked_at() -> None:
    damage(Decision.objects.get(pk="evt_0"), approved_amount=7)
    Authorization.objects.filter(ledger__event_id="evt_0").update(counted_amount=7)
    for command in (["redecide", "--all"], ["verify_books"]):
        assert run(*command, "--since", "60h", "--until", "36h")[1] == ""
        assert "differences" in run(*command)[1]


FORMS = (
    "Write a date, such as 2026-11-01, or a time, such as 2026-11-01T08:30:00Z, or how long ago, "
    "such as 2d or 36h."
)


@pytest.mark.parametrize(
    "words",
    ["2026-11-01", "2026-11-01T08:30:00Z", "2d", "36h"],  # what the errors name
)
def test_the_forms_that_errors_name_can_be_read(words: str) -> None:
    assert words in FORMS
    assert run("verify_books", "--since", words)[1] == ""


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--since", "yesterday"], f"can't be read. {FORMS}"),
        (["--until", "2d ago"], f"can't be read. {FORMS}"),
        (["--since", "2999-01-01"], f"must lie in the past, and not before 1970. {FORMS}"),
        (["--since", "999999d"], f"must not lie before 1970. {FORMS}"),
        (["--since", "1h", "--until", "2h"], "--since must lie before --until"),
    ],
)
def test_a_range_that_is_none_is_refused(words: list[str], sentence: str) -> None:
    assert sentence in run("verify_books", *words)[1]


def test_each_run_leaves_a_row_with_its_range_and_result() -> None:
    run("verify_books", "--since", "2026-11-01", "--processes", "1")
    Usage.objects.update(amount=1)
    run("verify_books")
    right, different = ProofRun.objects.order_by("pk")
    assert (right.command, right.result, right.differences) == ("verify_books", "right", 0)
    assert right.since == datetime(2026, 11, 1, tzinfo=UTC)
    assert right.checked["decisions"] == 3
    assert (different.result, different.differences, different.since) == ("different", 1, None)
    assert "usage of card:ic_1" in different.first_differences[0]
    assert different.ended_at >= different.started_at


def test_a_run_that_fails_leaves_a_row_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Iterator[object]:
        yield Checked("decisions", 5)
        raise OSError("the disk is full")

    monkeypatch.setattr("authorizations.management.commands.verify_books.verify_books", broken)
    with pytest.raises(OSError, match="disk is full"):
        run("verify_books")
    row = ProofRun.objects.get()
    assert (row.result, row.checked) == ("stopped", {"decisions": 5})
    assert row.problem == "OSError: the disk is full"
