"""The copy of cards, policies and usage on this host's disk, which stand-in decides from.

One process of the host renews it (local_copy_refresh.py), file by file, and all read it. It takes
no memory, and a process started during an outage has it too.
"""

import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import chain

from authorizations.rules.basics.controls import (
    Exclusion,
    Scope,
    ScopeKind,
    member_scope,
    scope_key,
)
from authorizations.rules.basics.stops import Stop
from authorizations.rules.decision.controls import AppliedControls
from authorizations.rules.decision.values import Window, WindowUsage
from authorizations.services.host import host_files
from authorizations.services.host.applied import Instructed, PolicyInForce, applied_to
from authorizations.services.host.instructions import stops_of, told_by

POLICIES = "standing-policies.sqlite3"
CARDS = "standing-cards.sqlite3"
USAGE = "standing-usage.sqlite3"

POLICIES_SCHEMA = """
CREATE TABLE read (at REAL NOT NULL);
CREATE TABLE version (id INTEGER PRIMARY KEY, number INTEGER NOT NULL, content TEXT NOT NULL);
CREATE TABLE tenure (
    policy INTEGER NOT NULL, version INTEGER NOT NULL, begins REAL NOT NULL, ends REAL,
    PRIMARY KEY (policy, begins, version)
) WITHOUT ROWID;
CREATE TABLE assignment (
    scope TEXT NOT NULL, policy INTEGER NOT NULL, each TEXT NOT NULL, PRIMARY KEY (scope, policy)
) WITHOUT ROWID;
CREATE TABLE frozen (card TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE instruction (
    id INTEGER PRIMARY KEY, scope TEXT NOT NULL, begins REAL NOT NULL, ends REAL, row TEXT NOT NULL
);
CREATE INDEX instruction_of_scope ON instruction (scope)
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


class NoCopyError(Exception):
    """There is no copy that can be read."""


@dataclass(frozen=True, slots=True)
class CopiedCard:
    """A card as last read, the policies that apply to it, and the scopes its usage counts in.

    `stops` are the freezes and blocks that hold now, by this host's clock, `exclusions` those that
    leave out a policy; `shares_cap` is as of Applied. The same versions apply `since` then, in
    Unix seconds, as far as is known.
    """

    root_id: str
    frozen: bool
    applied: tuple[AppliedControls, ...]
    scopes: tuple[str, ...] = ()
    stops: tuple[Stop, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    shares_cap: bool = False
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class CopiedUsage:
    """The usage of windows when the database was last read, at `at` in Unix seconds.

    `memory_id` and `clock` name the moment in the host's memory from which this host's own
    approvals come on top. The usage of a window that is not in `used` is not known.
    """

    at: int
    memory_id: str
    clock: int
    used: dict[Window, WindowUsage]

    @property
    def age_s(self) -> float:
        """Seconds since it was read."""
        return max(0.0, time.time() - self.at)


def read_at() -> float:
    """When the older part of the copy was read from the database, in Unix seconds.

    Raises NoCopyError.
    """
    with _opened(POLICIES) as policies, _opened(CARDS) as cards:
        return min(_read_at(policies), _read_at(cards))


def age_s() -> float:
    """Seconds since the older part of the copy was read. Raises NoCopyError."""
    return max(0.0, time.time() - read_at())


def card(card_id: str, cardholder_id: str) -> CopiedCard | None:
    """The card; None if the copy does not have it.

    `cardholder_id` is the one that the request names; if empty, the copy's is used. Raises
    NoCopyError.
    """
    found = _links_of(card_id)
    if found is None:
        return None
    root_id, copied_holder, group_id = found
    root = Scope(ScopeKind.CARD, root_id)
    scopes = [root, Scope(ScopeKind.PROGRAM, "")]
    holder = cardholder_id or copied_holder
    if holder:
        scopes.append(Scope(ScopeKind.CARDHOLDER, holder))
    if group_id:
        scopes.append(Scope(ScopeKind.GROUP, group_id))
    keys = [scope_key(scope) for scope in scopes]
    with _opened(POLICIES) as policies:
        now = time.time()
        frozen = policies.execute("SELECT 1 FROM frozen WHERE card = ?", [card_id]).fetchone()
        assigned = [
            (PolicyInForce(key, version, each), policy)
            for key in keys
            for version, policy, each in policies.execute(_ASSIGNED, (now, now, key)).fetchall()
            if version is not None or not policies.execute(_IS_PLANNED, [policy]).fetchone()
        ]

        def contents(version_ids: Iterable[int]) -> Iterator[tuple[int, int, str]]:
            for version_id in version_ids:
                yield from policies.execute(
                    "SELECT id, number, content FROM version WHERE id = ?", [version_id]
                )

        told = {
            key: [
                told_by(row)
                for (row,) in policies.execute(_INSTRUCTIONS, (key, now, now)).fetchall()
            ]
            for key in {*keys, scope_key(Scope(ScopeKind.CARD, card_id))}
        }
        stops = stops_of(chain.from_iterable(told.values()), card_id)
        versions = {policy: one.version_id for one, policy in assigned}
        instructed = Instructed(told, keys, versions)
        assignments = [one for one, _ in assigned]
        applying = applied_to(root, holder, assignments, instructed, read=contents)
        # Before the reading, or what was planned to begin or end, other versions may have applied.
        since = [_read_at(policies)]
        for policy in versions:
            [(at,)] = policies.execute(_PLAN_CHANGED, (policy, now)).fetchall()
            since.append(at or 0.0)
    measured = [scope for scope in scopes if scope.kind is not ScopeKind.PROGRAM]
    measured += [policy.measured for policy in applying.policies]
    if group_id and holder:
        measured.append(member_scope(group_id, holder))
    counted_in = tuple(dict.fromkeys(map(scope_key, measured)))
    return CopiedCard(
        root_id=root_id,
        frozen=frozen is not None,
        applied=applying.policies,
        scopes=counted_in,
        stops=stops,
        exclusions=applying.exclusions,
        shares_cap=applying.shares_cap,
        since=max(since),
    )


_ASSIGNED = """
SELECT (
    SELECT version FROM tenure
    WHERE tenure.policy = assignment.policy AND begins <= ? AND (ends IS NULL OR ? < ends)
    ORDER BY begins DESC, version DESC LIMIT 1
), policy, each
FROM assignment WHERE scope = ?
"""
_IS_PLANNED = "SELECT 1 FROM tenure WHERE policy = ?"
"""Whether a policy without a version in force is to have one: if not, it is damage."""

_INSTRUCTIONS = """
SELECT row FROM instruction WHERE scope = ? AND begins <= ? AND (ends IS NULL OR ? < ends)
"""
_PLAN_CHANGED = """
SELECT max(at) FROM (
    SELECT policy, begins AS at FROM tenure UNION ALL SELECT policy, ends FROM tenure
) WHERE policy = ? AND at <= ?
"""


def usage(windows: Iterable[Window]) -> CopiedUsage:
    """The usage of these windows as last read. Raises NoCopyError.

    For a rolling window it may begin a little earlier, and is never too low.
    """
    with _opened(USAGE) as copy:
        [(at, memory_id, clock)] = copy.execute("SELECT at, memory, clock FROM read").fetchall()
        used = {}
        for window in windows:
            key = (scope_key(window.scope), window.filter_key, window.currency, window.rolling)
            found = copy.execute(_USED, (*key, window.start, window.rolling, window.end)).fetchone()
            # A row that begins earlier serves a rolling window only.
            if found and (window.rolling or found[0] == window.start):
                used[window] = WindowUsage(*found[1:])
        return CopiedUsage(at, memory_id, clock, used)


_USED = """
SELECT start, amount, refunded, count FROM used
WHERE scope = ? AND filter_key = ? AND currency = ? AND rolling = ? AND start <= ?
    AND (? OR "end" = ?)
ORDER BY start DESC LIMIT 1
"""


def scopes_of(card_id: str) -> list[str]:
    """The keys of a card's scopes as last read; empty if the copy has no such card."""
    try:
        found = _links_of(card_id)
    except NoCopyError:
        return []
    kinds = (ScopeKind.CARD, ScopeKind.CARDHOLDER, ScopeKind.GROUP)
    pairs = zip(kinds, found or (), strict=False)
    return [scope_key(Scope(kind, id_)) for kind, id_ in pairs if id_]


def _links_of(card_id: str) -> tuple[str, str, str] | None:
    """The root, cardholder and group of a card."""
    with _opened(CARDS) as cards:
        found: tuple[str, str, str] | None = cards.execute(
            "SELECT root, cardholder, card_group FROM card WHERE id = ?", [card_id]
        ).fetchone()
    return found


def _read_at(copy: sqlite3.Connection) -> float:
    [(at,)] = copy.execute("SELECT at FROM read").fetchall()
    return float(at)


@contextmanager
def _opened(name: str) -> Iterator[sqlite3.Connection]:
    """A part of the copy. Its file is replaced and never changed, so nothing has to be locked."""
    path = host_files.directory() / name
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as opened:
            yield opened
    except (sqlite3.Error, ValueError, KeyError) as damage:
        raise NoCopyError(f"{path} can't be read: {damage}") from damage
