"""What the long trials of deploy/ rest on (`make prove`), where they themselves are not played."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.deploy.serving import DEPLOY
from tests.prove import CANNOT_RUN, installed, systemd, upgrade

STEPS = (
    (installed.PROGRAM, "deploy/systemd/*"),
    (installed.DATABASE, "desk-migrate@"),
    (installed.ROLES_MADE, "deploy/desk database_roles"),
    (installed.START, "desk@webhook.socket"),
    (installed.NGINX, "deploy/nginx/desk.conf"),
    (installed.NEW_VERSION, "/deploy/upgrade"),
)


@pytest.mark.parametrize(("step", "command"), STEPS)
def test_the_page_has_the_commands_that_are_tried(step: str, command: str) -> None:
    assert command in "\n".join(installed.commands(step))


def test_the_upgrade_may_be_run() -> None:
    assert os.access(DEPLOY / "upgrade", os.X_OK)


@pytest.mark.parametrize("trial", [systemd.main, upgrade.main])
def test_who_may_not_make_a_machine_is_told_so(
    trial: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1_000)
    assert trial() == CANNOT_RUN
    assert capsys.readouterr().out.splitlines()[-1] == "A tree of Debian is made by root only."
