"""A power cut: everything is killed at a random point, and what was answered must be on record.

`python -m tests.faults.power_cut_rounds` runs the long form, test_power_cut.py a quick one.
"""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Self

from django.conf import settings
from django.db import Error, connection

from authorizations.models import LedgerEntry, WebhookRequest
from authorizations.services.host import spool_reader
from authorizations.services.stand_in import replay
from authorizations.services.stand_in.spool_record import decode
from tests.faults.database import children, send
from tests.support.builders import identifier, request_event, signed
from tests.support.verification import differences

ROOT = Path(__file__).resolve().parent.parent.parent
CLIENTS = 4
PATIENCE_S = 120.0

Answer = tuple[str, str]
"""An event's id and the body of an answer to it."""


@dataclass
class Found:
    """What was wrong after the rounds so far: all empty, as it should be."""

    answered: int = 0
    lost: list[Answer] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    inexact: list[str] = field(default_factory=list)

    @property
    def is_wrong(self) -> bool:
        return bool(self.lost or self.doubled or self.inexact)

    def __iadd__(self, other: "Found") -> Self:
        self.answered += other.answered
        self.lost += other.lost
        self.doubled += other.doubled
        self.inexact += other.inexact
        return self

    def __str__(self) -> str:
        return (
            f"{self.answered:,} answered, {len(self.lost)} lost, {len(self.doubled)} doubled, "
            f"{len(self.inexact)} sums wrong"
        )


class Clients:
    """Send purchases until nobody answers any more; `log` is what was answered to its end."""

    def __init__(self, port: int, seed: int) -> None:
        self.port = port
        self.log: list[Answer] = []
        self._threads = [
            threading.Thread(target=self._pay, args=(Random(f"{seed}-{number}"),), daemon=True)
            for number in range(CLIENTS)
        ]
        for thread in self._threads:
            thread.start()

    def wait_for(self, answers: int) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while len(self.log) < answers:
            if time.monotonic() > deadline:
                raise RuntimeError(f"Only {len(self.log)} answers came.")
            time.sleep(0.001)

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _pay(self, chance: Random) -> None:
        door = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        sent: list[dict[str, object]] = []
        with suppress(OSError, http.client.HTTPException):
            while True:
                event = request_event(
                    event_id=identifier(f"evt_{chance.randrange(2**60):x}"),
                    authorization_id=identifier(f"iauth_{chance.randrange(2**60):x}"),
                    card_id=f"ic_{chance.randrange(5)}",
                    amount=chance.randrange(1, 5_000),
                )
                if sent and chance.random() < 0.1:  # once more, perhaps to another process
                    event = chance.choice(sent)
                sent.append(event)
                body, headers = signed(event)
                if chance.random() < 0.6:
                    headers["X-Stand-In"] = "yes"
                door.request("POST", "/webhook", body, headers)
                answer = door.getresponse()
                read = answer.read().decode()
                if answer.status == 200 and json.loads(read)["metadata"]["reason"] == "approved":
                    self.log.append((str(event["id"]), read))


@contextmanager
def server(spool_dir: Path, database_url: str) -> Iterator[int]:
    """A server that answers, on a port; killed with all its processes in the end."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "authz_project.serving.supervisor"),
                *("--fd", str(listening.fileno()), "--processes", "2"),
                *("--application", "tests.faults.spooling_app:application"),
            ],
            cwd=ROOT,
            env=os.environ
            | {
                "DJANGO_SETTINGS_MODULE": "authz_project.settings",
                "DATABASE_URL": database_url,
                "SPOOL_DIR": str(spool_dir),
            },
            stderr=subprocess.DEVNULL,
            pass_fds=[listening.fileno()],
            start_new_session=True,
        )
        try:
            yield listening.getsockname()[1]
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def cut(seed: int, spool_dir: Path, database_url: str, *, with_database: bool) -> Found:
    """One round: pay, kill everything, look; replay, killed as well; look again."""
    chance = Random(seed)
    with server(spool_dir, database_url) as port:
        clients = Clients(port, seed)
        clients.wait_for(chance.randrange(1, 150))
        if with_database and chance.random() < 0.5:
            kill_database()
    clients.join()
    found = Found(answered=len(clients.log))
    wait_for_database()
    found.lost += missing(clients.log, _spooled(spool_dir))
    for _ in range(chance.randrange(3)):
        _replay_and_kill(spool_dir, after_s=chance.random() * 0.2)
    _replay_all(spool_dir)
    found.lost += missing(clients.log, set())
    found.doubled += doubled({event_id for event_id, _ in clients.log})
    return found


def missing(log: list[Answer], spooled: set[Answer]) -> list[Answer]:
    """Answers that are neither in the database nor among those spooled."""
    ids = {event_id for event_id, _ in log}
    rows = WebhookRequest.objects.filter(event_id__in=ids)
    kept = set(rows.values_list("event_id", "answer_body"))
    return [answer for answer in log if answer not in kept | spooled]


def doubled(event_ids: set[str]) -> list[str]:
    """Events that took their room twice, or of which one delivery is on record twice."""
    entries = LedgerEntry.objects.filter(event_id__in=event_ids).values_list("event_id", flat=True)
    requests = WebhookRequest.objects.filter(event_id__in=event_ids)
    deliveries = requests.values_list("event_id", "received_at")
    twice = [key for key, number in Counter(entries).items() if number != 1]
    twice += [key for (key, _), number in Counter(deliveries).items() if number != 1]
    return twice + [key for key in event_ids if key not in set(entries)]


def inexact() -> list[str]:
    """Sums that are not what their parts come to."""
    return differences()


def _spooled(spool_dir: Path) -> set[Answer]:
    found = set()
    for path in spool_reader.waiting(spool_dir):
        place = 0
        with suppress(spool_reader.DamagedError):
            while record := spool_reader.read(path, place):
                spooled, place = decode(record.payload), record.end
                found.add((spooled.delivery().event.id or "", spooled.answer))
    return found


def _replay_all(spool_dir: Path) -> None:
    for step in replay.steps(spool_dir, with_growing=False):
        if step.problem:
            raise RuntimeError(step.problem)
    if left := spool_reader.waiting(spool_dir):
        raise RuntimeError(f"Not replayed: {left}")


def _replay_and_kill(spool_dir: Path, after_s: float) -> None:
    connection.close()  # the child makes one of its own
    child = os.fork()
    if child == 0:
        try:
            _replay_all(spool_dir)
        finally:
            os._exit(0)
    time.sleep(after_s)
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


# --- the database


def kill_database() -> None:
    """The embedded server with all its processes, as a power cut does."""
    [pid_file] = Path(settings.EMBEDDED_POSTGRES_DIR).rglob("postmaster.pid")
    postmaster = int(pid_file.read_text().splitlines()[0])
    for pid in [postmaster, *children(postmaster)]:
        send(pid, signal.SIGKILL)


def wait_for_database() -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            connection.close()
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        except Error:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return
