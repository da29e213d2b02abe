"""A short load on every run of the tests; `make load` is the long one."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def test_processes_at_once_on_a_few_cards_leave_books_that_are_right() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.load", "--seconds", "3", "--processes", "4"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("No differences found.") == 2
    # Busy enough to mean something.
    [books, record] = re.findall(r"Checked .*", done.stdout)
    assert all(int(number.replace(",", "")) > 5 for number in re.findall(r"[\d,]+\d", books))
    assert all(int(number.replace(",", "")) > 1 for number in re.findall(r"[\d,]+\d", record))
