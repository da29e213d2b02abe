"""Replay: what waits in the spool is brought into the books, in the order of answering.

A file is removed once all its records are committed. Stopped at any point it neither loses nor
doubles: each record is written exactly once, however often it is read (late.py).
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
from authorizations.services.stand_in.spool_record import Spooled, UnreadableRecordError, decode
from authorizations.wire import events
from authz_project import owners

logger = logging.getLogger(__name__)

_PLACE = ".place"


class AnotherReplayError(Exception):
    """Another process of this host replays at this moment."""


@dataclass(frozen=True, slots=True)
class ReplayStep:
    """One record dealt with: what became of it, or the problem with it or with its file.

    `size_bytes` is how much of the spool it was.
    """

    size_bytes: int = 0
    replayed: Replayed | None = None
    problem: str = ""
    note: str = ""


@dataclass(order=True, slots=True)
class _Reading:
    """A file and the next of its records; files are replayed side by side."""

    answered_at: datetime
    path: Path
    place: int = field(compare=False)
    record: Record = field(compare=False)
    spooled: Spooled = field(compare=False)


def some(budget_s: float) -> int:
    """Replay for so long, where there is something and the database answers.

    Returns how many records it dealt with. Never raises, and costs next to nothing where nothing
    waits: to be called often, outside of transactions, by every process. Lets go of this
    process's file first.
    """
    directory = Path(settings.SPOOL_DIR)
    done = 0
    try:
        if not spool_reader.waiting(directory):
            _settle_lost()
            return 0
        until = time.monotonic() + budget_s
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
        connection.ensure_connection()
        spool_writer.spool().rotate()
        with closing(steps(directory, with_growing=False)) as replayed:
            for step in replayed:
                done += 1
                _log(step)
                if time.monotonic() >= until:
                    break
        if not spool_reader.waiting(directory):
            host_answers.forget_replayed()
    except AnotherReplayError:
        pass
    except (Error, CannotReplayError, OSError) as error:
        logger.warning("The spool can't be replayed just now: %s", error)
    return done


def remember_waiting() -> None:
    """What the host has answered, from what waits in its spool: a power cut may have cost it."""
    directory = Path(settings.SPOOL_DIR)
    if host_answers.is_whole() or not directory.is_dir():
        return
    for path in spool_reader.waiting(directory):
        place = 0
        with suppress(OSError, DamagedError, UnreadableRecordError):  # the replay says so
            while record := spool_reader.read(path, place):
                answered, place = decode(record.payload), record.end
                if answered.decision and answered.reason != DeclineReason.CONFLICTING_EVENT:
                    host_answers.note(answered.delivery().decision_id, answered.as_sent())
    host_answers.mark_whole()


def _log(step: ReplayStep) -> None:
    if step.problem:
        logger.error("%s", step.problem)
    elif step.note:
        logger.warning("%s", step.note)


def size_bytes(directory: Path) -> int:
    """How much waits, apart from what was dealt with before."""
    waiting = spool_reader.waiting(directory)
    return sum(max(0, spool_reader.size_of(path) - _place_in(path)) for path in waiting)


def steps(directory: Path, *, with_growing: bool) -> Generator[ReplayStep, None, None]:
    """Replay all that waits, record by record; files of living processes only where asked for.

    Raises AnotherReplayError, and django.db.Error, CannotReplayError and OSError where it can't go
    on now; what was dealt with until then stays so.
    """
    if not directory.is_dir():
        return
    with spool_reader.replaying(directory) as is_alone:
        if not is_alone:
            raise AnotherReplayError("Another process of this host is replaying the spool.")
        yield from _steps(directory, with_growing=with_growing)


def _steps(directory: Path, *, with_growing: bool) -> Iterator[ReplayStep]:
    readings: list[_Reading] = []
    try:
        for path in spool_reader.waiting(directory):
            if with_growing or not spool_reader.is_growing(path):
                yield from _read_on(readings, path, _place_in(path))
        while readings:
            reading = readings[0]
            step = _replay(reading)
            reading.place = reading.record.end
            yield step
            heapq.heappop(readings)
            yield from _read_on(readings, reading.path, reading.place)
    finally:
        for reading in readings:
            _note_place(reading.path, reading.place)


def _read_on(readings: list[_Reading], path: Path, place: int) -> Iterator[ReplayStep]:
    """Put the next record of a file among those to replay, or be done with the file."""
    begin = place
    try:
        while record := spool_reader.read(path, place):
            try:
                spooled = decode(record.payload)
            except UnreadableRecordError as error:
                yield _keep_aside(path, record, str(error))
                place = record.end
            else:
                reading = _Reading(spooled.answered_at, path, begin, record, spooled)
                heapq.heappush(readings, reading)
                return
    except DamagedError as damage:
        yield from _damaged(path, damage)
    else:
        spool_reader.remove(path, place)
    if path.exists():  # a living process goes on writing it
        _note_place(path, place)
    else:
        path.with_suffix(_PLACE).unlink(missing_ok=True)


def _replay(reading: _Reading) -> ReplayStep:
    record = reading.record
    size = record.end - record.start
    try:
        replayed = replay_one.replay(reading.spooled)
        _settle(reading.spooled)
        return ReplayStep(size, replayed)
    except (IntegrityError, DataError) as error:
        why = f"the database refuses it: {str(error).strip()}"
    except (Error, CannotReplayError):
        raise  # the database is away or busy: later
    except Exception as error:
        logger.exception("A spooled answer could not be replayed.")
        why = f"{type(error).__name__}: {error}"
    return _keep_aside(reading.path, record, why)


def _settle(spooled: Spooled) -> None:
    """What the books have by now counts there, and nowhere else.

    Only the approval's own record says so: one that repeats it, or declines under its event id, may
    lie in a file that is replayed before.
    """
    if spooled.decision is None or not spooled.decision.approved:
        return
    try:
        request = events.authorization_request(spooled.delivery().event)
        caps.replayed([caps.question_of(request)])
    except events.MalformedEventError:
        pass  # nothing was taken for what nobody could read
    except (HostMemoryError, sqlite3.Error, OSError) as error:
        logger.warning("A replayed answer counts twice for a minute: %s", error)


def _settle_lost() -> None:
    try:
        caps.settle_lost()
    except (HostMemoryError, sqlite3.Error, OSError) as error:
        logger.warning("What stand-in has taken can't be looked through: %s", error)


def _keep_aside(path: Path, record: Record, why: str) -> ReplayStep:
    place = spool_reader.keep_aside(path, record, why)
    problem = f"An answer could not be brought into the books, and lies in {place}: {why}"
    return ReplayStep(record.end - record.start, problem=problem)


def _damaged(path: Path, damage: DamagedError) -> Iterator[ReplayStep]:
    if spool_reader.is_growing(path):
        if not damage.is_unfinished:
            yield ReplayStep(problem=f"{path}, byte {damage.start:,}: {damage.sentence}")
        return
    size = path.stat().st_size - damage.start
    place = spool_reader.set_aside(path, damage)
    told = f"byte {damage.start:,}: {damage.sentence} It lies in {place}, with a note beside it."
    if damage.is_unfinished:
        yield ReplayStep(size, note=f"{path.name}, {told} Its answer was never sent.")
    else:
        yield ReplayStep(size, problem=f"{path.name}, {told}")


def _place_in(path: Path) -> int:
    """Up to where a file was dealt with: saves reading it again, and may be out of date."""
    with suppress(OSError, ValueError):
        return int(path.with_suffix(_PLACE).read_text())
    return 0


def _note_place(path: Path, place: int) -> None:
    new = path.with_suffix(".new")
    with suppress(OSError):
        new.write_text(str(place))
        owners.give(new, new.parent)
        new.replace(path.with_suffix(_PLACE))
