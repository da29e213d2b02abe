"""Every benchmark runs to its end, with as few rows as make sense; what it measures is not asked.

As what it fills the tables with must stay what these tables take.
"""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import strangers
from tests.support.missing_programs import needed

ROOT = Path(__file__).resolve().parent.parent


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("module", "few", "printed"),
    [
        ("benchmarks", {"BENCH_SECONDS": "1", "BENCH_ROUNDS": "1"}, "authorization desk, gunicorn"),
        ("benchmarks.pages", {"BENCH_PAGES_DECISIONS": "3000"}, "decision: its page"),
        ("benchmarks.books", {"BENCH_BOOKS_ENTRIES": "700"}, "\n0 differences."),
        ("benchmarks.first", {"BENCH_STARTS": "1"}, "slowest ms"),
        ("benchmarks.shape", {}, "functions that it enters"),
        ("benchmarks.busy", {"BENCH_BUSY_PURCHASES": "2500"}, "the second purchase afterwards: "),
        (
            "benchmarks.strangers",
            {"STRANGERS_SECONDS": "1", "STRANGERS_CONNECTIONS": "8"},
            "a day: 0 of 40.",
        ),
    ],
)
def test_a_benchmark_prints_its_table(module: str, few: dict[str, str], printed: str) -> None:
    """Its status also says whether it was quick enough, which no busy machine can promise."""
    if module == strangers.__name__:
        for program in strangers.STARTS:
            needed(program)
    done = subprocess.run(
        [sys.executable, "-m", module],
        cwd=ROOT,
        env=os.environ | few | {"BENCH_PORT": free_port(), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert printed in done.stdout
    assert done.returncode in (0, 1)
