"""What counts in a window that is not remembered, added up from pieces and from purchases.

A piece is an hour or a day in UTC whose sum is remembered as a row of its own: whatever changes a
purchase changes it as well, like the windows of limits. What no piece covers is added up from the
purchases themselves, but while somebody waits never from more than AT_ONCE of them: a window with
more is counted in the background (counting.py), which leaves pieces. Rolling windows have no sum
that lasts, so they leave pieces as they grow. Everything here runs under the lock of the scopes it
reads; nothing here writes.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

from authorizations.rules.counted import Counted
from authorizations.rules.filters import LimitFilter, Merchant
from authorizations.rules.values import Window
from authorizations.services import codec, sql
from authorizations.services.running_sums import NOTHING_USED, Used, plus, total

HOUR_S, DAY_S = 3_600, 86_400

AT_ONCE = 2_000
"""Purchases that are added up while somebody waits: 2 ms, or 10 where a filter asks for merchants.

What began in the first and last hour of a window is added up however many there are, as no piece
can stand for a part of an hour.
"""

QUIET = 200
"""Where a rolling window has more purchases between its pieces than this, they become pieces."""

_EVERY_ONE = None
_NO_GRAIN = 2**62


class Asked(NamedTuple):
    """A window to be added up; `has_pieces` says whether there are any around the purchase."""

    window: Window
    concern: LimitFilter
    has_pieces: bool = False


class Piece(NamedTuple):
    """An hour or a day [start, end), and what counts in it."""

    start: int
    end: int
    used: Used


@dataclass(frozen=True, slots=True)
class Reckoned:
    """What a window comes to; `used` is None where there is too much to add up.

    `purchases` is how many were gone through, `pieces` are those that are worth remembering.
    """

    used: Used | None
    purchases: int
    pieces: Sequence[Piece] = ()


class _Range(NamedTuple):
    """Spans of a window's time, to be added up by `grain` seconds from at most `most` purchases."""

    asked: Asked
    spans: Sequence[tuple[int, int]]
    grain: int
    most: int | None


class Part(NamedTuple):
    """What purchases since `since` come to, as the window's filter sees them."""

    since: int
    used: Used
    purchases: int


def reckon(asked: Sequence[Asked]) -> list[Reckoned]:
    """Add these windows up, each from at most AT_ONCE purchases outside of pieces."""
    return _reckon(asked, AT_ONCE)


def reckon_all(asked: Sequence[Asked]) -> list[Reckoned]:
    """Add these windows up, however long it takes: for where no purchase waits."""
    return _reckon(asked, None)


def _reckon(asked: Sequence[Asked], most: int | None) -> list[Reckoned]:
    found: dict[int, Reckoned] = {}
    simple = {place: one for place, one in enumerate(asked) if not one.has_pieces}
    limits = {place: QUIET if one.window.rolling else most for place, one in simple.items()}
    ranges = [
        _Range(one, [(one.window.start, one.window.end)], _NO_GRAIN, limits[place])
        for place, one in simple.items()
    ]
    for place, parts in zip(simple, _added_up(ranges), strict=True):
        purchases = sum(part.purchases for part in parts)
        if not _is_more(purchases, limits[place]):
            found[place] = Reckoned(total(part.used for part in parts), purchases)
    busy = [place for place in range(len(asked)) if place not in found]
    found |= zip(busy, _with_pieces([asked[place] for place in busy], most), strict=True)
    return [found[place] for place in range(len(asked))]


def _is_more(purchases: int, most: int | None) -> bool:
    return most is not None and purchases > most


def _with_pieces(asked: Sequence[Asked], most: int | None) -> Iterator[Reckoned]:
    """Pieces, what lies between them, and the parts of hours at both ends."""
    pieces = remembered_pieces([(one.window, DAY_S) for one in asked])
    ranges = []
    for one, there in zip(asked, pieces, strict=True):
        edges, first, last = _edges(one.window)
        between = list(gaps(first, last, there))
        ranges += [_Range(one, edges, _NO_GRAIN, _EVERY_ONE), _Range(one, between, HOUR_S, most)]
    parts = iter(_added_up(ranges))
    for one, there in zip(asked, pieces, strict=True):
        at_edges, between_pieces = next(parts), next(parts)
        purchases = sum(part.purchases for part in between_pieces)
        if _is_more(purchases, most):
            yield Reckoned(None, purchases)
            continue
        used = total([*(piece.used for piece in there), *(part.used for part in at_edges)])
        used = plus(used, total(part.used for part in between_pieces))
        new: Sequence[Piece] = ()
        if one.window.rolling and purchases > QUIET:
            new = list(new_pieces(one.window, there, between_pieces))
        yield Reckoned(used, purchases, new)


def _edges(window: Window) -> tuple[list[tuple[int, int]], int, int]:
    """The parts of hours at the ends of a window, and the whole hours [first, last) between."""
    first, last = -(-window.start // HOUR_S) * HOUR_S, window.end // HOUR_S * HOUR_S
    if first >= last:
        return [(window.start, window.end)], first, first
    edges = [(window.start, first), (last, window.end)]
    return [(start, end) for start, end in edges if start < end], first, last


def gaps(start: int, end: int, pieces: Iterable[Piece]) -> Iterator[tuple[int, int]]:
    """What pieces, the earliest first, leave uncovered of [start, end)."""
    for piece in pieces:
        if start < piece.start:
            yield start, piece.start
        start = piece.end
    if start < end:
        yield start, end


def new_pieces(window: Window, there: Iterable[Piece], between: Iterable[Part]) -> Iterator[Piece]:
    """The hours in which purchases began, and the days that these and remembered hours make up.

    `between` are all purchases outside of the pieces that are there, by the hour.
    """
    days: dict[int, Used] = defaultdict(lambda: NOTHING_USED)
    for piece in there:
        if piece.end - piece.start == HOUR_S:
            day = piece.start // DAY_S * DAY_S
            days[day] = plus(days[day], piece.used)
    for part in between:
        yield Piece(part.since, part.since + HOUR_S, part.used)
        day = part.since // DAY_S * DAY_S
        days[day] = plus(days[day], part.used)
    for day, used in days.items():
        if window.start <= day and day + DAY_S <= window.end:
            yield Piece(day, day + DAY_S, used)


def remembered_pieces(wanted: Sequence[tuple[Window, int]]) -> list[list[Piece]]:
    """For each window its remembered days, and the hours between these, the earliest first.

    With each window goes how long its pieces may be: DAY_S, or HOUR_S for hours alone.
    """
    if not wanted:
        return []
    windows = [
        {
            "place": place,
            "kind": window.scope.kind,
            "id": window.scope.id,
            "start": window.start,
            "end": window.end,
            "filter_key": window.filter_key,
            "currency": window.currency,
            "longest": longest,
        }
        for place, (window, longest) in enumerate(wanted)
    ]
    rows = sql.run(sql.PIECES, windows=codec.to_json(windows)).fetchall()
    found: list[list[Piece]] = [[] for _ in wanted]
    for place, start, end, *used in rows:
        found[place].append(Piece(start, end, (used[0], used[1], used[2])))
    return found


class Leaving(NamedTuple):
    """A rolling window of which the first `over` is to leave; `restore`: refunds count as gone."""

    asked: Asked
    over: int
    restore: bool

    @property
    def longest(self) -> int:
        return DAY_S if self.asked.has_pieces else 0


class _Search(NamedTuple):
    """A stretch of a rolling window in which what leaves last is looked for."""

    place: int
    leaving: Leaving
    within: Window
    longest: int


def last_to_leave(wanted: Sequence[Leaving]) -> list[int | None]:
    """When the purchase was made that, with all before it, makes up what is to leave.

    None where the whole window is less. A piece in which that happens is looked into: a day by its
    hours, an hour by its purchases.
    """
    found: list[int | None] = [None] * len(wanted)
    searches = [
        _Search(place, one, one.asked.window, one.longest) for place, one in enumerate(wanted)
    ]
    while searches:
        looked_at = zip(searches, _by_time(searches), strict=True)
        searches = []
        for search, parts in looked_at:
            last, over = _last(search.leaving, parts)
            if last and last.end - last.start > 1:
                within = search.within._replace(start=last.start, end=last.end)
                longest = HOUR_S if last.end - last.start == DAY_S else 0
                leaving = search.leaving._replace(over=over)
                searches.append(_Search(search.place, leaving, within, longest))
            else:
                found[search.place] = last and last.start
    return found


def _by_time(searches: Sequence[_Search]) -> Iterator[list[Piece]]:
    """What was spent in each, the earliest first: pieces, and purchases second by second."""
    in_pieces = [(search.within, search.longest) for search in searches if search.longest]
    pieces = iter(remembered_pieces(in_pieces))
    there = [next(pieces) if search.longest else [] for search in searches]
    ranges = [
        _Range(
            search.leaving.asked,
            list(gaps(search.within.start, search.within.end, its)),
            1,
            _EVERY_ONE,
        )
        for search, its in zip(searches, there, strict=True)
    ]
    for its, parts in zip(there, _added_up(ranges), strict=True):
        yield sorted([*its, *(Piece(part.since, part.since + 1, part.used) for part in parts)])


def _last(leaving: Leaving, parts: Iterable[Piece]) -> tuple[Piece | None, int]:
    """The part in which enough has left, and how much of it was still to leave before it."""
    over = leaving.over
    for part in parts:
        amount, refunded, count = part.used
        gone = amount - (refunded if leaving.restore else 0)
        gone = gone if leaving.asked.window.currency else count
        if gone >= over:
            return part, over
        over -= gone
    return None, over


def hours(asked: Asked, start: int, end: int) -> list[Part]:
    """What the purchases of each hour in [start, end) come to, however many there are."""
    [parts] = _added_up([_Range(asked, [(start, end)], HOUR_S, _EVERY_ONE)])
    return parts


def parts(asked: Asked, spans: Sequence[tuple[int, int]], grain: int, most: int) -> list[Part]:
    """What purchases in these spans come to by `grain` seconds, from at most one more than `most`.

    The spans are of the window's scope, whatever its own bounds are.
    """
    [found] = _added_up([_Range(asked, spans, grain, most)])
    return found


def _added_up(ranges: Sequence[_Range]) -> list[list[Part]]:
    """What the purchases in each range come to, by its grain, the earliest first."""
    found: list[list[Part]] = [[] for _ in ranges]
    wanted = [_json(place, one) for place, one in enumerate(ranges) if one.spans]
    if not wanted:
        return found
    rows = sql.run(sql.SUM, ranges=codec.to_json(wanted)).fetchall()
    for (place, since), lines in groupby(rows, key=lambda row: (row[0], row[1])):
        found[place].append(_part(since, ranges[place].asked, lines))
    return found


def _json(place: int, one: _Range) -> dict[str, Any]:
    window = one.asked.window
    return {
        "place": place,
        "kind": window.scope.kind,
        "id": window.scope.id,
        "spans": "{" + ",".join(f"[{start},{end})" for start, end in one.spans) + "}",
        "currency": window.currency,
        "by_merchant": bool(window.filter_key),
        "grain": one.grain,
        # One more tells that there are more.
        "most": None if one.most is None else one.most + 1,
    }


def _part(since: int, asked: Asked, lines: Iterable[tuple[Any, ...]]) -> Part:
    window, concern, _ = asked
    used, purchases = NOTHING_USED, 0
    for _, _, category, code, country, name, network_id, *figures, number in lines:
        merchant = Merchant(
            category=category, category_code=code, country=country, name=name, network_id=network_id
        )
        amount, refunded, count = Counted(*figures).seen_by(concern, merchant)
        # Without a currency there is nothing to add amounts in.
        used = plus(used, (amount, refunded, count) if window.currency else (0, 0, count))
        purchases += number
    return Part(since, used, purchases)
