"""Sums of decisions over a period: from the digest's tallies, and beyond its mark one by one.

One statement reads both, so that no decision is missed or counted twice as the digest advances.
"""

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any, NamedTuple

from django.db import connection

from authorizations.models import Tally
from authorizations.rules.basics.clocks import midnight
from authorizations.services.digest.periods import Period

TAIL = 20_000
"""Maximum requests that are not digested yet and are counted one by one, the newest ones."""

_DAY = timedelta(days=1)
_INSTANT = timedelta(microseconds=1)
_ALL = Tally.Dimension.ALL
_WHOLE_DAYS = {
    Tally.Dimension.ALL: Tally.Dimension.TOTALS,
    Tally.Dimension.REASON: Tally.Dimension.REASONS,
    Tally.Dimension.CATEGORY: Tally.Dimension.CATEGORIES,
    Tally.Dimension.COUNTRY: Tally.Dimension.COUNTRIES,
}
# Whether a dimension is about approved or declined decisions.
_APPROVED = {
    Tally.Dimension.REASON: False,
    Tally.Dimension.CATEGORY: True,
    Tally.Dimension.COUNTRY: True,
}

_SUMS = """
WITH tail AS MATERIALIZED (
    SELECT decided_at >= %(start)s AS within,
        width_bucket(decided_at, %(edges)s::timestamptz[]) AS place, approved,
        reason, category, merchant_country, currency, coalesce(amount, 0) AS amount,
        approved_amount, decided_by,
        ceil(ln(greatest(duration_us, 1)) / ln(1.05::float8)) AS bucket
    FROM authorizations_decision
    WHERE webhook_request_id > greatest(
            %(after)s, (SELECT max(digested) FROM authorizations_digestmark)
        )
        AND decided_at >= %(before)s AND decided_at < %(end)s
    -- There are no more than this; without it the planner expects a third of the table.
    LIMIT %(tail)s
), counted AS (
    SELECT span.shown AS dimension, span.place, tallied.*
    FROM unnest(
        %(shown)s::text[], %(read)s::text[], %(approved)s::boolean[], %(place)s::int[],
        %(starts)s::timestamptz[], %(ends)s::timestamptz[]
    ) AS span(shown, read, approved, place, start, "end")
    CROSS JOIN LATERAL (
        SELECT value, currency, approved, sum(decisions) AS decisions, sum(amount) AS amount,
            sum(approved_amount) AS approved_amount
        FROM authorizations_tally
        WHERE dimension = span.read AND quarter >= span.start AND quarter < span."end"
            AND approved = coalesce(span.approved, approved)
        GROUP BY 1, 2, 3
    ) AS tallied
    UNION ALL
    SELECT 'time', bucket, '', '', TRUE, sum(decisions), 0, 0
    FROM authorizations_answertimes
    WHERE quarter >= %(start)s AND quarter < %(end)s
    GROUP BY bucket
    UNION ALL
    SELECT part.*, currency, approved, 1, amount, approved_amount
    FROM tail CROSS JOIN LATERAL (
        VALUES ('all', place, ''), ('reason', 1, reason), ('category', 1, category),
            ('country', 1, merchant_country)
    ) AS part(dimension, place, value)
    WHERE CASE dimension
        WHEN 'all' THEN reason <> 'wrong_mode'
        WHEN 'reason' THEN within AND NOT approved
        ELSE within AND approved
    END
    UNION ALL
    SELECT 'time', bucket, '', '', TRUE, 1, 0, 0 FROM tail WHERE within AND decided_by = 'desk'
)
SELECT dimension, place::int, value, currency, approved,
    sum(decisions)::bigint, sum(amount), sum(approved_amount)
FROM counted GROUP BY 1, 2, 3, 4, 5
"""


class Tallied(NamedTuple):
    """A number of decisions, and their amounts.

    `dimension` is one of those that Tally keeps by quarters of an hour, or "time". For ALL,
    `place` is the column of the chart, counted from 1, or 0 for the period before; for "time" it
    is the bucket of AnswerTimes; otherwise 1.
    """

    dimension: str
    place: int
    value: str
    currency: str
    approved: bool
    decisions: int
    amount: Decimal
    approved_amount: Decimal


@dataclass(frozen=True, slots=True)
class _Span:
    """Tallies to add up: dimension `read` from `start` up to `end`, reported as `shown`."""

    shown: str
    read: str
    approved: bool | None
    place: int
    start: datetime
    end: datetime


def tallied(period: Period, last: int) -> list[Tallied]:
    """The sums of a period; `last` is the id of the newest decision's request.

    REASON covers declines only, CATEGORY and COUNTRY approvals only, ALL both. Requests of the
    other mode, test or live, are in REASON only.
    """
    spans: list[_Span] = []
    for place, (start, end) in enumerate(pairwise((period.before, *period.edges))):
        spans += _spans(_ALL, place, start, end)
    for dimension in _APPROVED:
        spans += _spans(dimension, 1, period.start, period.end)
    columns = zip(*map(astuple, spans), strict=True)
    names = ("shown", "read", "approved", "place", "starts", "ends")
    parameters: dict[str, Any] = dict(zip(names, map(list, columns), strict=True)) | {
        "before": period.before,
        "start": period.start,
        "end": period.end,
        "edges": list(period.edges),
        "after": last - TAIL,
        "tail": TAIL,
    }
    with connection.cursor() as cursor:
        cursor.execute(_SUMS, parameters)
        return [Tallied(*row) for row in cursor.fetchall()]


def _spans(
    dimension: Tally.Dimension, place: int, start: datetime, end: datetime
) -> Iterator[_Span]:
    """The whole days (in UTC) of this time, if any, and the quarters before and after them."""
    first, last = (
        midnight(at.astimezone(UTC).date(), UTC) for at in (start + _DAY - _INSTANT, end)
    )
    approved = _APPROVED.get(dimension)
    if first >= last:
        yield _Span(dimension, dimension, approved, place, start, end)
        return
    yield _Span(dimension, _WHOLE_DAYS[dimension], approved, place, first, last)
    if start < first:
        yield _Span(dimension, dimension, approved, place, start, first)
    if last < end:
        yield _Span(dimension, dimension, approved, place, last, end)
