"""Runs the parts of a check, in this process or shared out between several."""

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Protocol, TypeAlias

import django
from django.db import connection

from authorizations.services.verify.checking import Checked

Part: TypeAlias = Callable[[], Iterator[Checked]]

_FEW = 20_000
"""Rows that one process checks before a second one has even started."""

_MAX_WAITING = 64
"""Maximum results that wait to be read; then the processes pause."""


def processes_for(rows: int | None) -> int:
    """The number of processes that check about this many rows fastest; one if unknown."""
    return (os.cpu_count() or 1) if rows and rows > _FEW else 1


def checked(parts: Sequence[Part], processes: int) -> Iterator[Checked]:
    """The results of the parts, in any order. Put the longest parts first to keep all busy.

    Raises what a part raises.
    """
    if processes == 1:
        for part in parts:
            yield from _collecting_rarely(part)
        return
    context = get_context("spawn")
    with (
        context.Manager() as manager,
        ProcessPoolExecutor(processes, context, initializer=django.setup) as pool,
    ):
        mailbox = manager.Queue(_MAX_WAITING)
        futures = [pool.submit(_run, part, mailbox) for part in parts]
        for future in futures:
            future.add_done_callback(lambda _: mailbox.put(None))
        try:
            for _ in futures:
                while found := mailbox.get():
                    yield found
        except BaseException:
            manager.shutdown()  # otherwise the processes would wait for a reader
            pool.shutdown(cancel_futures=True)
            raise
        for future in futures:
            future.result()


class _Mailbox(Protocol):
    def put(self, found: Checked | None) -> None: ...


def _run(part: Part, mailbox: _Mailbox) -> None:
    """Run a part in a process of its own."""
    try:
        for found in _collecting_rarely(part):
            mailbox.put(found)
    finally:
        connection.close()


def _collecting_rarely(part: Part) -> Iterator[Checked]:
    """A part's results, with garbage collected only after each, and only what is new.

    A part holds many small values for long, none of them in a cycle: searching through all of
    them took half of the time.
    """
    gc.disable()
    try:
        for found in part():
            yield found
            gc.collect(1)
    finally:
        gc.enable()
