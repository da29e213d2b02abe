"""The answers this host has given without the database, by event id, in one file per host.

A repeat of an event has to get the same answer, also before it is replayed and while the database
is away. The spool has the same answers; this file makes them quick to look up. So nothing waits
for the disk here: if a power cut damages the file, it is filled again from the spool.
"""

import logging
import os
import sqlite3
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, TypeAlias

import msgspec
from django.conf import settings

from authorizations.rules.purchases.events import Question
from authorizations.services.host import host_files
from authorizations.services.runtime import budget
from authz_project import owners

logger = logging.getLogger(__name__)

FILE = "stand-in-answers.sqlite3"
KEPT_S = 7 * 86_400.0
"""How long a replayed answer is kept: repeats of an event arrive within days."""

_WAIT_S = budget.HOST_ANSWERS_WAIT_MS / 1000
_MAX_OWN = 4_096
"""Maximum answers remembered by a process itself."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS answer (
    decision TEXT PRIMARY KEY, text TEXT NOT NULL, reason TEXT NOT NULL, question TEXT,
    received_at TEXT NOT NULL, sent_at TEXT NOT NULL, kept_at REAL NOT NULL
) WITHOUT ROWID
"""


_SELECT = """
SELECT text, reason, question, received_at, sent_at FROM answer WHERE decision = ?
"""


@dataclass(frozen=True, slots=True)
class HostAnswer:
    """An answer that was sent; `question` is None if the request could not be read.

    `reason` is why it declines, "" for an approval; `received_at` is when its delivery arrived.
    """

    text: str
    reason: str
    question: Question | None
    received_at: datetime
    sent_at: datetime

    def is_to(self, question: Question | None) -> bool:
        """Whether it answers this question; a decline of an unreadable request answers any."""
        if self.question is None:
            return bool(self.reason)
        return question is not None and self.question.is_same(question)


_Looks: TypeAlias = tuple[int, int]
_NOTHING: _Looks = (0, 0)

_decode_question = msgspec.json.Decoder(Question).decode


class _Store:
    """A process's connection to the file, and the newest answers of its own.

    Threads take turns and wait only briefly, so that a disk that hangs delays no purchase.
    """

    def __init__(self) -> None:
        self.turn = threading.Lock()
        self.own: OrderedDict[tuple[Path, str], HostAnswer] = OrderedDict()
        self.file: tuple[Path, int] | None = None
        self.connection: sqlite3.Connection | None = None

    def connected(self, path: Path) -> sqlite3.Connection:
        """A connection to the file that is there now. Raises sqlite3.Error and OSError."""
        if self.connection is not None and self.file == _identity(path):
            return self.connection
        if self.connection is not None:
            self.connection.close()
            self.connection = None
        host_files.database(path.name)
        connection = sqlite3.connect(
            path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute(_SCHEMA)
        except sqlite3.Error:
            connection.close()
            raise
        self.connection, self.file = connection, _identity(path)
        return connection


def _identity(path: Path) -> tuple[Path, int]:
    """A file's path and inode; inode 0 if it doesn't exist."""
    try:
        return path, path.stat().st_ino
    except FileNotFoundError:
        return path, 0


_store = _Store()
_of_parents: list[_Store] = []


def _forked() -> None:
    """A child must neither use nor close SQLite connections of its parent."""
    global _store  # noqa: PLW0603 - replaced whole
    _of_parents.append(_store)
    _store = _Store()


os.register_at_fork(after_in_child=_forked)


def look_up(decision_id: str) -> HostAnswer | None:
    """The answer to this event that was sent first; None if this host has sent none.

    Returns None as well if the file can't be read; that is logged.
    """
    path = _path()
    if answer := _store.own.get((path, decision_id)):
        return answer
    if _looks(path) == (_NOTHING, _NOTHING):
        return None
    found = _run(path, _SELECT, [decision_id])
    if not found:
        return None
    [(text, reason, question, received_at, sent_at)] = found
    return HostAnswer(
        text,
        reason,
        _decode_question(question) if question else None,
        datetime.fromisoformat(received_at),
        datetime.fromisoformat(sent_at),
    )


class _Known(NamedTuple):
    """The events that a file had answers to when it looked like this."""

    looks: tuple[Path, _Looks, _Looks]
    ids: frozenset[str]


_known: _Known | None = None
_MOST_KNOWN = 50_000


def known(decision_ids: Iterable[str]) -> set[str] | None:
    """Those of these events that this host has answered, without reading the file.

    None if it has changed since `answered` read it. Never waits for a disk.
    """
    path, ids = _path(), list(decision_ids)
    found = {id_ for id_ in ids if (path, id_) in _store.own}
    looks = path, *_looks(path)
    if looks == (path, _NOTHING, _NOTHING):
        return found
    if _known is None or _known.looks != looks:
        return None
    return found.union(_known.ids.intersection(ids))


def answered(decision_ids: Iterable[str]) -> set[str]:
    """As `known`, from the file; it is then known, unless there are too many."""
    global _known  # noqa: PLW0603 - replaced whole
    path = _path()
    looks = path, *_looks(path)
    counted = _run(path, "SELECT count(*) FROM answer", [])
    if counted and int(counted[0][0]) <= _MOST_KNOWN:
        rows = _run(path, "SELECT decision FROM answer", [])
        if len(rows) >= int(counted[0][0]):
            _known = _Known(looks, frozenset(id_ for (id_,) in rows))
    return {id_ for id_ in decision_ids if look_up(id_)}


def _looks(path: Path) -> tuple[_Looks, _Looks]:
    """Size and time of change of the file and of its log; nothing is written in either at first."""
    return _size_and_time(path), _size_and_time(f"{path}-wal")


def _size_and_time(path: Path | str) -> _Looks:
    try:
        found = os.stat(path)  # noqa: PTH116 - asked for every group of requests
    except OSError:
        return _NOTHING
    return (found.st_size, found.st_mtime_ns) if found.st_size else _NOTHING


def note_in_process(decision_id: str, answer: HostAnswer) -> None:
    """Remember an answer in this process alone; never waits for a disk."""
    own, key = _store.own, (_path(), decision_id)
    own.setdefault(key, answer)
    while len(own) > _MAX_OWN:
        with suppress(KeyError):  # another thread was quicker
            own.popitem(last=False)


def note(decision_id: str, answer: HostAnswer) -> None:
    """Remember an answer for all processes of the host; the first one to an event stays."""
    note_in_process(decision_id, answer)
    question = msgspec.json.encode(answer.question).decode() if answer.question else None
    times = [answer.received_at.isoformat(), answer.sent_at.isoformat()]
    row = [decision_id, answer.text, answer.reason, question, *times, time.time()]
    _run(_path(), "INSERT OR IGNORE INTO answer VALUES (?, ?, ?, ?, ?, ?, ?)", row)


def forget_replayed() -> None:
    """Delete answers older than any repeat can be; call it when nothing waits in the spool."""
    if _path().exists():
        _run(_path(), "DELETE FROM answer WHERE kept_at < ?", [time.time() - KEPT_S])


def is_whole() -> bool:
    """Whether the file was written since the host booted: a power cut may truncate it."""
    try:
        written_at = _path().stat().st_mtime
    except FileNotFoundError:
        return False
    return written_at > time.time() - time.monotonic()


def mark_whole() -> None:
    """Mark the file as containing every answer in the spool."""
    with suppress(OSError):
        owners.touch(_path())
        os.utime(_path())


def _path() -> Path:
    return Path(settings.SPOOL_DIR) / FILE


def _run(path: Path, statement: str, values: Sequence[object]) -> list[tuple[str, ...]]:
    """The rows found; none if the statement fails, which is logged and never raised."""
    store = _store
    if not store.turn.acquire(timeout=_WAIT_S):
        logger.error("This host's answers can't be read or stored: the disk hangs.")
        return []
    try:
        return store.connected(path).execute(statement, values).fetchall()
    except (sqlite3.Error, OSError) as error:
        logger.error("This host's answers can't be read or stored: %s", error)
        is_busy = isinstance(error, sqlite3.OperationalError)
        if isinstance(error, sqlite3.DatabaseError) and not is_busy:
            # Damaged: the next answer creates a new file.
            with suppress(OSError):
                path.replace(path.with_name(f"{path.name}.damaged"))
                for suffix in ("-wal", "-shm"):
                    path.with_name(path.name + suffix).unlink(missing_ok=True)
        return []
    finally:
        store.turn.release()
