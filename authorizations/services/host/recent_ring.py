"""Ring buffers of recent records, one per process, which all processes of the host read.

Each process writes into a file of its own in the host's shared memory (host_memory.py), which
takes well under a millisecond and waits for nothing. The newest 2,048 records of a process stay.
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
"""A file begins with the keys of all slots, so that a look-up reads little."""

_HEAD = struct.Struct("!16sHI")
"""The head of a slot: its key, and the length and CRC-32 of the payload that follows."""

_MAX_FILES = 64


logger = logging.getLogger(__name__)

_rings: "list[Ring]" = []


def prepare() -> None:
    """Create this process's file of each ring, so that no purchase waits for it."""
    for ring in _rings:
        ring.prepare()


class _File:
    """The file of one process."""

    def __init__(self, suffix: str) -> None:
        directory = host_memory.directory()
        host_memory.make(directory)
        for path in sorted(directory.glob(f"*{suffix}"), key=_modified_at)[:-_MAX_FILES]:
            path.unlink(missing_ok=True)  # of processes that have ended
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
            slot, self.next = self.next, (self.next + 1) % SLOTS
        os.pwrite(self.fd, record, _KEYS_BYTES + slot * _SLOT_BYTES)
        os.pwrite(self.fd, record[:_KEY_BYTES], slot * _KEY_BYTES)


class Ring:
    """Records of one kind, each with a key; `suffix` ends the names of their files."""

    def __init__(self, suffix: str) -> None:
        self._suffix = suffix
        self._file: _File | None = None
        _rings.append(self)

    def prepare(self) -> None:
        """Create this process's file before its first record."""
        try:
            self._own()
        except OSError as error:
            logger.warning("Recent %s can't be kept for stand-in: %s", self._suffix[1:], error)

    def _own(self) -> _File:
        if self._file is None or not self._file.is_mine:
            self._file = _File(self._suffix)
        return self._file

    def note(self, key: str, payload: bytes) -> None:
        """Store a record, unless it is too long for a slot. Raises OSError."""
        if _HEAD.size + len(payload) > _SLOT_BYTES:
            return
        self._own().write(_HEAD.pack(_hash(key), len(payload), zlib.crc32(payload)) + payload)

    def look_up(self, key: str) -> list[bytes]:
        """The payloads that all processes have stored under this key, in no order."""
        wanted, found = _hash(key), list[bytes]()
        for path in host_memory.directory().glob(f"*{self._suffix}"):
            with suppress(OSError), path.open("rb", buffering=0) as file:
                keys = file.read(_KEYS_BYTES) or b""
                offsets = range(0, len(keys), _KEY_BYTES) if wanted in keys else ()
                for offset in offsets:
                    if keys[offset : offset + _KEY_BYTES] != wanted:
                        continue
                    file.seek(_KEYS_BYTES + offset // _KEY_BYTES * _SLOT_BYTES)
                    slot = file.read(_SLOT_BYTES) or b""
                    if len(slot) < _HEAD.size:
                        continue
                    written, length, checksum = _HEAD.unpack_from(slot)
                    payload = slot[_HEAD.size :][:length]
                    # Neither holds for a slot that is being overwritten at this moment.
                    if written == wanted and zlib.crc32(payload) == checksum:
                        found.append(payload)
        return found


def _hash(key: str) -> bytes:
    return hashlib.blake2b(key.encode(), digest_size=_KEY_BYTES).digest()


def _modified_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
