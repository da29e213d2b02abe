"""What stand-in rests on: a copy of cards, assignments and policies, on this host's disk.

One process of the host renews it (local_copy_refresh.py); all read it, file by file as they are
replaced, so that it costs no memory and a process started during an outage has it too.
"""

import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from authorizations.rules.basics.controls import Scope, ScopeKind, scope_key
from authorizations.rules.decision.controls import AppliedControls
from authorizations.rules.decision.values import Window, WindowUsage
from authorizations.services.host import host_files
from authorizations.services.host.applied import applied_controls

POLICIES, CARDS, USAGE = (
    *("standing-policies.sqlite3", "standing-cards.sqlite3"),
    "standing-usage.sqlite3",
)

POLICIES_SCHEMA = """
CREATE TABLE read (at REAL NOT NULL);
CREATE TABLE version (id INTEGER PRIMARY KEY, number INTEGER NOT NULL, content TEXT NOT NULL);
CREATE TABLE assignment (
    scope TEXT NOT NULL, version INTEGER NOT NULL, PRIMARY KEY (scope, version)
) WITHOUT ROWID;
CREATE TABLE frozen (card TEXT PRIMARY KEY) WITHOUT ROWID
"""
CARDS_SCHEMA = """
CREATE TABLE read (at REAL NOT NULL);
CREATE TABLE card (
    id TEXT PRIMARY KEY, root TEXT NOT NULL, cardholder TEXT NOT NULL, card_group TEXT NOT NULL
) WITHOUT ROWID
"""

USAGE_SCHEMA = """
CREATE TABLE read (at INTEGER NOT NULL, memory TEXT NOT NULL, clock INTEGER NOT NULL);
CREATE TABLE used (
    scope TEXT, filter_key TEXT, currency TEXT, rolling INTEGER, start INTEGER, "end" INTEGER,
    amount INTEGER NOT NULL, refunded INTEGER NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (scope, filter_key, currency, rolling, start, "end")
) WITHOUT ROWID
"""


class NothingKnownError(Exception):
    """There is no copy, or none that can be read."""


@dataclass(frozen=True, slots=True)
class KnownCard:
    """A card as it was last known, the policies that applied to it, and whose usage it adds to."""

    root_id: str
    frozen: bool
    applied: tuple[AppliedControls, ...]
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KnownUsage:
    """What was used in windows when the database was read last, at `at`, in Unix seconds.

    `memory_id` and `clock` tell what this host has approved since. A window that is not in `used`
    was not heard of.
    """

    at: int
    memory_id: str
    clock: int
    used: dict[Window, WindowUsage]

    @property
    def age_s(self) -> float:
        return max(0.0, time.time() - self.at)


def read_at() -> float:
    """When the older part of the copy was read from the database, in Unix seconds.

    Raises NothingKnownError.
    """
    with _opened(POLICIES) as policies, _opened(CARDS) as cards:
        return min(_read_at(policies), _read_at(cards))


def age_s() -> float:
    """How old the copy is. Raises NothingKnownError."""
    return max(0.0, time.time() - read_at())


def card(card_id: str, cardholder_id: str) -> KnownCard | None:
    """The card, where it is known; `cardholder_id` is the one its own request names.

    Raises NothingKnownError.
    """
    found = _found(card_id)
    if found is None:
        return None
    root_id, known_holder, group_id = found
    root = Scope(ScopeKind.CARD, root_id)
    scopes = [root, Scope(ScopeKind.PROGRAM, "")]
    if holder := cardholder_id or known_holder:
        scopes.append(Scope(ScopeKind.CARDHOLDER, holder))
    if group_id:
        scopes.append(Scope(ScopeKind.GROUP, group_id))
    with _opened(POLICIES) as policies:
        frozen = policies.execute("SELECT 1 FROM frozen WHERE card = ?", [card_id]).fetchone()
        applied = _applied(policies, scopes, root)
    measured = tuple(scope_key(scope) for scope in scopes if scope.kind is not ScopeKind.PROGRAM)
    return KnownCard(root_id, frozen is not None, applied, measured)


def usage(windows: Iterable[Window]) -> KnownUsage:
    """What is known to be used in these windows. Raises NothingKnownError.

    Of a rolling window it is what counted since a little earlier, which is no less.
    """
    with _opened(USAGE) as copy:
        [(at, memory_id, clock)] = copy.execute("SELECT at, memory, clock FROM read").fetchall()
        used = {}
        for window in windows:
            key = (scope_key(window.scope), window.filter_key, window.currency, window.rolling)
            found = copy.execute(_USED, (*key, window.start, window.rolling, window.end)).fetchone()
            # That it began before the window is enough for a rolling one alone.
            if found and (window.rolling or found[0] == window.start):
                used[window] = WindowUsage(*found[1:])
        return KnownUsage(at, memory_id, clock, used)


_USED = """
SELECT start, amount, refunded, count FROM used
WHERE scope = ? AND filter_key = ? AND currency = ? AND rolling = ? AND start <= ?
    AND (? OR "end" = ?)
ORDER BY start DESC LIMIT 1
"""


def scopes_of(card_id: str) -> list[str]:
    """The keys of a card's scopes as last known; none where nothing is."""
    try:
        found = _found(card_id)
    except NothingKnownError:
        return []
    kinds = (ScopeKind.CARD, ScopeKind.CARDHOLDER, ScopeKind.GROUP)
    pairs = zip(kinds, found or (), strict=False)
    return [scope_key(Scope(kind, id_)) for kind, id_ in pairs if id_]


def _found(card_id: str) -> tuple[str, str, str] | None:
    """Root, cardholder and group of a card."""
    with _opened(CARDS) as cards:
        found: tuple[str, str, str] | None = cards.execute(
            "SELECT root, cardholder, card_group FROM card WHERE id = ?", [card_id]
        ).fetchone()
    return found


def _applied(
    policies: sqlite3.Connection, scopes: list[Scope], root: Scope
) -> tuple[AppliedControls, ...]:
    assigned = [
        (key, version)
        for key in map(scope_key, scopes)
        for (version,) in policies.execute(
            "SELECT version FROM assignment WHERE scope = ?", [key]
        ).fetchall()
    ]

    def contents(version_ids: Iterable[int]) -> Iterator[tuple[int, int, str]]:
        for version_id in version_ids:
            yield from policies.execute(
                "SELECT id, number, content FROM version WHERE id = ?", [version_id]
            )

    return applied_controls(assigned, root, contents)


def _read_at(copy: sqlite3.Connection) -> float:
    [(at,)] = copy.execute("SELECT at FROM read").fetchall()
    return float(at)


@contextmanager
def _opened(name: str) -> Iterator[sqlite3.Connection]:
    """A file is never written again once it is in its place, so nothing has to be locked."""
    path = host_files.directory() / name
    try:
        with closing(sqlite3.connect(f"{_uri(path)}?mode=ro&immutable=1", uri=True)) as opened:
            yield opened
    except (sqlite3.Error, ValueError, KeyError) as damage:
        raise NothingKnownError(f"{path} can't be read: {damage}") from damage


def _uri(path: Path) -> str:
    return path.absolute().as_uri()
