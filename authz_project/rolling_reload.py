"""gunicorn's new workers answer before anybody relies on them.

- A reload (SIGHUP) without a gap: the old workers go once the new ones answer. By itself gunicorn
  stops the old ones at once, and purchases wait while the new ones load the program.
- systemd is told that the server is ready once all workers answer.

deploy/gunicorn.conf.py has both called.
"""

import signal
import socket
import threading
import time
from typing import Any

_LONGEST_S = 25.0
"""Less than gunicorn's own patience with old workers."""

_LOOK_EVERY_S = 0.1


def on_reload(arbiter: Any) -> None:
    """Called by gunicorn before it starts the new workers; lets it have twice as many meanwhile."""
    old, wanted = set(arbiter.WORKERS), arbiter.num_workers
    arbiter.num_workers = wanted + len(old)
    threading.Thread(target=_let_go, args=(arbiter, old, wanted), daemon=True).start()


def _let_go(arbiter: Any, old: set[int], wanted: int) -> None:
    ends = time.monotonic() + _LONGEST_S
    while _answering(arbiter, old) < wanted and time.monotonic() < ends:
        time.sleep(_LOOK_EVERY_S)
    arbiter.num_workers = wanted
    for pid in old:
        arbiter.kill_worker(pid, signal.SIGTERM)


def tell_once_all_answer(arbiter: Any, systemd: str) -> None:
    """Tell systemd at its socket, NOTIFY_SOCKET, once as many workers answer as there should be."""
    threading.Thread(target=_tell, args=(arbiter, systemd), daemon=True).start()


def _tell(arbiter: Any, systemd: str) -> None:
    while _answering(arbiter, set()) < arbiter.num_workers:
        time.sleep(_LOOK_EVERY_S)
    address = f"\0{systemd[1:]}" if systemd.startswith("@") else systemd
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.connect(address)
        told.send(b"READY=1")


def _answering(arbiter: Any, old: set[int]) -> int:
    """How many new workers have said that they are alive, as they do once they serve.

    The file by which they do has the time of its making before, and then that of a clock that
    began with the machine.
    """
    new = [worker for pid, worker in list(arbiter.WORKERS.items()) if pid not in old]
    return sum(worker.tmp.last_update() <= time.monotonic() for worker in new)
