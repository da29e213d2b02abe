"""Remembers rows whose lock has just timed out, so that requests wait only briefly for them.

A process has few threads, and many purchases of one card or group could occupy all of them by
waiting for one locked row. So each process remembers such a row for a second, or until it gets the
lock.
"""

import threading
from time import monotonic

import psycopg
from django.db import OperationalError

from authorizations.rules.purchases.events import PurchaseEvent
from authorizations.services.host import local_copy
from authorizations.services.runtime import budget
from authz_project.deadline import seconds_left

REMEMBERED_S = 1.0

_KINDS = {
    "authorizations_card": "card",
    "authorizations_cardholder": "cardholder",
    "authorizations_cardgroup": "group",
}

_until: dict[str, float] = {}
"""By the key of a scope, such as "card:ic_1"; on the clock of time.monotonic()."""
_lock = threading.Lock()


def is_timeout(error: BaseException) -> bool:
    """Whether an error, or one it was raised from, is that a lock timed out."""
    return _timeout(error) is not None


def patience(event: PurchaseEvent) -> str | None:
    """The lock_timeout for the rows of an event; None to leave it unchanged.

    It ends before the deadline, so that a locked row is distinguished from a slow database.
    """
    left_s = seconds_left()
    if left_s is None:
        return None
    left_ms = int(left_s * 1000) - budget.AFTER_LOCK_MS
    most_ms = budget.BRIEF_LOCK_WAIT_MS if _is_remembered(event) else budget.LOCK_TIMEOUT_MS
    return f"{max(1, min(left_ms, most_ms))}ms"


def note(error: OperationalError, event: PurchaseEvent) -> None:
    """Remember the locked row, if the error is a lock's time-out."""
    timeout = _timeout(error)
    if timeout is None:
        return
    kind = next(
        (kind for table, kind in _KINDS.items() if f'"{table}"' in (timeout.diag.context or "")), ""
    )
    # The error names the table only, not whether it was the root or the card itself.
    keys = [key for key in _keys(event) if key.startswith(f"{kind}:")] or _own_keys(event)
    with _lock:
        now = monotonic()
        for key in [key for key, until in _until.items() if until <= now]:
            del _until[key]
        _until.update(dict.fromkeys(keys, now + REMEMBERED_S))


def forget(keys: list[str]) -> None:
    """Forget rows that were locked just now."""
    if _until:
        with _lock:
            for key in keys:
                _until.pop(key, None)


def _is_remembered(event: PurchaseEvent) -> bool:
    if not _until:
        return False
    now = monotonic()
    return any(_until.get(key, now) > now for key in _keys(event))


def _own_keys(event: PurchaseEvent) -> list[str]:
    return [f"card:{event.card.id}"]


def _keys(event: PurchaseEvent) -> list[str]:
    """The keys of the rows that an event needs, as far as the event and this host's copy say."""
    keys = _own_keys(event)
    if event.card.cardholder_id:
        keys.append(f"cardholder:{event.card.cardholder_id}")
    return [*keys, *local_copy.scopes_of(event.card.id)]


def _timeout(error: BaseException) -> psycopg.errors.LockNotAvailable | None:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, psycopg.errors.LockNotAvailable):
            return seen
        seen = seen.__cause__ or seen.__context__
    return None
