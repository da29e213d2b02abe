"""Sums windows that have no stored sum, from pieces and from purchases.

A piece is a minute, an hour or a day in UTC whose sum is stored as a row of its own. A change of a
purchase also changes its pieces, like the windows of limits. Time that no piece covers is summed
from the purchases themselves, but while a request waits from at most AT_ONCE of them: a window with
more is counted in the background (counting.py), which stores pieces. Rolling windows have no
lasting sum, so pieces are stored as they grow. Everything here runs under the lock of the scopes it
reads, and writes nothing.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

from authorizations.models.ledger import LIMITS_READ
from authorizations.rules.basics.filters import LimitFilter, Merchant
from authorizations.rules.decision.values import Window
from authorizations.rules.purchases.counted import CountedUsage
from authorizations.services.runtime import codec
from authorizations.services.store import plans, sum_statements
from authorizations.services.store.plans import Plan
from authorizations.services.store.window_totals import NOTHING_USED, Used, plus, total

MINUTE_S, HOUR_S, DAY_S = 60, 3_600, 86_400

AT_ONCE = 2_000
"""Maximum purchases to sum while a request waits: 2 ms, or 10 ms with a filter on merchants.

Purchases in the first and last minute of a window are always summed, because no piece can represent
a part of a minute.
"""

QUIET = 200
"""If a rolling window has more purchases than this between its pieces, they become pieces.

Of a day with more, the hours are stored too, and of an hour with half of AT_ONCE the minutes, so
that such a day or hour can still be summed when only a part of it is left in a window.
"""

_EVERY_ONE = None
_NO_GRAIN = 2**62


class Asked(NamedTuple):
    """A window to sum; `has_pieces` says whether there are any around the purchase."""

    window: Window
    concern: LimitFilter
    has_pieces: bool = False


class UsagePiece(NamedTuple):
    """A minute, an hour or a day [start, end), and its sum."""

    start: int
    end: int
    used: Used


@dataclass(frozen=True, slots=True)
class Reckoned:
    """The sum of a window; `used` is None if it has too many purchases to sum.

    `purchases` is the number of purchases read; `pieces` are those worth storing.
    """

    used: Used | None
    purchases: int
    pieces: Sequence[UsagePiece] = ()


class _Range(NamedTuple):
    """Spans of a window to sum by `grain` seconds, from at most `most` purchases."""

    asked: Asked
    spans: Sequence[tuple[int, int]]
    grain: int
    most: int | None


class WindowPart(NamedTuple):
    """The sum of purchases from `since` on, as the window's filter counts them."""

    since: int
    used: Used
    purchases: int


def reckon(asked: Sequence[Asked]) -> Plan[list[Reckoned]]:
    """Sum these windows, each from at most AT_ONCE purchases outside of pieces."""
    return _reckon(asked, AT_ONCE)


def reckon_all(asked: Sequence[Asked]) -> Plan[list[Reckoned]]:
    """Sum these windows however long it takes; for use outside of a request."""
    return _reckon(asked, None)


def _reckon(asked: Sequence[Asked], most: int | None) -> Plan[list[Reckoned]]:
    found: dict[int, Reckoned] = {}
    simple = {place: one for place, one in enumerate(asked) if not one.has_pieces}
    limits = {place: QUIET if one.window.rolling else most for place, one in simple.items()}
    ranges = [
        _Range(one, [(one.window.start, one.window.end)], _NO_GRAIN, limits[place])
        for place, one in simple.items()
    ]
    added_up = yield from _added_up(ranges)
    for place, parts in zip(simple, added_up, strict=True):
        purchases = sum(part.purchases for part in parts)
        if not _is_more(purchases, limits[place]):
            found[place] = Reckoned(total(part.used for part in parts), purchases)
    busy = [place for place in range(len(asked)) if place not in found]
    if busy:
        reckoned = yield from _with_pieces([asked[place] for place in busy], most)
        found |= zip(busy, reckoned, strict=True)
    return [found[place] for place in range(len(asked))]


def _is_more(purchases: int, most: int | None) -> bool:
    return most is not None and purchases > most


def _with_pieces(asked: Sequence[Asked], most: int | None) -> Plan[list[Reckoned]]:
    """Sum pieces, the purchases between them, and the parts of minutes at both ends."""
    pieces = yield from remembered_pieces([(one.window, DAY_S) for one in asked])
    ranges, between = [], []
    for one, there in zip(asked, pieces, strict=True):
        edges, first, last = _edges(one.window)
        between.append(_Range(one, list(gaps(first, last, there)), _NO_GRAIN, most))
        ranges += [_Range(one, edges, _NO_GRAIN, _EVERY_ONE), between[-1]]
    parts = iter((yield from _added_up(ranges)))
    sums = [(next(parts), next(parts)) for _ in asked]
    counts = [sum(part.purchases for part in its) for _, its in sums]
    # Few decisions get here: once there are pieces, the next few hundred purchases find them.
    growing = [
        place
        for place, one in enumerate(asked)
        if most and one.window.rolling and QUIET < counts[place] <= most
    ]
    minutes = yield from _added_up([between[place]._replace(grain=MINUTE_S) for place in growing])
    by_minute = dict(zip(growing, minutes, strict=True))
    reckoned: list[Reckoned] = []
    for place, (one, there) in enumerate(zip(asked, pieces, strict=True)):
        if _is_more(counts[place], most):
            reckoned.append(Reckoned(None, counts[place]))
            continue
        used = total(piece.used for piece in there)
        used = plus(used, total(part.used for its in sums[place] for part in its))
        new: Sequence[UsagePiece] = ()
        if place in by_minute:
            over = max(piece[0] for piece in (*there, *by_minute[place]))
            start = one.window.start
            # Half of QUIET. Otherwise the rest at both ends would soon exceed it again.
            new = list(new_pieces(start, over, there, by_minute[place], few=QUIET // 2))
        reckoned.append(Reckoned(used, counts[place], new))
    return reckoned


def _edges(window: Window) -> tuple[list[tuple[int, int]], int, int]:
    """The parts of minutes at the ends of a window, and the whole minutes [first, last) between."""
    first, last = -(-window.start // MINUTE_S) * MINUTE_S, window.end // MINUTE_S * MINUTE_S
    if first >= last:
        return [(window.start, window.end)], first, first
    edges = [(window.start, first), (last, window.end)]
    return [(start, end) for start, end in edges if start < end], first, last


def gaps(start: int, end: int, pieces: Iterable[UsagePiece]) -> Iterator[tuple[int, int]]:
    """The spans of [start, end) that these pieces, earliest first, don't cover."""
    for piece in pieces:
        if start < piece.start:
            yield start, piece.start
        start = piece.end
    if start < end:
        yield start, end


def new_pieces(
    start: int, over: int, there: Iterable[UsagePiece], between: Iterable[WindowPart], *, few: int
) -> Iterator[UsagePiece]:
    """What is worth remembering of the time since `start`, of which what is before `over` is over.

    `between` are all purchases outside of the pieces that are there, by the minute. Days and hours
    are remembered when they are over: until then their purchases go into shorter pieces, which are
    what a rolling window needs of them when they leave it. Of an hour that is not over or began
    before `start` the minutes are, where more than `few` purchases are outside of its pieces.
    """
    there, between = list(there), list(between)
    by_hour, by_day = Counter[int](), Counter[int]()
    for part in between:
        by_hour[_floor(part.since, HOUR_S)] += part.purchases
        by_day[_floor(part.since, DAY_S)] += part.purchases
    minutes = [UsagePiece(part.since, part.since + MINUTE_S, part.used) for part in between]
    hours = list(_made_of([*_long(there, MINUTE_S), *minutes], HOUR_S, start, over))
    days = list(_made_of([*_long(there, HOUR_S), *hours], DAY_S, start, over))
    whole_hours, whole_days = {hour.start for hour in hours}, {day.start for day in days}
    for minute in minutes:
        hour = _floor(minute.start, HOUR_S)
        if by_hour[hour] > (AT_ONCE // 2 if hour in whole_hours else few):
            yield minute
    for piece in hours:
        day = _floor(piece.start, DAY_S)
        if day not in whole_days or by_day[day] > QUIET:
            yield piece
    yield from days


def _floor(at: int, seconds: int) -> int:
    return at // seconds * seconds


def _long(pieces: Iterable[UsagePiece], seconds: int) -> Iterator[UsagePiece]:
    return (piece for piece in pieces if piece.end - piece.start == seconds)


def _made_of(
    pieces: Iterable[UsagePiece], seconds: int, start: int, end: int
) -> Iterator[UsagePiece]:
    """The longer pieces within [start, end) that these add up to."""
    sums: dict[int, Used] = defaultdict(lambda: NOTHING_USED)
    for piece in pieces:
        at = _floor(piece.start, seconds)
        sums[at] = plus(sums[at], piece.used)
    for at, used in sums.items():
        if start <= at and at + seconds <= end:
            yield UsagePiece(at, at + seconds, used)


def remembered_pieces(wanted: Sequence[tuple[Window, int]]) -> Plan[list[list[UsagePiece]]]:
    """The stored days of each window, the hours between them, and the minutes between both.

    Earliest first. Each window comes with the maximum length of its pieces: DAY_S, HOUR_S or
    MINUTE_S.
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
    rows = yield from plans.ask(sum_statements.PIECES, windows=codec.to_json(windows))
    found: list[list[UsagePiece]] = [[] for _ in wanted]
    for place, start, end, *used in rows:
        found[place].append(UsagePiece(start, end, (used[0], used[1], used[2])))
    return found


class Leaving(NamedTuple):
    """A rolling window whose first `over` must leave; `restore`: refunds restore the limit."""

    asked: Asked
    over: int
    restore: bool

    @property
    def longest(self) -> int:
        return DAY_S if self.asked.has_pieces else 0


_SHORTER = {DAY_S: HOUR_S, HOUR_S: MINUTE_S, MINUTE_S: 0}


class _Search(NamedTuple):
    """A part of a rolling window to search for the purchase that leaves last."""

    place: int
    leaving: Leaving
    within: Window
    longest: int


def last_to_leave(wanted: Sequence[Leaving]) -> Plan[list[int | None]]:
    """The time of the purchase that, with all before it, adds up to what must leave.

    None if the whole window is less. The piece that contains it is searched: a day by its hours, an
    hour by its minutes, a minute by its purchases.
    """
    found: list[int | None] = [None] * len(wanted)
    searches = [
        _Search(place, one, one.asked.window, one.longest) for place, one in enumerate(wanted)
    ]
    while searches:
        looked_at = zip(searches, (yield from _by_time(searches)), strict=True)
        searches = []
        for search, parts in looked_at:
            last, over = _last(search.leaving, parts)
            if last and last.end - last.start > 1:
                within = search.within._replace(start=last.start, end=last.end)
                longest = _SHORTER[last.end - last.start]
                leaving = search.leaving._replace(over=over)
                searches.append(_Search(search.place, leaving, within, longest))
            else:
                found[search.place] = last and last.start
    return found


def _by_time(searches: Sequence[_Search]) -> Plan[list[list[UsagePiece]]]:
    """The pieces of each, and its purchases second by second, earliest first."""
    in_pieces = [(search.within, search.longest) for search in searches if search.longest]
    pieces = iter((yield from remembered_pieces(in_pieces)))
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
    added_up = yield from _added_up(ranges)
    return [
        sorted([*its, *(UsagePiece(part.since, part.since + 1, part.used) for part in parts)])
        for its, parts in zip(there, added_up, strict=True)
    ]


def _last(leaving: Leaving, parts: Iterable[UsagePiece]) -> tuple[UsagePiece | None, int]:
    """The part in which enough has left, and how much still had to leave before it."""
    over = leaving.over
    for part in parts:
        amount, refunded, count = part.used
        gone = amount - (refunded if leaving.restore else 0)
        gone = gone if leaving.asked.window.currency else count
        if gone >= over:
            return part, over
        over -= gone
    return None, over


def minutes(asked: Asked, start: int, end: int) -> Plan[list[WindowPart]]:
    """The sums of each minute in [start, end), however many purchases there are."""
    [parts] = yield from _added_up([_Range(asked, [(start, end)], MINUTE_S, _EVERY_ONE)])
    return parts


def parts(
    asked: Asked, spans: Sequence[tuple[int, int]], grain: int, most: int
) -> Plan[list[WindowPart]]:
    """The sums of these spans by `grain` seconds, from at most one purchase more than `most`.

    The spans need not be within the window.
    """
    [found] = yield from _added_up([_Range(asked, spans, grain, most)])
    return found


def _added_up(ranges: Sequence[_Range]) -> Plan[list[list[WindowPart]]]:
    """The sums of each range by its grain, earliest first."""
    found: list[list[WindowPart]] = [[] for _ in ranges]
    wanted = [_json(place, one) for place, one in enumerate(ranges) if one.spans]
    if not wanted:
        return found
    rows = yield from plans.ask(sum_statements.SUM, ranges=codec.to_json(wanted))
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
        # One more than allowed shows that there are too many.
        "most": None if one.most is None else one.most + 1,
    }


def _part(since: int, asked: Asked, lines: Iterable[tuple[Any, ...]]) -> WindowPart:
    window, concern, _ = asked
    used, purchases = NOTHING_USED, 0
    for _, _, *columns, number in lines:
        merchant, figures = columns[: len(LIMITS_READ)], columns[len(LIMITS_READ) :]
        amount, refunded, count = CountedUsage(*figures).seen_by(concern, Merchant(*merchant))
        # A window without a currency has counts alone.
        used = plus(used, (amount, refunded, count) if window.currency else (0, 0, count))
        purchases += number
    return WindowPart(since, used, purchases)
