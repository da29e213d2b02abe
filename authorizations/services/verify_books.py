"""Whether the books are right, from the first entry to the last, and whether they ever were not.

Cards against their chains; purchases against their ledger, their books and their transactions;
remembered sums against the purchases; every decision's usage figures against the ledger as of that
decision, and against the limits it approved by. All in short transactions, beside the traffic: what
comes in after the beginning is left for the next time.
"""

import gc
import os
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
from authorizations.services.verify_cards import CARDS, verify_cards
from authorizations.services.verify_decisions import DECISIONS, ENTRIES, verify_decisions
from authorizations.services.verify_purchases import (
    PURCHASES,
    TRANSACTIONS,
    verify_purchases,
    verify_transactions,
)
from authorizations.services.verify_remembered import REMEMBERED, verify_remembered

KINDS = (CARDS, PURCHASES, TRANSACTIONS, REMEMBERED, DECISIONS, ENTRIES)
"""What is checked."""

_FEW = 20_000
"""So many rows are checked before a second process has even started."""

_DECISIONS_SHARE = 0.7
"""Of all the work."""

_Part: TypeAlias = Callable[[], Iterator[Checked]]

_CHECKS: tuple[_Part, ...] = (
    verify_purchases,
    verify_remembered,
    verify_cards,
    verify_transactions,
)
"""Besides that of the decisions; the longest first."""


def processes_for(rows: int | None) -> int:
    """How many share the work best where about so many rows are to be checked."""
    return (os.cpu_count() or 1) if rows and rows > _FEW else 1


def verify_books(processes: int = 1) -> Iterator[Checked]:
    """What is found, piece by piece; more than one process share the work between them."""
    if processes == 1:
        with _no_search_for_cycles():
            for part in (*_CHECKS, *_of_decisions(1)):
                yield from part()
    else:
        # The longest first, so that all are busy until the end.
        yield from _together([*_of_decisions(processes), *_CHECKS], processes)


@contextmanager
def _no_search_for_cycles() -> Iterator[None]:
    """Many small values live long here, none in a cycle: to search them took half of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _of_decisions(processes: int) -> list[_Part]:
    """As few spans of decisions as possible: each sums up first what was before it."""
    length = 1 / processes / _DECISIONS_SHARE
    shares = [place * length for place in range(1, processes) if place * length < 1]
    return [partial(verify_decisions, span) for span in spans(shares)]


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
    try:
        with _no_search_for_cycles():
            for found in part():
                mailbox.put(found)
    finally:
        connection.close()
