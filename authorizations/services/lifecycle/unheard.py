"""Approvals that Stripe never told anything of: the sign of a missing second endpoint.

Of every approval Stripe tells how it ended within seconds, at an ordinary webhook endpoint that is
registered apart from the one that asks. Where that is missing, all looks well here and no hold ever
ends. Looked at in the background; whoever asks is told what was found last.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

EVERY_S = 60.0

PATIENCE = timedelta(minutes=10)
DAY = timedelta(days=1)

MOST = 1_000
"""So many decisions are looked at, spread evenly over the day where it has more."""

_AT_ONCE = 50
_TIMEOUT_MS = 500

_RECEIVED = """
SELECT id, received_at FROM authorizations_webhookrequest WHERE id >= %s ORDER BY id LIMIT 1
"""
_ENDS = "SELECT coalesce(min(id), 1), coalesce(max(id), 0) FROM authorizations_webhookrequest"

# What was read in the API (api.…) was not sent by Stripe: it hides nothing.
_LOOK = """
SELECT count(*), count(*) FILTER (WHERE NOT EXISTS (
    SELECT FROM authorizations_webhookrequest AS told
    WHERE told.about = asked.authorization_id AND told.about <> ''
    AND told.event_type NOT LIKE 'api.%%'
))
FROM unnest(%s::bigint[]) AS place CROSS JOIN LATERAL (
    SELECT authorization_id, approved, decided_by FROM authorizations_decision
    WHERE webhook_request_id >= place AND webhook_request_id < place + %s
    ORDER BY webhook_request_id LIMIT 1
) AS asked
WHERE asked.approved AND asked.decided_by = 'desk' AND asked.authorization_id IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Heard:
    """Of so many approvals of the last day, older than ten minutes, nothing was heard of some."""

    approvals: int
    unheard: int

    @property
    def is_alarming(self) -> bool:
        """More than one, and a tenth: a lost event is no alarm, nor is an hour's outage."""
        return self.unheard > 1 and self.unheard * 10 >= self.approvals


_latest: Heard | None = None


def latest() -> Heard | None:
    """What this process found last; None until it has looked."""
    return _latest


def renew() -> None:
    """Look again. Raises django.db.Error."""
    global _latest  # noqa: PLW0603 - one for the process
    _latest = look(timezone.now())


def look(now: datetime) -> Heard:
    """Raises django.db.Error."""
    approvals = unheard = 0
    for places, width in _places(now):
        [counted] = _fetch(_LOOK, [places, width])
        approvals += counted[0]
        unheard += counted[1]
    return Heard(approvals, unheard)


def _places(now: datetime) -> Iterator[tuple[list[int], int]]:
    """Numbers of requests, some at a time, and how many numbers each stands for."""
    [ends] = _fetch(_ENDS, [])
    first, end = _number_at(now - DAY, *ends), _number_at(now - PATIENCE, *ends)
    width = max(1, -(-(end - first) // MOST))
    places = range(first, end, width)
    for start in range(0, len(places), _AT_ONCE):
        yield list(places[start : start + _AT_ONCE]), width


def _number_at(at: datetime, low: int, last: int) -> int:
    """The number of the first request of this time or later, as far as numbers follow time."""
    high = last + 1
    while low < high:
        middle = (low + high) // 2
        row = next(iter(_fetch(_RECEIVED, [middle])), None)
        if row is None or row[1] >= at:
            high = middle
        else:
            low = row[0] + 1
    return low


def _fetch(statement: str, parameters: list[Any]) -> list[tuple[Any, ...]]:
    """In a short transaction of its own, so that it keeps nothing of the database from its work."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = {_TIMEOUT_MS}")
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
