"""A part of the record: what was written between two moments.

Rows are found by their ids, which follow the order of writing. The id that a moment begins with
comes from a column of times with a BRIN index. So what was written late, such as the answers of an
outage, belongs to the time it was written, and each row to exactly one of two adjacent ranges.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from authorizations.services.verify.checking import fetch

_FIRST_WIDTH = timedelta(hours=1)
_TIMES_DOUBLED = 20  # more than a hundred years

# "+ 0" keeps PostgreSQL from walking through the whole primary key.
_FIRST = "SELECT min(id + 0) FROM {table} WHERE {column} >= %s AND {column} < %s"
_LAST = "SELECT coalesce(max(id), 0) FROM {table}"
_LAST_ASKED = "SELECT coalesce(max(webhook_request_id), 0) FROM authorizations_decision"


@dataclass(frozen=True, slots=True)
class Range:
    """From `since` up to, not including, `until`; None for an open end."""

    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_whole(self) -> bool:
        return self.since is None and self.until is None


WHOLE = Range()


class Ids(NamedTuple):
    """The ids above `above`, up to and including `up_to`."""

    above: int
    up_to: int

    @property
    def number(self) -> int:
        return max(0, self.up_to - self.above)


def requests_in(part: Range) -> Ids:
    """The ids of webhook requests, by which decisions are found as well.

    With an open end, they include decisions that name a request that does not exist.
    """
    found = _ids_in(part, "authorizations_webhookrequest", "received_at")
    if part.until is not None:
        return found
    [(last_asked,)] = fetch(_LAST_ASKED, [])
    return Ids(found.above, max(found.up_to, last_asked))


def entries_in(part: Range) -> Ids:
    """The ids of ledger entries."""
    return _ids_in(part, "authorizations_ledgerentry", "entered_at")


def _ids_in(part: Range, table: str, column: str) -> Ids:
    [(last,)] = fetch(_LAST.format(table=table), [])
    above = 0 if part.since is None else _before(table, column, part.since, last)
    up_to = last if part.until is None else _before(table, column, part.until, last)
    return Ids(above, max(above, up_to))


def _before(table: str, column: str, at: datetime, last: int) -> int:
    """The id before that of the first row at this time or later."""
    statement = _FIRST.format(table=table, column=column)
    begin, width = at, _FIRST_WIDTH
    for _ in range(_TIMES_DOUBLED):
        end = min(begin + width, datetime.max.replace(tzinfo=UTC))
        [(first,)] = fetch(statement, [begin, end])
        if first is not None:
            return int(first) - 1
        begin, width = end, 2 * width
    return last
