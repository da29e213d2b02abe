"""Caps: how much stand-in may still approve in each window, shared by the processes of a host.

A cap lasts as long as the window of its limit, so stand-in's approvals are stored on this host's
disk and count whether they are replayed or not. The limit's usage comes from the local copy;
host_memory.py has the approvals that this host has made since the copy was read.
"""

import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

import msgspec
from django.conf import settings

from authorizations.rules.basics.controls import scope_key
from authorizations.rules.basics.filters import LimitFilter
from authorizations.rules.decision.stand_in import HostWindow
from authorizations.rules.decision.values import NO_USAGE, Window
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.services.host import host_files, local_copy
from authorizations.services.host.host_memory import Approval, HostMemoryError, Memory, memory
from authorizations.services.runtime import budget, codec

logger = logging.getLogger(__name__)

FILE = "stand-in-caps.sqlite3"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS turn (
    question TEXT PRIMARY KEY, heard TEXT NOT NULL, approval TEXT NOT NULL,
    is_replayed INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS turn_not_replayed ON turn (question) WHERE NOT is_replayed;
CREATE TABLE IF NOT EXISTS taken (
    scope TEXT, currency TEXT, created INTEGER, question TEXT, amount INTEGER NOT NULL,
    PRIMARY KEY (scope, currency, created, question)
) WITHOUT ROWID
"""

_Windows = tuple[tuple[Window, HostWindow], ...]


class CapUnknownError(Exception):
    """Earlier approvals could not be read, or a new one could not be stored."""


class NotReplayedError(Exception):
    """Together with stand-in's approvals that are not in the books yet, a limit is exceeded."""


@dataclass(slots=True)
class Turn:
    """Exclusive use of a purchase's windows: no other purchase on the host takes from them."""

    windows: _Windows
    approval: Approval | None = None

    def take(self, approval: Approval) -> None:
        """Take the approved amount from the windows, once the turn ends."""
        self.approval = approval


def question_of(request: AuthorizationRequest) -> str:
    """The key of a question: the same for every repeat of an event.

    A different question under the same event id has a different key.
    """
    asked = (
        request.event_id,
        request.authorization_id,
        str(request.request_index),
        request.card.id,
    )
    return "\n".join((*asked, request.currency, str(request.amount)))


@contextmanager
def turn(
    question: str, windows: Mapping[Window, LimitFilter], *, since: float = 0.0, within_s: float
) -> Iterator[Turn]:
    """Read what stand-in may use of these windows; what is taken is on disk when the block ends.

    The same question gets the same turn again and takes nothing twice. `since` is from when on the
    policies apply that have these windows, in Unix seconds: what was approved before is not noted.
    Waits at most `within_s` seconds for other processes. Raises CapUnknownError.
    """
    try:
        with closing(_opened(host_files.database(FILE), within_s)) as caps:
            caps.execute("BEGIN IMMEDIATE")
            query = "SELECT heard FROM turn WHERE question = ?"
            if earlier := caps.execute(query, [question]).fetchone():
                yield Turn(_decode_windows(earlier[0]))
                return
            with _new_turn(caps, windows, since, within_s) as mine:
                yield mine
            if mine.approval:
                _store(caps, mine.approval, mine.windows)
    except (sqlite3.Error, OSError, HostMemoryError, local_copy.NoCopyError) as error:
        raise CapUnknownError(str(error)) from error


@contextmanager
def _new_turn(
    caps: sqlite3.Connection, windows: Mapping[Window, LimitFilter], since: float, within_s: float
) -> Iterator[Turn]:
    """A turn whose approval is in the host's memory when the block ends."""
    copy = local_copy.usage(windows)
    taken = {}
    for window in windows:
        [(taken[window],)] = caps.execute(
            "SELECT coalesce(sum(amount), 0) FROM taken"
            " WHERE scope = ? AND currency = ? AND created >= ? AND created < ?",
            [scope_key(window.scope), window.currency, window.start, window.end],
        ).fetchall()
    with memory(within_s) as shared:
        if not shared.is_complete:
            shared.complete(_not_replayed(caps))
        if not shared.goes_with(copy.memory_id, copy.clock):
            copy = local_copy.usage(windows)  # it was replaced just now
        if copy.age_s > settings.STAND_IN_MAX_AGE_S:
            raise CapUnknownError("The copy of usage is too old.")
        if not shared.goes_with(copy.memory_id, copy.clock):
            raise CapUnknownError("The approvals since the copy of usage was read are not known.")
        found = []
        for window, concern in windows.items():
            database, pending = shared.approved_since(copy.clock, window, concern)
            used = copy.used.get(window)
            if used is None and window.start > copy.at and window.start >= since:
                used = NO_USAGE
            found.append((window, HostWindow(used, database, pending, taken[window])))
        mine = Turn(tuple(found))
        yield mine
        if mine.approval:
            shared.add(mine.approval, by_stand_in=True)


def prepare() -> None:
    """Create files and memory before they are needed: the first answers have little time.

    A failure is logged; their first use tries again.
    """
    try:
        with closing(_opened(host_files.database(FILE), budget.CAP_WAIT_MS / 1000)) as caps:
            approvals = _not_replayed(caps)
        with memory() as shared:
            if not shared.is_complete:
                shared.complete(approvals)
    except (sqlite3.Error, OSError, HostMemoryError) as error:
        logger.error("The caps of stand-in can't be stored on this host: %s", error)


def note(approval: Approval, fits: Callable[[Memory], bool]) -> None:
    """Note an approval of the database before its transaction commits.

    If stand-in has approvals in one of its scopes that are not in the books yet, `fits` says
    whether the limits allow both. Raises NotReplayedError if they don't, and HostMemoryError; then
    nothing is noted, and nothing may be approved.
    """
    try:
        _note(approval, fits)
    except HostMemoryError as error:
        if not error.is_full:
            raise
        logger.error(
            "Stand-in's copy of usage is not being renewed, so its memory is full: approvals it "
            "needs are forgotten."
        )
        with memory() as shared:
            shared.forget(shared.moment().clock)
        _note(approval, fits)


def _note(approval: Approval, fits: Callable[[Memory], bool]) -> None:
    with memory() as shared:
        if not shared.is_complete:
            shared.complete(_all_not_replayed())
        if shared.awaits_replay(approval.scopes) and not fits(shared):
            raise NotReplayedError(", ".join(approval.scopes))
        shared.add(approval, by_stand_in=False)


def settle(question: str) -> None:
    """Mark a noted approval as committed."""
    with memory() as shared:
        shared.settle(question)


def withdraw(question: str) -> None:
    """Remove a noted approval that was not made after all."""
    with memory() as shared:
        shared.withdraw(question)


def await_replay(question: str) -> None:
    """Mark a noted approval as sent, but not known to be committed: its replay finds out."""
    with memory() as shared:
        shared.await_replay(question)


def settle_replayed(questions: Iterable[str]) -> None:
    """Mark approvals of stand-in as replayed: copies of usage read from now on contain them.

    Raises HostMemoryError, sqlite3.Error and OSError; then they count twice until `settle_lost`.
    """
    with memory() as shared:
        if not shared.is_complete:
            shared.complete(_all_not_replayed())
        settled = [question for question in questions if shared.settle(question)]
    path = host_files.directory() / FILE
    if settled and path.exists():
        with closing(_opened(path, budget.CAP_WAIT_MS / 1000, is_lasting=False)) as caps:
            marked = [[question] for question in settled]
            caps.executemany("UPDATE turn SET is_replayed = 1 WHERE question = ?", marked)


def settle_lost() -> None:
    """Settle approvals that no spool record mentions; call it when nothing waits in the spool.

    Their answers became declines, or their records are in damaged/ and need attention.
    """
    with memory() as shared:
        lost = shared.abandoned(by_stand_in=True)
    if lost:
        settle_replayed(lost)


def _store(caps: sqlite3.Connection, approval: Approval, windows: _Windows) -> None:
    """Write an approval to disk; one that can't be written is withdrawn from the memory."""
    question = approval.question
    try:
        row = [question, codec.to_json(windows), codec.to_json(approval), False]
        caps.execute("INSERT INTO turn VALUES (?, ?, ?, ?)", row)
        key = (approval.currency, approval.created, question, approval.change.amount)
        caps.executemany(
            "INSERT INTO taken VALUES (?, ?, ?, ?, ?)", [(scope, *key) for scope in approval.scopes]
        )
        caps.execute("COMMIT")
    except BaseException:
        withdraw(question)
        raise


def _all_not_replayed() -> list[Approval]:
    """The approvals of stand-in from before this memory existed, read from disk."""
    path = host_files.directory() / FILE
    if not path.exists():
        return []
    try:
        with closing(_opened(path, budget.CAP_WAIT_MS / 1000)) as caps:
            return _not_replayed(caps)
    except sqlite3.OperationalError:
        raise  # busy, or the disk failed: the next attempt may read them
    except sqlite3.DatabaseError as damage:
        logger.error("Stand-in's earlier approvals can't be read from %s: %s", path, damage)
        return []


def _not_replayed(caps: sqlite3.Connection) -> list[Approval]:
    rows = caps.execute("SELECT approval FROM turn WHERE NOT is_replayed")
    return [_decode_approval(approval) for (approval,) in rows.fetchall()]


_decode_windows = msgspec.json.Decoder(_Windows).decode
_decode_approval = msgspec.json.Decoder(Approval).decode


def _opened(path: Path, within_s: float, *, is_lasting: bool = True) -> sqlite3.Connection:
    """A connection that syncs every commit to disk, unless `is_lasting` is false."""
    until = monotonic() + within_s
    caps = sqlite3.connect(path, timeout=within_s, isolation_level=None)
    try:
        while True:
            try:
                caps.execute("PRAGMA journal_mode = WAL")
                break
            except sqlite3.OperationalError:  # "busy" comes at once for a new file
                if monotonic() > until:
                    raise
                sleep(0.001)
        caps.execute(f"PRAGMA synchronous = {'FULL' if is_lasting else 'NORMAL'}")
        if caps.execute("PRAGMA schema_version").fetchone() == (0,):
            # In one transaction: other processes look only for its first table.
            caps.executescript(f"BEGIN IMMEDIATE; {_SCHEMA}; COMMIT")
    except sqlite3.Error:
        caps.close()
        raise
    return caps
