"""What systemd says of the units."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from authorizations.models import ProofRun
from tests.deploy.serving import DEPLOY

ANALYZE = shutil.which("systemd-analyze")
UNITS = sorted((DEPLOY / "systemd").iterdir())


@pytest.mark.skipif(ANALYZE is None, reason="systemd is not here")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_finds_no_fault(unit: Path, tmp_path: Path) -> None:
    assert ANALYZE
    for one in UNITS:
        # The program is elsewhere on this machine; each instance gets a name.
        text = re.sub(r"/opt/desk/\.venv/bin/\w+", "/bin/true", one.read_text("utf-8"))
        (tmp_path / one.name.replace("@.", "@webhook.")).write_text(text, "utf-8")
    name = unit.name.replace("@.", "@webhook.")
    done = subprocess.run(
        [ANALYZE, "verify", str(tmp_path / name)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_spool_is_where_it_outlives_everything() -> None:
    text = (DEPLOY / "systemd" / "desk@.service").read_text("utf-8")
    assert "SPOOL_DIR=%S/desk/spool" in text
    assert "StateDirectory=desk desk/spool" in text


def test_the_record_is_proved_every_night_by_all_commands_under_its_own_role() -> None:
    text = (DEPLOY / "systemd" / "desk-nightly.service").read_text("utf-8")
    assert "EnvironmentFile=/etc/desk/record.env" in text
    [line] = re.findall(r"^ExecStart=(.+)$", text, re.MULTILINE)
    assert {command for command in ProofRun.Command if command in line} == set(ProofRun.Command)
    timer = (DEPLOY / "systemd" / "desk-nightly.timer").read_text("utf-8")
    assert re.search(r"^OnCalendar=\*-\*-\* ", timer, re.MULTILINE)


def test_one_proof_that_fails_stops_no_other_and_is_told(tmp_path: Path) -> None:
    """The line itself, run by a shell, with commands that only say that they were called."""
    text = (DEPLOY / "systemd" / "desk-nightly.service").read_text("utf-8")
    [line] = re.findall(r"^ExecStart=/bin/sh -c '(.+)'$", text, re.MULTILINE)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$@" >> calls\n[ "$2" != verify_record ]\n')
    python.chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", "-c", line.replace("$$", "$")], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == 1
    assert (tmp_path / "calls").read_text().splitlines() == [
        f"manage.py {command} --since 2d --processes 1"
        for command in ("verify_record", "verify_books", "redecide --all")
    ]
