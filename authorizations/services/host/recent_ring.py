"""The newest of what this host's processes have done, for all of them to look up.

Each process writes records round and round into a file of its own, in memory that all of them read
(host_memory.py): well under a millisecond, and nothing to wait for. What is older than the newest
2,048 of a process is forgotten.
"""

import hashlib
import logging
import os
import struct
import threading
import zlib
from contextlib import suppress
from pathlib import Path

from django.conf import settings

from authorizations.services.host import host_memory
from authz_project import owners

SLOTS = 2_048
_KEY_BYTES, _SLOT_BYTES = 16, 1_024
_KEYS_BYTES = SLOTS * _KEY_BYTES
"""A file begins with the keys of its slots, so that little has to be read."""

_HEAD = struct.Struct("!16sHI")
"""Of a slot: its key, length and CRC-32 of what follows."""

_MOST_FILES = 64


logger = logging.getLogger(__name__)

_rings: "list[Ring]" = []


def prepare() -> None:
    """Make this process's file of each kind, so that no purchase waits for it."""
    for ring in _rings:
        ring.prepare()


class _File:
    """The file of one process."""

    def __init__(self, suffix: str) -> None:
        directory = host_memory.directory()
        host_memory.make(directory)
        for path in sorted(directory.glob(f"*{suffix}"), key=_age)[:-_MOST_FILES]:
            path.unlink(missing_ok=True)  # of processes that are gone
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        self.spool = settings.SPOOL_DIR
        self.fd = os.open(directory / f"{os.getpid()}{suffix}", flags, 0o600)
        owners.give(self.fd, directory)
        self.pid = os.getpid()
        self.next = 0
        self.turn = threading.Lock()

    @property
    def is_mine(self) -> bool:
        return (self.pid, self.spool) == (os.getpid(), settings.SPOOL_DIR)

    def write(self, record: bytes) -> None:
        with self.turn:
            place, self.next = self.next, (self.next + 1) % SLOTS
        os.pwrite(self.fd, record, _KEYS_BYTES + place * _SLOT_BYTES)
        os.pwrite(self.fd, record[:_KEY_BYTES], place * _KEY_BYTES)


class Ring:
    """Records of one kind, each under a key; `suffix` is that of their files."""

    def __init__(self, suffix: str) -> None:
        self._suffix = suffix
        self._file: _File | None = None
        _rings.append(self)

    def prepare(self) -> None:
        """Make the file of this process before anything has to go into it."""
        try:
            self._own()
        except OSError as error:
            logger.warning("What stand-in needs can't be remembered (%s): %s", self._suffix, error)

    def _own(self) -> _File:
        if self._file is None or not self._file.is_mine:
            self._file = _File(self._suffix)
        return self._file

    def note(self, key: str, payload: bytes) -> None:
        """Remember it; what is too long for a slot is not. Raises OSError."""
        if _HEAD.size + len(payload) > _SLOT_BYTES:
            return
        self._own().write(_HEAD.pack(_hash(key), len(payload), zlib.crc32(payload)) + payload)

    def look_up(self, key: str) -> list[bytes]:
        """What the processes remember under this key, in no order."""
        wanted, found = _hash(key), list[bytes]()
        for path in host_memory.directory().glob(f"*{self._suffix}"):
            with suppress(OSError), path.open("rb", buffering=0) as file:
                keys = file.read(_KEYS_BYTES) or b""
                places = range(0, len(keys), _KEY_BYTES) if wanted in keys else ()
                for place in places:
                    if keys[place : place + _KEY_BYTES] == wanted:
                        file.seek(_KEYS_BYTES + place // _KEY_BYTES * _SLOT_BYTES)
                        found += _payload_in(file.read(_SLOT_BYTES) or b"", wanted)
        return found


def _payload_in(slot: bytes, key: bytes) -> list[bytes]:
    """Nothing where it is written anew at this moment."""
    if len(slot) < _HEAD.size:
        return []
    written, length, checksum = _HEAD.unpack_from(slot)
    payload = slot[_HEAD.size :][:length]
    return [payload] if written == key and zlib.crc32(payload) == checksum else []


def _hash(key: str) -> bytes:
    return hashlib.blake2b(key.encode(), digest_size=_KEY_BYTES).digest()


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
