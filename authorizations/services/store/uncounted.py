"""Windows of busy scopes that nobody can add up while a purchase waits: noted, to be counted."""

from collections.abc import Iterable
from typing import NamedTuple

from django.utils import timezone

from authorizations.models import UncountedWindow
from authorizations.rules.decision.values import Window
from authorizations.services.store import statements
from authorizations.services.store.statements import Plan
from authorizations.services.store.window_sums import DAY_S, MINUTE_S, Asked

_USUAL_A_SECOND = 10_000
"""Purchases that are counted in a second, as long as nothing else is known: on a busy machine."""


class Progress(NamedTuple):
    """How far a window is counted; `purchases` is about how many there are, 0 where unknown."""

    counted: int
    purchases: int
    seconds_left: int


def ask(asked: Asked) -> Plan[None]:
    """Have a window counted in the background, unless it is noted already; within a transaction."""
    row = note_of(asked)
    yield from statements.call(
        lambda: UncountedWindow.objects.bulk_create([row], ignore_conflicts=True)
    )


def note_of(asked: Asked) -> UncountedWindow:
    """A rolling window moves on with every second: it is noted from the start of its first day."""
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
    """Where counting begins in a window: what is before its first whole minute is in no piece."""
    return -(-start // MINUTE_S) * MINUTE_S


def progress(windows: Iterable[Window]) -> dict[Window, Progress]:
    """How far those of these windows are that are being counted."""
    windows = list(windows)
    noted = list(UncountedWindow.objects.filter(scope__in={_scope_key(one) for one in windows}))
    return {window: progress_of(row) for window in windows for row in noted if is_of(row, window)}


def progress_of(row: UncountedWindow) -> Progress:
    """From how quickly it went so far: what else the database has to do shows in that."""
    since = (timezone.now() - row.asked_at).total_seconds()
    rate = row.counted / since if row.counted and since > 0 else _USUAL_A_SECOND
    left = max(0, row.purchases - row.counted)
    return Progress(row.counted, row.purchases, seconds_for(left, rate))


def seconds_for(purchases: int, a_second: float = _USUAL_A_SECOND) -> int:
    """About how long it takes to count so many."""
    return 1 + int(purchases / max(a_second, 1))


def is_of(row: UncountedWindow, window: Window) -> bool:
    """Whether the window waits for what the row notes: rolling ones for all that lies in it."""
    names = (row.scope, row.filter_key, row.currency, row.rolling)
    if names != (_scope_key(window), window.filter_key, window.currency, window.rolling):
        return False
    if window.rolling:
        return abs(window.start - row.window_start) <= 2 * DAY_S
    return (row.window_start, row.window_end) == (window.start, window.end)


def _scope_key(window: Window) -> str:
    return f"{window.scope.kind}:{window.scope.id}"
