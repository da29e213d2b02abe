"""What stand-in may still approve in a window: for all processes of a host together."""

import multiprocessing
import shutil
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from django.test import override_settings

from authorizations.rules.basics.controls import Scope, ScopeKind
from authorizations.rules.basics.filters import EVERYTHING, CategorySet, LimitFilter, Merchant
from authorizations.rules.decision.stand_in import HostWindow
from authorizations.rules.decision.values import NO_USAGE, Window, WindowUsage
from authorizations.rules.purchases.counted import CountedUsage
from authorizations.services.host import caps, host_files, host_memory
from authorizations.services.host.caps import CapUnknownError, NotReplayedError
from authorizations.services.host.host_memory import Approval, memory
from authorizations.services.host.local_copy import USAGE, USAGE_SCHEMA
from authorizations.services.stand_in.local_copy_refresh import new_copy
from authorizations.services.stand_in.usage_refresh import write_used
from tests.support.stand_in import on_this_host

CARD = Scope(ScopeKind.CARD, "ic_1")
GROUP = Scope(ScopeKind.GROUP, "7")
NOON = 1_795_003_200
DAY = Window(CARD, NOON - 43_200, NOON + 43_200, "", "eur")
OF_ANOTHER_CARD = DAY._replace(scope=Scope(ScopeKind.CARD, "ic_2"))
OF_GROUP = DAY._replace(scope=GROUP)
BAKERY = Merchant("bakeries", "5462", "FR", "Boulangerie")


@pytest.fixture(autouse=True)
def host(tmp_path: Path) -> Iterator[Path]:
    with on_this_host(tmp_path / "spool") as directory:
        copied({DAY: NO_USAGE, OF_GROUP: NO_USAGE})
        yield directory


def copied(used: dict[Window, WindowUsage], at: int = NOON) -> None:
    """A copy of usage, read now."""
    with memory() as held:
        moment = held.moment()
    with new_copy(USAGE, USAGE_SCHEMA, at, moment.memory_id, moment.clock) as copy:
        write_used(copy, used)
    with memory() as held:
        held.forget(moment.clock)


def approval(question: str, amount: int, created: int = NOON) -> Approval:
    scopes = ("card:ic_1", "cardholder:ich_1", "group:7")
    return Approval(question, scopes, created, "eur", BAKERY, CountedUsage(amount, 0, 0, 1))


def known(
    question: str, amount: int = 0, window: Window = DAY, concern: LimitFilter = EVERYTHING
) -> HostWindow:
    """What is known of a window in a turn that takes this amount."""
    with caps.turn(question, {window: concern}, within_s=5) as turn:
        if amount:
            turn.take(approval(question, amount))
        return dict(turn.windows)[window]


def note(of: Approval, *, fits: bool = False) -> None:
    """As the database does; `fits` is whether there is room beside what stand-in approved."""
    caps.note(of, lambda _: fits)


def taken(question: str, amount: int = 0, window: Window = DAY) -> int:
    return known(question, amount, window).taken


def pending(question: str) -> int:
    return known(question).pending.amount


@pytest.fixture(autouse=True)
def copy_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: NOON + 5.0)


# --- what stand-in took


def test_what_was_taken_adds_up_in_every_window_the_purchase_counts_in() -> None:
    assert [taken("a", 100), taken("b", 50), taken("c")] == [0, 100, 150]
    assert taken("d", window=OF_GROUP) == 150
    assert taken("e", window=OF_ANOTHER_CARD) == 0
    assert taken("f", window=DAY._replace(start=NOON + 1)) == 0
    assert taken("g", window=DAY._replace(currency="usd")) == 0


def test_the_same_question_gets_the_same_turn_and_takes_nothing_twice() -> None:
    known("a", 100)
    known("b", 50)
    assert [taken("b", 50), taken("b", 50), taken("c")] == [100, 100, 150]


def test_a_turn_that_fails_takes_nothing() -> None:
    def fail() -> None:
        with caps.turn("a", {DAY: EVERYTHING}, within_s=5) as turn:
            turn.take(approval("a", 100))
            raise ValueError("Nothing was decided.")

    with pytest.raises(ValueError, match="decided"):
        fail()
    assert known("b") == HostWindow(NO_USAGE)


def test_what_cannot_be_kept_on_the_disk_is_taken_back_from_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_: object) -> str:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as broken:
        broken.setattr(caps.codec, "to_json", fail)  # type: ignore[attr-defined]
        with pytest.raises(CapUnknownError, match="disk"):
            known("a", 100)
    assert known("b") == HostWindow(NO_USAGE)
    note(approval("c", 1))


def test_a_replayed_answer_counts_in_the_books_and_against_the_cap_but_not_twice() -> None:
    known("a", 100)
    assert pending("b") == 100
    caps.settle_replayed(["a"])
    assert pending("c") == 100  # the copy is older
    copied({DAY: WindowUsage(100)})
    assert known("d") == HostWindow(WindowUsage(100), taken=100)
    assert taken("a", 100) == 0  # the same turn as before
    assert known("e") == HostWindow(WindowUsage(100), taken=100)


def test_an_answer_replayed_while_the_copy_is_read_counts_beside_it() -> None:
    """Too much for once, never too little."""
    known("a", 100)
    with memory() as held:
        moment = held.moment()
    caps.settle_replayed(["a"])
    with new_copy(USAGE, USAGE_SCHEMA, NOON, moment.memory_id, moment.clock) as copy:
        write_used(copy, {DAY: WindowUsage(100)})
    assert known("b") == HostWindow(WindowUsage(100), pending=WindowUsage(100, count=1), taken=100)


# --- what the database approved


def test_what_the_database_approved_since_the_copy_counts_until_the_next_one_has_it() -> None:
    note(approval("a", 30))
    assert known("b").database == WindowUsage(30, count=1)  # perhaps it will be committed
    caps.settle("a")
    assert known("c").database == WindowUsage(30, count=1)
    copied({DAY: WindowUsage(30)})
    assert known("d") == HostWindow(WindowUsage(30))


def test_what_is_committed_while_the_copy_is_read_counts_beside_it() -> None:
    note(approval("a", 30))
    copied({DAY: NO_USAGE})
    caps.settle("a")
    assert known("b").database.amount == 30
    copied({DAY: WindowUsage(30)})
    assert known("c").database.amount == 0


def test_what_was_rolled_back_counts_nothing() -> None:
    note(approval("a", 30))
    caps.withdraw("a")
    assert known("b") == HostWindow(NO_USAGE)


def test_the_database_approves_what_has_room_beside_what_stand_in_approved_and_no_more() -> None:
    known("a", 100)
    note(approval("beside", 2), fits=True)
    caps.withdraw("beside")
    with pytest.raises(NotReplayedError):
        note(approval("b", 1))
    assert known("c").database == NO_USAGE
    caps.settle_replayed(["a"])
    note(approval("b", 1))


def test_a_lost_reply_to_commit_awaits_its_replay() -> None:
    note(approval("a", 30))
    caps.await_replay("a")
    with pytest.raises(NotReplayedError):
        note(approval("b", 1))
    assert pending("c") == 30
    caps.settle_replayed(["a"])
    copied({DAY: WindowUsage(30)})
    assert known("d") == HostWindow(WindowUsage(30))


def test_only_what_a_limit_concerns_is_approved_in_its_window() -> None:
    note(approval("a", 30))
    bakeries = LimitFilter(CategorySet.of(["bakeries"]), key="k1", text="{}")
    hotels = LimitFilter(CategorySet.of(["7011"]), key="k2", text="{}")
    found = [
        known("b", window=DAY._replace(filter_key=concern.key), concern=concern).database
        for concern in (bakeries, hotels)
    ]
    assert found == [WindowUsage(30, count=1), NO_USAGE]


# --- windows that the copy does not have


@pytest.mark.parametrize(
    ("window", "used"),
    [
        (DAY._replace(currency="usd"), None),
        (DAY._replace(start=NOON, end=NOON + 86_400), None),
        (DAY._replace(start=NOON + 1, end=NOON + 86_400), NO_USAGE),  # began afterwards
    ],
)
def test_a_window_that_is_not_in_the_copy_is_only_known_where_it_began_afterwards(
    window: Window, used: WindowUsage | None
) -> None:
    assert known("a", window=window).used == used


def test_of_a_rolling_window_all_since_a_little_earlier_counts() -> None:
    def rolling(created: int, seconds: int) -> Window:
        start, forever = created - seconds + 1, 253_402_300_800
        return Window(CARD, start, forever, "", "eur", rolling=True)

    copied(
        {rolling(NOON - 120, 3_600): WindowUsage(70), rolling(NOON - 120, 86_400): WindowUsage(500)}
    )
    assert known("a", window=rolling(NOON, 3_600)).used == WindowUsage(70)
    assert known("b", window=rolling(NOON, 86_400)).used == WindowUsage(500)
    assert known("c", window=rolling(NOON - 119, 86_400)).used == WindowUsage(500)
    assert known("d", window=rolling(NOON - 121, 86_400)).used is None
    # What is as long as an outage began after the copy was read.
    assert known("e", window=rolling(NOON + 3_600, 3_600)).used == WindowUsage(70)
    assert known("f", window=rolling(NOON + 3_601, 3_600)).used == WindowUsage(70)


# --- clocks, starts and damage


@pytest.mark.parametrize("step_s", [-3_600, -61, 61, 1_800])
def test_a_clock_that_is_set_gives_no_new_caps_and_no_more_room(
    monkeypatch: pytest.MonkeyPatch, step_s: float
) -> None:
    known("a", 100)
    note(replace(approval("b", 30), scopes=("card:ic_2",)))
    monkeypatch.setattr(time, "time", lambda: NOON + 5.0 + step_s)
    found = known("c", 100)
    assert (found.taken, found.pending.amount) == (100, 100)
    copied({DAY: NO_USAGE}, at=int(NOON + step_s))
    assert known("d").taken == 200
    assert known("d").pending.amount == 200
    assert known("e", window=OF_ANOTHER_CARD).database.amount == 30


def test_with_another_copy_than_the_one_the_memory_goes_with_nothing_is_known(host: Path) -> None:
    known("a", 100)
    shutil.rmtree(host_memory.directory())  # as when the host starts anew
    host_memory._forget_connection()
    with pytest.raises(CapUnknownError, match="since the copy of usage was read"):
        known("b")
    with pytest.raises(NotReplayedError):  # what was not replayed is remembered by the disk
        note(approval("c", 1))
    copied({DAY: NO_USAGE})
    assert known("d") == HostWindow(NO_USAGE, pending=WindowUsage(100, count=1), taken=100)


def test_what_is_forgotten_for_want_of_room_is_missed_by_the_copy_that_needs_it() -> None:
    note(approval("a", 30))
    caps.settle("a")
    with memory() as held:
        held.forget(held.moment().clock)
    with pytest.raises(CapUnknownError, match="since the copy of usage was read"):
        known("b")


def test_a_memory_that_is_full_forgets_what_is_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_memory, "MAX_PAGES", 40)
    host_memory._forget_connection()
    for number in range(2_000):
        note(approval(f"q{number}", 1))
        caps.settle(f"q{number}")
    with pytest.raises(CapUnknownError, match="since the copy of usage was read"):
        known("b")
    copied({DAY: WindowUsage(2_000)})
    assert known("c") == HostWindow(WindowUsage(2_000))


def test_what_no_process_settles_any_more_counts_for_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    note(approval("a", 30))
    with memory() as held:
        assert held.abandoned(by_stand_in=False) == []
        later = time.monotonic() + 61
        monkeypatch.setattr(host_memory, "since_boot", lambda: later)
        assert held.abandoned(by_stand_in=False) == ["a"]


def test_what_no_record_tells_of_is_let_go_of_once_the_spool_is_empty(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known("a", 100)
    caps.settle_lost()
    assert pending("b") == 100
    later = time.monotonic() + 61
    monkeypatch.setattr(host_memory, "since_boot", lambda: later)
    caps.settle_lost()
    copied({DAY: NO_USAGE})
    assert known("c") == HostWindow(NO_USAGE, taken=100)
    note(approval("d", 1))


@pytest.mark.parametrize(("since", "used"), [(NOON, NO_USAGE), (NOON + 1, None)])
def test_a_window_is_new_only_to_policies_that_have_applied_since_it_began(
    since: int, used: WindowUsage | None
) -> None:
    copied({}, at=NOON - 1)
    window = DAY._replace(start=NOON)
    with caps.turn("a", {window: EVERYTHING}, since=since, within_s=5) as turn:
        [(_, found)] = turn.windows
    assert found.used == used


def test_without_a_copy_of_usage_no_cap_is_known(host: Path) -> None:
    (host / USAGE).unlink()
    with pytest.raises(CapUnknownError):
        known("a", 100)


def test_a_copy_that_is_too_old_is_not_rested_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: NOON + 3_600.0)
    known("a")
    monkeypatch.setattr(time, "time", lambda: NOON + 3_601.0)
    with pytest.raises(CapUnknownError, match="too old"):
        known("b")


def test_who_cannot_get_a_turn_in_time_does_not_know_the_cap(host: Path) -> None:
    known("a", 100)
    other = sqlite3.connect(host / caps.FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with (
        pytest.raises(CapUnknownError),
        caps.turn("b", {DAY: EVERYTHING}, within_s=0.01),
    ):
        pass
    other.close()
    assert taken("c") == 100


def test_of_a_damaged_file_no_cap_is_known() -> None:
    (host_files.directory() / caps.FILE).write_bytes(b"not a database at all" * 100)
    with pytest.raises(CapUnknownError):
        known("a", 100)


# --- several processes


def _approve_many(directory: Path, number: int) -> None:
    with override_settings(SPOOL_DIR=directory):
        for place in range(20):
            question = f"{number} {place}"
            with caps.turn(question, {DAY: EVERYTHING}, within_s=30) as turn:
                [(_, found)] = turn.windows
                spent = found.database.amount + found.pending.amount
                if spent < 50:
                    turn.take(approval(question, 1))


def test_processes_of_one_host_share_what_is_left(host: Path) -> None:
    for number in range(10):
        note(approval(f"before {number}", 1))
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_approve_many, args=(host, n)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    found = known("last")
    assert (found.database.amount, found.pending.amount, found.taken) == (10, 40, 40)
