"""Caps of stand-in: per card and outage, for all processes of a host together."""

import multiprocessing
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.test import override_settings

from authorizations.services import host_files, stand_in_caps
from authorizations.services.stand_in_caps import CapUnknownError
from tests.standing import on_this_host


@pytest.fixture(autouse=True)
def host(tmp_path: Path) -> Iterator[Path]:
    with on_this_host(tmp_path / "spool") as directory:
        yield directory


def taken(
    event: str,
    amount: int,
    *,
    card: str = "ic_1",
    heard_at: float = 0.0,
    switched_on_at: float | None = None,
) -> int:
    """Take of the card's cap; what was taken before."""
    with stand_in_caps.turn(
        card, event, heard_at=heard_at, switched_on_at=switched_on_at, within_s=5
    ) as turn:
        turn.take(amount)
        return turn.taken


def test_what_was_taken_adds_up_for_each_card() -> None:
    assert [taken("evt_1", 100), taken("evt_2", 50), taken("evt_3", 0)] == [0, 100, 150]
    assert taken("evt_4", 10, card="ic_2") == 0
    assert taken("evt_5", 0) == 150


def test_the_same_event_gets_the_same_turn_and_takes_nothing_twice() -> None:
    taken("evt_1", 100)
    taken("evt_2", 50)
    assert [taken("evt_2", 50), taken("evt_2", 50), taken("evt_3", 0)] == [100, 100, 150]


def test_a_turn_that_fails_takes_nothing() -> None:
    def fail() -> None:
        with stand_in_caps.turn(
            "ic_1", "evt_1", heard_at=0, switched_on_at=None, within_s=5
        ) as turn:
            turn.take(100)
            raise ValueError("Nothing was decided.")

    with pytest.raises(ValueError, match="decided"):
        fail()
    assert taken("evt_2", 0) == 0


@pytest.fixture
def pause(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets so many seconds pass, by the clock that nobody sets."""
    passed = [0.0]
    monkeypatch.setattr(stand_in_caps, "since_boot", lambda: 1_000.0 + passed[0])
    return lambda seconds: passed.__setitem__(0, passed[0] + seconds)


@pytest.mark.parametrize(
    ("heard_after_s", "switched_on_before_s", "is_new"),
    [
        (-1, None, False),
        (30, None, False),  # it comes and goes
        (61, None, True),
        (61, 10, False),  # by hand it goes on, however well the database is
    ],
)
def test_an_outage_ends_when_the_database_is_heard_of_a_minute_after_the_last_purchase(
    pause: Callable[[float], None],
    heard_after_s: float,
    switched_on_before_s: float | None,
    *,
    is_new: bool,
) -> None:
    taken("evt_1", 100)
    pause(61)
    last = time.time()
    on_at = None if switched_on_before_s is None else last - switched_on_before_s
    heard_at = last + heard_after_s
    before = taken("evt_2", 0, heard_at=heard_at, switched_on_at=on_at)
    assert before == (0 if is_new else 100)


@pytest.mark.parametrize("step_s", [-3_600, -61, 61, 1_800])
def test_a_clock_that_is_set_gives_no_new_caps(
    monkeypatch: pytest.MonkeyPatch, step_s: float
) -> None:
    true_time = time.time
    heard_at = true_time() - 5
    taken("evt_1", 100, heard_at=heard_at)
    monkeypatch.setattr(time, "time", lambda: true_time() + step_s)
    assert taken("evt_2", 100, heard_at=heard_at) == 100
    assert taken("evt_3", 100, heard_at=heard_at) == 200
    monkeypatch.undo()
    assert taken("evt_4", 0, heard_at=heard_at) == 300
    # Even where a reading of the database has the time of the wrong clock.
    assert taken("evt_5", 0, heard_at=heard_at + 1_900) == 300


def test_after_the_host_began_anew_it_is_a_minute_too(
    monkeypatch: pytest.MonkeyPatch, pause: Callable[[float], None]
) -> None:
    taken("evt_1", 100)
    pause(-1_000)
    heard_at = time.time() + 61
    assert taken("evt_2", 0, heard_at=heard_at) == 100
    pause(61)
    assert taken("evt_3", 0, heard_at=heard_at + 61) == 0


def test_stand_in_switched_on_after_an_outage_begins_a_new_one(
    pause: Callable[[float], None],
) -> None:
    taken("evt_1", 100)
    pause(61)
    last = time.time()
    assert taken("evt_2", 0, heard_at=last + 61, switched_on_at=last + 62) == 0


def _take_many(directory: Path, number: int) -> None:
    with override_settings(SPOOL_DIR=directory):
        for place in range(20):
            with stand_in_caps.turn(
                "ic_1", f"evt_{number}_{place}", heard_at=0, switched_on_at=None, within_s=30
            ) as turn:
                turn.take(1 if turn.taken < 50 else 0)


def test_processes_of_one_host_share_the_cap(host: Path) -> None:
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_take_many, args=(host, n)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert taken("evt_last", 0) == 50


def test_who_cannot_get_a_turn_in_time_does_not_know_the_cap(host: Path) -> None:
    taken("evt_1", 100)
    other = sqlite3.connect(host / stand_in_caps.FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with (
        pytest.raises(CapUnknownError),
        stand_in_caps.turn("ic_1", "evt_2", heard_at=0, switched_on_at=None, within_s=0.01),
    ):
        pass
    other.close()
    assert taken("evt_3", 0) == 100


def test_of_a_damaged_file_no_cap_is_known() -> None:
    (host_files.directory() / stand_in_caps.FILE).write_bytes(b"not a database at all" * 100)
    with pytest.raises(CapUnknownError):
        taken("evt_1", 100)
