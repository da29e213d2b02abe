"""`make run` as a newcomer does it: in a copy of the project, from nothing to the first answer."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from authz_project import first_env
from tests.support.timeouts import PATIENCE_S

pytestmark = pytest.mark.slow

LEFT_OUT = (
    ".git",
    ".venv",
    ".postgres",
    ".spool",
    ".env",
    "__pycache__",
    ".*_cache",
    ".hypothesis",
)
LAST_LINE = "README, Connect Stripe"


@pytest.fixture
def clone() -> Iterator[Path]:
    """A copy of the project, with the packages of this environment already in its .venv."""
    with tempfile.TemporaryDirectory(prefix="desk-") as directory:
        project = Path(directory) / "desk"
        # Open to all, as a clone is: as root, PostgreSQL runs as somebody else.
        Path(directory).chmod(0o755)
        shutil.copytree(
            settings.BASE_DIR, project, ignore=shutil.ignore_patterns(*LEFT_OUT), symlinks=True
        )
        environment = project / ".venv"
        environment.mkdir()
        for part in ("bin", "lib", "pyvenv.cfg"):
            (environment / part).symlink_to(Path(sys.prefix) / part)
        for stamp in ("development", "runtime"):
            (environment / stamp).touch()
        yield project


@pytest.fixture
def ctrl_c_ends() -> Iterator[None]:
    """What is started here heeds Ctrl-C, even where the tests themselves run in the background
    of a script and don't.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment() -> dict[str, str]:
    """A newcomer's: nothing is configured, in a container of whatever image."""
    ours = ("DEBUG", "SECRET_KEY", "ALLOWED_HOSTS", "DATABASE_URL", "STRIPE_WEBHOOK_SECRET")
    other = ("EMBEDDED_POSTGRES_DIR", "DJANGO_SETTINGS_MODULE", "MAKEFLAGS", "MAKELEVEL")
    unset = {name: value for name, value in os.environ.items() if name not in (*ours, *other)}
    # Where no other command would make up a database: `make` names one, in any folder.
    return unset | {"DESK_IMAGE": "true"}


class Desk:
    """A `make run`, or another command, that is up; `said` is what it printed until then."""

    def __init__(self, clone: Path, port: int, *command: str) -> None:
        self.process = subprocess.Popen(
            command or ["make", "run", f"PORT={port}"],
            cwd=clone,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout
        self.said = ""
        for line in self.process.stdout:
            self.said += line
            if LAST_LINE in line:
                return
        pytest.fail(f"It ended early:\n{self.said}")

    def end(self, number: signal.Signals) -> None:
        """As the terminal does: the signal goes to everything in the foreground."""
        os.killpg(self.process.pid, number)
        self.process.communicate(timeout=PATIENCE_S)


@pytest.mark.usefixtures("ctrl_c_ends")
def test_make_run_answers_a_purchase_stops_with_ctrl_c_and_survives_a_kill(
    clone: Path, port: int
) -> None:
    desk = Desk(clone, port)
    assert f"http://127.0.0.1:{port}/admin/" in desk.said
    assert "operator, auditor, admin" in desk.said
    purchase = subprocess.run(
        [".venv/bin/python", "manage.py", "simulate", "--url", f"http://127.0.0.1:{port}/webhook"],
        cwd=clone,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert purchase.returncode == 0, purchase.stderr
    assert "Approved" in purchase.stdout

    desk.end(signal.SIGKILL)
    postmaster = clone / ".postgres" / "data" / "postmaster.pid"
    assert postmaster.exists()  # the killed desk could not stop its server

    again = Desk(clone, port)
    assert "no demo data needed" in again.said
    again.end(signal.SIGINT)
    assert not postmaster.exists()
    assert again.process.returncode is not None


def test_a_server_that_reloads_never_leaves_its_postgresql_behind(clone: Path, port: int) -> None:
    """It is two processes, of which either may be the one that is ended."""
    postmaster = clone / ".postgres" / "data" / "postmaster.pid"
    serve = (".venv/bin/python", "manage.py", "runserver", str(port))
    (clone / ".env").write_text(f"{first_env.contents()}")
    subprocess.run([*serve[:2], "migrate", "-v0"], cwd=clone, env=environment(), check=True)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGKILL):
        desk = Desk(clone, port, *serve)
        assert ".venv/bin/python manage.py simulate" in desk.said
        assert postmaster.exists()
        os.kill(desk.process.pid, number)  # the reloader alone
        desk.process.communicate(timeout=PATIENCE_S)  # until the other has ended as well
        assert not postmaster.exists(), number
    desk = Desk(clone, port, *serve)
    desk.end(signal.SIGHUP)  # the terminal was closed
    assert not postmaster.exists()
