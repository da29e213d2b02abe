"""Rows whose lock timed out a moment ago: whoever needs one of them waits only briefly for it.

One row that stays locked is the affair of those who need it. But a process has few threads, and
many purchases of one card, or of one group, could have them all waiting for it. So each process
remembers such a row for a second, or until somebody got it.
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
"""By the key of a scope, "card:ic_1"; in seconds of time.monotonic."""
_lock = threading.Lock()


def is_timeout(error: BaseException) -> bool:
    """Whether an error of the database, or one it was raised from, is that a lock timed out."""
    return _timeout(error) is not None


def patience(event: PurchaseEvent) -> str | None:
    """How long the rows of an event are waited for, as PostgreSQL reads it; None: as ever.

    Before the deadline it ends by itself, so that the lock's time-out is told from the database's.
    """
    left_s = seconds_left()
    if left_s is None:
        return None
    left_ms = int(left_s * 1000) - budget.AFTER_LOCK_MS
    most_ms = budget.BRIEF_LOCK_WAIT_MS if _is_remembered(event) else budget.LOCK_TIMEOUT_MS
    return f"{max(1, min(left_ms, most_ms))}ms"


def note(error: OperationalError, event: PurchaseEvent) -> None:
    """Remember the row that was not to be had, where that is what the error says."""
    timeout = _timeout(error)
    if timeout is None:
        return
    kind = next(
        (kind for table, kind in _KINDS.items() if f'"{table}"' in (timeout.diag.context or "")), ""
    )
    # Which one of several cards it was, the root or the card itself, nobody says.
    keys = [key for key in _keys(event) if key.startswith(f"{kind}:")] or _own_keys(event)
    with _lock:
        now = monotonic()
        for key in [key for key, until in _until.items() if until <= now]:
            del _until[key]
        _until.update(dict.fromkeys(keys, now + REMEMBERED_S))


def forget(keys: list[str]) -> None:
    """These rows were locked just now."""
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
    """The rows that an event needs, as far as its own word and this host's copy tell."""
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
