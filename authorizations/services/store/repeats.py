"""Deliveries whose very body came before: what is kept of them, and how many there may be.

A repeat is a row that refers to the delivery that brought the body first, and keeps no body of its
own. Beyond sixty a minute of one body there is only a count, and for the rest of that minute the
answer comes from this process's memory: whoever sends one captured request again and again costs
neither rows nor a card's lock.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection, transaction

from authorizations.services.runtime import codec, prepared
from authorizations.services.runtime.delivery import Delivery
from authorizations.services.store import rows, statements
from authorizations.services.store.statements import Plan

KEPT_A_MINUTE = 60
_MOST_HERE = 1_024
"""Maximum bodies remembered by a process; each of them was sent more than sixty times."""

_COUNT = """
INSERT INTO authorizations_repeatedminute (request_id, minute, count)
VALUES (%(request)s, %(minute)s, %(count)s)
ON CONFLICT (request_id, minute) DO UPDATE SET
    count = authorizations_repeatedminute.count + excluded.count
"""


class SentBefore(NamedTuple):
    """What a body was answered with."""

    body: bytes
    status: int


@dataclass(slots=True)
class _Beyond:
    """A body that came more than sixty times in `minute`; `count` of them are not written yet."""

    request_id: int
    minute: datetime
    sent: SentBefore
    count: int = 0


_lock = threading.Lock()
_beyond: OrderedDict[str, _Beyond] = OrderedDict()


def first_of(delivery: Delivery) -> tuple[int | None, bool]:
    """The delivery of this event that brought this very body first, None where this one does; and
    whether the event has been applied. Raises django.db.Error.
    """
    if delivery.event.is_read or not delivery.event.id:
        return None, False
    sha256 = delivery.body_sha256
    found = prepared.run(statements.FIRST, event=delivery.event.id, sha256=sha256).fetchone()
    return (found[0], found[1]) if found else (None, False)


def keep(delivery: Delivery, answer_body: str, status: int = 200) -> Plan[int]:
    """Write that a body came again, within a transaction; returns the request that stands for it.

    Where `delivery` names none that keeps the body, the database looks for one of the same event;
    where there is none the body is kept. Raises django.db.Error.
    """
    row = rows.request(delivery, answer_body, status)
    [(request_id, is_kept)] = yield from statements.ask(
        statements.WRITE_REPEAT,
        body=delivery.body,
        request=codec.to_json(row),
        first=delivery.repeats_id,
        event=row.event_id,
        sha256=row.body_sha256,
        now=delivery.received_at,
        most=KEPT_A_MINUTE,
    )
    if not is_kept:
        sent = SentBefore(answer_body.encode(), status)
        beyond = _Beyond(request_id, _minute(delivery.received_at), sent)
        transaction.on_commit(lambda: _remember(row.body_sha256, beyond))
    return int(request_id)


def answer_at_once(body_sha256: str, received_at: datetime) -> SentBefore | None:
    """What a body was answered with that came more than sixty times in this minute; it is counted.

    None for every other body, which is nearly all of them.
    """
    if not _beyond:
        return None
    with _lock:
        found = _beyond.get(body_sha256)
        if found is None or found.minute != _minute(received_at):
            return None
        found.count += 1
        return found.sent


def write() -> None:
    """Write what was counted since the last time. Raises django.db.Error; then it stays counted."""
    with _lock:
        counted = [(beyond, beyond.count) for beyond in _beyond.values() if beyond.count]
    for beyond, count in counted:
        facts: dict[str, Any] = {
            "request": beyond.request_id,
            "minute": beyond.minute,
            "count": count,
        }
        with connection.cursor() as cursor:
            cursor.execute(_COUNT, facts)
        with _lock:
            beyond.count -= count


def _remember(body_sha256: str, beyond: _Beyond) -> None:
    with _lock:
        earlier = _beyond.get(body_sha256)
        if earlier and earlier.minute == beyond.minute:
            return
        if earlier is None or not earlier.count:
            _beyond[body_sha256] = beyond
            _beyond.move_to_end(body_sha256)
        while len(_beyond) > _MOST_HERE:
            oldest = next((key for key, it in _beyond.items() if not it.count), None)
            if oldest is None:
                break
            del _beyond[oldest]


def _minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)
