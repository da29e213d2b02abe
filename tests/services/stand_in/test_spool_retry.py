"""Records of what was sent before it could be kept."""

import time
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from authorizations.services.host import spool_reader, spool_writer
from authorizations.services.host.spool_writer import Disk
from authorizations.services.stand_in import spool_retry
from tests.support.timeouts import PATIENCE_S


@pytest.fixture
def directory(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    settings.SPOOL_DIR = tmp_path / "spool"
    monkeypatch.setattr(spool_retry, "RETRY_AFTER_S", 0.01)
    return tmp_path / "spool"


def breaking_disk(refusals: int) -> Disk:
    """It refuses so many records, and then takes all."""
    left = [None] * refusals

    def sync(_: int) -> None:
        if left:
            left.pop()
            raise OSError("The disk is full.")

    return Disk(sync=sync)


def kept(directory: Path) -> list[bytes]:
    found = []
    for path in spool_reader.waiting(directory):
        place = 0
        while record := spool_reader.read(path, place):
            place = record.end
            found.append(record.payload)
    return found


def wait_for(directory: Path, number: int) -> list[bytes]:
    until = time.monotonic() + PATIENCE_S
    while len(kept(directory)) < number and time.monotonic() < until:
        time.sleep(0.01)
    return kept(directory)


def test_what_the_disk_refuses_is_tried_until_it_takes_it(directory: Path) -> None:
    spool_writer.spool()._disk = breaking_disk(refusals=3)
    later = spool_retry.RetryQueue(spool_writer.spool())
    later.keep(b"first")
    later.keep(b"second")
    assert wait_for(directory, 2) == [b"first", b"second"]
    assert spool_writer.spool().failed == 3


def test_no_more_waits_than_memory_is_meant_for(
    directory: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(spool_retry, "MAX_WAITING", 0)
    spool_retry.RetryQueue(spool_writer.spool()).keep(b"one too many")
    assert "one too many" in caplog.text
    assert kept(Path(settings.SPOOL_DIR)) == []


def test_a_directory_that_takes_nothing_holds_up_no_other(
    directory: Path, settings: Any, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    settings.SPOOL_DIR = tmp_path / "file"
    spool_retry.keep(b"waits")
    settings.SPOOL_DIR = directory
    spool_retry.keep(b"kept")
    assert wait_for(directory, 1) == [b"kept"]
    (tmp_path / "file").unlink()
    assert wait_for(tmp_path / "file", 1) == [b"waits"]
