"""Plays each program with many purchases, on a database of its own that is thrown away afterwards.

Ends with 1 where an answer differs, a balance does, or the record is not as it should be.
"""

import argparse
import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.programs import NAMES

ROOT = Path(__file__).resolve().parent.parent.parent

# Apps must be ready before anything of ours is imported.
INSIDE = (
    "import sys, django; django.setup(); from tests.programs.run import run;"
    "sys.exit(run(sys.argv[1], int(sys.argv[2]), sys.argv[3]))"
)


def main() -> int:
    """The status to end with."""
    parser = argparse.ArgumentParser(prog="python -m tests.programs")
    parser.add_argument("programs", nargs="*", metavar="program", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--purchases", type=int, default=10_000, help="of each (default: 10,000)")
    parser.add_argument("--seed", default=secrets.token_hex(4))
    options = parser.parse_args()
    if unknown := [name for name in options.programs if name not in NAMES]:
        parser.error(f"No program is called {unknown[0]!r}; there are {', '.join(NAMES)}.")
    names = options.programs or NAMES
    failed = [name for name in names if _play(name, options.purchases, options.seed)]
    came_to = f"differ: {', '.join(failed)}" if failed else "no different answer"
    seed = f"SEED={options.seed}"
    sys.stdout.write(f"{options.purchases:,} purchases each, {came_to} ({seed})\n")
    return 1 if failed else 0


def _play(name: str, purchases: int, seed: str) -> int:
    with tempfile.TemporaryDirectory(prefix="desk-programs-") as directory:
        Path(directory).chmod(0o755)  # the database's own user must get there
        env = os.environ | {
            "EMBEDDED_POSTGRES_DIR": str(Path(directory) / "postgres"),
            "DATABASE_URL": "",
            "SPOOL_DIR": str(Path(directory) / "spool"),
            "DJANGO_SETTINGS_MODULE": "tests.settings",
        }
        command = [sys.executable, "-c", INSIDE, name, str(purchases), seed]
        return subprocess.run(command, cwd=ROOT, env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
