"""The quick form of the faults suite: one desk, a few of the faults, some seconds each."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.faults.counts import KINDS
from tests.faults.faults import FAULTS

pytestmark = pytest.mark.slow

QUICK = [fault.name for fault in FAULTS if fault.is_quick]
SEED = 1


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    written = tmp_path_factory.mktemp("faults") / "rows.json"
    # Its own database, not that of the tests.
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    played = subprocess.run(
        [
            *(sys.executable, "-m", "tests.faults", "--quick", "--seed", str(SEED)),
            *("--json", str(written)),
        ],
        cwd=Path(__file__).resolve().parent.parent.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert written.exists(), played.stderr
    return {row["name"]: row for row in json.loads(written.read_text())}


@pytest.mark.parametrize("name", QUICK)
def test_everybody_is_answered_and_the_books_come_out(name: str, rows: dict[str, Any]) -> None:
    """How soon is asked by `make faults`, on a machine with nothing else to do. The record is
    proven once, with the last fault: an event's number says during which it was asked.
    """
    row = rows[name]
    assert row["answered"]
    assert {kind: found for kind in KINDS if kind != "late" and (found := row[kind])} == {}
