"""Whether the books are right, from the first entry to the last, and whether they ever were not.

Purchases against their ledger, their books and their transactions; remembered sums against the
ledger; every decision's usage figures against the ledger as of that decision, and against the
limits it approved by. All in short transactions, beside the traffic: what comes in after the
beginning is left for the next time.
"""

import gc
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from typing import Protocol, TypeAlias

import django
from django.db import connection

from authorizations.services.checking import Checked
from authorizations.services.recorded import spans
from authorizations.services.verify_decisions import DECISIONS, ENTRIES, verify_decisions
from authorizations.services.verify_purchases import (
    PURCHASES,
    TRANSACTIONS,
    verify_purchases,
    verify_transactions,
)
from authorizations.services.verify_remembered import REMEMBERED, verify_remembered

KINDS = (PURCHASES, TRANSACTIONS, REMEMBERED, DECISIONS, ENTRIES)
"""What is checked."""

_FEW = 20_000
"""So many rows are checked before a second process has even started."""

_TURN_S = 0.001
"""Much shorter than usual: a thread that reads ahead takes several turns for each piece."""

_NICE = 10
"""Of 19: what gives way still gets something done."""

_Part: TypeAlias = Callable[[], Iterator[Checked]]


def processes_for(rows: int | None) -> int:
    """How many share the work best where about so many rows are to be checked."""
    return (os.cpu_count() or 1) if rows and rows > _FEW else 1


def verify_books(processes: int = 1) -> Iterator[Checked]:
    """What is found, piece by piece; more than one process share the work between them."""
    if processes == 1:
        with _no_search_for_cycles():
            for part in _parts(1):
                yield from part()
    else:
        # One has the other checks. Few spans: each first counts up what was before it.
        parts = _parts(processes - 1, reads_ahead=True)
        yield from _together(_longest_first(parts), processes)


@contextmanager
def _no_search_for_cycles() -> Iterator[None]:
    """Many small values live long here, none in a cycle: to search them took half of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _parts(number_of_spans: int, *, reads_ahead: bool = False) -> list[_Part]:
    of_decisions = [
        partial(verify_decisions, span, reads_ahead=reads_ahead) for span in spans(number_of_spans)
    ]
    return [verify_purchases, verify_transactions, verify_remembered, *of_decisions]


def _longest_first(parts: list[_Part]) -> list[_Part]:
    """So that all are busy until the end. The first ones take longest: the others give way."""
    purchases, transactions, remembered, *of_decisions = parts
    others = (remembered, purchases, transactions)
    return [*of_decisions, *(partial(_giving_way, part) for part in others)]


def _giving_way(part: _Part) -> Iterator[Checked]:
    """Where there are fewer processors than want to work, counting PostgreSQL's processes."""
    os.setpriority(os.PRIO_PROCESS, 0, _NICE)
    yield from part()


class _Mailbox(Protocol):
    def put(self, found: Checked) -> None: ...


def _together(parts: list[_Part], processes: int) -> Iterator[Checked]:
    """Each part in a process of its own, so many at a time."""
    context = get_context("spawn")
    with (
        context.Manager() as manager,
        ProcessPoolExecutor(processes, context, initializer=django.setup) as pool,
    ):
        mailbox = manager.Queue()
        working = [pool.submit(_work, part, mailbox) for part in parts]
        for part in working:
            part.add_done_callback(lambda _: mailbox.put(None))
        for _ in working:
            while found := mailbox.get():
                yield found
        for part in working:
            part.result()  # raises what it failed with


def _work(part: _Part, mailbox: _Mailbox) -> None:
    """In a process of its own."""
    sys.setswitchinterval(_TURN_S)
    try:
        with _no_search_for_cycles():
            for found in part():
                mailbox.put(found)
    finally:
        connection.close()
