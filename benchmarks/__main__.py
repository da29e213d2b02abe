"""`make bench`: how fast a durable decision is, beside Stripe's quickstart that keeps nothing.

All in one run on one machine, in turns, so that the ratios mean something elsewhere too. A run in
which a purchase was not decided with the database, or its row is missing, is no figure: it ends
with 1. `BENCH_ONLY=rates,memory` measures these alone.
"""

import os
import sys

from rich.console import Console
from rich.table import Table

from benchmarks.database import Database
from benchmarks.figures import FIGURES, Bench, Figure, prepare
from benchmarks.loads import InvalidRunError, require_wrk
from benchmarks.scratch import scratch_directory

ROUNDS = int(os.environ.get("BENCH_ROUNDS") or 4)
SECONDS = float(os.environ.get("BENCH_SECONDS") or 6)
BEFORE = os.environ.get("BENCH_BEFORE") or "c87a27d"
"""The commit whose whole life of a purchase is the measure."""


def main() -> None:
    console = Console()
    require_wrk()
    only = [name for name in os.environ.get("BENCH_ONLY", "").split(",") if name]
    if unknown := {*only} - {*FIGURES}:
        sys.exit(f"There is no figure {', '.join(sorted(unknown))}: use {', '.join(FIGURES)}.")
    found: list[Figure] = []
    with scratch_directory() as directory, Database(directory) as database:
        prepare(database, directory)
        bench = Bench(directory, database, ROUNDS, SECONDS, BEFORE)
        for name in only or FIGURES:
            with console.status(f"Measuring: {name}"):
                try:
                    found += FIGURES[name](bench)
                except InvalidRunError as invalid:
                    sys.exit(f"{name}: {invalid}")
    console.print(_table(found))


def _table(figures: list[Figure]) -> Table:
    table = Table("figure", "against", "measured", "aim", "", "in figures")
    for figure in figures:
        sign = "\N{LESS-THAN OR EQUAL TO}" if figure.at_most else "\N{GREATER-THAN OR EQUAL TO}"
        table.add_row(
            figure.what,
            figure.against,
            f"{figure.value:.2f}",
            f"{sign} {figure.aim:g}",
            "reached" if figure.is_reached else "",
            figure.note,
        )
    return table


if __name__ == "__main__":
    main()
