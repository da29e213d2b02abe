"""One program's long play, in a process and on a database of its own."""

import logging
import time
from collections import Counter

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from rich.console import Console
from rich.table import Table

from tests.programs.play import play
from tests.support import timeouts


def run(name: str, purchases: int, seed: str) -> int:
    """The status to end with: 1 where an answer, a balance or the record is not as it should be."""
    console = Console(highlight=False, width=100)
    # How quickly it answers is not what is tried here.
    timeouts.be_patient(pytest.MonkeyPatch())
    logging.disable(logging.INFO)
    call_command("migrate", verbosity=0)
    # Nobody needs it after a crash of the server.
    with connection.cursor() as cursor:
        cursor.execute("ALTER ROLE CURRENT_USER SET synchronous_commit = off")
    connection.close()
    began = time.monotonic()
    played = play(name, purchases, seed)
    seconds = time.monotonic() - began
    console.print(f"{name}: {played.reasons.total():,} purchases, {played.changes:,} changes")
    console.print(_table("our answer", played.reasons), _table("ended", played.endings))
    for difference in played.differences:
        console.print(difference, markup=False)
    problems = [
        *filter(None, map(_problem, (["verify_books"], ["verify_record"], ["redecide", "--all"])))
    ]
    for problem in problems:
        console.print(problem, markup=False)
    console.print(f"{seconds:.0f} s, and {time.monotonic() - began - seconds:.0f} s to verify")
    return 1 if problems or played.differences else 0


def _table(title: str, counts: Counter[str]) -> Table:
    table = Table(title, "purchases")
    for what, count in counts.most_common():
        table.add_row(what, f"{count:,}")
    return table


def _problem(command: list[str]) -> str:
    """What a proof of the record finds; nothing, as it should be."""
    try:
        call_command(*command, processes=2)
    except CommandError as problem:
        return str(problem)
    finally:
        connection.close()
    return ""
