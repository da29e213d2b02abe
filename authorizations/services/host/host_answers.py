"""What this host has answered without the database, by event: one file for all its processes.

Until such an answer is replayed, nothing else knows of it; and where the database goes away once
more, it can't be asked. The spool holds the same answers and more; this is for looking one up in
microseconds. So nothing waits for the disk here, and of a file that a power cut has damaged, what
waits in the spool is written again.
"""

import logging
import os
import sqlite3
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec
from django.conf import settings

from authorizations.rules.purchases.events import Question
from authorizations.services.host import host_files
from authorizations.services.runtime import budget
from authz_project import owners

logger = logging.getLogger(__name__)

FILE = "stand-in-answers.sqlite3"
KEPT_S = 7 * 86_400.0
"""Of what is replayed: an event that comes again comes within days."""

_WAIT_S = budget.HOST_ANSWERS_WAIT_MS / 1000
_MOST_HERE = 4_096
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
    """An answer that was sent: `question` is None where it could not be read.

    `reason` is why it declines, "" for an approval; `received_at` is of the delivery it was for.
    """

    text: str
    reason: str
    question: Question | None
    received_at: datetime
    sent_at: datetime

    def is_to(self, question: Question | None) -> bool:
        """Whether it answers this question; a decline of what nobody could read answers all."""
        if self.question is None:
            return bool(self.reason)
        return question is not None and self.question.is_same(question)


_decode_question = msgspec.json.Decoder(Question).decode


class _Opened:
    """The one connection of a process, and the newest answers of its own.

    Threads take turns; none waits long, so that a disk that hangs holds up no purchase.
    """

    def __init__(self) -> None:
        self.turn = threading.Lock()
        self.here: OrderedDict[tuple[Path, str], HostAnswer] = OrderedDict()
        self.place: tuple[Path, int] | None = None
        self.connection: sqlite3.Connection | None = None

    def connected(self, path: Path) -> sqlite3.Connection:
        """A new one where the file is new. Raises sqlite3.Error and OSError."""
        if self.connection is None or self.place != _place(path):
            if self.connection is not None:
                self.connection.close()
            self.connection = None
            self.connection = _connect(path)
            self.place = _place(path)
        return self.connection


_opened = _Opened()
_of_parents: list[_Opened] = []


def _forked() -> None:
    """SQLite's connections must not be used, nor closed, in a child."""
    global _opened  # noqa: PLW0603 - replaced whole
    _of_parents.append(_opened)
    _opened = _Opened()


os.register_at_fork(after_in_child=_forked)


def look_up(decision_id: str) -> HostAnswer | None:
    """The answer to this event that was sent first; None where none is known here.

    Where the file can't be read, that is logged, and nothing is known.
    """
    path = _path()
    if answer := _opened.here.get((path, decision_id)):
        return answer
    if not os.path.exists(path):  # noqa: PTH110 - for each decision, in half the time
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


def note_in_process(decision_id: str, answer: HostAnswer) -> None:
    """Remember in this process that an answer is being sent; never waits for a disk."""
    here, key = _opened.here, (_path(), decision_id)
    here.setdefault(key, answer)
    while len(here) > _MOST_HERE:
        with suppress(KeyError):  # another thread was quicker
            here.popitem(last=False)


def note(decision_id: str, answer: HostAnswer) -> None:
    """Remember it for all processes of the host; the first answer to an event stays."""
    note_in_process(decision_id, answer)
    question = msgspec.json.encode(answer.question).decode() if answer.question else None
    times = [answer.received_at.isoformat(), answer.sent_at.isoformat()]
    row = [decision_id, answer.text, answer.reason, question, *times, time.time()]
    _run(_path(), "INSERT OR IGNORE INTO answer VALUES (?, ?, ?, ?, ?, ?, ?)", row)


def forget_replayed() -> None:
    """Once nothing waits in the spool: what is older than a repeat can be."""
    if _path().exists():
        _run(_path(), "DELETE FROM answer WHERE kept_at < ?", [time.time() - KEPT_S])


def is_whole() -> bool:
    """Whether the file has been there since the host started: a power cut may cost its end."""
    try:
        kept_at = _path().stat().st_mtime
    except FileNotFoundError:
        return False
    return kept_at > time.time() - time.monotonic()


def mark_whole() -> None:
    """All that waits in the spool is remembered."""
    with suppress(OSError):
        owners.touch(_path())
        os.utime(_path())


def _path() -> Path:
    return Path(settings.SPOOL_DIR) / FILE


def _place(path: Path) -> tuple[Path, int]:
    try:
        return path, path.stat().st_ino
    except FileNotFoundError:
        return path, 0


def _run(path: Path, statement: str, values: Sequence[object]) -> list[tuple[str, ...]]:
    """The rows found; what fails is logged, finds nothing, and goes no further."""
    opened = _opened
    if not opened.turn.acquire(timeout=_WAIT_S):
        logger.error("What this host has answered can't be looked up or kept: the disk hangs.")
        return []
    try:
        return opened.connected(path).execute(statement, values).fetchall()
    except (sqlite3.Error, OSError) as error:
        logger.error("What this host has answered can't be looked up or kept: %s", error)
        if _is_damage(error):
            _put_aside(path)
        return []
    finally:
        opened.turn.release()


def _connect(path: Path) -> sqlite3.Connection:
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
    return connection


def _is_damage(error: Exception) -> bool:
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(
        error, sqlite3.OperationalError
    )


def _put_aside(path: Path) -> None:
    """The next answer makes a new file."""
    with suppress(OSError):
        path.replace(path.with_name(f"{path.name}.damaged"))
        for belongs in ("-wal", "-shm"):
            path.with_name(path.name + belongs).unlink(missing_ok=True)
