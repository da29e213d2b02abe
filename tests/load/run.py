"""The load itself.

What each process does follows from the printed seed; what they do to each other does not.
"""

import argparse
import secrets
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

from django.core.management import CommandError, call_command
from django.db import connection
from rich.console import Console
from rich.table import Table

from tests.load import town
from tests.load.worker import Mailbox, Report, Worker

_KINDS = (
    "requests",
    "approved",
    "events",
    "by hand",
    "instructed",
    "retries",
    "deadlocks",
    "errors",
)


def run() -> int:
    """The status to end with: 1 after any error, deadlock or difference in books and record."""
    console = Console(highlight=False)
    options = _options()
    seconds, processes, seed = options.seconds, options.processes, options.seed
    console.print(f"SEED={seed} PROCESSES={processes} SECONDS={seconds:g}")
    call_command("migrate", verbosity=0)
    town.build()
    connection.close()
    reports = _work(seconds, processes, seed)
    console.print(_table(reports))
    for report in reports:
        for problem in report.problems:
            console.print(problem, markup=False)
    is_verified = _verify(console)
    is_clean = not any(report.counts["deadlocks"] or report.counts["errors"] for report in reports)
    return 0 if is_verified and is_clean else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.load")
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--seed", default=secrets.token_hex(4))
    return parser.parse_args()


def _work(seconds: float, processes: int, seed: str) -> list[Report]:
    """All processes at once; then the last events, by one alone."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["tests.load.ready"])
    with context.Manager() as manager, ProcessPoolExecutor(processes, context) as pool:
        mailbox = manager.Queue()
        at_work = [
            pool.submit(_play, f"{seed}/{number}", mailbox, seconds) for number in range(processes)
        ]
        found = [worker.result() for worker in at_work]
        return [*found, pool.submit(_finish, f"{seed}/last", mailbox).result()]


def _play(seed: str, mailbox: Mailbox, seconds: float) -> Report:
    worker = Worker(seed, mailbox)
    worker.run(until=time.monotonic() + seconds)
    connection.close()
    return worker.report


def _finish(seed: str, mailbox: Mailbox) -> Report:
    worker = Worker(seed, mailbox)
    worker.drain()
    connection.close()
    return worker.report


def _table(reports: list[Report]) -> Table:
    table = Table("process", *_KINDS)
    for number, report in enumerate(reports, 1):
        name = str(number) if number < len(reports) else "the last events"
        table.add_row(name, *(f"{report.counts[kind]:,}" for kind in _KINDS))
    totals = (sum(report.counts[kind] for report in reports) for kind in _KINDS)
    table.add_row("all", *(f"{total:,}" for total in totals))
    return table


def _verify(console: Console) -> bool:
    is_right = True
    redecide = partial(call_command, "redecide", all=True)
    proofs = [partial(call_command, name) for name in ("verify_books", "verify_record")]
    for proof in (*proofs, redecide):
        try:
            proof(processes=2)
        except CommandError as problem:
            console.print(str(problem), markup=False)
            is_right = False
        finally:
            connection.close()
    return is_right
