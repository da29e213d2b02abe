"""What stand-in has approved on each card in this outage: one file for all processes of the host.

An outage begins with the first purchase that needs a cap, and ends when the database has been
heard of anew a whole minute after the last such purchase: one that comes and goes gives no new
caps, and neither does a clock that is set.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from authorizations.services import host_files

FILE = "stand-in-caps.sqlite3"
HEALTHY_S = 60.0

since_boot = time.monotonic

_SCHEMA = """
CREATE TABLE IF NOT EXISTS outage (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    last REAL NOT NULL, last_since_boot REAL NOT NULL, heard REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS taken (
    event TEXT PRIMARY KEY, card TEXT NOT NULL, amount INTEGER NOT NULL, before INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS taken_of_card ON taken (card, amount)
"""


class CapUnknownError(Exception):
    """What was approved before could not be looked up, or what is approved now not kept."""


@dataclass(slots=True)
class Turn:
    """One purchase's turn at its card's cap: nobody else changes it meanwhile.

    `taken` is what was approved before, in the smallest unit of the card's currency.
    """

    taken: int
    amount: int = 0

    def take(self, amount: int) -> None:
        self.amount = amount


@contextmanager
def turn(
    root_id: str, question: str, *, heard_at: float, switched_on_at: float | None, within_s: float
) -> Iterator[Turn]:
    """Look at a card's cap and take of it; what was taken is on the disk when this ends.

    The same question, an event's id with its amount, gets the same turn again and takes nothing
    twice. `heard_at` is when the database was last heard of, `switched_on_at` since when stand-in
    is on by hand, if it is; both in Unix seconds. Waits at most `within_s` for others. Raises
    CapUnknownError.
    """
    try:
        with closing(_opened(host_files.directory() / FILE, within_s)) as caps:
            caps.execute("BEGIN IMMEDIATE")
            _begin_outage(caps, heard_at, switched_on_at)
            earlier = caps.execute(
                "SELECT before FROM taken WHERE event = ?", [question]
            ).fetchone()
            mine = Turn(earlier[0] if earlier else _taken(caps, root_id))
            yield mine
            if mine.amount and not earlier:
                row = [question, root_id, mine.amount, mine.taken]
                caps.execute("INSERT INTO taken VALUES (?, ?, ?, ?)", row)
            caps.execute("COMMIT")
    except (sqlite3.Error, OSError) as error:
        raise CapUnknownError(str(error)) from error


def _opened(path: Path, within_s: float) -> sqlite3.Connection:
    caps = sqlite3.connect(path, timeout=within_s, isolation_level=None)
    try:
        caps.execute("PRAGMA journal_mode = WAL")  # one write to the disk for each turn
        caps.execute("PRAGMA synchronous = FULL")
        if caps.execute("PRAGMA schema_version").fetchone() == (0,):
            caps.executescript(_SCHEMA)
    except sqlite3.Error:
        caps.close()
        raise
    return caps


@dataclass(frozen=True, slots=True)
class _Outage:
    """Its last purchase, in Unix seconds and by a clock that nobody sets, the same for all
    processes of the host; and when the database had been heard of last by then.
    """

    last: float
    last_since_boot: float
    heard: float

    def is_over(self, heard_at: float, switched_on_at: float | None) -> bool:
        still_on = switched_on_at is not None and switched_on_at <= self.last
        is_heard_anew = heard_at > self.heard and heard_at > self.last + HEALTHY_S
        return is_heard_anew and self._quiet_s() >= HEALTHY_S and not still_on

    def _quiet_s(self) -> float:
        """How long it is at least since its last purchase: that clock begins anew with the host."""
        now = since_boot()
        return now - self.last_since_boot if now >= self.last_since_boot else now

    def going_on(self, heard_at: float) -> "_Outage":
        return _Outage(max(self.last, time.time()), since_boot(), max(self.heard, heard_at))


def _begin_outage(caps: sqlite3.Connection, heard_at: float, switched_on_at: float | None) -> None:
    """Forget an outage that is over, and note that this one goes on."""
    row = caps.execute("SELECT last, last_since_boot, heard FROM outage").fetchone()
    outage = _Outage(*row) if row else None
    if outage is None or outage.is_over(heard_at, switched_on_at):
        caps.execute("DELETE FROM taken")
        outage = _Outage(0.0, 0.0, heard_at)
    now = outage.going_on(heard_at)
    row = (now.last, now.last_since_boot, now.heard)
    caps.execute("INSERT OR REPLACE INTO outage VALUES (1, ?, ?, ?)", row)


def _taken(caps: sqlite3.Connection, root_id: str) -> int:
    [(amount,)] = caps.execute(
        "SELECT coalesce(sum(amount), 0) FROM taken WHERE card = ?", [root_id]
    ).fetchall()
    return int(amount)
