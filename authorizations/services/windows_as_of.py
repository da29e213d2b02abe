"""What limits had used up at any place of the ledger, counted along it from its beginning.

A window's sum begins where the window is first asked about, with what the ledger holds before
that place; from there each entry is added as it comes. Windows that nobody asked about for long
are forgotten, and summed anew if somebody does after all: so memory stays the same however long
the ledger is.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from authorizations.rules.filters import LimitFilter
from authorizations.rules.values import Window
from authorizations.services import sql
from authorizations.services.running_sums import NOTHING_USED, CalendarSum, Change, RollingSum
from authorizations.services.usage import Spent, needed, spent_by_place

_MOST_WINDOWS = 250_000
_MOST_ALIKE = 8

# As sql.SUM, but of the ledger up to a place, where that one reads what purchases count for now.
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
    FROM {sql.WITHIN} AS purchase
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

Bounds: TypeAlias = tuple[int, int]
"""Start and end; of rolling windows, which share a sum if they are of one length, 0 and that."""


Asked: TypeAlias = tuple[Window, LimitFilter, int]
"""A window that a decision asked about, its filter, and its length in seconds if it rolls, or 0."""


class _Alike:
    """Windows of one scope that see the same of each purchase: in one currency, with one filter."""

    __slots__ = ("concern", "currency", "sums")

    def __init__(self, currency: str, concern: LimitFilter) -> None:
        self.currency, self.concern = currency, concern
        self.sums: dict[Bounds, Sum] = {}

    def forget(self, asked_in: int) -> int:
        """What was not asked about in this round, where it is much; how many windows that were."""
        sums = self.sums
        for running in sums.values():
            running.forget()
        if len(sums) <= _MOST_ALIKE:
            return 0
        old = [bounds for bounds in sums if sums[bounds].asked_in < asked_in]
        old.sort(key=lambda bounds: sums[bounds].asked_in)
        forgotten = old[: len(sums) - _MOST_ALIKE]
        for bounds in forgotten:
            del sums[bounds]
        return len(forgotten)


class _Scope:
    """The sums of one card, cardholder or group; `rounds` counts those that asked about it."""

    __slots__ = ("alike", "rounds")

    def __init__(self) -> None:
        self.alike: dict[tuple[str, str], _Alike] = {}
        self.rounds = 0

    def sums_of(self, window: Window, concern: LimitFilter) -> dict[Bounds, Sum]:
        key = (window.currency, window.filter_key)
        if key not in self.alike:
            self.alike[key] = _Alike(window.currency, concern)
        return self.alike[key].sums


class WindowsAsOf:
    """Running sums by scope. A round is: `prepare` for some decisions, `add` entries, `tidy`."""

    def __init__(self) -> None:
        # The one asked about last comes last.
        self._scopes: OrderedDict[ScopeKey, _Scope] = OrderedDict()
        self._windows = 0
        self._touched: set[ScopeKey] = set()

    def prepare(self, asked: Iterable[Asked], before: int) -> list[Sum]:
        """A sum for each of these windows; the entries from id `before` on are to be added."""
        missing: dict[int, tuple[Asked, Sum]] = {}
        found = [self._running(one, missing) for one in asked]
        _begin(list(missing.values()), before)
        return found

    def add(self, change: Change, scopes: Iterable[ScopeKey]) -> None:
        """An entry of the ledger, of a purchase in these scopes."""
        created = change.created
        for key in scopes:
            scope = self._scopes.get(key)
            for alike in scope.alike.values() if scope else ():
                part = change.seen_in(alike.currency, alike.concern)
                if part != NOTHING_USED:
                    for running in alike.sums.values():
                        running.add(created, part)

    def tidy(self) -> None:
        """Forget what was not asked about for long, or where there is too much."""
        for key in self._touched:
            scope = self._scopes[key]
            self._windows -= sum(alike.forget(scope.rounds) for alike in scope.alike.values())
        while self._windows > _MOST_WINDOWS and len(self._scopes) > len(self._touched):
            alike = self._scopes.popitem(last=False)[1].alike
            self._windows -= sum(len(one.sums) for one in alike.values())
        self._touched = set()

    def _running(self, asked: Asked, missing: dict[int, tuple[Asked, Sum]]) -> Sum:
        """The sum there is, or one that is noted as missing its beginning."""
        window, concern, length = asked
        scope = self._scopes.get(window.scope)
        if scope is None or window.scope not in self._touched:
            scope = self._touch(window.scope)
        sums = scope.sums_of(window, concern)
        bounds = (0, length) if length else (window.start, window.end)
        running = sums.get(bounds)
        if running is None:
            running = RollingSum(window.start) if length else CalendarSum(*bounds)
            sums[bounds] = running
            self._windows += 1
            missing[id(running)] = asked, running
        elif length and running.begins_anew(window.start):
            missing[id(running)] = asked, running
        running.note(window.start, scope.rounds)
        return running

    def _touch(self, key: ScopeKey) -> _Scope:
        """Asked about in this round."""
        scope = self._scopes.setdefault(key, _Scope())
        self._touched.add(key)
        self._scopes.move_to_end(key)
        scope.rounds += 1
        return scope


def _begin(missing: Sequence[tuple[Asked, Sum]], before: int) -> None:
    """Add to each of these sums what the ledger holds before this entry."""
    for is_rolling in (False, True):
        some = [(asked, running) for asked, running in missing if bool(asked[2]) == is_rolling]
        spent = _spent([window for (window, _, _), _ in some], before, by_time=is_rolling)
        for place, parts in spent.items():
            (window, concern, _), running = some[place]
            for part in parts:
                change = Change(part.created, window.currency, part.merchant, part.counted)
                running.add(part.created or window.start, change.seen_in(window.currency, concern))


def _spent(windows: Sequence[Window], before: int, *, by_time: bool) -> dict[int, list[Spent]]:
    if not windows:
        return {}
    rows = sql.run(_SUM, windows=needed(windows, by_time=by_time), before=before).fetchall()
    return dict(spent_by_place(rows))
