"""Fills the database if it is empty, and measures `verify_books` over it."""

import os
import resource
import time
from collections import Counter

from django.core.management import call_command
from django.db import connection
from rich.console import Console
from rich.progress import track
from rich.table import Table

from authorizations.models import LedgerEntry
from authorizations.services.verify_books import KINDS, verify_books
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
    """Print the table; status 1 for any difference, or where it takes too long."""
    console = Console(highlight=False)
    call_command("migrate", verbosity=0)
    if not LedgerEntry.objects.exists():
        _fill(console, int(os.environ.get("BENCH_BOOKS_ENTRIES") or 1_000_000))
    entries, scan_seconds = _scan()
    begin, begin_cpu = time.monotonic(), time.process_time()
    counts, times, wrong = _verify()
    seconds, cpu_seconds = time.monotonic() - begin, time.process_time() - begin_cpu
    table = Table("", "number", "seconds", "per second")
    for kind in KINDS:
        _add_row(table, kind, counts[kind], times[kind])
    _add_row(table, "verify_books, by ledger entries", entries, seconds)
    _add_row(table, "ledger entries summed by one plain scan", entries, scan_seconds)
    console.print(table)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    console.print(
        f"{wrong:,} differences. Python: {cpu_seconds:.0f} s of work, {peak:,} MB at most."
    )
    connection.close()
    return int(wrong > 0 or seconds > MOST_SECONDS_A_MILLION * entries / 1_000_000)


def _fill(console: Console, entries: int) -> None:
    purchases = TEAM_PURCHASES + HOT_PURCHASES
    made = patterns.play(TEAM_PURCHASES, HOT_PURCHASES)
    for _ in track(made, "Making purchases to copy", total=purchases, console=console):
        pass
    for _ in track(copies.fill(entries), "Copying them", total=copies.STEPS, console=console):
        pass


def _scan() -> tuple[int, float]:
    """How many entries there are, and how long PostgreSQL takes to add them all up."""
    begin = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute(_SCAN)
        entries = int(cursor.fetchone()[0])
    return entries, time.monotonic() - begin


def _verify() -> tuple[Counter[str], Counter[str], int]:
    """What was checked and how long it took, by kind, and how much was wrong."""
    counts: Counter[str] = Counter()
    times: Counter[str] = Counter()
    wrong = 0
    last = time.monotonic()
    for found in verify_books():
        counts[found.what] += found.number
        wrong += len(found.differences)
        now = time.monotonic()
        times[found.what] += now - last  # type: ignore[assignment]
        last = now
    return counts, times, wrong


def _add_row(table: Table, what: str, number: int, seconds: float) -> None:
    table.add_row(what, f"{number:,}", f"{seconds:.1f}", f"{number / (seconds or 1):,.0f}")
