"""What this host has approved since its copy of usage was read, in memory its processes share.

Stand-in may approve no more than was left when the database was last read, less all that was
approved since, by whichever process. So an approval that a cap may have a say on is noted before
its transaction commits, and settled once it has; one of stand-in's is settled once it is replayed.
A copy of usage holds all that was settled before its reading began, whatever the clocks say:
`clock` counts what was settled.

The memory is an SQLite file on a file system without a disk, so no note waits for one. What ends
with the host is noticed: the copy names the memory it goes with. What can't be noted is not
approved by the usual way.
"""

import hashlib
import os
import secrets
import sqlite3
import stat
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.conf import settings

from authorizations.rules.basics.controls import scope_key
from authorizations.rules.basics.filters import LimitFilter, Merchant, UnknownMerchant
from authorizations.rules.decision.values import NO_USAGE, Window, WindowUsage
from authorizations.rules.purchases.counted import CountedUsage
from authorizations.services.runtime import budget
from authz_project import owners

MOUNTED = Path("/dev/shm")  # noqa: S108 - in it there is a directory of our own
MAX_PAGES = 16_384
"""Of 4 kB: beyond them what was settled is forgotten, and a copy that needs it is not used."""

ABANDONED_S = 60.0
"""A note whose process ended before it could settle it counts so long."""

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
    amount INTEGER, cash INTEGER, count INTEGER, cash_count INTEGER,
    PRIMARY KEY (scope, question)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS approval_to_question ON approval (question);
CREATE INDEX IF NOT EXISTS approval_awaits ON approval (scope) WHERE by_stand_in AND settled = 0
"""

_SUMS = """
SELECT
    by_stand_in, category, category_code, country, name, network_id,
    sum(amount), sum(cash), sum(count), sum(cash_count)
FROM approval
WHERE scope = :scope AND created >= :start AND created < :end AND :currency IN ('', currency)
    AND (settled = 0 OR settled > :clock)
GROUP BY 1, 2, 3, 4, 5, 6
"""

_OF_THE_MERCHANT = 5
"""So many columns tell of it; they are null where it is not known."""

_NEVER = 2**62
"""No copy was read as late: what is settled is not asked about."""


class HostMemoryError(Exception):
    """The memory can't be read or written; `is_full` where that is for want of room."""

    def __init__(self, error: Exception) -> None:
        super().__init__(f"{directory()}: {error}")
        self.is_full = getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL


@dataclass(frozen=True, slots=True)
class Approval:
    """An approval as limits see it: `change` is what it adds in each of `scopes`.

    `question` names what was asked, the same for each repetition of an event. `merchant` is where
    the purchase began; None where that is not known, and it counts wherever it may have been.
    """

    question: str
    scopes: tuple[str, ...]
    created: int
    currency: str
    merchant: Merchant | None
    change: CountedUsage


@dataclass(frozen=True, slots=True)
class Moment:
    """What had been settled in which memory; `latest` is the newest `created` it had heard of."""

    memory_id: str
    clock: int
    latest: int


class Memory:
    """The memory, held alone by this thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @property
    def is_complete(self) -> bool:
        """Whether what stand-in approved before this memory began was put into it."""
        [is_complete] = self._connection.execute("SELECT is_complete FROM memory").fetchone()
        return bool(is_complete)

    def complete(self, approvals: Iterable[Approval]) -> None:
        """Put in what stand-in approved, and is not replayed yet."""
        for approval in approvals:
            self.add(approval, by_stand_in=True)
        self._connection.execute("UPDATE memory SET is_complete = 1")

    def add(self, approval: Approval, *, by_stand_in: bool) -> None:
        at, change = approval.merchant, approval.change
        place = (at.category, at.category_code, at.country, at.name, at.network_id) if at else ()
        values = (
            *(approval.question, by_stand_in, since_boot(), 0),
            *(approval.created, approval.currency),
            *(place or [None] * _OF_THE_MERCHANT),
            *(change.amount, change.cash, change.count, change.cash_count),
        )
        marks = ", ".join("?" * (1 + len(values)))
        self._connection.executemany(
            f"INSERT OR REPLACE INTO approval VALUES ({marks})",  # noqa: S608 - only marks
            [(scope, *values) for scope in approval.scopes],
        )
        self._connection.execute("UPDATE memory SET latest = max(latest, ?)", [approval.created])

    def awaits_replay(self, scopes: Iterable[str]) -> bool:
        """Whether stand-in approved in one of these scopes what the books do not have yet."""
        look = (
            "SELECT 1 FROM approval INDEXED BY approval_awaits"  # else it goes through the scope
            " WHERE scope = ? AND by_stand_in AND settled = 0 LIMIT 1"
        )
        return any(self._connection.execute(look, [scope]).fetchone() for scope in scopes)

    def settle(self, question: str) -> bool:
        """What was approved is in the database: copies read from now on have it.

        False where nothing of the kind is noted.
        """
        settled = self._connection.execute(
            "UPDATE approval SET settled = ? WHERE question = ? AND settled = 0",
            [self._tick(), question],
        )
        return settled.rowcount > 0

    def abandoned(self, *, by_stand_in: bool) -> list[str]:
        """Questions nobody settles any more: the process ended meanwhile, or its record is lost."""
        query = (
            "SELECT DISTINCT question FROM approval"
            " WHERE settled = 0 AND by_stand_in = ? AND noted_at < ?"
        )
        rows = self._connection.execute(query, [by_stand_in, since_boot() - ABANDONED_S])
        return [question for (question,) in rows]

    def withdraw(self, question: str) -> None:
        """It was not approved after all."""
        self._connection.execute("DELETE FROM approval WHERE question = ?", [question])

    def await_replay(self, question: str) -> None:
        """It was sent, and nobody knows whether the database has it."""
        self._connection.execute(
            "UPDATE approval SET by_stand_in = 1 WHERE question = ?", [question]
        )

    def moment(self) -> Moment:
        return Moment(*self._connection.execute("SELECT id, clock, latest FROM memory").fetchone())

    def goes_with(self, memory_id: str, clock: int) -> bool:
        """Whether nothing is forgotten that a copy read at this moment does not have."""
        query = "SELECT id = ? AND forgotten <= ? FROM memory"
        [goes_with] = self._connection.execute(query, [memory_id, clock]).fetchone()
        return bool(goes_with)

    def forget(self, clock: int) -> None:
        """What the newest copy has by now."""
        self._connection.execute("DELETE FROM approval WHERE settled > 0 AND settled <= ?", [clock])
        self._connection.execute("UPDATE memory SET forgotten = max(forgotten, ?)", [clock])

    def approved_since(
        self, clock: int, window: Window, concern: LimitFilter
    ) -> tuple[WindowUsage, WindowUsage]:
        """What this window measures of what is not in a copy read then: the database's, ours."""
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
            place, figures = row[:_OF_THE_MERCHANT], row[_OF_THE_MERCHANT:]
            at = UnknownMerchant() if place[0] is None else Merchant(*place)
            amount, cash, count, cash_count = figures
            change = CountedUsage(amount, cash, 0, count, cash_count)
            amount, _, count = change.seen_by(concern, at)
            before = found[by_stand_in]
            found[by_stand_in] = WindowUsage(before.amount + amount, 0, before.count + count)
        return found[0], found[1]

    def awaiting_replay(self, window: Window, concern: LimitFilter) -> WindowUsage:
        """What this window measures of what stand-in approved and the books do not have yet."""
        _, pending = self.approved_since(_NEVER, window, concern)
        return pending

    def _tick(self) -> int:
        [clock] = self._connection.execute(
            "UPDATE memory SET clock = clock + 1 RETURNING clock"
        ).fetchone()
        return int(clock)


_own = threading.local()
_of_parents: list[sqlite3.Connection] = []
"""SQLite's connections must not be closed in a child."""


@contextmanager
def memory(wait_s: float | None = None) -> Iterator[Memory]:
    """The memory, for this thread alone until the block ends; what is done in it holds together.

    Raises HostMemoryError, also where others have it for longer than `wait_s`, usually
    budget.HOST_MEMORY_WAIT_MS.
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
    """Where the memory of this spool's host is."""
    return _directory_for(Path(settings.SPOOL_DIR))


@cache
def _directory_for(spool: Path) -> Path:
    spool = spool.absolute()
    if not MOUNTED.is_dir():
        return spool  # no better place on this system
    name = hashlib.sha256(os.fsencode(spool)).hexdigest()[:16]
    return MOUNTED / f"desk-{name}"


def make(place: Path) -> None:
    """Make the memory's directory where it is missing; it belongs to whom the spool belongs."""
    with suppress(FileExistsError):
        place.mkdir(mode=0o700, parents=True)
        spool = Path(settings.SPOOL_DIR).absolute()
        owners.give(place, next(path for path in (spool, *spool.parents) if path.exists()))


def _connected() -> sqlite3.Connection:
    place = (os.getpid(), directory())
    if getattr(_own, "place", None) != place:
        _forget_connection()
        _own.connection, _own.place, _own.wait_s = _opened(place[1]), place, None
    connection: sqlite3.Connection = _own.connection
    return connection


def _opened(place: Path) -> sqlite3.Connection:
    make(place)
    found = place.lstat()
    if not stat.S_ISDIR(found.st_mode) or os.geteuid() not in (found.st_uid, 0):
        raise OSError("the directory belongs to somebody else; remove it.")
    file = place / "approvals.sqlite3"
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
    """The next use opens another: the file may be a new one."""
    if place := getattr(_own, "place", None):
        if place[0] == os.getpid():
            _own.connection.close()
        else:
            _of_parents.append(_own.connection)
    _own.place = None


def _roll_back(connection: sqlite3.Connection) -> None:
    with suppress(sqlite3.Error):
        connection.execute("ROLLBACK")
