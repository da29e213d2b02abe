"""Supervises the processes of the webhook's instance; `manage.py serve` becomes this program.

    python -m authz_project.serving.supervisor --fd 3 --processes 2

It accepts connections and hands them to its processes in turn, so that each has as many as the
others. A process that ends, or says nothing for ten seconds, is replaced. It loads no Django, so it
is small, and nothing that it does waits for a database, a disk or the reader of its log.

    SIGTERM, SIGINT   accept no more, finish what was begun, end
    SIGHUP            start new processes; once all of them answer, the old ones finish and end

systemd hears READY=1 once all processes have loaded the application, which rehearses a purchase.
"""

import argparse
import logging.config
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from authz_project import log_writer, logs
from authz_project.serving.notify import Notifier

logger = logging.getLogger("authz_project.serving")

APPLICATION = "authz_project.asgi:application"
PROJECT = Path(__file__).resolve().parent.parent.parent

SILENT_S = 10.0
"""Seconds of silence after which a process is replaced."""

LOADING_S = 60.0
"""Maximum time to load the application and rehearse."""

GRACE_S = 30.0
"""Maximum time for a process to finish what it has begun; less than systemd's TimeoutStopSec."""

SOON_S = 10.0
PAUSE_S = 1.0
"""Before a process is replaced that ended soon; doubled each time that one never answered."""

MOST_PAUSE_S = 30.0
_TICK_S = 0.2
_ACCEPTED_AT_ONCE = 64


@dataclass(eq=False)
class Process:
    """A process, and the socket to it. `generation` counts the reloads before it was started."""

    popen: "subprocess.Popen[bytes]"
    channel: socket.socket
    generation: int
    started_at: float = field(default_factory=time.monotonic)
    heard_at: float = field(default_factory=time.monotonic)
    is_ready: bool = False
    was_asked_to_stop: bool = False
    stop_by: float | None = None
    """When it is killed, if it is on its way out."""

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def takes_connections(self) -> bool:
        return self.is_ready and self.stop_by is None

    def ask_to_stop(self) -> None:
        """Let it finish what it has begun."""
        if not self.was_asked_to_stop:
            self.was_asked_to_stop = True
            self.stop_by = time.monotonic() + GRACE_S
            self.popen.send_signal(signal.SIGTERM)


class Supervisor:
    """Keeps `wanted` processes on the sockets `listening`."""

    def __init__(self, listening: list[socket.socket], wanted: int, application: str) -> None:
        self._listening = listening
        self._wanted = wanted
        self._application = application
        self._notify = Notifier()
        self._selector = selectors.DefaultSelector()
        self._processes: list[Process] = []
        self._accepted: deque[socket.socket] = deque()
        """Connections that no process has taken yet; usually none."""
        self._turn = 0
        self._generation = 0
        self._is_accepting = self._has_answered = self._is_stopping = False
        self._should_reload = self._is_reloading = False
        self._failures = 0
        self._start_at = 0.0
        self._ticked_at = time.monotonic()
        self._status = 0

    def run(self) -> int:
        """Serve until asked to stop; returns the exit status."""
        waking, woken = socket.socketpair()
        for end in (waking, woken, *self._listening):
            end.settimeout(0)
        signal.set_wakeup_fd(waking.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        self._selector.register(woken, selectors.EVENT_READ)
        while self._processes or not self._is_stopping:
            self._tick()
            for key, _ in self._selector.select(_TICK_S):
                if key.fileobj is woken:
                    for signalled in woken.recv(64):
                        self._signalled(signalled)
                elif isinstance(key.data, Process):
                    self._hear(key.data)
                else:
                    self._accept(key.data)
        return self._status

    def _signalled(self, number: int) -> None:
        if number == signal.SIGHUP:
            self._should_reload = True
        elif number in (signal.SIGTERM, signal.SIGINT):
            if self._is_stopping:  # asked twice
                for process in self._processes:
                    process.popen.kill()
            self._stop(0)

    def _stop(self, status: int) -> None:
        if not self._is_stopping:
            logger.info("Stopping.")
            self._notify("STOPPING=1")
            self._is_stopping, self._status = True, status
            for process in self._processes:
                process.ask_to_stop()

    def _tick(self) -> None:
        """Bring the processes to what they should be."""
        now = time.monotonic()
        if self._should_reload and self._has_answered and not self._is_reloading:
            logger.info("Reloading: new processes start.")
            self._notify("RELOADING=1")
            self._should_reload, self._is_reloading = False, True
            self._generation += 1
        if now - self._ticked_at > SILENT_S / 2:  # this process stood still, with the machine
            for process in self._processes:
                process.heard_at = now
        self._ticked_at = now
        for process in list(self._processes):
            if process.popen.poll() is not None:
                self._ended(process)
            elif process.stop_by is not None:
                if now > process.stop_by:
                    logger.error("Process %d does not end: it is killed.", process.pid)
                    process.popen.kill()
            elif now - process.heard_at > (SILENT_S if process.is_ready else LOADING_S):
                logger.error("Process %d is silent: it is killed.", process.pid)
                process.heard_at = now
                process.popen.kill()
        current = [
            it for it in self._processes if it.generation == self._generation and not it.stop_by
        ]
        if not self._is_stopping:
            if now >= self._start_at:
                for _ in range(self._wanted - len(current)):
                    self._start()
            if len(current) == self._wanted and all(it.is_ready for it in current):
                self._all_answer()
        self._hand_over()

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            popen = subprocess.Popen(
                [
                    *(sys.executable, "-m", "authz_project.serving.process"),
                    *(str(theirs.fileno()), self._application),
                ],
                cwd=PROJECT,
                pass_fds=[theirs.fileno()],
            )
        ours.settimeout(0)
        process = Process(popen, ours, self._generation)
        self._processes.append(process)
        self._selector.register(ours, selectors.EVENT_READ, process)
        logger.info("Process %d starts.", process.pid)

    def _hear(self, process: Process) -> None:
        try:
            heard = process.channel.recv(4096)
        except OSError:
            heard = b""
        if not heard:  # it ends; _tick notices
            self._selector.unregister(process.channel)
            process.stop_by = process.stop_by or time.monotonic() + GRACE_S
            with suppress(OSError):
                process.channel.shutdown(socket.SHUT_WR)  # it has got all that it gets
            return
        process.heard_at = time.monotonic()
        if not process.is_ready:
            logger.info("Process %d answers.", process.pid)
            process.is_ready = True

    def _all_answer(self) -> None:
        if self._has_answered and not self._is_reloading:
            return
        for process in self._processes:
            if process.generation != self._generation:
                process.ask_to_stop()
        self._has_answered, self._is_reloading = True, False
        self._failures = 0
        self._notify("READY=1")
        logger.info("All %d processes answer.", self._wanted)

    def _ended(self, process: Process) -> None:
        """Forget a process that has ended; what is missing then is started again."""
        self._processes.remove(process)
        with suppress(KeyError):
            self._selector.unregister(process.channel)
        process.channel.close()
        if process.was_asked_to_stop:
            logger.info("Process %d has ended.", process.pid)
            return
        logger.error("Process %d ended unasked: %s.", process.pid, _how(process.popen.returncode))
        now = time.monotonic()
        if process.is_ready:
            self._failures = 0
            if now - process.started_at < SOON_S:
                self._start_at = now + PAUSE_S
            return
        # The next one will hardly answer, either.
        self._start_at = now + min(MOST_PAUSE_S, PAUSE_S * 2**self._failures)
        self._failures += 1
        if not self._has_answered:
            self._stop(1)
        elif self._is_reloading and process.generation == self._generation:
            self._give_up_reloading()

    def _give_up_reloading(self) -> None:
        logger.error("The new processes do not answer: the old ones go on.")
        for process in self._processes:
            if process.generation == self._generation:
                process.ask_to_stop()
            else:
                process.generation = self._generation
        self._is_reloading = False
        self._notify("READY=1")

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                connection, _ = listening.accept()
            except BlockingIOError:
                return
            except OSError as problem:  # its client has left, or there are too many files
                logger.warning("A connection can't be accepted: %s.", problem.strerror)
                return
            self._accepted.append(connection)
            self._hand_over()

    def _hand_over(self) -> None:
        """Hand what was accepted to the processes in turn, and accept while they can take more."""
        takers = [it for it in self._processes if it.takes_connections]
        while self._accepted and takers:
            taker = takers[self._turn % len(takers)]
            try:
                socket.send_fds(taker.channel, [b"c"], [self._accepted[0].fileno()])
            except OSError:  # it has ended, or does not take what it has
                takers.remove(taker)
                continue
            self._turn += 1
            self._accepted.popleft().close()
        accepts = bool(takers) and not self._is_stopping
        if accepts != self._is_accepting:
            for listening in self._listening:
                if accepts:
                    self._selector.register(listening, selectors.EVENT_READ, listening)
                else:
                    self._selector.unregister(listening)
            self._is_accepting = accepts


def _how(status: int) -> str:
    return f"by signal {-status}" if status < 0 else f"with status {status}"


def main() -> None:
    """Read the arguments, and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fd", type=int, action="append", required=True)
    parser.add_argument("--processes", type=int, required=True)
    parser.add_argument("--application", default=APPLICATION)
    parser.add_argument("--json", action="store_true", help="log lines of JSON")
    given = parser.parse_args()
    logging.config.dictConfig(logs.configuration(json_lines=given.json))
    log_writer.take_over()
    listening = [socket.socket(fileno=fd) for fd in given.fd]
    sys.exit(Supervisor(listening, given.processes, given.application).run())


if __name__ == "__main__":
    main()
