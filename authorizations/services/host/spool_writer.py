"""The spool: answers that could not be kept in the database, safe on this host's disk.

Append-only files, one per process; the record is its length (4 bytes), the CRC-32 of its payload
(4 bytes) and the payload. It is on the disk before `append` returns. A process holds its file with
flock, so whoever reads the spool (spool_reader.py) knows which files can still grow. Files are
never written again once let go of: after an error the next record begins a new one.
"""

import functools
import os
import secrets
import struct
import threading
import time
import weakref
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings

from authorizations.services.runtime import budget
from authz_project import owners
from authz_project.file_locks import lock

HEADER = struct.Struct("!II")
"""Length and CRC-32 of the payload that follows."""

LONGEST_BYTES = 16 * 2**20
"""Of a payload. A body may have 256 kB; the rest is what its decision rested on."""

SUFFIX = ".spool"

ROTATE_BYTES = 4 * 2**20
TIMEOUT_S = budget.SPOOL_WAIT_MS / 1000
"""Unless whoever waits has more time, or less."""

_ATTEMPTS = 3


class SpoolFailedError(Exception):
    """The record is not kept: the disk refused, or did not answer in time."""


# Where there is none (macOS), fsync does the same and more.
_sync: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)


@dataclass(frozen=True, slots=True)
class Disk:
    """What the spool asks of the operating system."""

    open: Callable[..., int] = os.open
    write: Callable[[int, Any], int] = os.write
    sync: Callable[[int], None] = _sync
    sync_directory: Callable[[int], None] = os.fsync


@dataclass(slots=True)
class _Job:
    """One append, between the thread that waits for it and the thread that waits for the disk."""

    record: bytes
    error: Exception | None = None
    ended: threading.Event = field(default_factory=threading.Event)
    _decided: threading.Lock = field(default_factory=threading.Lock)

    def decide(self) -> bool:
        """Whoever is first may say what became of it: that it is kept, or was given up."""
        return self._decided.acquire(blocking=False)


class Spool:
    """The files of this process in one directory. `appended` and `failed` count its records."""

    def __init__(
        self,
        directory: Path,
        *,
        disk: Disk | None = None,
        rotate_bytes: int = ROTATE_BYTES,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self.directory = directory
        self.appended = 0
        self.failed = 0
        self._disk = disk or Disk()
        self._rotate_bytes = rotate_bytes
        self._timeout_s = timeout_s
        self._turn = threading.Lock()
        self._hangs = False
        self._fd: int | None = None
        self._size = 0
        _spools.add(self)

    def append(self, payload: bytes, within_s: float | None = None) -> None:
        """Keep a record; when this returns it is on the disk. Raises SpoolFailedError.

        A record that failed is taken back as far as the disk allows. Waits no longer than the
        time-out, whatever the disk does: a thread of its own waits for that. While the disk still
        owes an answer to somebody who gave up, nobody else waits for it at all.
        """
        try:
            self._append(payload, self._timeout_s if within_s is None else within_s)
        except Exception as error:
            self.failed += 1
            raise SpoolFailedError(
                f"An answer could not be kept in {self.directory}: {error} See that the disk has "
                "room and can be written to."
            ) from error
        self.appended += 1

    def rotate(self) -> None:
        """Let go of the file at hand, so that it can be replayed and removed; never waits."""
        if self._turn.acquire(blocking=False):
            try:
                self._let_go()
            finally:
                self._turn.release()

    def _append(self, payload: bytes, within_s: float) -> None:
        if not 0 < len(payload) <= LONGEST_BYTES:
            raise ValueError(f"A record of {len(payload):,} bytes is none.")
        until = time.monotonic() + within_s
        turn = self._turn
        if not turn.acquire(timeout=0 if self._hangs else max(0.0, within_s)):
            raise TimeoutError("the disk keeps an earlier record waiting.")
        job = _Job(HEADER.pack(len(payload), zlib.crc32(payload)) + payload)
        try:
            threading.Thread(target=self._run, args=(job, turn), daemon=True).start()
        except RuntimeError:  # no more threads
            turn.release()
            raise
        if not job.ended.wait(max(0, until - time.monotonic())) and job.decide():
            self._hangs = not job.ended.is_set()
            raise TimeoutError("the disk did not answer in time.")
        job.ended.wait()
        if job.error:
            raise job.error

    def _run(self, job: _Job, turn: threading.Lock) -> None:
        start = self._size
        try:
            if self._fd is None:
                self._fd = self._open()
            self._write(self._fd, job.record)
            self._disk.sync(self._fd)
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            job.error = error
        if job.error is None and job.decide():
            self._size += len(job.record)
        else:
            self._take_back(start)
        job.ended.set()
        self._hangs = False
        if self._size >= self._rotate_bytes:
            self._let_go()
        turn.release()

    def _write(self, fd: int, record: bytes) -> None:
        left = memoryview(record)
        while left:
            written = self._disk.write(fd, left)
            if not written:
                raise OSError("nothing could be written.")
            left = left[written:]

    def _take_back(self, start: int) -> None:
        """What was not kept was not answered. The file is never written again, whatever it holds:
        after an error nobody knows what of it has reached the disk.
        """
        if self._fd is not None:
            # Where the disk refuses that too, the replay finds it unfinished, or books a hold that
            # Stripe's own report releases.
            with suppress(OSError):
                os.ftruncate(self._fd, start)
        self._let_go()

    def _let_go(self) -> None:
        fd, self._fd, self._size = self._fd, None, 0
        if fd is not None:
            os.close(fd)

    def _open(self) -> int:
        if not self.directory.is_dir():
            owners.make_folder(self.directory)
            self._sync_directory(self.directory.parent)
        for _ in range(_ATTEMPTS):
            fd = self._create()
            try:
                # A replay that is quicker sees an empty file of nobody, and removes it.
                if lock(fd, wait=False) and os.fstat(fd).st_nlink:
                    self._sync_directory(self.directory)
                    return fd
            except OSError:
                os.close(fd)
                raise
            os.close(fd)
        raise OSError("no file of its own could be opened.")

    def _create(self) -> int:
        name = f"{time.time_ns()}-{os.getpid()}-{secrets.token_hex(4)}{SUFFIX}"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL
        fd = self._disk.open(self.directory / name, flags, 0o600)
        owners.give(fd, self.directory)
        return fd

    def _sync_directory(self, directory: Path) -> None:
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._disk.sync_directory(fd)
        finally:
            os.close(fd)

    def forked(self) -> None:
        """In a child: the file is the parent's, and so are the threads that had its turn."""
        self._turn, self._hangs = threading.Lock(), False
        self.appended = self.failed = 0
        self._let_go()


_spools: "weakref.WeakSet[Spool]" = weakref.WeakSet()


def _forked() -> None:
    for spool in _spools:
        spool.forked()


os.register_at_fork(after_in_child=_forked)


@functools.cache
def _spool_in(directory: Path) -> Spool:
    return Spool(directory)


def spool() -> Spool:
    """This process's spool in settings.SPOOL_DIR."""
    return _spool_in(Path(settings.SPOOL_DIR))


def append(payload: bytes, within_s: float | None = None) -> None:
    """Keep a record in this process's spool. Raises SpoolFailedError; then it is not kept."""
    spool().append(payload, within_s)
