"""What limits have used up: remembered sums, and sums over the past where none is remembered.

A decision runs all of it under the lock of the scopes it reads and writes. Nothing here writes.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import groupby, product
from typing import Any

from authorizations.models import Usage as UsageRow
from authorizations.rules.controls import AppliedControls, Interval, Scope, ScopeKind
from authorizations.rules.counted import Counted
from authorizations.rules.document import filter_of
from authorizations.rules.filters import LimitFilter, Merchant
from authorizations.rules.values import Check, LimitFigures, Told, Usage, Window
from authorizations.services import codec, sql


@dataclass(frozen=True, slots=True)
class Remembered:
    """A row of the usage table; `filter` is the canonical text behind `filter_key`."""

    scope: str
    window_start: int
    window_end: int
    filter_key: str
    filter: str
    currency: str
    amount: int
    refunded_amount: int
    count: int

    @property
    def window(self) -> Window:
        kind, _, name = self.scope.partition(":")
        return Window(
            Scope(ScopeKind(kind), name),
            self.window_start,
            self.window_end,
            self.filter_key,
            self.currency,
        )

    @property
    def usage(self) -> Usage:
        return Usage(self.amount, self.refunded_amount, self.count)

    def with_change(self, change: Counted, merchant: Merchant, currency: str) -> "Remembered":
        """With a purchase's change counted in, where the purchase concerns this window."""
        amount, refunded, count = change.seen_by(filter_of(self.filter), merchant)
        if self.currency not in ("", currency):
            return self
        return replace(
            self,
            # Without a currency there is nothing to add amounts in.
            amount=self.amount + (amount if self.currency else 0),
            refunded_amount=self.refunded_amount + (refunded if self.currency else 0),
            count=self.count + count,
        )


_COLUMNS = tuple(field.name for field in fields(Remembered))


def remembered_around(at: int, scopes: Iterable[str]) -> list[Remembered]:
    """The remembered windows of these scopes that contain the instant `at`."""
    rows = UsageRow.objects.filter(
        scope__in=list(scopes), window_end__gt=at, window_start__lte=at
    ).values_list(*_COLUMNS)
    return [Remembered(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Measured:
    """Usage around a purchase, just before it is decided.

    `rows` are all remembered windows the purchase falls into, as they stand with what was just
    reported; `stored` are those the database has, by window, as it has them.
    """

    told: Told
    usage: dict[Window, Usage]
    rows: list[Remembered]
    stored: dict[Window, Remembered]

    def changed(self, taken: Counted) -> list[Remembered]:
        """The rows to write once this much more is taken: new ones, and those it changes."""
        merchant, currency = self.told.merchant, self.told.currency
        rows = [row.with_change(taken, merchant, currency) for row in self.rows]
        return [row for row in rows if row != self.stored.get(row.window)]


def measure(
    told: Told,
    windows: Sequence[Window],
    applied: Sequence[AppliedControls],
    remembered: Sequence[Remembered],
    reported: Counted,
) -> Measured:
    """The usage in these windows; what was never asked before is summed and remembered.

    `reported` is what the event just told, and is not in the database yet.
    """
    stored = {row.window: row for row in remembered}
    summed = remember([window for window in windows if window not in stored], applied)
    rows = {
        window: row.with_change(reported, told.merchant, told.currency)
        for window, row in (stored | summed).items()
    }
    usage = {window: rows[window].usage for window in windows}
    lasting = [row for window, row in rows.items() if not window.rolling]
    return Measured(told, usage, lasting, stored)


@dataclass(frozen=True, slots=True)
class Spent:
    """What purchases at one merchant came to; `created` is 0 where times were not asked for."""

    created: int
    merchant: Merchant
    counted: Counted


def scope_key(scope: Scope) -> str:
    """A scope as the usage table and assignments name it."""
    return f"{scope.kind}:{scope.id}"


def remember(
    windows: Sequence[Window], applied: Iterable[AppliedControls]
) -> dict[Window, Remembered]:
    """Sum what is counted in each window; `applied` tells the filters behind their keys."""
    if not windows:
        return {}
    limits = (limit for policy in applied for limit in policy.controls.spending_limits)
    filters = {limit.filter.key: limit.filter for limit in limits}
    spent = dict(_spent(windows, by_time=False))
    return {
        window: _summed(window, filters[window.filter_key], spent.get(place, []))
        for place, window in enumerate(windows)
    }


def _summed(window: Window, concern: LimitFilter, spent: list[Spent]) -> Remembered:
    row = Remembered(
        scope_key(window.scope),
        window.start,
        window.end,
        window.filter_key,
        concern.text,
        window.currency,
        0,
        0,
        0,
    )
    for part in spent:
        row = row.with_change(part.counted, part.merchant, window.currency)
    return row


def _spent(windows: Sequence[Window], *, by_time: bool) -> Iterator[tuple[int, list[Spent]]]:
    rows = sql.run(sql.SUM, windows=needed(windows, by_time=by_time)).fetchall()
    return spent_by_place(rows)


def needed(windows: Sequence[Window], *, by_time: bool) -> str:
    """The windows as the statements take them that sum: JSON, each with its place."""
    return codec.to_json(
        [
            {
                "place": place,
                "kind": window.scope.kind,
                "id": window.scope.id,
                "start": window.start,
                "end": window.end,
                "currency": window.currency,
                "by_merchant": bool(window.filter_key),
                "by_time": by_time,
            }
            for place, window in enumerate(windows)
        ]
    )


def spent_by_place(rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[int, list[Spent]]]:
    """What such a statement found, window by window."""
    for place, group in groupby(rows, key=lambda row: row[0]):
        yield (
            place,
            [
                Spent(
                    created or 0,
                    Merchant(
                        category=category or "",
                        category_code=code or "",
                        country=country or "",
                        name=name or "",
                        network_id=network_id or "",
                    ),
                    Counted(*figures),
                )
                for _, created, category, code, country, name, network_id, *figures in group
            ],
        )


def with_rooms(
    usage: dict[Window, Usage], trace: Iterable[Check], applied: Iterable[AppliedControls]
) -> dict[Window, Usage]:
    """Usage that also tells when each rolling limit that failed has room again."""
    told = dict(usage)
    for check, policy in product(trace, applied):
        figures = check.figures
        if check.passed or not figures or figures.interval is not Interval.ROLLING:
            continue
        if figures.asked > figures.limit:  # never fits
            continue
        if (policy.version_id, policy.scope) == (check.version_id, check.scope):
            key = filter_of(figures.filter).key
            bounds = (figures.start, figures.end)
            window = Window(policy.measured, *bounds, key, figures.currency, rolling=True)
            at = room_at(figures, policy, *spent_by_time([window]))
            if at is not None:
                rooms = (*told[window].rooms, (figures.limit, at))
                told[window] = replace(told[window], rooms=rooms)
    return told


def spent_by_time(windows: Sequence[Window]) -> list[list[Spent]]:
    """What was spent in each window, the oldest purchase first."""
    spent = dict(_spent(windows, by_time=True)) if windows else {}
    return [spent.get(place, []) for place in range(len(windows))]


def room_at(figures: LimitFigures, policy: AppliedControls, spent: Iterable[Spent]) -> int | None:
    """When enough of a rolling window will have passed; None where what is asked never fits."""
    over = figures.over
    concern = filter_of(figures.filter)
    restore = policy.controls.refunds_restore
    for part in spent:
        amount, refunded, count = part.counted.seen_by(concern, part.merchant)
        over -= amount - (refunded if restore else 0) if figures.currency else count
        if over <= 0:
            return part.created + figures.rolling_seconds
    return None
