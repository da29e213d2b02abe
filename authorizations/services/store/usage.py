"""The usage of limits' windows: stored sums, and what window_sums adds up where there is none.

A decision runs all of it under the lock of the scopes it reads and writes. The only rows written
here are the notes of windows to be counted in the background.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, product
from typing import Any, NamedTuple
from zlib import crc32

import msgspec
from msgspec import structs

from authorizations.models import Usage as UsageRow
from authorizations.models.ledger import LIMITS_READ
from authorizations.rules.basics.controls import Interval, Scope, ScopeKind, scope_key
from authorizations.rules.basics.filters import Merchant
from authorizations.rules.decision.controls import AppliedControls
from authorizations.rules.decision.values import (
    NOT_COUNTED,
    Check,
    DeclineReason,
    LimitFigures,
    Window,
    WindowUsage,
)
from authorizations.rules.decision.windows import windows_at
from authorizations.rules.policy.document import filter_of
from authorizations.rules.purchases.counted import CountedUsage
from authorizations.rules.purchases.events import PurchaseEvent
from authorizations.services.runtime import codec
from authorizations.services.store import plans, statements, uncounted, window_sums
from authorizations.services.store.plans import Plan
from authorizations.services.store.window_sums import Asked, Leaving


class UsageKey(NamedTuple):
    """The key of a row of the usage table."""

    scope: str
    piece_seconds: int
    window_start: int
    window_end: int
    filter_key: str
    currency: str


class Remembered(msgspec.Struct, frozen=True):
    """A row of the usage table; `filter` is the canonical text behind `filter_key`.

    `piece_seconds` is 0 for the window of a limit; otherwise the row is a piece, a minute, hour or
    day that windows are summed from.
    """

    scope: str
    window_start: int
    window_end: int
    filter_key: str
    filter: str
    currency: str
    amount: int
    refunded_amount: int
    count: int
    piece_seconds: int = 0

    @property
    def key(self) -> UsageKey:
        return UsageKey(
            self.scope,
            self.piece_seconds,
            self.window_start,
            self.window_end,
            self.filter_key,
            self.currency,
        )

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
    def usage(self) -> WindowUsage:
        return WindowUsage(self.amount, self.refunded_amount, self.count)

    def with_change(self, change: CountedUsage, event: PurchaseEvent) -> "Remembered":
        """The row with a purchase's change added, if the purchase concerns it."""
        if self.currency not in ("", event.currency):
            return self
        if not self.window_start <= event.created < self.window_end:
            return self
        amount, refunded, count = change.seen_by(filter_of(self.filter), event.merchant)
        return structs.replace(
            self,
            # A row without a currency has counts alone.
            amount=self.amount + (amount if self.currency else 0),
            refunded_amount=self.refunded_amount + (refunded if self.currency else 0),
            count=self.count + count,
        )


_LIMITS = {DeclineReason.AMOUNT_LIMIT_EXCEEDED, DeclineReason.COUNT_LIMIT_EXCEEDED}

_COLUMNS = Remembered.__struct_fields__


def remembered_around(times: Iterable[int], scopes: Iterable[str]) -> Plan[list[Remembered]]:
    """The stored windows and pieces of these scopes around each of these times, in Unix seconds.

    Also returns the hours and days just before, which show whether there are pieces at all.
    """
    pairs = list(product(set(scopes), set(times)))
    rows = yield from plans.ask(
        statements.USAGE,
        scopes=[scope for scope, _ in pairs],
        times=[at for _, at in pairs],
    )
    return list({row: Remembered(*row) for row in rows}.values())


def remembered_since(at: int, scopes: Iterable[str]) -> list[Remembered]:
    """The stored windows and pieces of these scopes that end after `at`, in Unix seconds."""
    rows = UsageRow.objects.filter(scope__in=list(scopes), window_end__gt=at)
    return [Remembered(*row) for row in rows.values_list(*_COLUMNS)]


@dataclass(frozen=True, slots=True)
class MeasuredUsage:
    """The usage around a purchase, just before it is decided.

    `rows` are the windows and pieces that the purchase may change, including what was just
    reported, and new ones worth storing; `stored` are those in the database, as they are there.
    """

    event: PurchaseEvent
    usage: dict[Window, WindowUsage]
    rows: list[Remembered]
    stored: dict[UsageKey, Remembered]

    def changed(self, taken: CountedUsage) -> list[Remembered]:
        """The rows to write if the purchase takes this much more: new and changed ones."""
        rows = [row.with_change(taken, self.event) for row in self.rows]
        return [row for row in rows if row != self.stored.get(row.key)]


def measure(
    event: PurchaseEvent,
    windows: Sequence[Window],
    applied: Sequence[AppliedControls],
    remembered: Sequence[Remembered],
    reported: CountedUsage,
) -> Plan[MeasuredUsage]:
    """The usage of these windows; windows without a stored sum are summed.

    `reported` is the event's own change, which is not in the database yet. A window that is too
    large to sum now is noted for the background, and is NOT_COUNTED.
    """
    stored = {row.key: row for row in remembered}
    existing = {row.window: row for row in remembered if not row.piece_seconds}
    missing = [window for window in windows if window not in existing]
    besides = [window for window in _besides(event, windows, applied) if window not in existing]
    pieces: list[Remembered] = []
    asked = asked_of([*missing, *besides], applied, remembered)
    reckoned = (yield from window_sums.reckon(asked)) if asked else []
    for one, found in zip(asked, reckoned, strict=True):
        if found.used is None:
            yield from uncounted.ask(one)
        elif one.window in windows or found.purchases > window_sums.QUIET:
            existing[one.window] = _row(one, one.window.start, one.window.end, found.used)
            pieces += [_row(one, *piece, is_piece=True) for piece in found.pieces]
    existing = {window: row.with_change(reported, event) for window, row in existing.items()}
    rows = {row.key: row for row in [*stored.values(), *pieces] if row.piece_seconds}
    rows = {key: row.with_change(reported, event) for key, row in rows.items()}
    return MeasuredUsage(
        event=event,
        usage={w: existing[w].usage if w in existing else NOT_COUNTED for w in windows},
        rows=[*rows.values(), *(row for window, row in existing.items() if not window.rolling)],
        stored=stored,
    )


_KEEP_UP_EVERY = 32


def _besides(
    event: PurchaseEvent, windows: Sequence[Window], applied: Sequence[AppliedControls]
) -> list[Window]:
    """Windows of limits that do not concern the purchase, for one purchase in 32.

    Otherwise a limit on one merchant might first be needed after thousands of purchases elsewhere,
    which would have to be counted before that one is decided.
    """
    if crc32(event.authorization_id.encode(errors="replace")) % _KEEP_UP_EVERY:
        return []
    return [window for window in windows_at(event.created, applied) if window not in windows]


def asked_of(
    windows: Sequence[Window],
    applied: Iterable[AppliedControls],
    remembered: Iterable[Remembered],
) -> list[Asked]:
    """The windows as window_sums takes them; `applied` has the filters behind their keys."""
    if not windows:
        return []
    limits = (limit for policy in applied for limit in policy.controls.spending_limits)
    filters = {limit.filter.key: limit.filter for limit in limits}
    in_pieces = {
        (row.window.scope, row.filter_key, row.currency) for row in remembered if row.piece_seconds
    }
    return [
        Asked(
            window,
            filters[window.filter_key],
            (window.scope, window.filter_key, window.currency) in in_pieces,
        )
        for window in windows
    ]


def _row(
    asked: Asked, start: int, end: int, used: tuple[int, int, int], *, is_piece: bool = False
) -> Remembered:
    amount, refunded, count = used
    return Remembered(
        scope=scope_key(asked.window.scope),
        window_start=start,
        window_end=end,
        filter_key=asked.window.filter_key,
        filter=asked.concern.text,
        currency=asked.window.currency,
        amount=amount,
        refunded_amount=refunded,
        count=count,
        piece_seconds=end - start if is_piece else 0,
    )


@dataclass(frozen=True, slots=True)
class Spent:
    """The total of purchases at one merchant; `created` is 0 if they were not summed by time."""

    created: int
    merchant: Merchant
    counted: CountedUsage


def needed(windows: Sequence[Window], *, by_time: bool) -> str:
    """Windows as JSON for the statements that sum them, each with its index as `place`."""
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
    """The rows of such a statement, by the windows' `place`."""
    for place, group in groupby(rows, key=lambda row: row[0]):
        yield (
            place,
            [
                Spent(
                    created or 0,
                    Merchant(*(it or "" for it in columns[: len(LIMITS_READ)])),
                    CountedUsage(*columns[len(LIMITS_READ) :]),
                )
                for _, created, *columns in group
            ],
        )


def with_available_at(
    measured: MeasuredUsage, trace: Iterable[Check], applied: Iterable[AppliedControls]
) -> Plan[dict[Window, WindowUsage]]:
    """Usage that also tells when each rolling limit that failed has room again."""
    full: list[tuple[Window, LimitFigures, AppliedControls]] = []
    for check, policy in product(trace, applied):
        figures = check.figures
        if check.rule not in _LIMITS or check.passed or not figures:
            continue
        if figures.interval is not Interval.ROLLING or figures.asked > figures.limit:
            continue  # the latter never fits
        if (policy.version_id, policy.scope) == (check.version_id, check.scope):
            key = filter_of(figures.filter).key
            bounds = (figures.start, figures.end)
            window = Window(policy.measured, *bounds, key, figures.currency, rolling=True)
            full.append((window, figures, policy))
    usage = dict(measured.usage)
    rooms = (yield from when_available(full, measured.stored.values())) if full else []
    for (window, figures, _), at in zip(full, rooms, strict=True):
        if at is not None:
            room = (figures.limit, at)
            usage[window] = replace(
                usage[window], next_available=(*usage[window].next_available, room)
            )
    return usage


def when_available(
    full: Sequence[tuple[Window, LimitFigures, AppliedControls]],
    remembered: Iterable[Remembered],
) -> Plan[list[int | None]]:
    """When enough of each rolling window will have passed; None where what is asked never fits."""
    asked = asked_of(
        [window for window, _, _ in full], [policy for _, _, policy in full], remembered
    )
    leaving = [
        Leaving(one, figures.exceeded_by, restore=policy.controls.refunds_restore)
        for one, (_, figures, policy) in zip(asked, full, strict=True)
    ]
    found = yield from window_sums.last_to_leave(leaving)
    return [
        None if last is None else last + figures.rolling_seconds
        for last, (_, figures, _) in zip(found, full, strict=True)
    ]
