"""The spool: answers that could not be written to the database, on this host's disk.

Append-only files, one per process. A record is the length of its payload (4 bytes), the payload's
CRC-32 (4 bytes) and the payload, and is on disk before `append` returns. A process locks its file
with flock, so that readers (spool_reader.py) know which files can still grow. A closed file is
never written again: after an error, the next record begins a new one.
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
"""Maximum length of a payload. A body has up to 256 kB; the rest is what its decision rested on."""

SUFFIX = ".spool"

ROTATE_BYTES = 4 * 2**20
TIMEOUT_S = budget.SPOOL_WAIT_MS / 1000
"""Default for how long `append` waits for the disk."""

_ATTEMPTS = 3


class SpoolFailedError(Exception):
    """The record is not in the spool: the disk refused it, or did not answer in time."""


# macOS has no fdatasync; fsync does the same and more.
_sync: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)


@dataclass(frozen=True, slots=True)
class Disk:
    """The calls to the operating system that the spool makes."""

    open: Callable[..., int] = os.open
    write: Callable[[int, Any], int] = os.write
    sync: Callable[[int], None] = _sync
    sync_directory: Callable[[int], None] = os.fsync


@dataclass(slots=True)
class _Job:
    """One append, shared by the thread that called `append` and the one that writes to disk.

    Exactly one of them decides its outcome: the writer, that the record is kept, or the caller,
    that it gives up.
    """

    record: bytes
    error: Exception | None = None
    ended: threading.Event = field(default_factory=threading.Event)
    _is_decided: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def decide(self) -> bool:
        """True for the thread that calls this first, False for the other."""
        with self._lock:
            is_first, self._is_decided = not self._is_decided, True
        return is_first


class Spool:
    """This process's files in one directory. `appended` and `failed` count its records."""

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
        """Write a record; it is on disk when this returns. Raises SpoolFailedError.

        A record that failed is removed from the file if the disk allows. Waits no longer than
        `within_s`, whatever the disk does: a separate thread waits for the disk. After a caller
        gave up and until the disk answers, further calls fail at once.
        """
        within_s = self._timeout_s if within_s is None else within_s
        try:
            if not 0 < len(payload) <= LONGEST_BYTES:
                raise ValueError(f"invalid record length: {len(payload):,} bytes.")
            until = time.monotonic() + within_s
            turn = self._turn
            if not turn.acquire(timeout=0 if self._hangs else max(0.0, within_s)):
                raise TimeoutError("the disk is still busy with an earlier record.")
            job = _Job(HEADER.pack(len(payload), zlib.crc32(payload)) + payload)
            try:
                threading.Thread(target=self._write, args=(job, turn), daemon=True).start()
            except RuntimeError:  # no more threads
                turn.release()
                raise
            if not job.ended.wait(max(0, until - time.monotonic())) and job.decide():
                self._hangs = not job.ended.is_set()
                raise TimeoutError("the disk did not answer in time.")
            job.ended.wait()
            if job.error:
                raise job.error
        except Exception as error:
            self.failed += 1
            reason = str(error).rstrip(".")
            raise SpoolFailedError(
                f"An answer could not be written to {self.directory}: {reason}. Check that the "
                "disk has room and can be written to."
            ) from error
        self.appended += 1

    def rotate(self) -> None:
        """Close the current file, so that it can be replayed and removed; never waits."""
        if self._turn.acquire(blocking=False):
            try:
                self._close_file()
            finally:
                self._turn.release()

    def _write(self, job: _Job, turn: threading.Lock) -> None:
        """Write a record; runs in a thread of its own, which releases `turn` at the end."""
        start = self._size
        try:
            if self._fd is None:
                self._fd = self._open()
            rest = memoryview(job.record)
            while rest:
                written = self._disk.write(self._fd, rest)
                if not written:
                    raise OSError("nothing could be written.")
                rest = rest[written:]
            self._disk.sync(self._fd)
        except Exception as error:  # noqa: BLE001 - raised by the thread that waits
            job.error = error
        if job.error is None and job.decide():
            self._size += len(job.record)
        else:
            # The answer is not sent, so its record must go. If the disk refuses that too, the
            # replay finds the record unfinished, or books a hold that Stripe's report releases.
            if self._fd is not None:
                with suppress(OSError):
                    os.ftruncate(self._fd, start)
            # After an error it is unknown how much of the file is on disk: don't use it again.
            self._close_file()
        job.ended.set()
        self._hangs = False
        if self._size >= self._rotate_bytes:
            self._close_file()
        turn.release()

    def _close_file(self) -> None:
        fd, self._fd, self._size = self._fd, None, 0
        if fd is not None:
            os.close(fd)

    def _open(self) -> int:
        if not self.directory.is_dir():
            owners.make_folder(self.directory)
            self._sync_directory(self.directory.parent)
        for _ in range(_ATTEMPTS):
            name = f"{time.time_ns()}-{os.getpid()}-{secrets.token_hex(4)}{SUFFIX}"
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL
            fd = self._disk.open(self.directory / name, flags, 0o600)
            owners.give(fd, self.directory)
            try:
                # A replay may have removed the file: before it is locked, it looks abandoned.
                if lock(fd, wait=False) and os.fstat(fd).st_nlink:
                    self._sync_directory(self.directory)
                    return fd
            except OSError:
                os.close(fd)
                raise
            os.close(fd)
        raise OSError("no new file could be locked.")

    def _sync_directory(self, directory: Path) -> None:
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._disk.sync_directory(fd)
        finally:
            os.close(fd)

    def forked(self) -> None:
        """Start afresh in a child process: the file and the writing thread are the parent's."""
        self._turn, self._hangs = threading.Lock(), False
        self.appended = self.failed = 0
        self._close_file()


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
    """As `Spool.append`, in this process's spool."""
    spool().append(payload, within_s)
