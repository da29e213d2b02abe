"""A reload of gunicorn (SIGHUP) without a gap: its old workers go once the new ones answer.

By itself gunicorn stops the old ones at once, and purchases wait while the new ones load the
program. deploy/gunicorn.conf.py has it called.
"""

import signal
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


def _answering(arbiter: Any, old: set[int]) -> int:
    """How many new workers have said that they are alive, as they do once they serve.

    The file by which they do has the time of its making before, and then that of a clock that
    began with the machine.
    """
    new = [worker for pid, worker in list(arbiter.WORKERS.items()) if pid not in old]
    return sum(worker.tmp.last_update() <= time.monotonic() for worker in new)
