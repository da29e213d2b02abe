"""Fills the database if it is empty, and measures `verify_books` over it."""

import logging
import os
import resource
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from django.core.management import call_command
from django.db import connection
from rich.console import Console
from rich.progress import track
from rich.table import Table

from authorizations.models import LedgerEntry
from authorizations.services.verify.books import KINDS, verify_books
from benchmarks import copies, patterns

MOST_SECONDS_A_MILLION = 60
TEAM_PURCHASES, HOT_PURCHASES = 400, 1_000

_SCAN = """
SELECT
    count(*), sum(amount), sum(cash_amount), sum(refunded_amount), sum(ledger.count),
    sum(cash_count)
FROM authorizations_ledgerentry AS ledger
"""


def run() -> int:
    """Print the table; status 1 for any difference, or if it takes too long."""
    console = Console(highlight=False)
    call_command("migrate", verbosity=0)
    if not LedgerEntry.objects.exists():
        _fill(console, int(os.environ.get("BENCH_BOOKS_ENTRIES") or 1_000_000))
    entries, scan_seconds = _scan()
    alone = _verify(processes=1)
    processors = os.cpu_count() or 1
    together = _verify(processors)
    table = Table("", "number", "seconds", "per second")
    for kind in KINDS:
        _add_row(table, kind, alone.counts[kind], alone.times[kind])
    _add_row(table, "ledger entries, all checks of one process", entries, alone.seconds)
    _add_row(table, f"ledger entries, all checks of {processors}", entries, together.seconds)
    _add_row(table, "ledger entries, one plain scan that sums", entries, scan_seconds)
    console.print(table)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    console.print(
        f"{alone.wrong:,} differences. One process: {alone.cpu_seconds:.0f} s of work besides "
        f"PostgreSQL's, {peak:,} MB at most."
    )
    connection.close()
    is_slow = together.seconds > MOST_SECONDS_A_MILLION * entries / 1_000_000
    return int(alone.wrong > 0 or together.wrong > 0 or is_slow)


@dataclass
class Run:
    """The number of rows and the time by kind, and the number of differences."""

    counts: Counter[str] = field(default_factory=Counter)
    times: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    wrong: int = 0
    seconds: float = 0
    cpu_seconds: float = 0


def _fill(console: Console, entries: int) -> None:
    logging.getLogger("authorizations").setLevel(logging.WARNING)  # else a line for each decision
    team, hot = min(TEAM_PURCHASES, entries // 20), min(HOT_PURCHASES, entries // 20)
    made = patterns.play(team, hot)
    for _ in track(made, "Making purchases to copy", total=team + hot, console=console):
        pass
    for _ in track(copies.fill(entries), "Copying them", total=copies.STEPS, console=console):
        pass


def _scan() -> tuple[int, float]:
    """The number of ledger entries, and how long PostgreSQL takes to sum them up."""
    begin = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute(_SCAN)
        entries = int(cursor.fetchone()[0])
    return entries, time.monotonic() - begin


def _verify(processes: int) -> Run:
    run = Run()
    begin, begin_cpu = time.monotonic(), time.process_time()
    last = begin
    for found in verify_books(processes):
        run.counts[found.what] += found.number
        run.wrong += len(found.differences)
        now = time.monotonic()
        run.times[found.what] += now - last
        last = now
    run.seconds, run.cpu_seconds = last - begin, time.process_time() - begin_cpu
    return run


def _add_row(table: Table, what: str, number: int, seconds: float) -> None:
    table.add_row(what, f"{number:,}", f"{seconds:.1f}", f"{number / (seconds or 1):,.0f}")
