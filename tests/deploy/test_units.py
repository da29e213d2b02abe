"""What systemd says of the units."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

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
