"""Reading the spool: its files, the records in them, and what is damaged.

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
"""Ends the name of what is kept aside, but was never answered."""


class Record(NamedTuple):
    """One payload, and where in its file it begins and ends."""

    start: int
    end: int
    payload: bytes


class DamagedError(Exception):
    """What stands at byte `start` of a file is no whole record.

    `is_unfinished` where all signs say that its writer was stopped in the middle, and so never
    answered.
    """

    def __init__(self, start: int, sentence: str, *, is_unfinished: bool = False) -> None:
        super().__init__(sentence)
        self.start = start
        self.sentence = sentence
        self.is_unfinished = is_unfinished


def waiting(directory: Path) -> list[Path]:
    """The files there are, the oldest first."""
    return sorted(directory.glob(f"*{SUFFIX}"))


def read(path: Path, start: int = 0) -> Record | None:
    """The record at this place, None at the end of the file. Raises DamagedError, OSError.

    The file is closed again: there may be more of them than can be open at once.
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
    """Length and checksum; both 0 where not even they are whole."""
    if len(data) < HEADER.size:
        return 0, 0
    length, checksum = HEADER.unpack_from(data)
    return length, checksum


def _damage(start: int, rest: bytes) -> DamagedError:
    """What is wrong with the rest of a file, which does not begin with a whole record."""
    length, checksum = _header(rest)
    payload = rest[HEADER.size :]
    if len(rest) < HEADER.size or not any(rest):
        return DamagedError(start, "it ends within a record.", is_unfinished=True)
    if not 0 < length <= LONGEST_BYTES:
        return DamagedError(start, f"a record can't have {length:,} bytes.")
    if len(payload) >= length:
        return DamagedError(start, "the checksum of a record is wrong.")
    # A length that was damaged looks like a record that goes on beyond the end of the file.
    if zlib.crc32(payload) == checksum or _holds_a_record(rest):
        return DamagedError(start, "the length of a record is wrong.")
    return DamagedError(start, "it ends within a record.", is_unfinished=True)


def _holds_a_record(rest: bytes) -> bool:
    for place in range(1, len(rest) - HEADER.size):
        length, checksum = HEADER.unpack_from(rest, place)
        begin = place + HEADER.size
        if 0 < length <= len(rest) - begin:
            payload = memoryview(rest)[begin : begin + length]
            if zlib.crc32(payload) == checksum:
                return True
    return False


@contextmanager
def replaying(directory: Path) -> Iterator[bool]:
    """Be the one replay of this host; False where another is at it."""
    owners.touch(directory / LOCK)
    with locked(directory / LOCK) as is_alone:
        yield is_alone


def is_growing(path: Path) -> bool:
    """Whether a living process still writes it."""
    with locked(path) as is_held:
        return not is_held


def remove(path: Path, size: int) -> bool:
    """Remove a file all of whose records, `size` bytes, are in the database; False if it grew."""
    with locked(path) as is_held:
        if not is_held or path.stat().st_size > size:
            return False
        path.unlink()
    return True


def set_aside(path: Path, damage: DamagedError) -> Path:
    """Move a damaged file out of the way, with a note; returns where it is now."""
    suffix = UNFINISHED if damage.is_unfinished else ""
    place = _aside(path.parent) / (path.name + suffix)
    _write_note(
        place,
        f"Byte {damage.start:,}: {damage.sentence} The records before it are in the database.",
        "The process was stopped before it had written the record to its end, so it never sent "
        "that answer. This file can be deleted."
        if damage.is_unfinished
        else "Answers from there on may be missing in the record: compare with Stripe "
        "(`manage.py reconcile`). If you can put the file right, move it back into the spool's "
        "directory and run `manage.py replay_spool`.",
    )
    path.rename(place)
    return place


def keep_aside(path: Path, record: Record, why: str) -> Path:
    """Copy a record that can't be replayed out of the way, as a file that could be replayed."""
    place = _aside(path.parent) / f"{path.stem}-{record.start}{SUFFIX}"
    _write_note(
        place,
        f"An answer that was sent could not be brought into the books: {why}",
        "Once the cause is put right, move this file back into the spool's directory and run "
        "`manage.py replay_spool`.",
    )
    _write(place, HEADER.pack(len(record.payload), zlib.crc32(record.payload)) + record.payload)
    return place


def damaged(directory: Path) -> list[Path]:
    """What lies aside and may have held answers."""
    return sorted((directory / ASIDE).glob(f"*{SUFFIX}"))


def _aside(directory: Path) -> Path:
    aside = directory / ASIDE
    if not aside.is_dir():
        owners.make_folder(aside)
        _sync(directory)
    return aside


def _write_note(place: Path, *sentences: str) -> None:
    _write(place.with_name(place.name + ".txt"), "\n".join((*sentences, "")).encode())


def _write(place: Path, content: bytes) -> None:
    with place.open("wb") as file:
        owners.give(file.fileno(), place.parent)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    _sync(place.parent)


def _sync(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@dataclass(frozen=True, slots=True)
class SpoolState:
    """What waits in a spool: `since_s` is when its oldest file was begun, in Unix seconds."""

    files: int
    size_bytes: int
    since_s: float | None
    damaged: int


def state(directory: Path) -> SpoolState:
    """For whoever watches over the host."""
    paths = waiting(directory)
    begun = min(map(_begun, paths), default=None)
    return SpoolState(len(paths), sum(map(size_of, paths)), begun, len(damaged(directory)))


def size_of(path: Path) -> int:
    """0 where it has been removed meanwhile."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _begun(path: Path) -> float:
    """By its name; now where somebody gave it another one."""
    begun = path.name.partition("-")[0]
    return int(begun) / 1e9 if begun.isdecimal() else time.time()
