"""The quick form of power_cut.py, on the tests' database, which lives on."""

from pathlib import Path

import pytest

from tests.faults import power_cut
from tests.support import database
from tests.support.desk import in_force

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_was_answered_before_everything_was_killed_is_on_record_once(tmp_path: Path) -> None:
    in_force(spending_limits=[{"amount": 10**12, "interval": "daily"}])
    url = database.url()
    for seed in range(3):
        found = power_cut.cut(seed, tmp_path, url, with_database=False)
        assert (found.lost, found.doubled) == ([], [])
        assert found.answered
    assert power_cut.inexact() == []
