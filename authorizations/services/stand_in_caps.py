"""What stand-in has approved on each card in this outage: one file for all processes of the host.

An outage begins with the first purchase that needs a cap, and ends when the database has been
heard of a whole minute after the last such purchase: one that comes and goes gives no new caps.
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

_SCHEMA = """
CREATE TABLE IF NOT EXISTS outage (one INTEGER PRIMARY KEY CHECK (one = 1), last REAL NOT NULL);
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


def _begin_outage(caps: sqlite3.Connection, heard_at: float, switched_on_at: float | None) -> None:
    """Forget an outage that is over, and note that this one goes on."""
    now = time.time()
    last = caps.execute("SELECT last FROM outage").fetchone()
    if last is not None and _is_over(last[0], heard_at, switched_on_at):
        caps.execute("DELETE FROM taken")
    caps.execute("INSERT OR REPLACE INTO outage VALUES (1, ?)", [now])


def _is_over(last: float, heard_at: float, switched_on_at: float | None) -> bool:
    still_on = switched_on_at is not None and switched_on_at <= last
    return not still_on and heard_at > last + HEALTHY_S


def _taken(caps: sqlite3.Connection, root_id: str) -> int:
    [(amount,)] = caps.execute(
        "SELECT coalesce(sum(amount), 0) FROM taken WHERE card = ?", [root_id]
    ).fetchall()
    return int(amount)
