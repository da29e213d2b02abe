"""Runs the load on a database of its own, which is thrown away afterwards."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

# Apps must be ready before anything of ours is imported.
INSIDE = "import sys, django; django.setup(); from tests.load.run import run; sys.exit(run())"


def main() -> int:
    """The status to end with."""
    with tempfile.TemporaryDirectory(prefix="desk-load-") as directory:
        Path(directory).chmod(0o755)  # the database's own user must get there
        env = os.environ | {
            "EMBEDDED_POSTGRES_DIR": str(Path(directory) / "postgres"),
            "DATABASE_URL": "",
            "DJANGO_SETTINGS_MODULE": "tests.settings",
        }
        return subprocess.run(
            [sys.executable, "-c", INSIDE, *sys.argv[1:]], cwd=ROOT, env=env, check=False
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
