"""A spool that can't be written is said before an answer must be kept in it."""

import logging
import multiprocessing
import os
import pwd
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.test import override_settings

from authorizations.checks import TAG, refuse_unsafe_start
from authorizations.services.stand_in import spool_watch
from authorizations.services.webhook import gauges

IS_ROOT = os.geteuid() == 0


@pytest.fixture
def folder() -> Iterator[Path]:
    """Everybody may pass through it."""
    with tempfile.TemporaryDirectory() as path:
        Path(path).chmod(0o755)
        yield Path(path)


@pytest.fixture(autouse=True)
def nothing_found_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_watch, "_found", "")
    monkeypatch.setattr(spool_watch, "_looking_since", None)


def as_ordinary_user(work: Callable[[], str]) -> str:
    """What `work` returns, done by somebody whom files can be closed to."""
    if not IS_ROOT:
        return work()
    context = multiprocessing.get_context("fork")
    heard: multiprocessing.Queue[str] = context.Queue()

    def become_and_do() -> None:
        nobody = pwd.getpwnam("nobody")
        os.setgroups([])
        os.setgid(nobody.pw_gid)
        os.setuid(nobody.pw_uid)
        heard.put(work())

    child = context.Process(target=become_and_do)
    child.start()
    found = heard.get(timeout=30)
    child.join(timeout=30)
    return found


def test_a_directory_that_can_be_written_is_well_and_left_as_it_was(folder: Path) -> None:
    (folder / "1-2-3.spool").touch()
    assert spool_watch.unwritable(folder) == ""
    assert spool_watch.unwritable(folder / "not" / "yet") == ""
    assert [path.name for path in folder.iterdir()] == ["1-2-3.spool"]


def test_a_closed_directory_is_named_with_whom_it_belongs_to(folder: Path) -> None:
    folder.chmod(0o555)
    told = as_ordinary_user(lambda: spool_watch.unwritable(folder))
    assert told.startswith(f"SPOOL_DIR, {folder}, can't be written by ")
    assert "Permission denied" in told
    assert f" {folder}` gives it to that user; or set another SPOOL_DIR." in told
    above = as_ordinary_user(lambda: spool_watch.unwritable(folder / "below"))
    assert "Permission denied" in above


@pytest.mark.skipif(not IS_ROOT, reason="only root leaves files that others can't read")
def test_a_file_that_root_left_behind_is_found(folder: Path) -> None:
    folder.chmod(0o777)
    (folder / "replay.lock").touch(mode=0o600)
    told = as_ordinary_user(lambda: spool_watch.unwritable(folder))
    assert f"Permission denied ({folder / 'replay.lock'} belongs to root)." in told


def test_a_file_in_its_place_is_no_spool(folder: Path) -> None:
    (folder / "spool").touch()
    assert "Not a directory" in spool_watch.unwritable(folder / "spool")


@override_settings(DEPLOYED="this machine serves a desk (/etc/desk)", SPOOL_DIR_IS_SET=False)
def test_where_a_desk_is_deployed_none_is_made_up(folder: Path) -> None:
    assert spool_watch.unwritable(folder).startswith("SPOOL_DIR is not set, and this machine serv")


def test_the_deployment_check_says_it_and_a_server_starts_all_the_same(folder: Path) -> None:
    with override_settings(SPOOL_DIR=folder / "spool"):
        assert run_checks(tags=[TAG], include_deployment_checks=True) == []
        (folder / "spool").touch()
        [found] = run_checks(tags=[TAG], include_deployment_checks=True)
        assert found.id == "authorizations.E007"
        refuse_unsafe_start()


def test_the_log_says_it_when_it_changes_and_metrics_all_the_while(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with override_settings(SPOOL_DIR=folder / "spool"):
        (folder / "spool").touch()
        spool_watch.look()
        spool_watch.look()
        assert said(caplog) == [spool_watch.problem()]
        assert writable() == 0
        (folder / "spool").unlink()
        spool_watch.look()
        assert said(caplog)[1:] == [f"SPOOL_DIR, {folder / 'spool'}, can be written again."]
        assert (spool_watch.problem(), writable()) == ("", 1)


def test_a_disk_that_does_not_answer_is_said_by_whoever_does_not_wait_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(spool_watch, "_looking_since", time.monotonic() - 60)
    assert "does not answer: see what is wrong with its disk." in spool_watch.problem()


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.message for one in caplog.records if one.name == spool_watch.__name__]


def writable() -> float:
    found: list[Any] = [
        sample.value
        for metric in gauges.HostReadings().collect()
        for sample in metric.samples
        if metric.name == "desk_spool_writable"
    ]
    return float(found[0])
