"""The server's main process: whether it runs, starting it, waiting until it answers, stopping it.

Everything here is called under the start lock, so there is one caller at a time.
"""

import os
import signal
import subprocess
import time
from io import FileIO
from pathlib import Path

from psycopg.conninfo import make_conninfo
from psycopg.pq import PGconn, Ping

from . import programs
from .cluster import ROLE
from .errors import EmbeddedPostgresError, last_lines
from .place import PORT, Place, make_directory

START_SECONDS = 60  # recovery after a crash may take long
# After a kill -9 of the main process, the data directory is in use until its helpers notice.
RETRY_SECONDS = 15
STOP_SECONDS = 30
POLL_SECONDS = 0.01
LARGEST_LOG_BYTES = 5_000_000
# PostgreSQL's messages while remains of a killed server are still there.
NOT_YET_FREE = ("shared memory block", "lock file")
SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "max_connections": "200",
    "unix_socket_permissions": "0700",
    "log_timezone": "UTC",
    "timezone": "UTC",
}


class Launch:
    """A server being started by this process."""

    def __init__(self, place: Place) -> None:
        make_directory(place.sockets, place.server, 0o700)
        for remains in place.sockets.iterdir():
            remains.unlink()
        disown_remains(place)
        quoted = str(place.sockets).replace('"', '""')
        settings = {**SETTINGS, "unix_socket_directories": f'"{quoted}"'}
        program = programs.usable(place) / "postgres"
        command = [str(program), "-D", str(place.data)]
        command += [f"--{name}={value}" for name, value in settings.items()]
        with open_log(place) as log:
            self._log, self._log_start = place.log, log.seek(0, os.SEEK_END)
            try:
                self.process: subprocess.Popen[bytes] = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    # So that Ctrl-C goes to the program only, which then stops the server.
                    start_new_session=True,
                    **programs.options(place.server),
                )
            except OSError as refused:
                raise programs.cannot_start(program, refused) from refused

    def failed(self) -> bool:
        return self.process.poll() is not None

    def said(self) -> str:
        """What the server has written to its log since it was started."""
        with self._log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def may_succeed_later(self) -> bool:
        said = self.said()
        return any(remains in said for remains in NOT_YET_FREE)


def ensure_running(place: Place) -> tuple[int, subprocess.Popen[bytes] | None]:
    """Start the server unless it runs, and wait until it answers.

    Returns its process id, and the process itself if this call started it. Raises
    EmbeddedPostgresError.
    """
    begun = time.monotonic()
    launch: Launch | None = None
    while True:
        answer = ping(place)
        if answer == Ping.OK:
            return known_pid(place) or 0, launch.process if launch else None
        waited = time.monotonic() - begun
        alive = answer == Ping.REJECT or running(place) is not None
        if not alive and (launch is None or launch.failed()):
            if launch and not (waited < RETRY_SECONDS and launch.may_succeed_later()):
                raise did_not_start(place, launch.said())
            launch = Launch(place)
        if waited > START_SECONDS:
            raise did_not_start(place, launch.said() if launch else "")
        time.sleep(POLL_SECONDS)


def running(place: Place) -> int | None:
    """The process id of the server, if it is alive.

    The id in PostgreSQL's file may by now belong to a different program, or to a dead process that
    its parent has not waited for.
    """
    pid = known_pid(place)
    return pid if pid is not None and is_server(pid, place) else None


def known_pid(place: Place) -> int | None:
    """The process id in PostgreSQL's file, unless the file was copied from elsewhere."""
    try:
        lines = pid_file(place).read_text().splitlines()
    except FileNotFoundError:
        return None
    if len(lines) < 2 or not lines[0].isdigit() or lines[1] != str(place.data):
        return None
    return int(lines[0])


def is_server(pid: int, place: Place) -> bool:
    """Whether the process runs PostgreSQL on this place's data, as the right user."""
    process = Path(f"/proc/{pid}")
    if Path("/proc/self/cmdline").exists():
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            return os.fsencode(place.data) in words and process.stat().st_uid == place.server.uid
        except OSError:
            return False
    listing = subprocess.run(  # a system without /proc, such as macOS
        ["/bin/ps", "-ww", "-o", "uid=,command=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.split(maxsplit=1)
    return (
        len(listing) == 2
        and listing[0] == str(place.server.uid)
        and f" -D {place.data} " in listing[1]
    )


def ping(place: Place) -> Ping:
    """Whether the server accepts connections, as pg_isready finds out.

    Includes a server in a different container that shares the directory, whose process can't be
    seen from here.
    """
    conninfo = make_conninfo(
        host=str(place.sockets), port=PORT, user=ROLE, dbname="postgres", connect_timeout=5
    )
    return Ping(PGconn.ping(conninfo.encode()))


def stop(place: Place) -> None:
    """Shut the server down cleanly, ending open connections."""
    pid = running(place)
    if pid is None:
        return
    os.kill(pid, signal.SIGINT)  # PostgreSQL's "fast" shutdown
    deadline = time.monotonic() + STOP_SECONDS
    while is_server(pid, place) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    if place.sockets.parent != place.home and not any(place.sockets.iterdir()):
        place.sockets.rmdir()


def disown_remains(place: Place) -> None:
    """Let a new server take over the pid file of a dead one.

    PostgreSQL refuses to start while the id in the file belongs to a living process of its user,
    which is likely after a restart of the machine. It ignores the id of its own parent process, so
    that is written here. The file itself must stay: by it, PostgreSQL makes sure that no helper of
    the dead server still writes.
    """
    try:
        descriptor = os.open(pid_file(place), os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    with os.fdopen(descriptor, "r+") as file:
        _, separator, rest = file.read().partition("\n")
        file.seek(0)
        file.write(f"{os.getpid()}{separator}{rest}")
        file.truncate()


def pid_file(place: Place) -> Path:
    return place.data / "postmaster.pid"


def open_log(place: Place) -> FileIO:
    """The server's log, opened at its end; emptied if it has grown large."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
    log = FileIO(os.open(place.log, flags, 0o600), "a")
    place.keeper.own(place.log, 0o600)
    if log.seek(0, os.SEEK_END) > LARGEST_LOG_BYTES:
        log.truncate(0)
    return log


def did_not_start(place: Place, said: str) -> EmbeddedPostgresError:
    return EmbeddedPostgresError(
        f"The embedded PostgreSQL in {place.home} did not start. Correct the problem below, from "
        f"its log, or set DATABASE_URL to a PostgreSQL server.\n{last_lines(said)}"
    )
