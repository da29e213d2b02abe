"""Gauges that are read when /metrics is: work that waits in the database and on this host's disk.

They never delay a decision: one thread of a process at a time queries the database, for a second at
most, and none while the breaker is open.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from threading import Lock
from time import monotonic, time

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.utils import timezone
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from authorizations.models import UncountedWindow
from authorizations.services.host import local_copy, spool_reader
from authorizations.services.lifecycle import intake, open_findings, stale_holds, unheard
from authorizations.services.runtime.deadline import deadline
from authorizations.services.stand_in import spool_watch, switch
from authorizations.services.webhook import answering

FRESH_S = 2.0
"""Seconds for which a reading is reused."""

MOST = 10_000
"""Rows are counted up to this number; more is as alarming."""

_TIMEOUT_MS = 500
_DEADLINE_S = 1.0
"""The client's deadline, should the server not keep the timeout; it costs the connection."""


@dataclass(frozen=True, slots=True)
class Work:
    """Numbers of rows that need attention, each up to MOST."""

    findings_open: int
    events_not_applied: int
    holds_past_their_time: int
    windows_uncounted: int


@dataclass(slots=True, eq=False)
class DatabaseReadings(Collector):
    """The gauges of the database; if it does not answer, only desk_database_up."""

    _lock: Lock = field(default_factory=Lock)
    _read_at: float = -FRESH_S
    _work: Work | None = None

    def collect(self) -> Iterable[Metric]:
        work = self._latest()
        yield GaugeMetricFamily(
            "desk_database_up", "Whether the database answered when this was read.", bool(work)
        )
        if work is None:
            return
        yield _capped("desk_findings_open", "Findings that are open", work.findings_open)
        yield _capped(
            "desk_events_not_applied",
            "Events of Stripe's that could not be applied to the books",
            work.events_not_applied,
        )
        yield _capped(
            "desk_holds_past_their_time",
            "Overdue holds, for which no closing event arrived",
            work.holds_past_their_time,
        )
        yield _capped(
            "desk_windows_uncounted",
            "Limits' windows whose earlier purchases are being counted",
            work.windows_uncounted,
        )

    def _latest(self) -> Work | None:
        """The latest reading. While a thread reads, others get the one before."""
        if self._lock.acquire(blocking=False):
            try:
                if monotonic() - self._read_at >= FRESH_S:
                    self._work = None if answering.breaker.is_open else _count_work()
                    self._read_at = monotonic()
            finally:
                self._lock.release()
        return self._work


def _capped(name: str, what: str, value: int) -> Metric:
    return GaugeMetricFamily(name, f"{what}; counted up to {MOST:,}.", value)


def _count_work() -> Work | None:
    """None if the database does not answer in time."""
    try:
        with (
            deadline(monotonic() + _DEADLINE_S),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(f"SET LOCAL statement_timeout = {_TIMEOUT_MS}")
            return Work(
                open_findings.count_open(MOST),
                intake.needing_attention(timezone.now())[:MOST].count(),
                stale_holds.oldest_overdue(timezone.now())[:MOST].count(),
                UncountedWindow.objects.all()[:MOST].count(),
            )
    except DatabaseError:
        return None


class HeardReadings(Collector):
    """Whether events arrive from Stripe's second endpoint, as last seen by the background.

    Nothing until it looked.
    """

    def collect(self) -> Iterable[Metric]:
        if (found := unheard.latest()) is None:
            return
        yield GaugeMetricFamily(
            "desk_approvals_looked_at",
            "Approvals of the last day, older than ten minutes, that were looked at: all, or a "
            "sample spread over the day.",
            found.approvals,
        )
        yield GaugeMetricFamily(
            "desk_approvals_unheard",
            "Of those, how many Stripe sent no event about: its second endpoint may be missing.",
            found.unheard,
        )


class HostReadings(Collector):
    """The gauges of what stand-in has on this host's disk, for all its processes."""

    def collect(self) -> Iterable[Metric]:
        try:
            copy_age_s = local_copy.age_s()
        except (local_copy.NoCopyError, OSError):
            copy_age_s = inf
        yield GaugeMetricFamily(
            "desk_standing_copy_age_seconds",
            "How old the copy of cards and policies is that stand-in decides by; +Inf without one.",
            copy_age_s,
        )
        yield GaugeMetricFamily(
            "desk_stand_in_switched_on",
            "Whether somebody has switched on stand-in by hand.",
            switch.is_on(),
        )
        yield GaugeMetricFamily(
            "desk_spool_writable",
            "Whether an answer could be kept in SPOOL_DIR, as far as this process has looked.",
            not spool_watch.problem(),
        )
        try:
            spool = spool_reader.state(Path(settings.SPOOL_DIR))
        except OSError:
            return
        yield GaugeMetricFamily(
            "desk_spool_files", "Files of answers that wait for the database.", spool.files
        )
        yield GaugeMetricFamily("desk_spool_bytes", "Their size.", spool.size_bytes)
        yield GaugeMetricFamily(
            "desk_spool_oldest_seconds",
            "How long the oldest of them has been waiting; 0 without any.",
            max(0.0, time() - spool.since_s) if spool.since_s else 0.0,
        )
        yield GaugeMetricFamily(
            "desk_spool_damaged_files",
            "Files in damaged/ beside them, which somebody must look at.",
            spool.damaged,
        )
