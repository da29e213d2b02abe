"""Repeated deliveries of the same body: what is stored of them, with a limit on their number.

A repeat is a row that refers to the first delivery of the body, and has no body of its own. Beyond
sixty a minute of one body they are only counted, and for the rest of that minute the answer comes
from this process's memory. So an attacker who replays a captured request causes neither rows nor
locks.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection, transaction

from authorizations.services.runtime import codec, pipeline
from authorizations.services.runtime.delivery import Delivery
from authorizations.services.runtime.pipeline import Statement
from authorizations.services.store import plans, rows, write_statements
from authorizations.services.store.plans import Plan

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
    """The answer that a body got."""

    body: bytes
    status: int


@dataclass(slots=True)
class _Beyond:
    """A body delivered more than sixty times in `minute`; `count` of them are not written yet."""

    request_id: int
    minute: datetime
    sent: SentBefore
    count: int = 0


_lock = threading.Lock()
_beyond: OrderedDict[str, _Beyond] = OrderedDict()


def first_of(delivery: Delivery) -> tuple[int | None, bool]:
    """The id of the event's first delivery with this body, None if this is the first; and whether
    the event has been applied. Raises django.db.Error.
    """
    if delivery.event.is_read or not delivery.event.id:
        return None, False
    sha256 = delivery.body_sha256
    parameters = {"event": delivery.event.id, "sha256": sha256}
    [found] = pipeline.run([Statement(write_statements.FIRST, parameters)])
    return (found[0][0], found[0][1]) if found else (None, False)


def keep(delivery: Delivery, answer_body: str, status: int = 200) -> Plan[int]:
    """Record a repeat, within a transaction; returns the id of the request row it is recorded in.

    If `delivery` does not name the first delivery of its body, the database looks for one with the
    same event; if there is none, the body is stored. Raises django.db.Error.
    """
    row = rows.request(delivery, answer_body, status)
    [(request_id, is_kept)] = yield from plans.ask(
        write_statements.WRITE_REPEAT,
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
    """The answer to a body that came more than sixty times in this minute, which is counted.

    Returns None for any other body.
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
    """Write the counts since the last call. Raises django.db.Error; then they are kept."""
    with _lock:
        counted = [(beyond, beyond.count) for beyond in _beyond.values() if beyond.count]
    for beyond, count in counted:
        row: dict[str, Any] = {
            "request": beyond.request_id,
            "minute": beyond.minute,
            "count": count,
        }
        with connection.cursor() as cursor:
            cursor.execute(_COUNT, row)
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
