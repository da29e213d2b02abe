"""Keeps the copy that stand-in rests on warm: one process of each host reads the database for all.

Page by page and by key, each in a transaction of its own. What fails leaves the old copy, and
its age, as they are.
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
from django.db.models import QuerySet

from authorizations.models import Assignment, Card, PolicyVersion
from authorizations.services.host import host_files
from authorizations.services.host.local_copy import CARDS, CARDS_SCHEMA, POLICIES, POLICIES_SCHEMA
from authorizations.services.runtime.deadline import deadline
from authorizations.services.stand_in import switch

logger = logging.getLogger(__name__)

PAGE = 2000
PAGE_BUDGET_S = 5.0

_SHARE = 20
"""A reading is followed by a pause of so many times its length: at most a twentieth of one core."""

_LOCK = "standing.lock"
Row = Sequence[Any]


@functools.cache
def _thread(_pid: int, further: tuple[Callable[[], None], ...]) -> threading.Thread:
    thread = threading.Thread(target=_keep_warm, args=(further,), name="standing-copy", daemon=True)
    thread.start()
    return thread


def keep_warm(*further: Callable[[], None]) -> None:
    """Renew the copy from now on, in the background; once for each process, however often asked.

    `further` parts are renewed after the policies.
    """
    _thread(os.getpid(), further)


_has_begun = threading.Event()


def await_first(within_s: float) -> bool:
    """Wait until this process has read its first copy, or left that to another of this host.

    Meanwhile it has little time for purchases. Whether it has.
    """
    return _has_begun.wait(within_s)


def _keep_warm(further: Sequence[Callable[[], None]]) -> None:
    while True:
        try:
            # Whoever is first does it for the host until its end; then another takes over.
            with host_files.alone(_LOCK, wait=False) as is_mine:
                if is_mine:
                    _renew_for_ever(further)
        except Exception:
            logger.exception("The copy for stand-in can't be kept in SPOOL_DIR; trying again.")
        _has_begun.set()
        time.sleep(settings.STAND_IN_REFRESH_S)


def _renew_for_ever(further: Sequence[Callable[[], None]]) -> None:
    parts = [CopyPart(renew) for renew in (renew_switch, renew_policies, *further, renew_cards)]
    while True:
        for part in parts:
            part.renew_when_due()
        _has_begun.set()
        time.sleep(settings.STAND_IN_REFRESH_S)


@dataclass(slots=True)
class CopyPart:
    """A part of what is kept warm, and when it is to be read again."""

    renew: Callable[[], None]
    due: float = 0.0
    failing: bool = False

    def renew_when_due(self) -> None:
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
        self.due = ended + _SHARE * (ended - began)


def renew_switch() -> None:
    """Follow whoever switched stand-in on or off at another host."""
    with deadline(time.monotonic() + PAGE_BUDGET_S):
        switch.renew()


def renew_policies() -> None:
    """Read what is assigned to whom, in which version, and which cards are frozen.

    Raises django.db.Error, OSError and sqlite3.Error; then the old copy stays.
    """
    began = time.time()
    assignments = Assignment.objects.exclude(policy__current_version=None)
    assigned = list(pages(assignments, "scope", "policy__current_version_id"))
    # After the assignments: versions never change, so each one they name is there.
    wanted = PolicyVersion.objects.filter(pk__in={version for _, _, version in assigned})
    with new_copy(POLICIES, POLICIES_SCHEMA, began) as copy:
        _insert(copy, "version", pages(wanted, "number", "content"))
        _insert(copy, "assignment", [row[1:] for row in assigned])
        _insert(copy, "frozen", pages(Card.objects.filter(frozen=True)))


def renew_cards() -> None:
    """Read to which chain, cardholder and group each card belongs. Raises as `renew_policies`."""
    began = time.time()
    with new_copy(CARDS, CARDS_SCHEMA, began) as copy:
        columns = ("root_id", "cardholder_id", "root__group_id")
        rows = pages(Card.objects.all(), *columns)
        _insert(copy, "card", ((*row[:2], row[2] or "", str(row[3] or "")) for row in rows))


def pages(rows: QuerySet[Any], *columns: str) -> Iterator[Row]:
    """The key and these columns of all rows, in the order of the key."""
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
        places = ", ".join("?" for _ in first)
        insert = f"INSERT OR IGNORE INTO {table} VALUES ({places})"  # noqa: S608 - names of ours
        copy.execute(insert, first)
        copy.executemany(insert, rows)


@contextmanager
def new_copy(name: str, schema: str, *read: float | str) -> Iterator[sqlite3.Connection]:
    """A part of the copy to be filled, which replaces the old one.

    `read` is the row that tells of its reading, beginning with when that began.
    """
    place = host_files.directory() / name
    with host_files.replacing(place) as path, closing(sqlite3.connect(path)) as copy:
        # Nobody reads it before it is whole, and `replacing` sees it to the disk.
        copy.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")
        copy.executescript(schema)
        marks = ", ".join("?" * len(read))
        copy.execute(f"INSERT INTO read VALUES ({marks})", read)  # noqa: S608 - only marks
        yield copy
        copy.commit()
