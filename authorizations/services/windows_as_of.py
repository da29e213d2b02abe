"""What limits had used up at any place of the ledger, counted along it from its beginning.

A window's sum begins where the window is first asked about, with what the ledger holds before
that place; from there each entry is added as it comes. Windows that nobody asked about for long
are forgotten, and summed anew if somebody does after all: so memory stays the same however long
the ledger is.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from authorizations.rules.values import Window
from authorizations.services import sql
from authorizations.services.running_sums import Asked, CalendarSum, Change, RollingSum, Used
from authorizations.services.usage import Spent, needed, spent_by_place

_MOST_WINDOWS = 250_000
_ROUNDS_KEPT = 16

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
Key: TypeAlias = tuple[object, ...]
ScopeKey: TypeAlias = tuple[str, str]
"""Kind and id, as in Window.scope."""


class _Scope:
    """The sums of one card, cardholder or group; `rounds` counts those that asked about it."""

    __slots__ = ("rounds", "sums")

    def __init__(self) -> None:
        self.sums: dict[Key, Sum] = {}
        self.rounds = 0

    def forget(self) -> int:
        """What was not asked about lately; how many windows that were."""
        for running in self.sums.values():
            if isinstance(running, RollingSum) and running.asked_in == self.rounds:
                running.forget_before(running.earliest)
        oldest = self.rounds - _ROUNDS_KEPT
        old = [key for key, running in self.sums.items() if running.asked_in < oldest]
        for key in old:
            del self.sums[key]
        return len(old)


class WindowsAsOf:
    """Running sums by scope. A round is: `prepare` for some decisions, `add` and `used`, `tidy`."""

    def __init__(self) -> None:
        # The one asked about last comes last.
        self._scopes: OrderedDict[ScopeKey, _Scope] = OrderedDict()
        self._windows = 0
        self._touched: set[ScopeKey] = set()

    def prepare(self, asked: Iterable[Asked], before: int) -> None:
        """Have a sum for each of these windows; entries from id `before` on are added later."""
        missing: dict[tuple[ScopeKey, Key], Asked] = {}
        for one in asked:
            scope, start = self._touch(one.window.scope), one.window.start
            running = scope.sums.get(one.key)
            if running and running.reaches(start):
                running.note(start, scope.rounds)
                continue
            place = (one.window.scope, one.key)
            if place not in missing or start < missing[place].window.start:
                missing[place] = one
        self._begin(list(missing.values()), before)

    def add(self, change: Change, scopes: Iterable[ScopeKey]) -> None:
        """An entry of the ledger, of a purchase in these scopes."""
        for key in scopes:
            if scope := self._scopes.get(key):
                for running in scope.sums.values():
                    running.add(change)

    def used(self, asked: Asked) -> Used:
        """What counts in a window now; KeyError for one that was not prepared."""
        return self._scopes[asked.window.scope].sums[asked.key].used(asked.window)

    def tidy(self) -> None:
        """Forget what was not asked about for long, or where there is too much."""
        for key in self._touched:
            self._windows -= self._scopes[key].forget()
        while self._windows > _MOST_WINDOWS and len(self._scopes) > len(self._touched):
            self._windows -= len(self._scopes.popitem(last=False)[1].sums)
        self._touched = set()

    def _touch(self, key: ScopeKey) -> _Scope:
        scope = self._scopes.setdefault(key, _Scope())
        if key not in self._touched:
            self._touched.add(key)
            self._scopes.move_to_end(key)
            scope.rounds += 1
        return scope

    def _begin(self, asked: Sequence[Asked], before: int) -> None:
        """Sum what the ledger holds before this entry, and go on from there."""
        for is_rolling in (False, True):
            some = [one for one in asked if bool(one.length) == is_rolling]
            spent = _spent([one.window for one in some], before, by_time=is_rolling)
            for place, one in enumerate(some):
                scope = self._scopes[one.window.scope]
                running = RollingSum(one) if is_rolling else CalendarSum(one)
                running.note(one.window.start, scope.rounds)
                for part in spent.get(place, []):
                    running.add(_change(part, one.window))
                self._windows += one.key not in scope.sums
                scope.sums[one.key] = running


def _spent(windows: Sequence[Window], before: int, *, by_time: bool) -> dict[int, list[Spent]]:
    if not windows:
        return {}
    rows = sql.run(_SUM, windows=needed(windows, by_time=by_time), before=before).fetchall()
    return dict(spent_by_place(rows))


def _change(part: Spent, window: Window) -> Change:
    """What is summed over a window lies in it, and is in its currency."""
    return Change(part.created or window.start, window.currency, part.merchant, part.counted)
