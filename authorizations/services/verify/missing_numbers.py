"""Finds numbers of the record's sequences that no row has.

A missing number is no difference by itself: a transaction that is rolled back leaves its numbers
unused. Of the ledger's, each decision keeps one as its position. A row that was deleted leaves its
number missing as well.
"""

import heapq
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from authorizations.services.verify.checking import fetch, pieces
from authorizations.services.verify.history import CHANGES, changes_in
from authorizations.services.verify.ranges import Ids, Range, entries_in, requests_in

_SIZE = 10_000
_MAX_RANGES = 50

_NUMBERS = "SELECT {key} FROM {table} WHERE {key} > %s AND {key} <= %s ORDER BY {key} LIMIT %s"
_POSITIONS = """
SELECT webhook_request_id, position FROM authorizations_decision
WHERE webhook_request_id > %s AND webhook_request_id <= %s
ORDER BY webhook_request_id LIMIT %s
"""

_MAX_DISORDER = 10_000
"""Decisions are read in the order of writing; positions are sorted within this many of them."""

_LAST_DRAWN = "SELECT coalesce(pg_sequence_last_value(%s::regclass), 0)"


def missing_numbers(part: Range) -> dict[str, Any]:
    """By sequence, the `count` of missing numbers, and the first `ranges` of them as text."""
    requests = _drawn("authorizations_webhookrequest_id_seq", requests_in(part), part)
    entries = _drawn("authorizations_ledgerentry_id_seq", entries_in(part), part)
    changes = changes_in(part.since, part.until)
    changes = _drawn("authorizations_historyentry_id_seq", changes, part)
    taken = heapq.merge(
        _numbers("authorizations_ledgerentry", "id", entries), _positions(requests, entries)
    )
    return {
        "requests": _missing(_numbers("authorizations_webhookrequest", "id", requests), requests),
        "ledger entries": _missing(taken, entries),
        CHANGES: _missing(_numbers("authorizations_historyentry", "id", changes), changes),
    }


def _drawn(sequence: str, ids: Ids, part: Range) -> Ids:
    """The ids, extended to the last number drawn if the range has an open end."""
    if part.until is not None:
        return ids
    [(last,)] = fetch(_LAST_DRAWN, [sequence])
    return Ids(ids.above, max(ids.up_to, last))


def _numbers(table: str, key: str, ids: Ids) -> Iterator[int]:
    statement = _NUMBERS.format(table=table, key=key)
    for rows in pieces(statement, ids.above, ids.up_to, _SIZE):
        yield from (number for (number,) in rows)


def _positions(requests: Ids, entries: Ids) -> Iterator[int]:
    """The positions of decisions, sorted except where one is further out of order than allowed."""
    waiting: list[int] = []
    for rows in pieces(_POSITIONS, requests.above, requests.up_to, _SIZE):
        for _, position in rows:
            if entries.above < position <= entries.up_to:
                heapq.heappush(waiting, position)
        while len(waiting) > _MAX_DISORDER:
            yield heapq.heappop(waiting)
    while waiting:
        yield heapq.heappop(waiting)


def _missing(found: Iterable[int], ids: Ids) -> dict[str, Any]:
    count, last = 0, ids.above
    ranges: list[str] = []
    for number in chain(found, [ids.up_to + 1]):
        if number > last + 1:
            count += number - last - 1
            if len(ranges) < _MAX_RANGES:
                is_single = number == last + 2
                ranges.append(str(last + 1) if is_single else f"{last + 1}-{number - 1}")
            elif ranges[-1] != "...":
                ranges.append("...")
        last = max(last, number)
    return {"count": count, "ranges": ", ".join(ranges)}
