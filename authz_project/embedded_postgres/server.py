"""This process's part in a server that several processes share.

Two files are locked. `start.lock`, by one process at a time, while it looks whether
the server runs, starts it or stops it. `users.lock`, shared by all, for as long as
they use the server: whoever leaves and then can have it alone was the last, and stops
the server. The operating system frees the locks of a process that is killed, so
nothing it leaves behind is in anybody's way.
"""

import atexit
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from subprocess import Popen

from authz_project import file_locks

from . import cluster, postmaster, programs
from .errors import EmbeddedPostgresError
from .place import PORT, Place, find_place, open_private, prepare

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Running:
    """A server one can connect to."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    place: Place = field(repr=False)
    pid: int

    def is_alive(self) -> bool:
        """Whether the process exists; asks the operating system, not the server."""
        return postmaster.is_server(self.pid, self.place)


class EmbeddedServer:
    """The server of one directory, seen from this process. Safe to use from threads."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()  # one name for it, however it is reached
        self._reset()

    def _reset(self) -> None:
        self._guard = threading.Lock()
        self._revival = threading.Lock()
        self._running: Running | None = None
        self._users: FileIO | None = None
        self._process: Popen[bytes] | None = None

    def use(self) -> Running:
        """The running server; it is started when it is not, and kept until `leave`.

        Raises EmbeddedPostgresError with a sentence that says what to do.
        """
        running = self._running
        if running is None:
            with self._guard:
                running = self._running = self._running or self._join()
        return running

    def _join(self) -> Running:
        programs.forget_variables()
        prepare(self.directory)
        with self._starting():
            if self._users is None:
                self._users = open_private(self.directory / "users.lock")
                file_locks.lock(self._users, shared=True)
            place = find_place(self.directory)
            cluster.ensure_cluster(place)
            pid, process = postmaster.ensure_running(place)
            self._process = process or self._process
            cluster.ensure_database(place)
        secret = cluster.password(place)
        return Running(str(place.sockets), PORT, cluster.ROLE, secret, place, pid)

    def _starting(self) -> FileIO:
        """The start lock, held until the returned file is closed."""
        lock = open_private(self.directory / "start.lock")
        file_locks.lock(lock)
        return lock

    def revive_soon(self, lost: Running, then: Callable[[], None]) -> None:
        """Start a server that has died again, in the background; afterwards call `then`.

        Whoever noticed gets its error at once: an answer to Stripe can't wait for this.
        """
        if not lost.is_alive() and self._revival.acquire(blocking=False):
            threading.Thread(target=self._revive, args=(lost, then), daemon=True).start()

    def _revive(self, lost: Running, then: Callable[[], None]) -> None:
        try:
            with self._guard:
                if self._running is not lost:
                    return
                self._running = self._join()
            then()
        except EmbeddedPostgresError as problem:
            logger.error("%s", problem)  # whoever connects next tries again
        finally:
            self._revival.release()

    def leave(self) -> None:
        """Stop using the server; the last one out stops it."""
        with self._guard:
            if self._users is None:
                return
            with self._starting(), self._users:
                if file_locks.lock(self._users, wait=False):  # nobody else uses it
                    postmaster.stop(find_place(self.directory))
            if self._process is not None and self._process.poll() is None:
                self._process.returncode = 0  # it goes on for others; no warning, please
            self._users = self._running = self._process = None

    def after_fork(self) -> None:
        """In a forked child: what is the parent's is not ours; join when needed."""
        if self._users is not None:
            self._users.close()  # the copy only: the parent keeps its lock
        if self._process is not None:
            self._process.returncode = 0
        self._reset()


_servers: dict[Path, EmbeddedServer] = {}


def embedded_server(directory: Path) -> EmbeddedServer:
    """The one object of this process for the server of that directory."""
    server = _servers.get(directory)
    # Looked up with each connection: made only when missing. setdefault, for two threads at once.
    return server or _servers.setdefault(directory, EmbeddedServer(directory))


@atexit.register
def _leave_all() -> None:
    for server in list(_servers.values()):
        server.leave()


def _after_fork_in_child() -> None:
    for server in _servers.values():
        server.after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)
