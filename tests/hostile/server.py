"""The real server, as docs/going-live.md starts it, on the tests' database and secrets."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import quote

from django.conf import settings
from django.db import connection

WORKERS = 2
GUNICORN = (
    *(sys.executable, "-m", "gunicorn", "authz_project.wsgi", "--worker-class", "gthread"),
    *("--workers", str(WORKERS), "--threads", "4", "--no-control-socket"),
    *("--forwarder-headers", ""),
)


class Server:
    """A gunicorn that answers on `port`; `log` is all that it printed."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
        self._process = process
        self._log = log
        self.port = port

    @property
    def log(self) -> str:
        return self._log.read_text(errors="backslashreplace")

    def workers(self) -> list[int]:
        """The process ids of those that answer."""
        pid = self._process.pid
        found = subprocess.run(
            ["pgrep", "--parent", str(pid)], capture_output=True, text=True, check=False
        )
        return sorted(map(int, found.stdout.split()))


@contextmanager
def running(log: Path) -> Iterator[Server]:
    """The server, answering with all its workers; stopped again afterwards."""
    with socket.socket() as listening, log.open("wb") as output:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        process = _start(listening, output)
        server = Server(process, listening.getsockname()[1], log)
        try:
            _wait_until_up(process, server)
            yield server
        finally:
            process.terminate()
            process.wait(timeout=60)


def _start(listening: socket.socket, output: IO[bytes]) -> "subprocess.Popen[bytes]":
    """The socket is ours and handed over: so nobody else can take the port meanwhile."""
    handle = listening.fileno()
    return subprocess.Popen(
        [*GUNICORN, "--bind", f"fd://{handle}"],
        cwd=settings.BASE_DIR,
        env=os.environ
        | {"DJANGO_SETTINGS_MODULE": "authz_project.settings", "DATABASE_URL": database_url()},
        stdout=output,
        stderr=subprocess.STDOUT,
        pass_fds=[handle],
    )


def database_url() -> str:
    """The database of the tests, for another process."""
    found = {key: str(value or "") for key, value in connection.get_connection_params().items()}
    who = f"{quote(found['user'], '')}:{quote(found.get('password', ''), '')}"
    host, port, name = found.get("host", ""), found.get("port", ""), found["dbname"]
    # A directory of sockets belongs to the path.
    where = f":{port}/{host}/{name}" if host.startswith("/") else f"{host}:{port}/{name}"
    return f"postgres://{who}@{where}"


def _wait_until_up(process: "subprocess.Popen[bytes]", server: Server) -> None:
    """Each worker says that it booted before it has loaded us: ask until all of them answer."""
    deadline = time.monotonic() + 120
    while server.log.count("Booting worker") < WORKERS or not _answers(server.port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"gunicorn did not come up:\n{server.log}")
        time.sleep(0.05)


def _answers(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")
        return client.recv(1024).startswith(b"HTTP/1.")
