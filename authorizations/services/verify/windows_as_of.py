"""What limit windows had used at a position of the ledger.

`verify_decisions` reads the ledger once, from its beginning, beside the decisions. For every
decision it needs what the windows of its limits had used just before it. Summing up each of them
from the ledger would read the same entries over and over. Instead, a sum is kept for every window
that decisions ask about, and each entry is added to the sums of its purchase as it is read.

Invariant: once its scope is settled, a sum equals what its window measures of all ledger entries
below the reader's position.

Example: the decision at position 100 asks about card ic_1 on 1 May. There is no sum for that day
yet, so one query adds up what the entries below 100 hold for it: 30.00. The entries from 100 to
149 are added as they are read; one of them takes 5.00 that day. The decision at position 150 asks
about the same day and gets 35.00 without a query.

What keeps this fast, in memory that does not grow with the ledger:

- The query is made only for windows that can hold anything by then. Where the ledger is read from
  its first entry, a scope without entries so far has used nothing, and neither has a window that
  starts after the latest purchase of its scope.
- Entries wait at their scope until a decision asks about it, and are then added all at once.
- Sums and scopes that no decision has asked about for long are dropped. If one does after all,
  they begin with a query again.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from authorizations.models.ledger import LIMITS_READ
from authorizations.rules.basics.clocks import FOREVER
from authorizations.rules.basics.filters import LimitFilter
from authorizations.rules.decision.values import Window
from authorizations.services.store import sum_statements
from authorizations.services.store.usage import needed, spent_by_place
from authorizations.services.store.window_totals import NOTHING_USED
from authorizations.services.verify.checking import fetch
from authorizations.services.verify.running_sums import CalendarSum, LedgerChange, RollingSum

_MAX_SCOPES = 30_000
"""Maximum scopes whose sums are kept, unless one piece of decisions asks about more."""

_MAX_CALENDAR_SUMS = 4
"""Maximum calendar sums kept for one scope, currency and filter after a round."""

_MAX_WAITING = 64
"""Maximum entries that wait at a scope."""

_SEEN_SLOTS = 2**22

# As sum_statements.SUM, which sums up what purchases count for now; this one takes the ledger's
# entries below a position.
_SUM = f"""
SELECT needed.place, summed.*
FROM jsonb_to_recordset(%(windows)s::jsonb) AS needed(
    place int, kind text, id text, start bigint, "end" bigint, currency text,
    by_merchant boolean, by_time boolean
)
CROSS JOIN LATERAL (
    SELECT
        CASE WHEN by_time THEN extract(epoch FROM purchase.created)::bigint END,
        {", ".join(f"CASE WHEN by_merchant THEN {column} END" for column in LIMITS_READ)},
        sum(entry.amount)::bigint, sum(entry.cash_amount)::bigint,
        sum(entry.refunded_amount)::bigint, sum(entry.count)::bigint,
        sum(entry.cash_count)::bigint
    FROM {sum_statements.WITHIN} AS purchase
    JOIN authorizations_ledgerentry AS entry
        ON entry.authorization_id = purchase.id AND entry.id < %(before)s
    WHERE needed.currency IN ('', purchase.currency)
    GROUP BY {", ".join(str(place) for place in range(1, len(LIMITS_READ) + 2))}
) AS summed
ORDER BY 1, 2
"""  # noqa: S608 - all of it is written here

Sum: TypeAlias = CalendarSum | RollingSum
ScopeKey: TypeAlias = tuple[str, str]
"""Kind and id, as in Window.scope."""

WindowQuery: TypeAlias = tuple[Window, LimitFilter, int]
"""A window that a decision asks about, its filter, and its length in seconds if it rolls, or 0."""


class _FilterSums:
    """The sums of one scope in one currency with one filter: all see the same of a purchase.

    Calendar sums by start and end. Rolling sums by length: windows of one length share a sum.
    """

    __slots__ = ("calendar", "concern", "currency", "rolling")

    def __init__(self, currency: str, concern: LimitFilter) -> None:
        self.currency, self.concern = currency, concern
        self.calendar: dict[tuple[int, int], CalendarSum] = {}
        self.rolling: dict[int, RollingSum] = {}

    def add(self, changes: Iterable[LedgerChange]) -> None:
        for change in changes:
            part = change.seen_in(self.currency, self.concern)
            if part == NOTHING_USED:
                continue
            created = change.created
            for calendar in self.calendar.values():
                if calendar.start <= created < calendar.end:
                    calendar.add(created, part)
            for rolling in self.rolling.values():
                rolling.add(created, part)

    def drop_old(self, round_number: int) -> None:
        """Drop what this round did not ask about, the oldest first, down to the maximum."""
        for rolling in self.rolling.values():
            rolling.drop_old()
        sums = self.calendar
        if len(sums) > _MAX_CALENDAR_SUMS:
            old = [bounds for bounds in sums if sums[bounds].last_round < round_number]
            old.sort(key=lambda bounds: sums[bounds].last_round)
            for bounds in old[: len(sums) - _MAX_CALENDAR_SUMS]:
                del sums[bounds]


class ScopeUsage:
    """The sums of a card, cardholder or group, and the entries that wait to be added to them."""

    __slots__ = ("by_filter", "last_round", "latest", "waiting")

    def __init__(self, latest: int) -> None:
        """`latest`: no purchase of the scope in the ledger so far began after it."""
        self.by_filter: dict[tuple[str, str], _FilterSums] = {}
        self.last_round = 0
        self.latest = latest
        self.waiting: list[LedgerChange] = []

    def sum_of(self, query: WindowQuery) -> Sum:
        """The sum of this window; a new one is empty."""
        (_, start, end, filter_key, currency, _), concern, length = query
        sums = self.by_filter.get((currency, filter_key))
        if sums is None:
            sums = self.by_filter[currency, filter_key] = _FilterSums(currency, concern)
        if length:
            rolling = sums.rolling.get(length)
            if rolling is None:
                rolling = sums.rolling[length] = RollingSum()
            return rolling
        calendar = sums.calendar.get((start, end))
        if calendar is None:
            calendar = sums.calendar[start, end] = CalendarSum(start, end)
        return calendar

    def settle(self) -> None:
        """Add the waiting entries to the sums."""
        waiting = self.waiting
        if waiting:
            self.latest = max(self.latest, *[change.created for change in waiting])
            for sums in self.by_filter.values():
                sums.add(waiting)
            waiting.clear()


class _SeenScopes:
    """The scopes that had entries or were asked about so far, by hash in a table of fixed size.

    A scope that shares its slot with another one counts as seen, too: that costs a query, no more.
    """

    def __init__(self, *, all_seen: bool) -> None:
        self._slots = bytearray([all_seen]) * _SEEN_SLOTS

    def add(self, key: ScopeKey) -> None:
        self._slots[hash(key) % _SEEN_SLOTS] = True

    def __contains__(self, key: ScopeKey) -> bool:
        return bool(self._slots[hash(key) % _SEEN_SLOTS])


class WindowsAsOf:
    """The running sums of all scopes.

    Used in rounds: `prepare` takes the windows of some decisions, then `add` the entries up to
    the last of them. `drop_old` follows after some rounds.
    """

    def __init__(self, begin: int) -> None:
        """`begin` is the id of the first entry that will be added."""
        self._seen = _SeenScopes(all_seen=begin > 0)
        self._round = 0
        self._scopes: OrderedDict[ScopeKey, ScopeUsage] = OrderedDict()  # last asked about: last
        self._touched: set[ScopeUsage] = set()

    def prepare(self, queries: Iterable[WindowQuery], before: int) -> list[tuple[ScopeUsage, Sum]]:
        """Begin a round: the sum of each of these windows, with its scope.

        `before` is the id of the next entry to be added. Settle the scope before reading a sum.
        """
        self._round += 1
        found: list[tuple[ScopeUsage, Sum]] = []
        missing: dict[int, tuple[WindowQuery, Sum]] = {}
        for query in queries:
            window = query[0]
            scope = self._scopes.get(window.scope)
            if scope is None:
                latest = FOREVER if window.scope in self._seen else -1
                scope = self._scopes[window.scope] = ScopeUsage(latest)
                self._seen.add(window.scope)
            if scope.last_round != self._round:
                scope.last_round = self._round
                scope.settle()
                self._touched.add(scope)
                self._scopes.move_to_end(window.scope)
            running = scope.sum_of(query)
            if running.request(window.start, self._round) and window.start <= scope.latest:
                missing[id(running)] = query, running
            found.append((scope, running))
        _fill(list(missing.values()), before)
        return found

    def add(self, change: LedgerChange, scopes: Iterable[ScopeKey]) -> None:
        """Add an entry of the ledger, of a purchase in these scopes."""
        for key in scopes:
            scope = self._scopes.get(key)
            if scope is None:
                self._seen.add(key)
                continue
            scope.waiting.append(change)
            if len(scope.waiting) == _MAX_WAITING:
                scope.settle()

    def drop_old(self) -> None:
        """Drop sums and scopes that were not asked about lately, down to the maximum."""
        for scope in self._touched:
            for sums in scope.by_filter.values():
                sums.drop_old(self._round)
        while len(self._scopes) > max(_MAX_SCOPES, len(self._touched)):
            self._scopes.popitem(last=False)
        self._touched = set()


def _fill(missing: Sequence[tuple[WindowQuery, Sum]], before: int) -> None:
    """Add to each of these empty sums what the entries below `before` hold."""
    for is_rolling in (False, True):
        some = [(query, running) for query, running in missing if bool(query[2]) == is_rolling]
        windows = needed([window for (window, _, _), _ in some], by_time=is_rolling)
        rows = fetch(_SUM, {"windows": windows, "before": before}) if some else ()
        for index, parts in spent_by_place(rows):
            (window, concern, _), running = some[index]
            for part in parts:
                change = LedgerChange(part.created, window.currency, part.merchant, part.counted)
                running.add(part.created or window.start, change.seen_in(window.currency, concern))
