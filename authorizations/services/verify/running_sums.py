"""Sums that are carried forward along the ledger: what counts in a window, entry by entry."""

from bisect import bisect_left, bisect_right
from functools import lru_cache
from typing import NamedTuple

from authorizations.rules.basics.clocks import FOREVER
from authorizations.rules.basics.filters import LimitFilter, Merchant
from authorizations.rules.purchases.counted import CountedUsage
from authorizations.services.store.window_totals import NOTHING_USED, Used, minus, plus, total

_MIN_DROPPED = 64
"""Removing parts from the front of a list costs time, so fewer than this many stay."""


def used_words(used: Used) -> str:
    amount, refunded, purchases = used
    return f"amount={amount}, refunded={refunded}, purchases={purchases}"


@lru_cache(maxsize=4096)
def merchant_of(*facts: str) -> Merchant:
    """A merchant from its first fields, in their order. Cached: few merchants occur often."""
    return Merchant(*facts)


class LedgerChange(NamedTuple):
    """What a ledger entry changed for a purchase, and what limits see of that purchase.

    `created` is when the purchase began, in Unix seconds.
    """

    created: int
    currency: str
    merchant: Merchant
    counted: CountedUsage

    def seen_in(self, currency: str, concern: LimitFilter) -> Used:
        """The part that a window with this currency and filter measures.

        A window with the currency "" counts purchases in all currencies, and no amounts.
        """
        if currency and currency != self.currency:
            return NOTHING_USED
        seen = self.counted.seen_by(concern, self.merchant)
        return seen if currency else (0, 0, seen[2])


class CalendarSum:
    """The sum of the window from `start` up to, not including, `end`, in Unix seconds."""

    __slots__ = ("amount", "count", "end", "last_round", "refunded", "start")

    def __init__(self, start: int, end: int) -> None:
        self.start, self.end = start, end
        self.amount = self.refunded = self.count = self.last_round = 0

    def request(self, _: int, round_number: int) -> bool:
        """Note that a round asks for this sum; True if its beginning has to be added first."""
        is_new = not self.last_round
        self.last_round = round_number
        return is_new

    def add(self, _: int, part: Used) -> None:
        """Add what a purchase within the window used."""
        self.amount += part[0]
        self.refunded += part[1]
        self.count += part[2]

    def used(self, _: int) -> Used:
        return self.amount, self.refunded, self.count


class RollingSum:
    """The sums of rolling windows of one length, which differ only in where they start.

    Holds every part since `floor`, sorted by the time of its purchase. Invariant: `total` is the
    sum of all parts, `before_cursor` that of the first `cursor` parts. So the sum of the window
    that starts at `start` is `total` minus the parts before `start`:

        created        10   20   30
        parts           5    7    1     total 13
        used(15)   cursor 1, before_cursor 5: 13 - 5 = 8

    Successive windows start a little later each time, so the cursor moves only a few parts.
    """

    __slots__ = (
        *("before_cursor", "created", "cursor", "earliest_start", "floor", "last_round"),
        *("parts", "total"),
    )

    def __init__(self) -> None:
        self.last_round = 0
        self._clear(FOREVER)

    def _clear(self, floor: int) -> None:
        self.floor = self.earliest_start = floor
        self.created: list[int] = []
        self.parts: list[Used] = []
        self.cursor = 0
        self.total = self.before_cursor = NOTHING_USED

    def request(self, start: int, round_number: int) -> bool:
        """Note that a round asks for the window that starts at `start`.

        True if that is before `floor`: the sum is then empty, and all since `start` has to be
        added to it first.
        """
        is_new = start < self.floor
        if is_new:
            self._clear(start)
        if round_number > self.last_round:
            self.earliest_start = start
        else:
            self.earliest_start = min(start, self.earliest_start)
        self.last_round = round_number
        return is_new

    def add(self, created: int, part: Used) -> None:
        """Add what a purchase that began at `created` used; ignored if that is before `floor`."""
        if created < self.floor:
            return
        index = bisect_right(self.created, created)
        self.created.insert(index, created)
        self.parts.insert(index, part)
        self.total = plus(self.total, part)
        if index < self.cursor:
            self.cursor += 1
            self.before_cursor = plus(self.before_cursor, part)

    def used(self, start: int) -> Used:
        """The sum of the window that starts at `start`, which must not be before `floor`."""
        index = bisect_left(self.created, start)
        if index > self.cursor:
            skipped = total(self.parts[self.cursor : index])
            self.before_cursor = plus(self.before_cursor, skipped)
        elif index < self.cursor:
            regained = total(self.parts[index : self.cursor])
            self.before_cursor = minus(self.before_cursor, regained)
        self.cursor = index
        return minus(self.total, self.before_cursor)

    def drop_old(self) -> None:
        """Drop the parts before the windows of the last round, if there are many."""
        index = bisect_left(self.created, self.earliest_start)
        if index < _MIN_DROPPED:
            return
        self.total = minus(self.total, total(self.parts[:index]))
        del self.created[:index], self.parts[:index]
        self.cursor, self.before_cursor, self.floor = 0, NOTHING_USED, self.earliest_start
