"""Reads the spool: its files, the records in them, and what is damaged.

Records before a damaged one are replayed; the file is then moved to `damaged/`, with a note that
says what is wrong and what to do.
"""

import os
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from authorizations.services.host.spool_writer import HEADER, LONGEST_BYTES, SUFFIX
from authz_project import owners
from authz_project.file_locks import locked

LOCK = "replay.lock"
ASIDE = "damaged"
UNFINISHED = ".unfinished"
"""Ends the name of a file in damaged/ whose last answer was never sent."""


class Record(NamedTuple):
    """A payload, and the offsets in its file where the record begins and ends."""

    start: int
    end: int
    payload: bytes


class DamagedError(Exception):
    """A file has no whole record at byte `start`.

    `is_unfinished`: by all signs its writer was stopped in the middle, and so never sent the
    answer.
    """

    def __init__(self, start: int, sentence: str, *, is_unfinished: bool = False) -> None:
        super().__init__(sentence)
        self.start = start
        self.sentence = sentence
        self.is_unfinished = is_unfinished


def waiting(directory: Path) -> list[Path]:
    """The files of the spool, oldest first."""
    return sorted(directory.glob(f"*{SUFFIX}"))


def read(path: Path, start: int = 0) -> Record | None:
    """The record at this offset; None at the end of the file. Raises DamagedError and OSError.

    The file is opened for each record: there may be more files than can be open at once.
    """
    with path.open("rb") as file:
        file.seek(start)
        header = file.read(HEADER.size)
        if not header:
            return None
        length, checksum = _header(header)
        payload = file.read(length) if 0 < length <= LONGEST_BYTES else b""
        if payload and len(payload) == length and zlib.crc32(payload) == checksum:
            return Record(start, start + HEADER.size + length, payload)
        raise _damage(start, header + payload + file.read())


def _header(data: bytes) -> tuple[int, int]:
    """A record's length and checksum; both 0 if the header is incomplete."""
    if len(data) < HEADER.size:
        return 0, 0
    length, checksum = HEADER.unpack_from(data)
    return length, checksum


def _damage(start: int, rest: bytes) -> DamagedError:
    """What is wrong with the rest of a file that does not begin with a whole record."""
    length, checksum = _header(rest)
    payload = rest[HEADER.size :]
    if len(rest) < HEADER.size or not any(rest):
        return DamagedError(start, "it ends within a record.", is_unfinished=True)
    if not 0 < length <= LONGEST_BYTES:
        return DamagedError(start, f"a record can't have {length:,} bytes.")
    if len(payload) >= length:
        return DamagedError(start, "the checksum of a record is wrong.")
    # A record that seems to continue beyond the end of the file may also have a damaged length:
    # then the payload fits its checksum, or further records follow.
    if zlib.crc32(payload) == checksum or _contains_record(rest):
        return DamagedError(start, "the length of a record is wrong.")
    return DamagedError(start, "it ends within a record.", is_unfinished=True)


def _contains_record(rest: bytes) -> bool:
    for offset in range(1, len(rest) - HEADER.size):
        length, checksum = HEADER.unpack_from(rest, offset)
        begin = offset + HEADER.size
        if 0 < length <= len(rest) - begin:
            payload = memoryview(rest)[begin : begin + length]
            if zlib.crc32(payload) == checksum:
                return True
    return False


@contextmanager
def replaying(directory: Path) -> Iterator[bool]:
    """Be the only replay of this host; yields False if another process is replaying."""
    owners.touch(directory / LOCK)
    with locked(directory / LOCK) as is_alone:
        yield is_alone


def is_growing(path: Path) -> bool:
    """Whether a living process still writes to the file."""
    with locked(path) as is_held:
        return not is_held


def remove(path: Path, size: int) -> bool:
    """Remove a file whose records, `size` bytes, are all in the database; False if it has grown."""
    with locked(path) as is_held:
        if not is_held or path.stat().st_size > size:
            return False
        path.unlink()
    return True


def set_aside(path: Path, damage: DamagedError) -> Path:
    """Move a damaged file to damaged/, with a note; returns its new path."""
    suffix = UNFINISHED if damage.is_unfinished else ""
    target = _aside(path.parent) / (path.name + suffix)
    _write_note(
        target,
        f"Byte {damage.start:,}: {damage.sentence} The records before it are in the database.",
        "The process was stopped while it was writing the record, so it never sent that answer. "
        "This file can be deleted."
        if damage.is_unfinished
        else "Answers from there on may be missing in the database: compare with Stripe "
        "(`manage.py reconcile`). If you can repair the file, move it back into the spool's "
        "directory and run `manage.py replay_spool`.",
    )
    path.rename(target)
    return target


def keep_aside(path: Path, record: Record, why: str) -> Path:
    """Copy a record that can't be replayed to damaged/, as a spool file with a note."""
    target = _aside(path.parent) / f"{path.stem}-{record.start}{SUFFIX}"
    _write_note(
        target,
        f"An answer that was sent could not be brought into the books: {why}",
        "Once the cause is fixed, move this file back into the spool's directory and run "
        "`manage.py replay_spool`.",
    )
    _write(target, HEADER.pack(len(record.payload), zlib.crc32(record.payload)) + record.payload)
    return target


def damaged(directory: Path) -> list[Path]:
    """The files in damaged/ that may contain answers."""
    return sorted((directory / ASIDE).glob(f"*{SUFFIX}"))


def _aside(directory: Path) -> Path:
    aside = directory / ASIDE
    if not aside.is_dir():
        owners.make_folder(aside)
        _sync(directory)
    return aside


def _write_note(path: Path, *sentences: str) -> None:
    _write(path.with_name(path.name + ".txt"), "\n".join((*sentences, "")).encode())


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        owners.give(file.fileno(), path.parent)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    _sync(path.parent)


def _sync(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@dataclass(frozen=True, slots=True)
class SpoolState:
    """What waits in a spool; `since_s` is when its oldest file was created, in Unix seconds."""

    files: int
    size_bytes: int
    since_s: float | None
    damaged: int


def state(directory: Path) -> SpoolState:
    """The spool's state, for health pages and metrics."""
    paths = waiting(directory)
    since_s = min(map(_created_at, paths), default=None)
    return SpoolState(len(paths), sum(map(size_of, paths)), since_s, len(damaged(directory)))


def size_of(path: Path) -> int:
    """The size of a file in bytes; 0 if it has been removed meanwhile."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _created_at(path: Path) -> float:
    """The time in the file's name; now if the file was renamed."""
    created = path.name.partition("-")[0]
    return int(created) / 1e9 if created.isdecimal() else time.time()
