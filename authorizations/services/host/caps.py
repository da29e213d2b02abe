"""What stand-in may still approve in each window: what it has taken, for all processes of the host.

A cap lasts as long as the window of the limit, so what stand-in approved is kept on this host's
disk, and counts whether it is replayed or not. What was left of the limit is told by the copy of
usage; host_memory.py has what this host has approved since that was read.
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
from authorizations.rules.decision.stand_in import WindowHeard
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

_Heard = tuple[tuple[Window, WindowHeard], ...]


class CapUnknownError(Exception):
    """What was approved before could not be looked up, or what is approved now not kept."""


class NotReplayedError(Exception):
    """Stand-in approved what the books do not have yet, and with it a limit has no room."""


@dataclass(slots=True)
class Turn:
    """One purchase's turn at its windows: nobody else on the host takes of them meanwhile."""

    heard: _Heard
    approval: Approval | None = None

    def take(self, approval: Approval) -> None:
        self.approval = approval


def question_of(request: AuthorizationRequest) -> str:
    """What is asked, the same for each repetition of an event.

    Under an event's id once more, but about something else, is another question.
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
    question: str, windows: Mapping[Window, LimitFilter], *, within_s: float
) -> Iterator[Turn]:
    """Hear of these windows and take of them; what was taken is on the disk when this ends.

    The same question gets the same turn again and takes nothing twice. Waits at most `within_s`
    for others. Raises CapUnknownError.
    """
    try:
        with closing(_opened(host_files.database(FILE), within_s)) as caps:
            caps.execute("BEGIN IMMEDIATE")
            mine = _earlier(caps, question)
            if mine is not None:
                yield mine
                return
            with _heard_of(caps, windows, within_s) as mine:
                yield mine
            if mine.approval:
                _keep(caps, mine.approval, mine.heard)
    except (sqlite3.Error, OSError, HostMemoryError, local_copy.NothingKnownError) as error:
        raise CapUnknownError(str(error)) from error


@contextmanager
def _heard_of(
    caps: sqlite3.Connection, windows: Mapping[Window, LimitFilter], within_s: float
) -> Iterator[Turn]:
    """A turn of which what is taken is in the memory when this ends."""
    copy = local_copy.usage(windows)
    taken = {window: _taken(caps, window) for window in windows}
    with memory(within_s) as held:
        if not held.is_complete:
            held.complete(_not_replayed(caps))
        if not held.goes_with(copy.memory_id, copy.clock):
            copy = local_copy.usage(windows)  # another one took its place just now
        if copy.age_s > settings.STAND_IN_MAX_AGE_S:
            raise CapUnknownError("The copy of usage is too old to rest on.")
        if not held.goes_with(copy.memory_id, copy.clock):
            raise CapUnknownError("What was approved since usage was read is not known.")
        heard = []
        for window, concern in windows.items():
            database, pending = held.approved_since(copy.clock, window, concern)
            used = copy.used.get(window)
            if used is None and window.start > copy.at:
                used = NO_USAGE
            heard.append((window, WindowHeard(used, database, pending, taken[window])))
        mine = Turn(tuple(heard))
        yield mine
        if mine.approval:
            held.add(mine.approval, by_stand_in=True)


def prepare() -> None:
    """Make files and memory before they are needed: the first answers have little time.

    What fails is logged, and tried again by whoever needs it.
    """
    try:
        with closing(_opened(host_files.database(FILE), budget.CAP_WAIT_MS / 1000)) as caps:
            approvals = _not_replayed(caps)
        with memory() as held:
            if not held.is_complete:
                held.complete(approvals)
    except (sqlite3.Error, OSError, HostMemoryError) as error:
        logger.error("What stand-in may approve can't be kept here: %s", error)


def note(approval: Approval, fits: Callable[[Memory], bool]) -> None:
    """Note what is about to be approved by the database, before its transaction commits.

    Where stand-in approved in one of its scopes what the books do not have yet, `fits` says whether
    there is room for both. Raises NotReplayedError where there is not, and HostMemoryError; then
    nothing is noted, and nothing may be approved.
    """
    try:
        _note(approval, fits)
    except HostMemoryError as error:
        if not error.is_full:
            raise
        logger.error("Nobody renews stand-in's copy of usage: what it needs is forgotten.")
        with memory() as held:
            held.forget(held.moment().clock)
        _note(approval, fits)


def _note(approval: Approval, fits: Callable[[Memory], bool]) -> None:
    with memory() as held:
        if not held.is_complete:
            held.complete(_all_not_replayed())
        if held.awaits_replay(approval.scopes) and not fits(held):
            raise NotReplayedError(", ".join(approval.scopes))
        held.add(approval, by_stand_in=False)


def settle(question: str) -> None:
    """What was noted is committed."""
    with memory() as held:
        held.settle(question)


def withdraw(question: str) -> None:
    """What was noted is not approved after all."""
    with memory() as held:
        held.withdraw(question)


def await_replay(question: str) -> None:
    """What was noted was sent, and nobody knows whether it is committed; its replay will."""
    with memory() as held:
        held.await_replay(question)


def replayed(questions: Iterable[str]) -> None:
    """What stand-in approved is in the books: copies of usage read from now on have it.

    Raises HostMemoryError, sqlite3.Error and OSError; then it counts beside them until
    `settle_lost`.
    """
    with memory() as held:
        if not held.is_complete:
            held.complete(_all_not_replayed())
        keys = [question for question in questions if held.settle(question)]
    path = host_files.directory() / FILE
    if keys and path.exists():
        with closing(_opened(path, budget.CAP_WAIT_MS / 1000, is_lasting=False)) as caps:
            marked = [[question] for question in keys]
            caps.executemany("UPDATE turn SET is_replayed = 1 WHERE question = ?", marked)


def settle_lost() -> None:
    """Once nothing waits in the spool: what stand-in took for answers that no record tells of.

    They were turned into declines, or their records lie where somebody must look at them.
    """
    with memory() as held:
        lost = held.abandoned(by_stand_in=True)
    if lost:
        replayed(lost)


def _earlier(caps: sqlite3.Connection, question: str) -> Turn | None:
    found = caps.execute("SELECT heard FROM turn WHERE question = ?", [question]).fetchone()
    return Turn(_decode_heard(found[0])) if found else None


def _taken(caps: sqlite3.Connection, window: Window) -> int:
    """What stand-in has approved in the window, whatever was bought."""
    [(amount,)] = caps.execute(
        "SELECT coalesce(sum(amount), 0) FROM taken"
        " WHERE scope = ? AND currency = ? AND created >= ? AND created < ?",
        [scope_key(window.scope), window.currency, window.start, window.end],
    ).fetchall()
    return int(amount)


def _keep(caps: sqlite3.Connection, approval: Approval, heard: _Heard) -> None:
    """On the disk; what can't be kept is taken back from the memory."""
    question = approval.question
    try:
        row = [question, codec.to_json(heard), codec.to_json(approval), False]
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
    """What stand-in approved before this memory began, from the disk; once after a start."""
    path = host_files.directory() / FILE
    if not path.exists():
        return []
    try:
        with closing(_opened(path, budget.CAP_WAIT_MS / 1000)) as caps:
            return _not_replayed(caps)
    except sqlite3.OperationalError:
        raise  # busy, or the disk: it may be read the next time, and must not be forgotten
    except sqlite3.DatabaseError as damage:
        logger.error("What stand-in approved before can't be read in %s: %s", path, damage)
        return []


def _not_replayed(caps: sqlite3.Connection) -> list[Approval]:
    rows = caps.execute("SELECT approval FROM turn WHERE NOT is_replayed")
    return [_decode_approval(approval) for (approval,) in rows.fetchall()]


_decode_heard = msgspec.json.Decoder(_Heard).decode
_decode_approval = msgspec.json.Decoder(Approval).decode


def _write_ahead(caps: sqlite3.Connection, until: float) -> None:
    """For a new file SQLite says at once that it is busy, whatever its time-out."""
    while True:
        try:
            caps.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if monotonic() > until:
                raise
            sleep(0.001)
        else:
            return


def _opened(path: Path, within_s: float, *, is_lasting: bool = True) -> sqlite3.Connection:
    """With one write to the disk for each turn; none where what is kept may be lost."""
    caps = sqlite3.connect(path, timeout=within_s, isolation_level=None)
    try:
        _write_ahead(caps, monotonic() + within_s)
        caps.execute(f"PRAGMA synchronous = {'FULL' if is_lasting else 'NORMAL'}")
        if caps.execute("PRAGMA schema_version").fetchone() == (0,):
            # All of it or nothing: others go by its first table.
            caps.executescript(f"BEGIN IMMEDIATE; {_SCHEMA}; COMMIT")
    except sqlite3.Error:
        caps.close()
        raise
    return caps
