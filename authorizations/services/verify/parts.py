"""A check as parts that several processes share, each part a stream of what it finds."""

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Protocol, TypeAlias

import django
from django.db import connection

from authorizations.services.verify.checking import Checked

Part: TypeAlias = Callable[[], Iterator[Checked]]

_FEW = 20_000
"""So many rows are checked before a second process has even started."""

_MOST_WAITING = 64
"""So many pieces wait to be read: where all is wrong, what is found is much."""


def processes_for(rows: int | None) -> int:
    """How many share the work best where about so many rows are to be checked."""
    return (os.cpu_count() or 1) if rows and rows > _FEW else 1


def checked(parts: Sequence[Part], processes: int) -> Iterator[Checked]:
    """What the parts find, piece by piece; the longest come first, so that all are busy."""
    if processes == 1:
        with _rare_search_for_cycles():
            for part in parts:
                for found in part():
                    yield found
                    _search_what_is_new()
    else:
        yield from _together(parts, processes)


@contextmanager
def _rare_search_for_cycles() -> Iterator[None]:
    """Many small values live long here, none in a cycle: to search all of them took half of the
    time. What a piece leaves is searched after it.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _search_what_is_new() -> None:
    gc.collect(1)


class _Mailbox(Protocol):
    def put(self, found: Checked | None) -> None: ...


def _together(parts: Sequence[Part], processes: int) -> Iterator[Checked]:
    """Each part in a process of its own, so many at a time."""
    context = get_context("spawn")
    with (
        context.Manager() as manager,
        ProcessPoolExecutor(processes, context, initializer=django.setup) as pool,
    ):
        mailbox = manager.Queue(_MOST_WAITING)
        working = [pool.submit(_work, part, mailbox) for part in parts]
        for part in working:
            part.add_done_callback(lambda _: mailbox.put(None))
        try:
            for _ in working:
                while found := mailbox.get():
                    yield found
        except BaseException:
            manager.shutdown()  # or they would wait for somebody who reads what they find
            pool.shutdown(cancel_futures=True)
            raise
        for part in working:
            part.result()  # raises what it failed with


def _work(part: Part, mailbox: _Mailbox) -> None:
    """In a process of its own."""
    try:
        with _rare_search_for_cycles():
            for found in part():
                mailbox.put(found)
                _search_what_is_new()
    finally:
        connection.close()
