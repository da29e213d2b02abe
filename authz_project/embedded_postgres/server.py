"""This process's use of a server that several processes share.

There are two lock files. A process locks `start.lock` exclusively while it checks, starts or stops
the server. All processes hold a shared lock on `users.lock` as long as they use the server: a
process that leaves and can lock it exclusively is the last one, and stops the server. The operating
system releases the locks of a killed process, so it never blocks others.
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
        self.directory = directory.resolve()
        self._reset()

    def _reset(self) -> None:
        self._guard = threading.Lock()
        self._revival = threading.Lock()
        self._running: Running | None = None
        self._users: FileIO | None = None
        self._process: Popen[bytes] | None = None

    def use(self) -> Running:
        """The running server, which is started if necessary and used until `leave`.

        Raises EmbeddedPostgresError.
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
        """Take the start lock; it is released when the returned file is closed."""
        lock = open_private(self.directory / "start.lock")
        file_locks.lock(lock)
        return lock

    def revive_soon(self, lost: Running, then: Callable[[], None]) -> None:
        """Restart a server that has died, in the background, and then call `then`.

        The caller does not wait, because an answer to Stripe can't.
        """

        def revive() -> None:
            try:
                with self._guard:
                    if self._running is not lost:
                        return
                    self._running = self._join()
                then()
            except EmbeddedPostgresError as problem:
                logger.error("%s", problem)  # the next connection tries again
            finally:
                self._revival.release()

        if not lost.is_alive() and self._revival.acquire(blocking=False):
            threading.Thread(target=revive, daemon=True).start()

    def leave(self) -> None:
        """Stop using the server; the last process to leave stops it."""
        with self._guard:
            if self._users is None:
                return
            with self._starting(), self._users:
                if file_locks.lock(self._users, wait=False):  # no other process uses it
                    postmaster.stop(find_place(self.directory))
            if self._process is not None and self._process.poll() is None:
                self._process.returncode = 0  # it serves others, so Popen must not warn
            self._users = self._running = self._process = None

    def after_fork(self) -> None:
        """Forget what belongs to the parent; to be called in a forked child."""
        if self._users is not None:
            self._users.close()  # only this copy; the parent keeps its lock
        if self._process is not None:
            self._process.returncode = 0
        self._reset()


_servers: dict[Path, EmbeddedServer] = {}


def embedded_server(directory: Path) -> EmbeddedServer:
    """This process's object for the server in that directory."""
    server = _servers.get(directory)
    # This runs for each connection, so the object is made only if missing. setdefault decides
    # between two threads.
    return server or _servers.setdefault(directory, EmbeddedServer(directory))


@atexit.register
def _leave_all() -> None:
    for server in list(_servers.values()):
        server.leave()


def _after_fork_in_child() -> None:
    for server in _servers.values():
        server.after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)
