"""Heavy reads take turns, in threads and in processes of their own."""

import logging
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from authorizations.services.host import heavy_reads
from authorizations.services.host.heavy_reads import BusyError, turn
from tests.support.threads import apart
from tests.support.timeouts import PATIENCE_S

_HOLDER = """
import sys, threading, time
import django
django.setup()
from django.conf import settings
from authorizations.services.host.heavy_reads import turn
settings.HEAVY_READS = 1
kind = sys.argv[1]
if kind == "holds":
    with turn(60):
        print("has it", flush=True)
        time.sleep(600)
def again_and_again():
    while True:
        with turn(60):
            print("turn", flush=True)
            time.sleep(0.02)
for _ in range(3):
    threading.Thread(target=again_and_again).start()
"""


@pytest.fixture(autouse=True)
def one_at_a_time(settings: Any, tmp_path: Path) -> None:
    settings.HEAVY_READS = 1
    settings.SPOOL_DIR = tmp_path


@contextmanager
def elsewhere(kind: str, directory: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that holds the turn, or one whose three threads have it again and again."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, kind],
        cwd=settings.BASE_DIR,
        env=_environment(directory),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        assert process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.communicate()


def _environment(directory: Path) -> dict[str, str]:
    return os.environ | {
        "DJANGO_SETTINGS_MODULE": "authz_project.settings",
        "SPOOL_DIR": str(directory),
    }


def test_the_second_waits_until_the_first_is_through() -> None:
    seen: Queue[str] = Queue()

    def second() -> None:
        with turn(PATIENCE_S):
            seen.put("second")

    with turn(0):
        waiting = apart(second)
        time.sleep(0.1)
        seen.put("first")
    waiting.result(PATIENCE_S)
    assert [seen.get(), seen.get()] == ["first", "second"]


def test_as_many_as_the_setting_says_have_a_turn_at_once(settings: Any) -> None:
    settings.HEAVY_READS = 2
    with turn(0), turn(0), pytest.raises(BusyError), turn(0):
        pass


def test_nobody_waits_longer_than_told_and_a_turn_ends_with_an_error() -> None:
    with turn(0):
        begun = time.monotonic()
        with pytest.raises(BusyError), turn(0.2):
            pass
        assert time.monotonic() - begun >= 0.2
    with pytest.raises(ZeroDivisionError), turn(0):
        raise ZeroDivisionError
    with turn(0):
        pass


def test_first_come_first_served() -> None:
    order: list[int] = []

    def take(number: int) -> None:
        with turn(PATIENCE_S):
            order.append(number)

    with turn(0):
        waiting = []
        for number in range(6):
            waiting.append(apart(partial(take, number)))
            while len(heavy_reads._line._waiting) <= number:
                time.sleep(0.01)
    for one in waiting:
        one.result(PATIENCE_S)
    assert order == [*range(6)]


def test_who_gives_up_leaves_the_line_to_those_behind() -> None:
    with turn(0):
        first = apart(lambda: _take(0.3))
        _until(lambda: len(heavy_reads._line._waiting) == 1)
        second = apart(lambda: _take(PATIENCE_S))
        assert isinstance(first.exception(PATIENCE_S), BusyError)
    second.result(PATIENCE_S)
    assert not heavy_reads._line._waiting


def test_the_turn_of_a_killed_process_is_free(tmp_path: Path) -> None:
    with elsewhere("holds", tmp_path) as process:
        with pytest.raises(BusyError), turn(0.1):
            pass
        process.kill()
        process.wait()
        with turn(PATIENCE_S):
            pass


def test_a_process_that_always_wants_turns_does_not_get_them_all(tmp_path: Path) -> None:
    with elsewhere("wants", tmp_path) as process:
        theirs: Queue[str] = Queue()
        assert process.stdout
        lines = process.stdout
        threading.Thread(target=lambda: [*map(theirs.put, lines)], daemon=True).start()
        meanwhile = []
        for _ in range(20):
            theirs.get(timeout=PATIENCE_S)  # while the next of them stands in line
            before = theirs.qsize()
            with turn(PATIENCE_S):
                meanwhile.append(theirs.qsize() - before)
            while theirs.qsize():
                theirs.get()
        assert statistics.mean(meanwhile) < 3, meanwhile


@pytest.mark.django_db(transaction=True)
def test_whoever_waits_has_no_connection() -> None:
    number: Queue[int] = Queue()

    def wait() -> int:
        number.put(_backend())
        with turn(PATIENCE_S):
            return _backend()

    with turn(0):
        waiting = apart(wait)
        before = number.get(timeout=PATIENCE_S)
        _until(lambda: before not in _backends())
        assert not waiting.done()
    assert waiting.result(PATIENCE_S) != before


@pytest.mark.django_db(transaction=True)
def test_after_the_turn_the_connection_is_given_back() -> None:
    with turn(0):
        mine = _backend()
    assert connection.connection is None
    _until(lambda: mine not in _backends())


def test_without_files_nobody_waits(
    settings: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "a file"
    blocked.touch()
    settings.SPOOL_DIR = blocked / "spool"
    with caplog.at_level(logging.WARNING), turn(0), turn(0):
        pass
    assert "Heavy reads take no turns" in caplog.text


def _take(wait_s: float) -> None:
    with turn(wait_s):
        pass


def _until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


def _backend() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [number] = cursor.fetchone()
    return int(number)


def _backends() -> set[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pid FROM pg_stat_activity")
        return {pid for (pid,) in cursor.fetchall()}
