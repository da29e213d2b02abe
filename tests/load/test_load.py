"""A short load on every run of the tests; `make load` is the long one."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.load.__main__ import INSIDE

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent.parent


def test_processes_at_once_on_a_few_cards_leave_books_that_are_right(copied_database: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INSIDE, "--seconds", "2", "--processes", "3"],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": copied_database},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("No differences found.") == 3
    # Busy enough to mean something.
    [books, record, _] = re.findall(r"Checked .*", done.stdout)
    assert all(int(number.replace(",", "")) > 5 for number in re.findall(r"[\d,]+\d", books))
    assert all(int(number.replace(",", "")) > 1 for number in re.findall(r"[\d,]+\d", record))
