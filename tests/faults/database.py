"""A PostgreSQL of the suite's own, on a port, that nothing but the suite starts again."""

import os
import secrets
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psycopg

from authz_project.embedded_postgres import cluster, programs
from authz_project.embedded_postgres.place import find_place, prepare

PATIENCE_S = 60.0


class Database:
    """The server's processes, to be stopped, frozen and killed."""

    def __init__(self, directory: Path) -> None:
        prepare(directory)
        self._place = find_place(directory)
        cluster.ensure_cluster(self._place)
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.start()
        self._make_database()

    def url(self, port: int | None = None) -> str:
        password = cluster.password(self._place)
        return f"postgres://{cluster.ROLE}:{password}@127.0.0.1:{port or self.port}/desk"

    def start(self) -> None:
        """Start it, and wait until it answers; a killed one's helpers may take a moment to go."""
        deadline = time.monotonic() + PATIENCE_S
        while not self._answers():
            if time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL does not start: see {self._place.log}")
            if self._process is None or self._process.poll() is not None:
                self._process = self._launch()
            time.sleep(0.05)

    def stop(self, how: signal.Signals) -> None:
        """SIGTERM, SIGINT and SIGQUIT are its smart, fast and immediate ways to stop."""
        assert self._process
        self._process.send_signal(how)

    def wait_until_gone(self) -> None:
        assert self._process
        self._process.wait(PATIENCE_S)

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def pids(self) -> list[int]:
        """The postmaster and all its children."""
        assert self._process
        return [self._process.pid, *children(self._process.pid)]

    def backends(self) -> list[int]:
        """Those that serve a client over TCP."""
        return [pid for pid in self.pids()[1:] if b"127.0.0.1(" in _command(pid)]

    def freeze(self) -> None:
        for pid in self.pids():
            send(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        for pid in self.pids():
            send(pid, signal.SIGCONT)

    def close(self) -> None:
        if self.is_running():
            self.thaw()
            self.stop(signal.SIGQUIT)
            self.wait_until_gone()

    def _answers(self) -> bool:
        with suppress(psycopg.OperationalError):
            self._connect().close()
            return True
        return False

    def _connect(self) -> "psycopg.Connection[tuple[object, ...]]":
        url = self.url().rpartition("/")[0] + "/postgres"
        return psycopg.connect(url, connect_timeout=5, autocommit=True)

    def _make_database(self) -> None:
        with self._connect() as connection:
            connection.execute("CREATE DATABASE desk")

    def _launch(self) -> subprocess.Popen[bytes]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "100",
        }
        command = [str(programs.usable(self._place) / "postgres"), "-D", str(self._place.data)]
        command += [f"--{name}={value}" for name, value in settings.items()]
        with self._place.log.open("ab") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **programs.options(self._place.server),
            )


def children(pid: int) -> list[int]:
    """The processes that this one started and that live."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile
            # After the name, which may hold anything: state, parent, and more.
            state, parent = (process / "stat").read_text().rpartition(")")[2].split()[:2]
            if int(parent) == pid and state != "Z":
                found.append(int(process.name))
    return found


def send(pid: int, signal_: signal.Signals) -> None:
    """As os.kill; a process that is gone meanwhile is no error."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal_)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def new_secret() -> str:
    return f"whsec_{secrets.token_hex(16)}"


def _command(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""
