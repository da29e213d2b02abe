"""All there is to break: the desk, its database, the wire between them, its disk and its clock."""

import os
import secrets
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

from tests.faults.database import PATIENCE_S, Database, children, free_port, new_secret, send
from tests.faults.flags import CLOCK, DISK, READY
from tests.faults.proxy import Proxy
from tests.support.pgbouncer import pooling

ROOT = Path(__file__).resolve().parent.parent.parent
DAILY_LIMIT = 30_000
STAND_IN_AMOUNT, STAND_IN_CAP = 800, 3_000
WORKERS = 2


class World:
    """One desk, with everything under it; `directory` is empty, and open to all.

    `is_pooled`: it reaches the wire to its database through PgBouncer.
    """

    def __init__(self, directory: Path, *, is_pooled: bool = False) -> None:
        self.directory, self.spool_dir = directory, directory / "spool"
        self._flags = directory / "faults"
        self._flags.mkdir()
        self.spool_dir.mkdir()
        self.is_mounted = _mounted(self.spool_dir)
        self.database = Database(directory / "postgres")
        self.proxy = Proxy(self.database.port)
        self._stack = ExitStack()
        self._url = self.database.url(self.proxy.port)
        if is_pooled:
            self._url = self._stack.enter_context(pooling(self._url))
        self.secret, self.port = new_secret(), free_port()
        self._set_up()
        self.desk = self._started()

    def _environment(self) -> dict[str, str]:
        return os.environ | {
            "DEBUG": "false",
            "SECRET_KEY": secrets.token_urlsafe(50),
            "ALLOWED_HOSTS": "127.0.0.1",
            "STRIPE_WEBHOOK_SECRET": self.secret,
            "DATABASE_URL": self._url,
            "SPOOL_DIR": str(self.spool_dir),
            "STAND_IN_REFRESH_S": "1",
            "DJANGO_SETTINGS_MODULE": "authz_project.settings",
            "FAULTS_DIR": str(self._flags),
        }

    def _set_up(self) -> None:
        """Migrate, and put a policy in force; this process looks at the database itself."""
        os.environ["DATABASE_URL"] = self.database.url()
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
        furnish(
            spending_limits=[{"amount": DAILY_LIMIT, "interval": "daily"}],
            stand_in_amount=STAND_IN_AMOUNT,
            stand_in_cap=STAND_IN_CAP,
        )

    def _started(self) -> "subprocess.Popen[bytes]":
        with (
            (self.directory / "desk.log").open("ab") as log,
            socket.create_server(("127.0.0.1", self.port), backlog=1024) as listening,
        ):
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "authz_project.serving.supervisor", "--json"),
                    *("--fd", str(listening.fileno()), "--processes", str(WORKERS)),
                    *("--application", "tests.faults.app:application"),
                ],
                cwd=ROOT,
                env=self._environment(),
                stdout=log,
                stderr=log,
                pass_fds=[listening.fileno()],
                start_new_session=True,
            )
        wait_until(self._is_up)
        wait_until(lambda: all(map(self.is_served_by, children(process.pid))))
        return process

    def _is_up(self) -> bool:
        with suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=2).close()
            return True
        return False

    def workers(self) -> list[int]:
        return children(self.desk.pid)

    def is_served_by(self, worker: int) -> bool:
        """Whether this one has loaded the program."""
        return (self._flags / f"{READY}{worker}").exists()

    def break_disk(self, how: str) -> None:
        """`how` is the name of an error, or HANGS."""
        (self._flags / DISK).write_text(how)

    def step_clock(self, seconds: float) -> None:
        (self._flags / CLOCK).write_text(str(seconds))

    def heal(self) -> None:
        """Whatever was broken works again."""
        for name in (DISK, CLOCK):
            (self._flags / name).unlink(missing_ok=True)
        (self.spool_dir / "ballast").unlink(missing_ok=True)
        self.proxy.heal()
        if self.database.is_running():
            self.database.thaw()
        self.database.start()

    def close(self) -> None:
        self.desk.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.desk.wait(10)
        for pid in [*self.workers(), self.desk.pid]:
            send(pid, signal.SIGKILL)
        self.desk.wait(10)
        from django.db import connections

        connections.close_all()
        self._stack.close()
        self.database.close()
        if self.is_mounted:
            subprocess.run(["umount", "--lazy", self.spool_dir], check=False)


def furnish(**policy: Any) -> None:
    """Migrate the database of the environment, and put a policy in force; sets up Django."""
    import django

    django.setup()
    from django.core.management import call_command

    from tests.support.desk import in_force

    call_command("migrate", verbosity=0)
    in_force(**policy)


def known_cards(spool_dir: Path) -> set[str]:
    """Those in the copy that stand-in rests on, with what is used up on them."""
    cards = _copied(spool_dir / "standing-cards.sqlite3", "SELECT id FROM card")
    scopes = _copied(spool_dir / "standing-usage.sqlite3", "SELECT scope FROM used")
    return cards & {scope.removeprefix("card:") for scope in scopes}


def _copied(path: Path, query: str) -> set[str]:
    with suppress(sqlite3.Error), closing(sqlite3.connect(path)) as copy:
        return {found for (found,) in copy.execute(query)}
    return set()


def _mounted(directory: Path) -> bool:
    """A small disk of its own, where this may be had."""
    if os.geteuid() != 0:
        return False
    mount = ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(directory)]
    return subprocess.run(mount, capture_output=True, check=False).returncode == 0


def wait_until(condition: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"Waited {patience_s:.0f} s in vain: {condition}")
        time.sleep(0.05)
