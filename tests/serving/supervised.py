"""A supervisor that runs, and clients who ask it all the time."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from tests.faults.database import children

PROJECT = Path(__file__).resolve().parent.parent.parent
PATIENCE_S = 60
AT_ONCE = 8


@dataclass(frozen=True)
class Supervised:
    """The supervisor's process, its port, and where it logs and notifies."""

    process: "subprocess.Popen[bytes]"
    port: int
    log_file: Path
    notify: socket.socket

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def processes(self) -> set[int]:
        return set(children(self.process.pid))

    def said(self) -> str:
        """What systemd hears next."""
        return self.notify.recv(100).decode()

    def reload(self) -> None:
        self.process.send_signal(signal.SIGHUP)
        assert self.said() == "RELOADING=1"

    def ask(self, path: str = "/") -> int:
        """The process that answers."""
        return ask(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S), path)


def ask(client: http.client.HTTPConnection, path: str = "/") -> int:
    client.request("GET", path)
    response = client.getresponse()
    assert response.status == 200
    return int(response.read())


@contextmanager
def supervised(directory: Path, processes: int = 2, **variables: str) -> Iterator[Supervised]:
    """A supervisor of small_app.py, once it says that it is ready; stopped at the end."""
    address, log = directory / "notify", directory / "log"
    address.unlink(missing_ok=True)
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify,
        socket.create_server(("127.0.0.1", 0), backlog=128) as listening,
    ):
        notify.bind(str(address))
        notify.settimeout(PATIENCE_S)
        with log.open("wb") as output:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "authz_project.serving.supervisor"),
                    *("--fd", str(listening.fileno()), "--processes", str(processes)),
                    *("--application", "tests.serving.small_app:application"),
                ],
                cwd=PROJECT,
                env=os.environ | {"NOTIFY_SOCKET": str(address)} | variables,
                stderr=output,
                pass_fds=[listening.fileno()],
            )
        running = Supervised(process, listening.getsockname()[1], log, notify)
        try:
            assert running.said() == "READY=1"
            yield running
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


@contextmanager
def asked_all_the_time(running: Supervised, path: str = "/") -> Iterator[list[float]]:
    """Clients on connections that they keep, each of which asks again once it is answered.

    Returns the seconds that each answer took; raises what went wrong for a client.
    """
    over, took = Event(), []

    def go() -> None:
        client = http.client.HTTPConnection("127.0.0.1", running.port, timeout=PATIENCE_S)
        while not over.is_set():
            began = time.monotonic()
            ask(client, path)
            took.append(time.monotonic() - began)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        clients = [threads.submit(go) for _ in range(AT_ONCE)]
        try:
            yield took
            wait_for_more(took)
        finally:
            over.set()
        for client in clients:
            client.result()


def wait_for_more(took: list[float]) -> None:
    enough = len(took) + 2 * AT_ONCE
    wait_until(lambda: len(took) >= enough)


def wait_until(is_so: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.02)
