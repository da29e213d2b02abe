"""Something measured inside a database of its own, thrown away afterwards or kept for next time."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.servers import ROOT, environment


def run_inside(module: str, kept_in: str) -> int:
    """Call `run` of this module where the database is empty; returns the status to end with.

    `kept_in` names the environment variable that says where to keep the database.
    """
    if kept := os.environ.get(kept_in):
        return _run(module, Path(kept))
    with tempfile.TemporaryDirectory(prefix="desk-bench-") as directory:
        return _run(module, Path(directory))


def _run(module: str, directory: Path) -> int:
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o755)  # the database's own user must get there
    env = environment(directory / "postgres")
    env |= {"DJANGO_SETTINGS_MODULE": "authz_project.settings"}
    # Apps must be ready before anything of ours is imported.
    inside = f"import sys, django; django.setup(); from {module} import run; sys.exit(run())"
    return subprocess.run([sys.executable, "-c", inside], cwd=ROOT, env=env, check=False).returncode
