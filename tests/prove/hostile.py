"""Every hostile request while the database stands still too, of which the tests send some."""

import os
import subprocess
import sys
from pathlib import Path

from tests.hostile.cases import EVERY

ROOT = Path(__file__).resolve().parent.parent.parent

if __name__ == "__main__":
    command = [sys.executable, "-m", "pytest", "-q", "tests/hostile"]
    sys.exit(
        subprocess.run(command, cwd=ROOT, env=os.environ | {EVERY: "1"}, check=False).returncode
    )
