"""Runs a measurement in a database of its own, which is temporary or kept for the next run."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.servers import ROOT, environment


def run_inside(module: str, kept_in: str) -> int:
    """Call `run` of this module in a process with that database; returns its exit status.

    `kept_in` is the environment variable with the directory of a database that is kept.
    """
    if kept := os.environ.get(kept_in):
        return _run(module, Path(kept))
    with scratch_directory() as directory:
        return _run(module, directory)


@contextmanager
def scratch_directory() -> Iterator[Path]:
    """A directory that the database's own user can reach, thrown away afterwards."""
    with tempfile.TemporaryDirectory(prefix="desk-bench-") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


def _run(module: str, directory: Path) -> int:
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o755)  # the database's own user must get there
    env = environment(directory / "postgres")
    env |= {"DJANGO_SETTINGS_MODULE": "authz_project.settings"}
    # Apps must be ready before anything of ours is imported.
    inside = f"import sys, django; django.setup(); from {module} import run; sys.exit(run())"
    return subprocess.run([sys.executable, "-c", inside], cwd=ROOT, env=env, check=False).returncode
