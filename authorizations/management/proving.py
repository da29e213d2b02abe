"""What the commands have in common that prove the record: their options, their end, their row."""

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

_MOMENT = "a date, an ISO time, or 2d or 36h for so long ago"


class ProofCommand(BaseCommand):
    """Checks a part of the record, prints what differs, and leaves a row of its run.

    Ends with status 1 where something differs.
    """

    requires_migrations_checks = True
    proof: ProofRun.Command
    kinds: tuple[str, ...]
    """What is checked, in the order in which it is told."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--since",
            type=instant_or_back,
            metavar="MOMENT",
            help=f"Check only what was written from then on: {_MOMENT}.",
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
            help="How many share the work; as many as there are processors unless given, "
            "but one where there is little to check.",
        )

    def checked(self, proof: Proof) -> Iterator[Checked]:
        """What the check finds, piece by piece."""
        raise NotImplementedError

    def rows(self, part: Range) -> int | None:
        """About how many rows it will check, as far as anybody knows."""
        raise NotImplementedError

    def tell(self, console: Console, proof: Proof) -> None:
        """What there is to say besides how much was checked."""

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
        self._run(console, proof, rows)
        self.tell(console, proof)
        if proof.differences:
            raise CommandError(f"{proof.differences:,} differences from what should be.")
        console.print("No differences found.")

    def _run(self, console: Console, proof: Proof, rows: int | None) -> None:
        problem = ""
        try:
            self._check(console, proof, rows)
        except BaseException as stopped:
            problem = f"{type(stopped).__name__}: {stopped}".strip(" :")
            if not connection.in_atomic_block:
                connection.close()  # it may be in the middle of something
            raise
        finally:
            proof.save(_run_by(), problem)
        if proof.differences > MOST_SHOWN:
            console.print(f"... and {proof.differences - MOST_SHOWN:,} more.")
        console.print(f"Checked {_listed(proof, self.kinds)}.")

    def _check(self, console: Console, proof: Proof, rows: int | None) -> None:
        with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task(f"{self.proof}: checking", total=rows)
            for found in self.checked(proof):
                for difference in proof.add(found):
                    bar.console.print(difference, markup=False)
                bar.update(task, advance=found.number)


def _run_by() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # containers run as numbers without a name
        user = "nobody known"
    return f"{user} on {socket.gethostname()}"


def _listed(proof: Proof, kinds: tuple[str, ...]) -> str:
    *most, last = [f"{proof.checked[kind]:,} {kind}" for kind in kinds]
    return f"{', '.join(most)} and {last}" if most else last
