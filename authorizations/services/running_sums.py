"""Sums that run along the ledger: what counts in a window, entry after entry."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from typing import NamedTuple

from authorizations.rules.counted import Counted
from authorizations.rules.filters import LimitFilter, Merchant
from authorizations.rules.values import Window


class Used(NamedTuple):
    """What counts in a window: amount, refunds, and how many purchases."""

    amount: int = 0
    refunded: int = 0
    times: int = 0

    def plus(self, more: "Used") -> "Used":
        return Used(
            self.amount + more.amount, self.refunded + more.refunded, self.times + more.times
        )

    def minus(self, less: "Used") -> "Used":
        return Used(
            self.amount - less.amount, self.refunded - less.refunded, self.times - less.times
        )


NOTHING_USED = Used()


class Change(NamedTuple):
    """What an entry of the ledger changed for a purchase, and what limits know the purchase by."""

    created: int
    currency: str
    merchant: Merchant
    counted: Counted

    def seen_in(self, currency: str, concern: LimitFilter) -> Used:
        """What of it a window with this currency ("" counts in all) and filter measures."""
        if currency and currency != self.currency:
            return NOTHING_USED
        amount, refunded, count = self.counted.seen_by(concern, self.merchant)
        return Used(amount, refunded, count) if currency else Used(0, 0, count)


class CalendarSum:
    """Of a window from `start` up to, not including, `end`; `asked_in` is the last round."""

    __slots__ = ("amount", "asked_in", "end", "refunded", "start", "times")

    def __init__(self, start: int, end: int) -> None:
        self.start, self.end = start, end
        self.amount = self.refunded = self.times = self.asked_in = 0

    def begins_anew(self, _: int) -> bool:
        return False

    def note(self, _: int, asked_in: int) -> None:
        """Asked about in this round."""
        self.asked_in = asked_in

    def add(self, created: int, part: Used) -> None:
        if self.start <= created < self.end:
            self.amount += part.amount
            self.refunded += part.refunded
            self.times += part.times

    def used(self, _: Window) -> Used:
        return Used(self.amount, self.refunded, self.times)


class RollingSum:
    """Of windows of one length: what was spent since `floor`, in the order of time.

    `below` is the sum of the first `place` parts. Windows mostly start a little later than the
    one before, so the place moves little.
    """

    __slots__ = (*("asked_in", "below", "created", "earliest", "floor", "parts", "place", "total"),)

    def __init__(self, start: int) -> None:
        self.asked_in = 0
        self._begin(start)

    def begins_anew(self, start: int) -> bool:
        """Where too little is known of a window that starts then: empty now, and True; what was
        spent since is to be added.
        """
        if start >= self.floor:
            return False
        self._begin(start)
        return True

    def _begin(self, start: int) -> None:
        self.floor = self.earliest = start
        self.created: list[int] = []
        self.parts: list[Used] = []
        self.place = 0
        self.total = self.below = NOTHING_USED

    def note(self, start: int, asked_in: int) -> None:
        """Asked about in this round, with a window that starts then."""
        self.earliest = start if asked_in > self.asked_in else min(start, self.earliest)
        self.asked_in = asked_in

    def add(self, created: int, part: Used) -> None:
        if created < self.floor:
            return
        at = bisect_right(self.created, created)
        self.created.insert(at, created)
        self.parts.insert(at, part)
        self.total = self.total.plus(part)
        if at < self.place:
            self.place += 1
            self.below = self.below.plus(part)

    def used(self, window: Window) -> Used:
        place = bisect_left(self.created, window.start)
        if place > self.place:
            self.below = self.below.plus(total(self.parts[self.place : place]))
        elif place < self.place:
            self.below = self.below.minus(total(self.parts[place : self.place]))
        self.place = place
        return self.total.minus(self.below)

    def forget_before(self, start: int) -> None:
        """No window will start earlier: what was spent before is not needed any more."""
        place = bisect_left(self.created, start)
        self.total = self.total.minus(total(self.parts[:place]))
        del self.created[:place], self.parts[:place]
        self.place, self.below, self.floor = 0, NOTHING_USED, start


def total(parts: Iterable[Used]) -> Used:
    found = NOTHING_USED
    for part in parts:
        found = found.plus(part)
    return found
