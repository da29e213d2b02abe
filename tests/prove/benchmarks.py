"""Every benchmark as a program of its own, with few rows: it runs to its end and prints its table.

How quick it was is not asked: this is about whether `make bench` and its like work at all.
"""

import os
import socket
import subprocess
import sys
from pathlib import Path

from benchmarks import strangers
from tests.support import programs

ROOT = Path(__file__).resolve().parent.parent.parent
BENCHMARKS: dict[str, tuple[dict[str, str], str]] = {
    "benchmarks": ({"BENCH_SECONDS": "1", "BENCH_ROUNDS": "1"}, "MB more after"),
    "benchmarks.pages": ({"BENCH_PAGES_DECISIONS": "3000"}, "decision: its page"),
    "benchmarks.books": ({"BENCH_BOOKS_ENTRIES": "700"}, "\n0 differences."),
    "benchmarks.first": ({"BENCH_STARTS": "1"}, "slowest ms"),
    "benchmarks.shape": ({}, "functions that it enters"),
    "benchmarks.busy": ({"BENCH_BUSY_PURCHASES": "2500"}, "the second purchase afterwards: "),
    "benchmarks.strangers": (
        {"STRANGERS_SECONDS": "1", "STRANGERS_CONNECTIONS": "8"},
        "a day: 0 of 40.",
    ),
}
"""What makes each a short one, and what it has printed at its end."""


def main() -> int:
    """The status to end with."""
    bad = []
    for module, (few, printed) in BENCHMARKS.items():
        if module == strangers.__name__ and not all(map(programs.find, strangers.STARTS)):
            print(f"{module}: not run, for want of {' or '.join(strangers.STARTS)}.")
            continue
        done = subprocess.run(
            [sys.executable, "-m", module],
            cwd=ROOT,
            env=os.environ | few | {"BENCH_PORT": _free_port(), "COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=False,
        )
        print(done.stdout, done.stderr, flush=True)
        # 1 also says that it was too slow, which is nothing to this trial.
        if "Traceback" in done.stderr or printed not in done.stdout or done.returncode > 1:
            bad.append(module)
    print(f"These do not run to their end: {', '.join(bad)}." if bad else "Each ran to its end.")
    return int(bool(bad))


def _free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
