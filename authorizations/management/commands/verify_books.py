"""manage.py verify_books"""

from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import Progress

from authorizations.management.terminal import console_of
from authorizations.models import Authorization, Card, Decision, LedgerEntry, Transaction, Usage
from authorizations.services.checking import estimated_count
from authorizations.services.verify_books import KINDS, processes_for, verify_books

_SHOWN = 20


class Command(BaseCommand):
    help = (
        "Checks the books: every card against its chain, every purchase against its ledger entries "
        "and transactions, every remembered sum against the purchases, every decision's usage "
        "figures against the ledger "
        "as it was then, and that no approval went over a limit. Reports differences: none, as "
        "it should be. Ends with status 1 where there are some."
    )
    requires_migrations_checks = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--processes",
            type=int,
            help="How many share the work; as many as there are processors unless given, "
            "but one where there is little to check.",
        )

    def handle(self, *_: Any, processes: int | None, **__: Any) -> None:
        console = console_of(self.stdout)
        counts, wrong, unchecked = _run(console, processes)
        console.print(f"Checked {_listed(counts)}.")
        if unchecked:
            console.print(
                f"{unchecked:,} usage figures can't be told any more: their card was hung under "
                "another one since, and its purchases moved along."
            )
        if wrong:
            raise CommandError(f"{wrong:,} differences from what should be.")
        console.print("All is as it should be.")


def _run(console: Console, processes: int | None) -> tuple[Counter[str], int, int]:
    """How many were checked by kind, how many differences there are, and how much is unknown."""
    total = estimated_count(Card, Authorization, Transaction, Usage, Decision, LedgerEntry)
    counts: Counter[str] = Counter()
    wrong = unchecked = 0
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("Checking the books", total=total)
        for found in verify_books(max(processes or processes_for(total), 1)):
            counts[found.what] += found.number
            unchecked += found.unchecked
            for difference in found.differences:
                wrong += 1
                if wrong <= _SHOWN:
                    progress.console.print(str(difference), markup=False)
            progress.update(task, advance=found.number)
    if wrong > _SHOWN:
        console.print(f"... and {wrong - _SHOWN:,} more.")
    return counts, wrong, unchecked


def _listed(counts: Counter[str]) -> str:
    *most, last = [f"{counts[kind]:,} {kind}" for kind in KINDS]
    return f"{', '.join(most)} and {last}"
