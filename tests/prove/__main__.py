"""`make prove`: plays the long trials one after the other and says what each of them came to.

Names of trials as arguments play only these. Ends with 1 where one does not hold, or where none
could be played. What each prints is kept in a file; the directory is named at the end.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.prove import CANNOT_RUN

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True, slots=True)
class Trial:
    """A program of Python's that tries one thing: `module` with `arguments`."""

    name: str
    tries: str
    module: str
    arguments: tuple[str, ...] = ()


TRIALS = (
    Trial("faults", "each part breaks in turn, and heals", "tests.faults", ("--seconds", "5")),
    Trial("load", "eight processes on a few cards", "tests.load", ("--seconds", "60")),
    Trial("pooler", "races and faults behind PgBouncer", "tests.prove.pooler"),
    Trial("container", "the image, built and run as compose.yaml says", "tests.prove.container"),
    Trial("systemd", "booted without a database, killed, rebooted", "tests.prove.systemd"),
    Trial("upgrade", "a new version, restarts and kills under load", "tests.prove.upgrade"),
    Trial("strangers", "purchases beside a flood of false signatures", "benchmarks.strangers"),
    Trial("benchmarks", "each benchmark ends with its table", "tests.prove.benchmarks"),
    Trial("hostile", "each hostile request to a desk without its database", "tests.prove.hostile"),
    Trial("programs", "three open programs, and their policy files here", "tests.programs"),
    Trial("cli", "events forwarded by the real Stripe CLI, old and new", "tests.prove.cli"),
)


def main() -> int:
    """The status to end with."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    names = [trial.name for trial in TRIALS]
    parser.add_argument("trials", nargs="*", help=f"of {', '.join(names)}; all if none is named")
    chosen = parser.parse_args().trials
    if unknown := [name for name in chosen if name not in names]:
        parser.error(f"No trial is called {unknown[0]!r}; there are {', '.join(names)}.")
    kept = Path(tempfile.mkdtemp(prefix="desk-prove-"))
    console = Console(width=120)
    table = Table("trial", "what it tries", "came to", "seconds", "its last line")
    came_to = []
    for trial in TRIALS:
        if chosen and trial.name not in chosen:
            continue
        print(f"{trial.name}: {trial.tries} …", file=sys.stderr, flush=True)
        began = time.monotonic()
        status, last_line = _play(trial, kept / f"{trial.name}.txt")
        came_to.append(status)
        seconds = f"{time.monotonic() - began:.0f}"
        table.add_row(trial.name, trial.tries, _words(status), seconds, last_line)
    console.print(table)
    console.print(f"What each of them printed is in {kept}.")
    has_failed = any(status not in (0, CANNOT_RUN) for status in came_to)
    return int(has_failed or 0 not in came_to)


def _play(trial: Trial, kept: Path) -> tuple[int, str]:
    """How it ended, and the last line it printed."""
    with kept.open("wb") as printed:
        command = [sys.executable, "-m", trial.module, *trial.arguments]
        ended = subprocess.run(
            command, cwd=ROOT, stdout=printed, stderr=subprocess.STDOUT, check=False
        )
    lines = kept.read_text(errors="replace").split("\n")
    return ended.returncode, next((line.strip() for line in reversed(lines) if line.strip()), "")


def _words(status: int) -> str:
    if status == CANNOT_RUN:
        return "can't be played here"
    return "does not hold" if status else "holds"


if __name__ == "__main__":
    sys.exit(main())
