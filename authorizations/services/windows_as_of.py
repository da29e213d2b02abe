"""What limits had used up at any place of the ledger, counted along it from its beginning.

A window's sum begins where the window is first asked about, with what the ledger holds before
that place; from there each entry is added as it comes. Windows that nobody asked about for long
are forgotten, and summed anew if somebody does after all: so memory stays the same however long
the ledger is.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from authorizations.rules.values import Window
from authorizations.services import sql
from authorizations.services.running_sums import Asked, CalendarSum, Change, RollingSum, Used
from authorizations.services.usage import Spent, needed, spent_by_place

_MOST_WINDOWS = 100_000
_MOST_OF_A_SCOPE = 64

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


class WindowsAsOf:
    """Running sums by scope. A round is: `prepare` for some decisions, `add` and `used`, `tidy`."""

    def __init__(self) -> None:
        self._scopes: OrderedDict[ScopeKey, dict[Key, Sum]] = OrderedDict()
        self._windows = 0
        self._round = 0

    def prepare(self, asked: Iterable[Asked], before: int) -> None:
        """Have a sum for each of these windows; entries from id `before` on are added later."""
        self._round += 1
        missing: dict[tuple[ScopeKey, Key], Asked] = {}
        for one in asked:
            window = one.window
            running = self._scopes.get(window.scope, {}).get(one.key)
            if running and running.reaches(window.start):
                running.note(window.start, self._round)
                self._scopes.move_to_end(window.scope)
                continue
            place = (window.scope, one.key)
            if place not in missing or window.start < missing[place].window.start:
                missing[place] = one
        self._begin(list(missing.values()), before)

    def add(self, change: Change, scopes: Iterable[ScopeKey]) -> None:
        """An entry of the ledger, of a purchase in these scopes."""
        for scope in scopes:
            if sums := self._scopes.get(scope):
                for running in sums.values():
                    running.add(change)

    def used(self, asked: Asked) -> Used:
        """What counts in a window now; KeyError for one that was not prepared."""
        return self._scopes[asked.window.scope][asked.key].used(asked.window)

    def tidy(self) -> None:
        """Forget what was not asked about in this round, where there is too much of it."""
        for sums in self._of_this_round():
            for running in sums.values():
                if isinstance(running, RollingSum) and running.asked_in == self._round:
                    running.forget_before(running.earliest)
            if len(sums) > _MOST_OF_A_SCOPE:
                self._forget(sums, len(sums) - _MOST_OF_A_SCOPE)
        recent = {id(sums) for sums in self._of_this_round()}
        while self._windows > _MOST_WINDOWS and len(self._scopes) > len(recent):
            self._windows -= len(self._scopes.popitem(last=False)[1])

    def _of_this_round(self) -> Iterator[dict[Key, Sum]]:
        for scope in reversed(self._scopes):
            sums = self._scopes[scope]
            if all(running.asked_in < self._round for running in sums.values()):
                return
            yield sums

    def _forget(self, sums: dict[Key, Sum], many: int) -> None:
        """The windows that nobody asked about for longest."""
        by_age = sorted(sums, key=lambda key: sums[key].asked_in)
        for key in by_age[:many]:
            if sums[key].asked_in < self._round:
                del sums[key]
                self._windows -= 1

    def _begin(self, asked: Sequence[Asked], before: int) -> None:
        """Sum what the ledger holds before this entry, and go on from there."""
        for is_rolling in (False, True):
            some = [one for one in asked if bool(one.length) == is_rolling]
            spent = _spent([one.window for one in some], before, by_time=is_rolling)
            for place, one in enumerate(some):
                running = RollingSum(one) if is_rolling else CalendarSum(one)
                running.note(one.window.start, self._round)
                for part in spent.get(place, []):
                    running.add(_change(part, one.window))
                sums = self._scopes.setdefault(one.window.scope, {})
                self._windows += one.key not in sums
                sums[one.key] = running
                self._scopes.move_to_end(one.window.scope)


def _spent(windows: Sequence[Window], before: int, *, by_time: bool) -> dict[int, list[Spent]]:
    if not windows:
        return {}
    rows = sql.run(_SUM, windows=needed(windows, by_time=by_time), before=before).fetchall()
    return dict(spent_by_place(rows))


def _change(part: Spent, window: Window) -> Change:
    """What is summed over a window lies in it, and is in its currency."""
    return Change(part.created or window.start, window.currency, part.merchant, part.counted)
