"""Replay: brings the answers in the spool into the books, in the order in which they were sent.

A file is removed once all its records are committed. A replay can be stopped at any point: each
record is written exactly once, however often it is read (replay_one.py).
"""

import heapq
import logging
import sqlite3
import time
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import DataError, Error, IntegrityError, connection

from authorizations.rules.decision.values import DeclineReason
from authorizations.services.host import caps, host_answers, spool_reader, spool_writer
from authorizations.services.host.host_memory import HostMemoryError
from authorizations.services.host.spool_reader import DamagedError, Record
from authorizations.services.stand_in import replay_one
from authorizations.services.stand_in.replay_one import CannotReplayError, Replayed
from authorizations.services.stand_in.spool_record import SpoolRecord, UnreadableRecordError, decode
from authorizations.wire import events
from authz_project import owners

logger = logging.getLogger(__name__)

_OFFSET_SUFFIX = ".place"


class AnotherReplayError(Exception):
    """Another process of this host is replaying."""


@dataclass(frozen=True, slots=True)
class ReplayStep:
    """One record dealt with: its outcome, or the problem with it or with its file.

    `size_bytes` is its share of the spool.
    """

    size_bytes: int = 0
    replayed: Replayed | None = None
    problem: str = ""
    note: str = ""


@dataclass(order=True, slots=True)
class _NextRecord:
    """A file's next record; files are replayed side by side, ordered by these.

    `offset` is where a later replay resumes in the file.
    """

    answered_at: datetime
    path: Path
    offset: int = field(compare=False)
    record: Record = field(compare=False)
    spooled: SpoolRecord = field(compare=False)


def run_for(budget_s: float) -> int:
    """Replay what waits, for up to `budget_s` seconds; returns the number of records dealt with.

    Never raises, and costs almost nothing if nothing waits: every process calls it often, outside
    of transactions. Releases this process's own file first, so that it is replayed as well.
    """
    directory = Path(settings.SPOOL_DIR)
    done = 0
    try:
        if not spool_reader.waiting(directory):
            try:
                caps.settle_lost()
            except (HostMemoryError, sqlite3.Error, OSError) as error:
                logger.warning("Stand-in's unsettled approvals can't be read: %s", error)
            return 0
        until = time.monotonic() + budget_s
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
        connection.ensure_connection()
        spool_writer.spool().rotate()
        with closing(steps(directory, with_growing=False)) as replayed:
            for step in replayed:
                done += 1
                if step.problem:
                    logger.error("%s", step.problem)
                elif step.note:
                    logger.warning("%s", step.note)
                if time.monotonic() >= until:
                    break
        if not spool_reader.waiting(directory):
            host_answers.forget_replayed()
    except AnotherReplayError:
        pass
    except (Error, CannotReplayError, OSError) as error:
        logger.warning("The spool can't be replayed just now: %s", error)
    return done


def restore_host_answers() -> None:
    """Read the host's answers back from the spool, in case a power cut damaged their file."""
    directory = Path(settings.SPOOL_DIR)
    if host_answers.is_whole() or not directory.is_dir():
        return
    for path in spool_reader.waiting(directory):
        offset = 0
        with suppress(OSError, DamagedError, UnreadableRecordError):  # the replay reports these
            while record := spool_reader.read(path, offset):
                spooled, offset = decode(record.payload), record.end
                if spooled.decision and spooled.reason != DeclineReason.CONFLICTING_EVENT:
                    host_answers.note(spooled.delivery().decision_id, spooled.as_sent())
    host_answers.mark_whole()


def size_bytes(directory: Path) -> int:
    """The size of what waits, less what earlier replays have dealt with."""
    waiting = spool_reader.waiting(directory)
    return sum(max(0, spool_reader.size_of(path) - _offset_in(path)) for path in waiting)


def steps(directory: Path, *, with_growing: bool) -> Generator[ReplayStep, None, None]:
    """Replay everything that waits, record by record.

    `with_growing`: also the files that living processes are writing. Raises AnotherReplayError, and
    django.db.Error, CannotReplayError and OSError if it can't continue now; records dealt with
    until then stay so.
    """
    if not directory.is_dir():
        return
    with spool_reader.replaying(directory) as is_alone:
        if not is_alone:
            raise AnotherReplayError("Another process of this host is replaying the spool.")
        queue: list[_NextRecord] = []
        try:
            for path in spool_reader.waiting(directory):
                if with_growing or not spool_reader.is_growing(path):
                    yield from _queue_next(queue, path, _offset_in(path))
            while queue:
                first = queue[0]
                step = _replay(first)
                first.offset = first.record.end
                yield step
                heapq.heappop(queue)
                yield from _queue_next(queue, first.path, first.offset)
        finally:
            for waiting in queue:
                _save_offset(waiting.path, waiting.offset)


def _queue_next(queue: list[_NextRecord], path: Path, offset: int) -> Iterator[ReplayStep]:
    """Queue the next record of a file that can be decoded; without one, finish the file.

    A finished file is removed, or moved to damaged/ if its rest can't be read.
    """
    begin = offset
    try:
        while record := spool_reader.read(path, offset):
            try:
                spooled = decode(record.payload)
            except UnreadableRecordError as error:
                yield _keep_aside(path, record, str(error))
                offset = record.end
            else:
                next_record = _NextRecord(spooled.answered_at, path, begin, record, spooled)
                heapq.heappush(queue, next_record)
                return
    except DamagedError as damage:
        if not spool_reader.is_growing(path):
            size = path.stat().st_size - damage.start
            moved_to = spool_reader.set_aside(path, damage)
            message = (
                f"{path.name}, byte {damage.start:,}: {damage.sentence} The file is now "
                f"{moved_to}, with a note beside it."
            )
            if damage.is_unfinished:
                yield ReplayStep(size, note=f"{message} Its answer was never sent.")
            else:
                yield ReplayStep(size, problem=message)
        elif not damage.is_unfinished:
            yield ReplayStep(problem=f"{path}, byte {damage.start:,}: {damage.sentence}")
    else:
        spool_reader.remove(path, offset)
    if path.exists():  # a living process is still writing it
        _save_offset(path, offset)
    else:
        path.with_suffix(_OFFSET_SUFFIX).unlink(missing_ok=True)


def _replay(next_record: _NextRecord) -> ReplayStep:
    record = next_record.record
    size = record.end - record.start
    try:
        replayed = replay_one.replay(next_record.spooled)
        _settle(next_record.spooled)
        return ReplayStep(size, replayed)
    except (IntegrityError, DataError) as error:
        why = f"the database refuses it: {str(error).strip()}"
    except (Error, CannotReplayError):
        raise  # the database is away or busy: a later replay tries again
    except Exception as error:
        logger.exception("A spooled answer could not be replayed.")
        why = f"{type(error).__name__}: {error}"
    return _keep_aside(next_record.path, record, why)


def _settle(spooled: SpoolRecord) -> None:
    """Stop counting a replayed approval in this host's memory: the books count it now.

    Only the approval's own record settles it. A record that repeats it, or a decline under its
    event id, may be in a file that is replayed earlier.
    """
    if spooled.decision is None or not spooled.decision.approved:
        return
    try:
        request = events.authorization_request(spooled.delivery().event)
        caps.settle_replayed([caps.question_of(request)])
    except events.MalformedEventError:
        pass  # no cap was charged for a request that can't be read
    except (HostMemoryError, sqlite3.Error, OSError) as error:
        logger.warning("A replayed answer counts twice for a minute: %s", error)


def _keep_aside(path: Path, record: Record, why: str) -> ReplayStep:
    kept_in = spool_reader.keep_aside(path, record, why)
    problem = f"An answer could not be brought into the books and is kept in {kept_in}: {why}"
    return ReplayStep(record.end - record.start, problem=problem)


def _offset_in(path: Path) -> int:
    """Where the last replay of a file ended. May be out of date: records are read again then."""
    with suppress(OSError, ValueError):
        return int(path.with_suffix(_OFFSET_SUFFIX).read_text())
    return 0


def _save_offset(path: Path, offset: int) -> None:
    new = path.with_suffix(".new")
    with suppress(OSError):
        new.write_text(str(offset))
        owners.give(new, new.parent)
        new.replace(path.with_suffix(_OFFSET_SUFFIX))
