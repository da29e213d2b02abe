"""What happens to purchases while one process takes over from another, on a socket that is held.

systemd holds it in earnest (`make prove TRIALS="systemd upgrade"`); here the test does, and hands
it to the server as systemd does. It counts what happened, not how long it took.
"""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import pytest

from tests.deploy import serving
from tests.deploy.serving import DEPLOY, PATIENCE_SECONDS, PROJECT, Answer, Ports
from tests.deploy.test_desk import decided, purchase

pytestmark = pytest.mark.slow

AT_ONCE = 8
HANDED = f"exec 3<&$HELD; export LISTEN_FDS=1 LISTEN_PID=$$; exec {DEPLOY / 'start'}"
"""As sd_listen_fds(3) has it: the third file is the socket, for the process of that number."""


@dataclass(frozen=True)
class Held:
    """A socket that stays, and nginx before it."""

    socket: socket.socket
    ports: Ports
    environment: dict[str, str]
    directory: Path

    @contextmanager
    def instance(self) -> Iterator["subprocess.Popen[bytes]"]:
        """One more server on the socket, from when it says that it is ready; killed at the end."""
        told = self.directory / f"notify-{os.urandom(4).hex()}"
        log = self.directory / "log"
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify,
            log.open("ab") as written,
        ):
            notify.bind(str(told))
            notify.settimeout(PATIENCE_SECONDS)
            handed = {"HELD": str(self.socket.fileno()), "NOTIFY_SOCKET": str(told)}
            process = subprocess.Popen(
                ["bash", "-c", HANDED],
                env=self.environment | handed | {"INSTANCE": "webhook", "WEB_CONCURRENCY": "1"},
                cwd=PROJECT,
                stderr=written,
                pass_fds=(self.socket.fileno(),),
                start_new_session=True,
            )
            try:
                assert notify.recv(100) == b"READY=1"
                yield process
            finally:
                _kill(process)


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """It and all that it started, as `systemctl kill --signal=KILL` does."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def held(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    ports = serving.free_ports()
    with (
        socket.create_server(("127.0.0.1", ports.webhook), backlog=64) as listening,
        serving.nginx(tmp_path_factory.mktemp("nginx"), ports),
    ):
        yield Held(listening, ports, environment, tmp_path_factory.mktemp("held"))


@contextmanager
def buying(held: Held) -> Iterator[list[Answer]]:
    """Purchases meanwhile, one after the other from several; complete at the end."""
    over = Event()
    answers: list[Answer] = []

    def buy() -> None:
        while not over.is_set():
            answers.append(purchase(held.ports.https))

    with ThreadPoolExecutor(AT_ONCE) as threads:
        bought = [threads.submit(buy) for _ in range(AT_ONCE)]
        try:
            yield answers
        finally:
            over.set()
        for it in bought:
            it.result()


def more(answers: list[Answer]) -> None:
    """Wait until some more have come."""
    before, until = len(answers), time.monotonic() + PATIENCE_SECONDS
    while len(answers) < before + 2 * AT_ONCE:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_second_instance_takes_over_from_the_first_without_a_purchase_lost(held: Held) -> None:
    """What deploy/upgrade does: the new one is ready before the old one is asked to go."""
    with ExitStack() as stack:
        old = stack.enter_context(held.instance())
        with buying(held) as answers:
            stack.enter_context(held.instance())
            old.terminate()
            assert old.wait(PATIENCE_SECONDS) == 0
            more(answers)
    assert [it for it in answers if not decided([it])] == []


def test_who_comes_while_nobody_answers_waits_and_is_not_refused(held: Held) -> None:
    """As during `systemctl restart`."""
    with ThreadPoolExecutor(AT_ONCE) as threads:
        waiting = [threads.submit(purchase, held.ports.https) for _ in range(AT_ONCE)]
        with held.instance():
            assert decided([it.result() for it in waiting])


def test_of_those_asked_when_the_processes_are_killed_none_is_lost(held: Held) -> None:
    """As by `kill -9`, or by the kernel that is out of memory."""
    with ExitStack() as stack:
        killed = stack.enter_context(held.instance())
        with buying(held) as answers:
            more(answers)
            _kill(killed)
            stack.enter_context(held.instance())
            more(answers)
    assert [it for it in answers if not decided([it])] == []
