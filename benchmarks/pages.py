"""`make bench-pages`: how long the pages of the staff take with a million decisions.

In a database that is thrown away afterwards, or in the one kept in BENCH_PAGES_DIR, which is used
again if it is there. BENCH_PAGES_DECISIONS says how many decisions.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.servers import ROOT, environment

# Apps must be ready before anything of ours is imported.
_INSIDE = "import django; django.setup(); from benchmarks.opened import run; run()"


def main() -> None:
    if kept := os.environ.get("BENCH_PAGES_DIR"):
        sys.exit(_run_in(Path(kept)))
    with tempfile.TemporaryDirectory(prefix="desk-pages-") as directory:
        sys.exit(_run_in(Path(directory)))


def _run_in(directory: Path) -> int:
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o755)  # the database's own user must get there
    settings = {"DJANGO_SETTINGS_MODULE": "authz_project.settings"}
    env = environment(directory / "postgres") | settings
    return subprocess.run(
        [sys.executable, "-c", _INSIDE], cwd=ROOT, env=env, check=False
    ).returncode


if __name__ == "__main__":
    main()
