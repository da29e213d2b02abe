"""Approvals about which Stripe sent no event: the sign of a missing second webhook endpoint.

Stripe reports the outcome of every approval within seconds, to an ordinary webhook endpoint that is
registered apart from the one for authorization requests. Without it everything seems fine here, but
no hold ever ends. A background thread checks; `latest` returns its latest result.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

EVERY_S = 60.0

PATIENCE = timedelta(minutes=10)
DAY = timedelta(days=1)

MAX_DECISIONS = 1_000
"""Maximum decisions to check; if the day has more, they are spread evenly over it."""

_AT_ONCE = 50
_TIMEOUT_MS = 500

_RECEIVED = """
SELECT id, received_at FROM authorizations_webhookrequest WHERE id >= %s ORDER BY id LIMIT 1
"""
_ENDS = "SELECT coalesce(min(id), 1), coalesce(max(id), 0) FROM authorizations_webhookrequest"

# Objects read in the API (api.…) don't count: Stripe did not send them.
_LOOK = """
SELECT count(*), count(*) FILTER (WHERE NOT EXISTS (
    SELECT FROM authorizations_webhookrequest AS reported
    WHERE reported.about = asked.authorization_id AND reported.about <> ''
    AND reported.event_type NOT LIKE 'api.%%'
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
    """Approvals of the last day older than ten minutes, and those without any later event."""

    approvals: int
    unheard: int

    @property
    def is_alarming(self) -> bool:
        """At least two, and a tenth of all: one lost event or an hour's outage is no alarm."""
        return self.unheard > 1 and self.unheard * 10 >= self.approvals


_latest: Heard | None = None


def latest() -> Heard | None:
    """This process's latest result; None before its first check."""
    return _latest


def renew() -> None:
    """Check again. Raises django.db.Error."""
    global _latest  # noqa: PLW0603 - one for the process
    _latest = look(timezone.now())


def look(now: datetime) -> Heard:
    """Check the day before `now`. Raises django.db.Error."""
    [ends] = _fetch(_ENDS, [])
    first, end = _id_at(now - DAY, *ends), _id_at(now - PATIENCE, *ends)
    width = max(1, -(-(end - first) // MAX_DECISIONS))  # ids of requests per decision to check
    starts = range(first, end, width)
    approvals = unheard = 0
    for at in range(0, len(starts), _AT_ONCE):
        [counted] = _fetch(_LOOK, [list(starts[at : at + _AT_ONCE]), width])
        approvals += counted[0]
        unheard += counted[1]
    return Heard(approvals, unheard)


def _id_at(at: datetime, low: int, last: int) -> int:
    """The id of the first request received at this time or later, as far as ids follow time."""
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
    """Run it in a short transaction of its own, so that it delays nothing else."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = {_TIMEOUT_MS}")
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
