"""Makes gunicorn wait until new workers answer.

- On a reload (SIGHUP), the old workers stop once the new ones answer. By default gunicorn stops
  them at once, and purchases wait while the new ones load the program.
- systemd is notified that the server is ready once all workers answer.

deploy/gunicorn.conf.py calls both.
"""

import signal
import socket
import threading
import time
from typing import Any

_TIMEOUT_S = 25.0
"""Maximum wait; less than gunicorn's own timeout for old workers."""

_LOOK_EVERY_S = 0.1


def on_reload(arbiter: Any) -> None:
    """Keep the old workers until the new ones answer; gunicorn calls this before starting them."""
    old, count = set(arbiter.WORKERS), arbiter.num_workers
    arbiter.num_workers = count + len(old)

    def stop_old() -> None:
        ends = time.monotonic() + _TIMEOUT_S
        while _answering(arbiter, old) < count and time.monotonic() < ends:
            time.sleep(_LOOK_EVERY_S)
        arbiter.num_workers = count
        for pid in old:
            arbiter.kill_worker(pid, signal.SIGTERM)

    threading.Thread(target=stop_old, daemon=True).start()


def notify_once_all_answer(arbiter: Any, address: str) -> None:
    """Notify systemd at its socket, NOTIFY_SOCKET, once all workers answer."""

    def notify() -> None:
        while _answering(arbiter, set()) < arbiter.num_workers:
            time.sleep(_LOOK_EVERY_S)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.connect(f"\0{address[1:]}" if address.startswith("@") else address)
            systemd.send(b"READY=1")

    threading.Thread(target=notify, daemon=True).start()


def _answering(arbiter: Any, old: set[int]) -> int:
    """How many new workers have reported that they are alive, as they do once they serve.

    They do so by the time of a file: it is the time of day until then, and after that the time
    since the machine's start.
    """
    new = [worker for pid, worker in list(arbiter.WORKERS.items()) if pid not in old]
    return sum(worker.tmp.last_update() <= time.monotonic() for worker in new)
