"""Heavy reads of this host take turns, so that purchases always find a processor free.

At most settings.HEAVY_READS run at once, in all processes of the host together. A turn is a lock on
a file in SPOOL_DIR: the kernel gives it back when its process ends, however it does, and waiting
for it needs no database connection. An advisory lock of PostgreSQL would need one, and a
transaction that stays open.

Within a process it is first come, first served, and only the first in line asks for the files. It
lets those of other processes ask before it.
"""

import logging
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Event, Lock
from time import monotonic, sleep

from django.conf import settings
from django.db import connection

from authorizations.services.host import host_files
from authorizations.services.runtime.seldom import Seldom

_POLL_S = 0.01
_seldom = Seldom(logging.getLogger(__name__))


class BusyError(Exception):
    """No turn came in time."""


class Line:
    """Threads of this process that wait, first come, first served."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: deque[Event] = deque()

    @contextmanager
    def first(self, until: float) -> Iterator[bool]:
        """Wait until this thread is the first in line, which it is until the block ends.

        Yields whether others were before it. `until` is on the clock of time.monotonic(). Raises
        BusyError.
        """
        is_first = Event()
        with self._lock:
            self._waiting.append(is_first)
            self._waiting[0].set()
        had_to_wait = not is_first.is_set()
        try:
            if not is_first.wait(max(until - monotonic(), 0)):
                raise BusyError
            yield had_to_wait
        finally:
            with self._lock:
                self._waiting.remove(is_first)
                if self._waiting:
                    self._waiting[0].set()


_line = Line()


@contextmanager
def turn(wait_s: float) -> Iterator[None]:
    """Have a turn until the block ends. Waits up to `wait_s` seconds, then raises BusyError.

    This thread's connection goes back to the pool before the wait, and after the turn. Where the
    files can't be used, which the health page reports, no read waits.
    """
    _give_back_connection()
    with ExitStack() as held:
        try:
            _take(held, monotonic() + wait_s)
        except OSError as error:
            _seldom.warn("files", "Heavy reads take no turns: %s", error)
        try:
            yield
        finally:
            _give_back_connection()


def _take(held: ExitStack, until: float) -> None:
    turns = [f"heavy_reads.{number}" for number in range(settings.HEAVY_READS)]
    with _line.first(until) as had_to_wait:
        if had_to_wait:
            sleep(2 * _POLL_S)  # this process had the last turn: others ask every _POLL_S seconds
        # The next in line keeps that place until a turn is free.
        with _one_of(["heavy_reads.next"], until):
            held.enter_context(_one_of(turns, until))


@contextmanager
def _one_of(names: list[str], until: float) -> Iterator[None]:
    """Lock one of the files. Raises BusyError, or OSError."""
    while True:
        for name in names:
            with host_files.alone(name, wait=False) as is_mine:
                if is_mine:
                    yield
                    return
        if monotonic() > until:
            raise BusyError
        # A lock with a time limit would need a signal, which only a main thread can have.
        sleep(_POLL_S)


def _give_back_connection() -> None:
    if not connection.in_atomic_block:
        connection.close()
