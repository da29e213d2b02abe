"""Notes of windows too large to sum while a purchase waits, to be counted in the background."""

from collections.abc import Iterable
from typing import NamedTuple

from django.utils import timezone

from authorizations.models import UncountedWindow
from authorizations.rules.decision.values import Window
from authorizations.services.store import plans, statements
from authorizations.services.store.plans import Plan
from authorizations.services.store.window_sums import DAY_S, MINUTE_S, Asked

_USUAL_A_SECOND = 10_000
"""Purchases counted per second on a busy machine; used until a rate is measured."""


class Progress(NamedTuple):
    """How far a window is counted; `purchases` is their approximate number, 0 if unknown."""

    counted: int
    purchases: int
    seconds_left: int


def ask(asked: Asked) -> Plan[None]:
    """Note a window for the background, unless it is noted. Runs within a transaction."""
    row = note_of(asked)
    yield from plans.ask(
        statements.NOTE_UNCOUNTED,
        scope=row.scope,
        window_start=row.window_start,
        window_end=row.window_end,
        filter_key=row.filter_key,
        currency=row.currency,
        rolling=row.rolling,
        filter=row.filter,
        counted_to=row.counted_to,
    )


def note_of(asked: Asked) -> UncountedWindow:
    """The note of a window. A rolling one, which moves every second, begins with its first day."""
    window = asked.window
    start = window.start // DAY_S * DAY_S if window.rolling else window.start
    return UncountedWindow(
        scope=_scope_key(window),
        window_start=start,
        window_end=window.end,
        filter_key=window.filter_key,
        currency=window.currency,
        rolling=window.rolling,
        filter=asked.concern.text,
        counted_to=first_minute(start),
    )


def first_minute(start: int) -> int:
    """The first whole minute of a window, where counting begins."""
    return -(-start // MINUTE_S) * MINUTE_S


def progress(windows: Iterable[Window]) -> dict[Window, Progress]:
    """The progress of those of these windows that are being counted."""
    windows = list(windows)
    noted = list(UncountedWindow.objects.filter(scope__in={_scope_key(one) for one in windows}))
    return {window: progress_of(row) for window in windows for row in noted if is_of(row, window)}


def progress_of(row: UncountedWindow) -> Progress:
    """The progress of a note; the remaining time follows from the rate so far."""
    since = (timezone.now() - row.asked_at).total_seconds()
    rate = row.counted / since if row.counted and since > 0 else _USUAL_A_SECOND
    left = max(0, row.purchases - row.counted)
    return Progress(row.counted, row.purchases, seconds_for(left, rate))


def seconds_for(purchases: int, a_second: float = _USUAL_A_SECOND) -> int:
    """The approximate time in seconds to count this many purchases."""
    return 1 + int(purchases / max(a_second, 1))


def is_of(row: UncountedWindow, window: Window) -> bool:
    """Whether the window is waiting for this note."""
    names = (row.scope, row.filter_key, row.currency, row.rolling)
    if names != (_scope_key(window), window.filter_key, window.currency, window.rolling):
        return False
    if window.rolling:
        return abs(window.start - row.window_start) <= 2 * DAY_S
    return (row.window_start, row.window_end) == (window.start, window.end)


def _scope_key(window: Window) -> str:
    return f"{window.scope.kind}:{window.scope.id}"
