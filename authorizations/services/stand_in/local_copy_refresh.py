"""Renews the local copy that stand-in decides from; one process of each host does it for all.

Tables are read by key in pages, each page in a transaction of its own. If reading fails, the old
copy stays, and so does its age.
"""

import functools
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from authorizations.models import (
    Assignment,
    Card,
    Instruction,
    OpenInstruction,
    PlannedVersion,
    Policy,
    PolicyVersion,
)
from authorizations.services.host import host_files
from authorizations.services.host.local_copy import CARDS, CARDS_SCHEMA, POLICIES, POLICIES_SCHEMA
from authorizations.services.runtime.deadline import deadline
from authorizations.services.stand_in import switch

logger = logging.getLogger(__name__)

PAGE = 2000
PAGE_BUDGET_S = 5.0

_PAUSE_FACTOR = 20
"""How many times longer than a read the pause after it is: at most a twentieth of one core."""

_LOCK = "standing.lock"
Row = Sequence[Any]


@functools.cache
def _started(_pid: int, further: tuple[Callable[[], None], ...]) -> threading.Thread:
    thread = threading.Thread(target=_refresh, args=(further,), name="local-copy", daemon=True)
    thread.start()
    return thread


def keep_fresh(*further: Callable[[], None]) -> None:
    """Renew the copy in the background from now on; further calls in a process do nothing.

    `further` parts are renewed after the policies.
    """
    _started(os.getpid(), further)


_first_is_done = threading.Event()


def await_first(within_s: float) -> bool:
    """Wait up to `within_s` seconds for this process's first renewal; returns whether it is done.

    While it runs, the process has little time for purchases. A process that leaves renewing to
    another one of the host is done at once.
    """
    return _first_is_done.wait(within_s)


def _refresh(further: Sequence[Callable[[], None]]) -> None:
    parts = [CopyPart(renew) for renew in (renew_switch, renew_policies, *further, renew_cards)]
    while True:
        try:
            # The first process renews for the whole host; when it ends, another takes over.
            with host_files.alone(_LOCK, wait=False) as is_mine:
                while is_mine:
                    for part in parts:
                        part.renew_when_due()
                    _first_is_done.set()
                    time.sleep(settings.STAND_IN_REFRESH_S)
        except Exception:
            logger.exception("The copy for stand-in can't be kept in SPOOL_DIR; trying again.")
        _first_is_done.set()
        time.sleep(settings.STAND_IN_REFRESH_S)


@dataclass(slots=True)
class CopyPart:
    """A part of the copy and when to read it again, on the clock of time.monotonic()."""

    renew: Callable[[], None]
    due: float = 0.0
    failing: bool = False

    def renew_when_due(self) -> None:
        """Read it again if it is due. A failure is logged once, until it succeeds."""
        began = time.monotonic()
        if began < self.due:
            return
        try:
            self.renew()
        except Exception as error:  # noqa: BLE001 - whatever it is, the old copy stays
            if not self.failing:
                logger.warning("%s failed, the old copy stays: %s", self.renew.__name__, error)
            self.failing = True
        else:
            self.failing = False
        ended = time.monotonic()
        self.due = ended + _PAUSE_FACTOR * (ended - began)


def renew_switch() -> None:
    """Follow a switch of stand-in that was made at another host."""
    with deadline(time.monotonic() + PAGE_BUDGET_S):
        switch.renew()


def renew_policies() -> None:
    """Read the assignments, the versions of their policies, and what is frozen or blocked.

    Raises django.db.Error, OSError and sqlite3.Error; then the old copy stays.
    """
    began = time.time()
    every = [row[1:] for row in pages(Assignment.objects.all(), "scope", "policy_id", "each")]
    # Read after the assignments, the versions last, which never change: all that are named exist.
    tenures = list(_tenures())
    published = {policy for policy, *_ in tenures}
    assigned = [row for row in every if row[1] in published]
    wanted = PolicyVersion.objects.filter(pk__in={version for _, version, *_ in tenures})
    with new_copy(POLICIES, POLICIES_SCHEMA, began) as copy:
        _insert(copy, "version", pages(wanted, "number", "content"))
        _insert(copy, "tenure", tenures)
        _insert(copy, "assignment", assigned)
        _insert(copy, "frozen", pages(Card.objects.filter(frozen=True)))
        _insert(copy, "instruction", _instructions())


def _tenures() -> Iterator[Row]:
    """Policy, version, beginning and end of what is in force, or is planned to be.

    The plans first: what is published over one meanwhile leaves it in force once more.
    """
    open_ = PlannedVersion.objects.open()
    for _, policy, version, begins, ends in pages(
        open_, "policy_id", "version_id", "begins_at", "ends_at"
    ):
        yield policy, version, begins.timestamp(), ends and ends.timestamp()
    published = Policy.objects.exclude(current_version=None)
    for policy, version in pages(published, "current_version_id"):
        # It began before all plans that are open, and by then by any clock.
        yield policy, version, 0, None


def _instructions() -> Iterator[Row]:
    """What holds or begins later of what operators instructed, as the copy keeps it.

    What has begun by the database's clock holds at once, however late this host's is. No
    exceptions: without the database nobody knows whether one is used.
    """
    open_ = OpenInstruction.objects.exclude(ends_at__lte=timezone.now())
    open_ = open_.exclude(instruction__kind=Instruction.Kind.EXCEPTION)
    open_ = open_.annotate(has_begun=Q(starts_at__lte=Now()))
    columns = ("scope", "has_begun", "starts_at", "ends_at", "told")
    for id_, scope, has_begun, starts_at, ends_at, told in pages(open_, *columns):
        begins = 0 if has_begun else starts_at.timestamp()
        yield id_, scope, begins, ends_at and ends_at.timestamp(), told


def renew_cards() -> None:
    """Read each card's replacement chain, cardholder and group. Raises as `renew_policies`."""
    began = time.time()
    with new_copy(CARDS, CARDS_SCHEMA, began) as copy:
        columns = ("root_id", "cardholder_id", "root__group_id")
        rows = pages(Card.objects.all(), *columns)
        _insert(copy, "card", ((*row[:2], row[2] or "", str(row[3] or "")) for row in rows))


def pages(rows: QuerySet[Any], *columns: str) -> Iterator[Row]:
    """The key and these columns of every row, ordered by key. Raises django.db.Error."""
    last = None
    while True:
        page = rows if last is None else rows.filter(pk__gt=last)
        with deadline(time.monotonic() + PAGE_BUDGET_S):
            found = list(page.order_by("pk").values_list("pk", *columns)[:PAGE])
        yield from found
        if len(found) < PAGE:
            return
        last = found[-1][0]


def _insert(copy: sqlite3.Connection, table: str, rows: Iterable[Row]) -> None:
    rows = iter(rows)
    for first in rows:
        marks = ", ".join("?" for _ in first)
        insert = f"INSERT OR IGNORE INTO {table} VALUES ({marks})"  # noqa: S608 - our own names
        copy.execute(insert, first)
        copy.executemany(insert, rows)


@contextmanager
def new_copy(name: str, schema: str, *read: float | str) -> Iterator[sqlite3.Connection]:
    """An empty part of the copy to fill; it replaces the old one when the block ends.

    `read` is the row of its table `read`; its first value is when reading began, in Unix seconds.
    """
    target = host_files.directory() / name
    with host_files.replacing(target) as path, closing(sqlite3.connect(path)) as copy:
        # No process reads it before it is complete, and `replacing` syncs it to disk.
        copy.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")
        copy.executescript(schema)
        marks = ", ".join("?" * len(read))
        copy.execute(f"INSERT INTO read VALUES ({marks})", read)  # noqa: S608 - only marks
        yield copy
        copy.commit()
