"""The approvals this host has made since its copy of usage was read, in memory its processes share.

Stand-in may approve no more than the limits had left when the database was last read, less what
any process of the host has approved since. So an approval that a cap may limit is noted before its
transaction commits, and settled once it has committed; one of stand-in's is settled once it is
replayed. A copy of usage contains everything that was settled before it was read. `clock` counts
settlements, so that this doesn't depend on clocks of the day.

The memory is an SQLite file in a file system without a disk, so writing it never waits for one. It
ends with the host, which shows because the copy names the memory it belongs to. An approval that
can't be noted is not made by the database; stand-in answers instead.
"""

import hashlib
import os
import secrets
import sqlite3
import stat
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from zlib import crc32

from django.conf import settings

from authorizations.rules.basics.controls import scope_key
from authorizations.rules.basics.filters import LimitFilter, Merchant, UnknownMerchant
from authorizations.rules.decision.values import NO_USAGE, Window, WindowUsage
from authorizations.rules.purchases.counted import CountedUsage
from authorizations.services.runtime import budget
from authz_project import owners

MOUNTED = Path("/dev/shm")  # noqa: S108 - our own directory is in it
MAX_PAGES = 16_384
"""Maximum pages of 4 kB. If they are full, settled approvals are forgotten; a copy of usage that
was read before is then not used."""

ABANDONED_S = 60.0
"""How long an approval counts whose process ended before settling it."""

since_boot = time.monotonic

_SCHEMA = """
CREATE TABLE IF NOT EXISTS memory (
    one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL, clock INTEGER NOT NULL,
    forgotten INTEGER NOT NULL, latest INTEGER NOT NULL, is_complete INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS approval (
    scope TEXT, question TEXT, by_stand_in INTEGER, noted_at REAL, settled INTEGER,
    created INTEGER, currency TEXT,
    category TEXT, category_code TEXT, country TEXT, name TEXT, network_id TEXT,
    card_presence TEXT, authorization_method TEXT,
    amount INTEGER, cash INTEGER, count INTEGER, cash_count INTEGER,
    PRIMARY KEY (scope, question)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS approval_to_question ON approval (question);
CREATE INDEX IF NOT EXISTS approval_awaits ON approval (scope) WHERE by_stand_in AND settled = 0
"""

_FILE = f"approvals-{crc32(_SCHEMA.encode()):08x}.sqlite3"
"""Named by its tables: a version of the program with others has a memory of its own."""

_SUMS = """
SELECT
    by_stand_in, category, category_code, country, name, network_id,
    card_presence, authorization_method,
    sum(amount), sum(cash), sum(count), sum(cash_count)
FROM approval
WHERE scope = :scope AND created >= :start AND created < :end AND :currency IN ('', currency)
    AND (settled = 0 OR settled > :clock)
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
"""

_MERCHANT_COLUMNS = 7
"""Number of columns that describe the merchant; they are null if it is not known."""

_NEVER = 2**62
"""A clock later than that of any copy: excludes everything that is settled."""


class HostMemoryError(Exception):
    """The memory can't be read or written; `is_full` if it has no room left."""

    def __init__(self, error: Exception) -> None:
        super().__init__(f"{directory()}: {error}")
        self.is_full = getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL


@dataclass(frozen=True, slots=True)
class Approval:
    """An approval as limits see it; `change` is what it adds to the usage of each of `scopes`.

    `question` is the key of the request, the same for every repeat of an event. `merchant` is the
    one the purchase began with. If it is None, the merchant is not known, and the approval counts
    for every limit that it may concern.
    """

    question: str
    scopes: tuple[str, ...]
    created: int
    currency: str
    merchant: Merchant | None
    change: CountedUsage


@dataclass(frozen=True, slots=True)
class Moment:
    """A memory's id and clock at one moment.

    `latest` is the newest `created` of its approvals, in Unix seconds.
    """

    memory_id: str
    clock: int
    latest: int


class Memory:
    """The memory, locked by this thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @property
    def is_complete(self) -> bool:
        """Whether it contains the approvals stand-in made before this memory existed."""
        [is_complete] = self._connection.execute("SELECT is_complete FROM memory").fetchone()
        return bool(is_complete)

    def complete(self, approvals: Iterable[Approval]) -> None:
        """Add stand-in's approvals that are not replayed yet."""
        for approval in approvals:
            self.add(approval, by_stand_in=True)
        self._connection.execute("UPDATE memory SET is_complete = 1")

    def add(self, approval: Approval, *, by_stand_in: bool) -> None:
        """Note an approval, not settled yet, in each of its scopes."""
        at, change = approval.merchant, approval.change
        merchant: Sequence[str | None] = [None] * _MERCHANT_COLUMNS
        if at:
            merchant = (
                *(at.category, at.category_code, at.country, at.name, at.network_id),
                *(at.card_presence, at.authorization_method),
            )
        values = (
            *(approval.question, by_stand_in, since_boot(), 0),
            *(approval.created, approval.currency),
            *merchant,
            *(change.amount, change.cash, change.count, change.cash_count),
        )
        marks = ", ".join("?" * (1 + len(values)))
        self._connection.executemany(
            f"INSERT OR REPLACE INTO approval VALUES ({marks})",  # noqa: S608 - only marks
            [(scope, *values) for scope in approval.scopes],
        )
        self._connection.execute("UPDATE memory SET latest = max(latest, ?)", [approval.created])

    def awaits_replay(self, scopes: Iterable[str]) -> bool:
        """Whether stand-in has approvals in one of these scopes that are not in the books yet."""
        query = (
            "SELECT 1 FROM approval INDEXED BY approval_awaits"  # else it scans the whole scope
            " WHERE scope = ? AND by_stand_in AND settled = 0 LIMIT 1"
        )
        return any(self._connection.execute(query, [scope]).fetchone() for scope in scopes)

    def settle(self, question: str) -> bool:
        """Mark an approval as being in the database: copies read from now on contain it.

        Returns False if there is none to settle.
        """
        [clock] = self._connection.execute(
            "UPDATE memory SET clock = clock + 1 RETURNING clock"
        ).fetchone()
        settled = self._connection.execute(
            "UPDATE approval SET settled = ? WHERE question = ? AND settled = 0",
            [clock, question],
        )
        return settled.rowcount > 0

    def abandoned(self, *, by_stand_in: bool) -> list[str]:
        """Questions that will not be settled: their process ended, or their record is lost."""
        query = (
            "SELECT DISTINCT question FROM approval"
            " WHERE settled = 0 AND by_stand_in = ? AND noted_at < ?"
        )
        rows = self._connection.execute(query, [by_stand_in, since_boot() - ABANDONED_S])
        return [question for (question,) in rows]

    def withdraw(self, question: str) -> None:
        """Remove an approval that was not made after all."""
        self._connection.execute("DELETE FROM approval WHERE question = ?", [question])

    def await_replay(self, question: str) -> None:
        """Mark an approval as sent, but not known to be committed."""
        self._connection.execute(
            "UPDATE approval SET by_stand_in = 1 WHERE question = ?", [question]
        )

    def moment(self) -> Moment:
        """The current clock of this memory."""
        return Moment(*self._connection.execute("SELECT id, clock, latest FROM memory").fetchone())

    def goes_with(self, memory_id: str, clock: int) -> bool:
        """Whether a copy read at this clock and this memory together are complete.

        They are not if approvals are forgotten that the copy doesn't contain.
        """
        query = "SELECT id = ? AND forgotten <= ? FROM memory"
        [goes_with] = self._connection.execute(query, [memory_id, clock]).fetchone()
        return bool(goes_with)

    def forget(self, clock: int) -> None:
        """Delete approvals settled up to `clock`: the newest copy contains them."""
        self._connection.execute("DELETE FROM approval WHERE settled > 0 AND settled <= ?", [clock])
        self._connection.execute("UPDATE memory SET forgotten = max(forgotten, ?)", [clock])

    def approved_since(
        self, clock: int, window: Window, concern: LimitFilter
    ) -> tuple[WindowUsage, WindowUsage]:
        """What a copy read at `clock` lacks in this window, as counted by its limit.

        Returns two: the approvals of the database, and those of stand-in.
        """
        rows = self._connection.execute(
            _SUMS,
            {
                "scope": scope_key(window.scope),
                "start": window.start,
                "end": window.end,
                "currency": window.currency,
                "clock": clock,
            },
        )
        found = {0: NO_USAGE, 1: NO_USAGE}
        for by_stand_in, *row in rows:
            merchant, sums = row[:_MERCHANT_COLUMNS], row[_MERCHANT_COLUMNS:]
            at = UnknownMerchant() if merchant[0] is None else Merchant(*merchant)
            amount, cash, count, cash_count = sums
            change = CountedUsage(amount, cash, 0, count, cash_count)
            amount, _, count = change.seen_by(concern, at)
            before = found[by_stand_in]
            found[by_stand_in] = WindowUsage(before.amount + amount, 0, before.count + count)
        return found[0], found[1]

    def awaiting_replay(self, window: Window, concern: LimitFilter) -> WindowUsage:
        """Stand-in's approvals in this window that are not in the books yet."""
        _, pending = self.approved_since(_NEVER, window, concern)
        return pending


_own = threading.local()
_of_parents: list[sqlite3.Connection] = []
"""Kept because a child must not close SQLite connections of its parent."""


@contextmanager
def memory(wait_s: float | None = None) -> Iterator[Memory]:
    """The memory, locked by this thread until the block ends, in one transaction.

    Waits up to `wait_s` seconds for other threads, by default budget.HOST_MEMORY_WAIT_MS. Raises
    HostMemoryError.
    """
    wait_s = budget.HOST_MEMORY_WAIT_MS / 1000 if wait_s is None else wait_s
    try:
        connection = _connected()
        if _own.wait_s != wait_s:
            connection.execute(f"PRAGMA busy_timeout = {int(wait_s * 1000)}")
            _own.wait_s = wait_s
        connection.execute("BEGIN IMMEDIATE")
    except (sqlite3.Error, OSError) as error:
        _forget_connection()
        raise HostMemoryError(error) from error
    try:
        yield Memory(connection)
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        _roll_back(connection)
        raise HostMemoryError(error) from error
    except BaseException:
        _roll_back(connection)
        raise


def directory() -> Path:
    """The directory of this host's memory."""
    return _directory_for(Path(settings.SPOOL_DIR))


@cache
def _directory_for(spool: Path) -> Path:
    spool = spool.absolute()
    if not MOUNTED.is_dir():
        return spool  # this system has no such file system
    name = hashlib.sha256(os.fsencode(spool)).hexdigest()[:16]
    return MOUNTED / f"desk-{name}"


def make(directory: Path) -> None:
    """Create the memory's directory if it is missing, with the owner of the spool's."""
    with suppress(FileExistsError):
        directory.mkdir(mode=0o700, parents=True)
        spool = Path(settings.SPOOL_DIR).absolute()
        owners.give(directory, next(path for path in (spool, *spool.parents) if path.exists()))


def _connected() -> sqlite3.Connection:
    process_and_directory = (os.getpid(), directory())
    if getattr(_own, "opened_in", None) != process_and_directory:
        _forget_connection()
        _own.connection = _opened(directory())
        _own.opened_in, _own.wait_s = process_and_directory, None
    connection: sqlite3.Connection = _own.connection
    return connection


def _opened(directory: Path) -> sqlite3.Connection:
    make(directory)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or os.geteuid() not in (found.st_uid, 0):
        raise OSError("the directory belongs to another user; remove it.")
    file = directory / _FILE
    owners.touch(file)
    connection = sqlite3.connect(
        file,
        timeout=budget.HOST_MEMORY_WAIT_MS / 1000,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(f"PRAGMA max_page_count = {MAX_PAGES}")
        connection.executescript(_SCHEMA)
        connection.execute(
            "INSERT OR IGNORE INTO memory VALUES (1, ?, 0, 0, 0, 0)", [secrets.token_hex(16)]
        )
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _forget_connection() -> None:
    """Close it, so that the next use opens the file again: it may be a new one."""
    if opened_in := getattr(_own, "opened_in", None):
        if opened_in[0] == os.getpid():
            _own.connection.close()
        else:
            _of_parents.append(_own.connection)
    _own.opened_in = None


def _roll_back(connection: sqlite3.Connection) -> None:
    with suppress(sqlite3.Error):
        connection.execute("ROLLBACK")
