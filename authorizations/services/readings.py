"""What /metrics reads when it is asked: how much work lies in the database, and whether it answers.

Apart from the decision path: one thread of a process at a time, for half a second at most.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock
from time import monotonic

from django.db import DatabaseError, connection, transaction
from django.utils import timezone
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from authorizations.models import Authorization, Finding, UnappliedEvent

FRESH_S = 2.0
"""So long a reading is shown to whoever asks again."""

MOST = 10_000
"""Counted no further: more is as alarming."""

HELD_AT_MOST = timedelta(days=31)
"""The longest that a network lets a hold live."""

_TIMEOUT_MS = 500


@dataclass(frozen=True, slots=True)
class Work:
    """How many rows wait for somebody, each up to MOST."""

    findings_open: int
    events_not_applied: int
    holds_past_their_time: int


@dataclass(slots=True, eq=False)
class Readings(Collector):
    """The gauges of the database; without it only that it is away."""

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
        yield _gauge("desk_findings_open", "Findings that nobody has looked at", work.findings_open)
        yield _gauge(
            "desk_events_not_applied",
            "Events of Stripe's that could not be applied to the books",
            work.events_not_applied,
        )
        yield _gauge(
            "desk_holds_past_their_time",
            f"Holds older than {HELD_AT_MOST.days} days, whose end was never told",
            work.holds_past_their_time,
        )

    def _latest(self) -> Work | None:
        """Whoever comes while another thread reads gets what was read before."""
        if self._lock.acquire(blocking=False):
            try:
                if monotonic() - self._read_at >= FRESH_S:
                    self._work = _read()
                    self._read_at = monotonic()
            finally:
                self._lock.release()
        return self._work


def _gauge(name: str, what: str, value: int) -> Metric:
    return GaugeMetricFamily(name, f"{what}; counted up to {MOST:,}.", value)


def _read() -> Work | None:
    """None where the database does not answer in time."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {_TIMEOUT_MS}")
            return Work(
                Finding.objects.filter(state=Finding.State.OPEN)[:MOST].count(),
                UnappliedEvent.objects.filter(applied_at=None)[:MOST].count(),
                Authorization.objects.filter(
                    is_held=True, created__lt=timezone.now() - HELD_AT_MOST
                )[:MOST].count(),
            )
    except DatabaseError:
        return None
