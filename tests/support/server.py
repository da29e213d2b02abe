"""The webhook's real server, on the tests' database and secrets.

Patient with a busy machine (patient_app.py).
"""

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

from tests.faults.database import children
from tests.support import database

WORKERS = 2
PATIENCE_S = 120
ALL_ANSWER = f"All {WORKERS} processes answer."
"""What the server logs once they do."""


class Server:
    """A server that answers on `port`; `log` is all that it printed."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self._log = log

    @property
    def log(self) -> str:
        """Its whole lines: the last one may just be written."""
        lines, end, _ = self._log.read_text(errors="backslashreplace").rpartition("\n")
        return lines + end

    def workers(self) -> set[int]:
        """The process ids of those that answer."""
        return set(children(self.process.pid))

    def ask(
        self,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        timeout: float = PATIENCE_S,
    ) -> tuple[int, bytes]:
        """Status and body; a POST where there is something to send."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        client.request("GET" if body is None else "POST", path, body, headers or {})
        response = client.getresponse()
        content = response.read()
        client.close()
        return response.status, content


@contextmanager
def running(
    log: Path, application: str = "tests.support.patient_app", **variables: str
) -> Iterator[Server]:
    """The server, answering with all its workers; stopped again afterwards.

    It is what `manage.py serve` becomes, with the module of a different application.
    """
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        # The socket is ours and handed over, so nobody else can take the port meanwhile.
        with log.open("wb") as output:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "authz_project.serving.supervisor", "--json"),
                    *("--fd", str(listening.fileno()), "--processes", str(WORKERS)),
                    *("--application", f"{application}:application"),
                ],
                cwd=settings.BASE_DIR,
                env=environment() | variables,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=[listening.fileno()],
            )
        server = Server(process, listening.getsockname()[1], log)
        try:
            _wait_until_up(server)
            yield server
        finally:
            process.terminate()
            process.wait(timeout=60)


def environment() -> dict[str, str]:
    return os.environ | {
        "DJANGO_SETTINGS_MODULE": "authz_project.settings",
        "DATABASE_URL": database.url(),
        "SPOOL_DIR": str(settings.SPOOL_DIR),
        "DECISION_BUDGET_MS": "9999",
    }


def _wait_until_up(server: Server) -> None:
    until = time.monotonic() + PATIENCE_S
    while ALL_ANSWER not in server.log or not _answers(server):
        if server.process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"The server did not come up:\n{server.log}")
        time.sleep(0.05)


def _answers(server: Server) -> bool:
    try:
        return server.ask("/metrics", timeout=5)[0] == 200
    except OSError:  # nobody takes the connection from our socket yet
        return False
