"""The base of the commands that prove the record."""

import getpass
import socket
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from rich.console import Console
from rich.progress import Progress

from authorizations.management.instants import instant_or_back
from authorizations.management.terminal import console_of
from authorizations.models import ProofRun
from authorizations.services.verify.checking import Checked
from authorizations.services.verify.parts import processes_for
from authorizations.services.verify.proofs import MOST_SHOWN, Proof
from authorizations.services.verify.ranges import Range

_MOMENT = "a date, an ISO time, or how long ago, such as 2d or 36h"


class ProofCommand(BaseCommand):
    """Checks a part of the record, prints the differences, and records the run.

    Ends with status 1 if there are differences.
    """

    requires_migrations_checks = True
    proof: ProofRun.Command
    kinds: tuple[str, ...]
    """The kinds of rows that are checked, in the order of the summary."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--since",
            type=instant_or_back,
            metavar="MOMENT",
            help=f"Check only what was written since then: {_MOMENT}.",
        )
        parser.add_argument(
            "--until",
            type=instant_or_back,
            metavar="MOMENT",
            help="Check only what was written before then.",
        )
        parser.add_argument(
            "--processes",
            type=int,
            help="Number of processes that share the work. Default: the number of processors, or "
            "one if there is little to check.",
        )

    def checked(self, proof: Proof) -> Iterator[Checked]:
        """Run the check; yields the result of each piece."""
        raise NotImplementedError

    def rows(self, part: Range) -> int | None:
        """About how many rows will be checked; None if unknown."""
        raise NotImplementedError

    def print_notes(self, console: Console, proof: Proof) -> None:
        """Print what is to be said besides the differences."""

    def handle(self, *_: Any, **options: Any) -> None:
        console = console_of(self.stdout)
        since, until, processes = (options[name] for name in ("since", "until", "processes"))
        if since and until and since >= until:
            raise CommandError("--since must lie before --until.")
        if processes is not None and processes < 1:
            raise CommandError("--processes must be 1 or more.")
        proof = Proof(self.proof, Range(since, until), decision=options.get("decision") or "")
        rows = self.rows(proof.part)
        proof.processes = processes or processes_for(rows)
        problem = ""
        try:
            with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
                task = bar.add_task(f"{self.proof}: checking", total=rows)
                for found in self.checked(proof):
                    for difference in proof.add(found):
                        bar.console.print(difference, markup=False)
                    bar.update(task, advance=found.number)
        except BaseException as stopped:
            problem = f"{type(stopped).__name__}: {stopped}".strip(" :")
            if not connection.in_atomic_block:
                connection.close()  # it may be in the middle of something
            raise
        finally:
            try:
                user = getpass.getuser()
            except (KeyError, OSError):  # in containers, a user may be a number without a name
                user = "unknown user"
            proof.save(f"{user} on {socket.gethostname()}", problem)
        if proof.differences > MOST_SHOWN:
            console.print(f"... and {proof.differences - MOST_SHOWN:,} more.")
        *most, last = [f"{proof.checked[kind]:,} {kind}" for kind in self.kinds]
        console.print(f"Checked {', '.join(most)} and {last}." if most else f"Checked {last}.")
        self.print_notes(console, proof)
        if proof.differences:
            raise CommandError(f"{proof.differences:,} differences found.")
        console.print("No differences found.")
