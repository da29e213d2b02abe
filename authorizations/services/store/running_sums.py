"""Sums that run along the ledger: what counts in a window, entry after entry.

Millions of figures pass through here: they are plain tuples.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from authorizations.rules.basics.clocks import FOREVER
from authorizations.rules.basics.filters import LimitFilter, Merchant
from authorizations.rules.purchases.counted import CountedUsage

Used: TypeAlias = tuple[int, int, int]
"""What counts in a window: amount, refunds, and how many purchases."""

NOTHING_USED: Used = (0, 0, 0)
_MANY = 64


def plus(one: Used, more: Used) -> Used:
    return one[0] + more[0], one[1] + more[1], one[2] + more[2]


def minus(one: Used, less: Used) -> Used:
    return one[0] - less[0], one[1] - less[1], one[2] - less[2]


def total(parts: Iterable[Used]) -> Used:
    found = NOTHING_USED
    for part in parts:
        found = plus(found, part)
    return found


def used_words(used: Used) -> str:
    amount, refunded, purchases = used
    return f"amount={amount}, refunded={refunded}, purchases={purchases}"


@lru_cache(maxsize=4096)
def merchant_of(*facts: str) -> Merchant:
    """Of its first fields; the same few are met again and again."""
    return Merchant(*facts)


class LedgerChange(NamedTuple):
    """What an entry of the ledger changed for a purchase, and what limits know the purchase by."""

    created: int
    currency: str
    merchant: Merchant
    counted: CountedUsage

    def seen_in(self, currency: str, concern: LimitFilter) -> Used:
        """What of it a window with this currency ("" counts in all) and filter measures."""
        if currency and currency != self.currency:
            return NOTHING_USED
        seen = self.counted.seen_by(concern, self.merchant)
        return seen if currency else (0, 0, seen[2])


class CalendarSum:
    """Of a window from `start` up to, not including, `end`; `asked_in` is the last round."""

    __slots__ = ("amount", "asked_in", "end", "refunded", "start", "times")

    def __init__(self, start: int, end: int) -> None:
        self.start, self.end = start, end
        self.amount = self.refunded = self.times = self.asked_in = 0

    def note(self, _: int, asked_in: int) -> bool:
        """Asked about in this round; True where what was spent before is to be added."""
        is_new = not self.asked_in
        self.asked_in = asked_in
        return is_new

    def add(self, _: int, part: Used) -> None:
        """What was spent within the window."""
        self.amount += part[0]
        self.refunded += part[1]
        self.times += part[2]

    def used(self, _: int) -> Used:
        return self.amount, self.refunded, self.times


class RollingSum:
    """Of windows of one length: what was spent since `floor`, in the order of time.

    `below` is the sum of the first `place` parts. Windows mostly start a little later than the
    one before, so the place moves little.
    """

    __slots__ = (*("asked_in", "below", "created", "earliest", "floor", "parts", "place", "total"),)

    def __init__(self) -> None:
        self.asked_in = 0
        self._begin(FOREVER)

    def _begin(self, start: int) -> None:
        self.floor = self.earliest = start
        self.created: list[int] = []
        self.parts: list[Used] = []
        self.place = 0
        self.total = self.below = NOTHING_USED

    def note(self, start: int, asked_in: int) -> bool:
        """Asked about in this round, with a window that starts then.

        True where too little is known of it: now nothing, and what was spent since is to be added.
        """
        is_new = start < self.floor
        if is_new:
            self._begin(start)
        self.earliest = start if asked_in > self.asked_in else min(start, self.earliest)
        self.asked_in = asked_in
        return is_new

    def add(self, created: int, part: Used) -> None:
        if created < self.floor:
            return
        at = bisect_right(self.created, created)
        self.created.insert(at, created)
        self.parts.insert(at, part)
        self.total = plus(self.total, part)
        if at < self.place:
            self.place += 1
            self.below = plus(self.below, part)

    def used(self, start: int) -> Used:
        place = bisect_left(self.created, start)
        if place > self.place:
            self.below = plus(self.below, total(self.parts[self.place : place]))
        elif place < self.place:
            self.below = minus(self.below, total(self.parts[place : self.place]))
        self.place = place
        return minus(self.total, self.below)

    def forget(self) -> None:
        """What was spent before the windows of the last round, where that is much."""
        place = bisect_left(self.created, self.earliest)
        if place < _MANY:
            return
        self.total = minus(self.total, total(self.parts[:place]))
        del self.created[:place], self.parts[:place]
        self.place, self.below, self.floor = 0, NOTHING_USED, self.earliest
