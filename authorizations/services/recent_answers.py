"""What this host's processes have answered by the database lately, for stand-in to give again.

Stand-in can't ask the record. So each process writes its newest answers round and round into a file
of its own, in memory that all of them read (host_memory.py): a microsecond for each, and nothing to
wait for. What is older than the newest 2,048 of a process is forgotten.
"""

import hashlib
import logging
import os
import struct
import threading
import zlib
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import msgspec
from django.conf import settings

from authorizations.rules.values import Question
from authorizations.services import host_memory
from authorizations.services.host_answers import Answer

logger = logging.getLogger(__name__)

SLOTS = 2_048
_KEY_BYTES, _SLOT_BYTES = 16, 1_024
_KEYS_BYTES = SLOTS * _KEY_BYTES
"""A file begins with the keys of its slots, so that little has to be read."""

_HEAD = struct.Struct("!16sHI")
"""Of a slot: its key, length and CRC-32 of what follows."""

_SUFFIX = ".answers"
_MOST_FILES = 64


class _Kept(msgspec.Struct, array_like=True, frozen=True):
    """An answer as a slot holds it."""

    text: str
    reason: str
    question: Question | None
    received_at: datetime
    sent_at: datetime


class _Ring:
    """The file of one process."""

    def __init__(self, spool: object) -> None:
        directory = host_memory.directory()
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in sorted(directory.glob(f"*{_SUFFIX}"), key=_age)[:-_MOST_FILES]:
            path.unlink(missing_ok=True)  # of processes that are gone
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        self.spool = spool
        self.fd = os.open(directory / f"{os.getpid()}{_SUFFIX}", flags, 0o600)
        self.pid = os.getpid()
        self.next = 0
        self.turn = threading.Lock()

    def write(self, record: bytes) -> None:
        with self.turn:
            place, self.next = self.next, (self.next + 1) % SLOTS
        os.pwrite(self.fd, record, _KEYS_BYTES + place * _SLOT_BYTES)
        os.pwrite(self.fd, record[:_KEY_BYTES], place * _KEY_BYTES)


_ring: _Ring | None = None
_decode = msgspec.json.Decoder(_Kept).decode


def note(decision_id: str, answer: Answer) -> None:
    """Remember it; where that fails it is logged, and the answer stands."""
    global _ring  # noqa: PLW0603 - replaced whole
    kept = _Kept(answer.text, answer.reason, answer.question, answer.received_at, answer.sent_at)
    payload = msgspec.json.encode(kept)
    if _HEAD.size + len(payload) > _SLOT_BYTES:
        return
    try:
        if _ring is None or (_ring.pid, _ring.spool) != (os.getpid(), settings.SPOOL_DIR):
            _ring = _Ring(settings.SPOOL_DIR)
        _ring.write(_HEAD.pack(_key(decision_id), len(payload), zlib.crc32(payload)) + payload)
    except OSError as error:
        logger.warning("What was answered can't be remembered for stand-in: %s", error)


def look_up(decision_id: str) -> Answer | None:
    """What one of the processes answered to this event; None where it is not known."""
    key, found = _key(decision_id), list[Answer]()
    for path in host_memory.directory().glob(f"*{_SUFFIX}"):
        with suppress(OSError), path.open("rb", buffering=0) as file:
            keys = file.read(_KEYS_BYTES) or b""
            places = range(0, len(keys), _KEY_BYTES) if key in keys else ()
            for place in places:
                if keys[place : place + _KEY_BYTES] == key:
                    file.seek(_KEYS_BYTES + place // _KEY_BYTES * _SLOT_BYTES)
                    found += _answer_in(file.read(_SLOT_BYTES) or b"", key)
    return min(found, key=lambda answer: answer.sent_at, default=None)


def _answer_in(slot: bytes, key: bytes) -> list[Answer]:
    """Nothing where it is written anew at this moment."""
    if len(slot) < _HEAD.size:
        return []
    written, length, checksum = _HEAD.unpack_from(slot)
    payload = slot[_HEAD.size :][:length]
    if written != key or zlib.crc32(payload) != checksum:
        return []
    kept = _decode(payload)
    return [Answer(kept.text, kept.reason, kept.question, kept.received_at, kept.sent_at)]


def _key(decision_id: str) -> bytes:
    return hashlib.blake2b(decision_id.encode(), digest_size=16).digest()


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
