"""What limits had used up at any place of the ledger, counted along it from its beginning.

A window's sum begins where the window is first asked about, with what the ledger holds before
that place; from there each entry is added as it comes. Where the ledger is read from its first
entry, most windows begin after all that was spent before: nothing is read for these. Windows that
nobody asked about for long are forgotten, and summed anew if somebody does after all: so memory
stays the same however long the ledger is.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from authorizations.rules.basics.clocks import FOREVER
from authorizations.rules.basics.filters import LimitFilter
from authorizations.rules.decision.values import Window
from authorizations.services.store import statements
from authorizations.services.store.running_sums import (
    NOTHING_USED,
    CalendarSum,
    LedgerChange,
    RollingSum,
)
from authorizations.services.store.usage import needed, spent_by_place
from authorizations.services.verify.checking import fetch

_MOST_SCOPES = 30_000
_MOST_ALIKE = 4
_MOST_WAITING = 64
_PLACES = 2**22

# As statements.SUM, but of the ledger up to a place; that one reads what purchases count for now.
_SUM = f"""
SELECT needed.place, summed.*
FROM jsonb_to_recordset(%(windows)s::jsonb) AS needed(
    place int, kind text, id text, start bigint, "end" bigint, currency text,
    by_merchant boolean, by_time boolean
)
CROSS JOIN LATERAL (
    SELECT
        CASE WHEN by_time THEN extract(epoch FROM purchase.created)::bigint END,
        CASE WHEN by_merchant THEN category END,
        CASE WHEN by_merchant THEN category_code END,
        CASE WHEN by_merchant THEN merchant_country END,
        CASE WHEN by_merchant THEN merchant_name END,
        CASE WHEN by_merchant THEN network_id END,
        sum(entry.amount)::bigint, sum(entry.cash_amount)::bigint,
        sum(entry.refunded_amount)::bigint, sum(entry.count)::bigint,
        sum(entry.cash_count)::bigint
    FROM {statements.WITHIN} AS purchase
    JOIN authorizations_ledgerentry AS entry
        ON entry.authorization_id = purchase.id AND entry.id < %(before)s
    WHERE needed.currency IN ('', purchase.currency)
    GROUP BY 1, 2, 3, 4, 5, 6
) AS summed
ORDER BY 1, 2
"""  # noqa: S608 - all of it is written here

Sum: TypeAlias = CalendarSum | RollingSum
ScopeKey: TypeAlias = tuple[str, str]
"""Kind and id, as in Window.scope."""

Asked: TypeAlias = tuple[Window, LimitFilter, int]
"""A window that a decision asked about, its filter, and its length in seconds if it rolls, or 0."""


class _Alike:
    """Windows of one scope that see the same of each purchase: in one currency, with one filter.

    Calendar windows by start and end, rolling ones by length: those of one length share a sum.
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

    def forget(self, asked_in: int) -> None:
        """What was not asked about in this round, where it is much."""
        for rolling in self.rolling.values():
            rolling.forget()
        sums = self.calendar
        if len(sums) > _MOST_ALIKE:
            old = [bounds for bounds in sums if sums[bounds].asked_in < asked_in]
            old.sort(key=lambda bounds: sums[bounds].asked_in)
            for bounds in old[: len(sums) - _MOST_ALIKE]:
                del sums[bounds]


class ScopeUsage:
    """The sums of a card, cardholder or group; `asked_in` is the last round that asked for any.

    Entries wait until somebody asks: then all is added up at once.
    """

    __slots__ = ("alike", "asked_in", "latest", "waiting")

    def __init__(self, latest: int) -> None:
        """None of its purchases in the ledger so far began after `latest`."""
        self.alike: dict[tuple[str, str], _Alike] = {}
        self.asked_in = 0
        self.latest = latest
        self.waiting: list[LedgerChange] = []

    def sum_of(self, asked: Asked) -> Sum:
        (_, start, end, filter_key, currency, _), concern, length = asked
        alike = self.alike.get((currency, filter_key))
        if alike is None:
            alike = self.alike[currency, filter_key] = _Alike(currency, concern)
        if length:
            rolling = alike.rolling.get(length)
            if rolling is None:
                rolling = alike.rolling[length] = RollingSum()
            return rolling
        calendar = alike.calendar.get((start, end))
        if calendar is None:
            calendar = alike.calendar[start, end] = CalendarSum(start, end)
        return calendar

    def settle(self) -> None:
        """Add what waits."""
        waiting = self.waiting
        if waiting:
            self.latest = max(self.latest, *[change.created for change in waiting])
            for alike in self.alike.values():
                alike.add(waiting)
            waiting.clear()


class _Met:
    """The scopes met so far, however many: a few that were not may look as if they were."""

    def __init__(self, *, everybody: bool) -> None:
        self._places = bytearray([everybody]) * _PLACES

    def add(self, key: ScopeKey) -> None:
        self._places[hash(key) % _PLACES] = True

    def __contains__(self, key: ScopeKey) -> bool:
        return bool(self._places[hash(key) % _PLACES])


class WindowsAsOf:
    """Running sums by scope. A round is: `prepare` for some decisions, `add` entries.

    `tidy` comes after some rounds.
    """

    def __init__(self, begin: int) -> None:
        """All entries from this id on are to be added."""
        self._met = _Met(everybody=begin > 0)
        self._round = 0
        # The one asked about last comes last.
        self._scopes: OrderedDict[ScopeKey, ScopeUsage] = OrderedDict()
        self._touched: set[ScopeUsage] = set()

    def prepare(self, asked: Iterable[Asked], before: int) -> list[tuple[ScopeUsage, Sum]]:
        """A sum for each of these windows; the entries from id `before` on are to be added.

        It is right once its scope is settled.
        """
        self._round += 1
        missing: dict[int, tuple[Asked, Sum]] = {}
        found = [self._running(one, missing) for one in asked]
        _begin(list(missing.values()), before)
        return found

    def add(self, change: LedgerChange, scopes: Iterable[ScopeKey]) -> None:
        """An entry of the ledger, of a purchase in these scopes."""
        for key in scopes:
            scope = self._scopes.get(key)
            if scope is None:
                self._met.add(key)
                continue
            scope.waiting.append(change)
            if len(scope.waiting) == _MOST_WAITING:
                scope.settle()

    def tidy(self) -> None:
        """Forget what was not asked about for long, or where there is too much."""
        for scope in self._touched:
            for alike in scope.alike.values():
                alike.forget(self._round)
        while len(self._scopes) > max(_MOST_SCOPES, len(self._touched)):
            self._scopes.popitem(last=False)
        self._touched = set()

    def _running(
        self, asked: Asked, missing: dict[int, tuple[Asked, Sum]]
    ) -> tuple[ScopeUsage, Sum]:
        """The sum there is, or one that is noted as missing its beginning."""
        window = asked[0]
        scope = self._scopes.get(window.scope)
        if scope is None or scope.asked_in != self._round:
            scope = self._touch(window.scope)
        running = scope.sum_of(asked)
        if running.note(window.start, self._round) and window.start <= scope.latest:
            missing[id(running)] = asked, running
        return scope, running

    def _touch(self, key: ScopeKey) -> ScopeUsage:
        """Asked about in this round."""
        scope = self._scopes.get(key)
        if scope is None:
            scope = self._scopes[key] = ScopeUsage(latest=FOREVER if key in self._met else -1)
            self._met.add(key)
        scope.settle()
        scope.asked_in = self._round
        self._touched.add(scope)
        self._scopes.move_to_end(key)
        return scope


def _begin(missing: Sequence[tuple[Asked, Sum]], before: int) -> None:
    """Add to each of these sums what the ledger holds before this entry."""
    for is_rolling in (False, True):
        some = [(asked, running) for asked, running in missing if bool(asked[2]) == is_rolling]
        windows = needed([window for (window, _, _), _ in some], by_time=is_rolling)
        rows = fetch(_SUM, {"windows": windows, "before": before}) if some else ()
        for place, parts in spent_by_place(rows):
            (window, concern, _), running = some[place]
            for part in parts:
                change = LedgerChange(part.created, window.currency, part.merchant, part.counted)
                running.add(part.created or window.start, change.seen_in(window.currency, concern))
