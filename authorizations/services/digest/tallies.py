"""Sums of decisions over a period: from the digest's tallies, and beyond its mark one by one.

All in one statement, so that no decision is missed or counted twice while the digest moves on.
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
"""So many of the newest requests are counted one by one, where the digest has not come to them."""

_DAY = timedelta(days=1)
_INSTANT = timedelta(microseconds=1)
_ALL = Tally.Dimension.ALL
_WHOLE_DAYS = {
    Tally.Dimension.ALL: Tally.Dimension.TOTALS,
    Tally.Dimension.REASON: Tally.Dimension.REASONS,
    Tally.Dimension.CATEGORY: Tally.Dimension.CATEGORIES,
    Tally.Dimension.COUNTRY: Tally.Dimension.COUNTRIES,
}
# Which decisions a dimension is about: those declined, or those approved.
_ONLY = {
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
    -- There are no more; the planner can't know, and would expect a third of the table.
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
    WHERE dimension = 'all' OR within AND approved = (dimension <> 'reason')
    UNION ALL
    SELECT 'time', bucket, '', '', TRUE, 1, 0, 0 FROM tail WHERE within AND decided_by = 'desk'
)
SELECT dimension, place::int, value, currency, approved,
    sum(decisions)::bigint, sum(amount), sum(approved_amount)
FROM counted GROUP BY 1, 2, 3, 4, 5
"""


class Tallied(NamedTuple):
    """How many decisions, and of how much money.

    `dimension` is one of those of Tally by quarters, or "time". `place` is the column of the
    chart from 1, and 0 for the stretch before the period, where the dimension is ALL; the bucket
    of AnswerTimes where it is "time".
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
    """Which tallies to add up: `read` from `start` up to `end`, to be told as `shown`."""

    shown: str
    read: str
    approved: bool | None
    place: int
    start: datetime
    end: datetime


def tallied(period: Period, last: int) -> list[Tallied]:
    """The sums of a period; `last` is the newest decision's request.

    By reason only those declined, by category and country only those approved; by ALL both.
    """
    columns = zip(*map(astuple, _spans(period)), strict=True)
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


def _spans(period: Period) -> Iterator[_Span]:
    for place, (start, end) in enumerate(pairwise((period.before, *period.edges))):
        yield from _cut(_ALL, place, start, end)
    for dimension in _ONLY:
        yield from _cut(dimension, 1, period.start, period.end)


def _cut(dimension: Tally.Dimension, place: int, start: datetime, end: datetime) -> Iterator[_Span]:
    """Whole days of UTC where there are any, and quarters before and after them."""
    first, last = (
        midnight(at.astimezone(UTC).date(), UTC) for at in (start + _DAY - _INSTANT, end)
    )
    only = _ONLY.get(dimension)
    if first >= last:
        yield _Span(dimension, dimension, only, place, start, end)
        return
    yield _Span(dimension, _WHOLE_DAYS[dimension], only, place, first, last)
    if start < first:
        yield _Span(dimension, dimension, only, place, start, first)
    if last < end:
        yield _Span(dimension, dimension, only, place, last, end)
