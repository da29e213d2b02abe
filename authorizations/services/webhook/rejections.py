"""Counts requests without a valid signature, and keeps the first of each minute.

They are counted in memory, written once a second, and logged seldom enough to be readable. Anybody
can send any number of them, so no response waits for the database, and memory is bounded however
long the database is away.
"""

import hashlib
import logging
import threading
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from time import monotonic

from django.db import connection, transaction
from django.utils import timezone

from authorizations.models import RejectedRequest
from authorizations.services.runtime.deadline import deadline
from authorizations.services.runtime.seldom import Seldom
from authorizations.wire import masking

logger = logging.getLogger(__name__)

KEPT_A_MINUTE = 60
KEPT_BYTES = 1024
MAX_WAITING = 600
"""Maximum requests kept in memory while the database is away; further ones are only counted."""

MAX_MINUTES = 10_080
"""Maximum minutes counted separately in memory, a week; later ones are added to the last."""

WRITE_EVERY_S = 1.0
WRITE_BUDGET_S = 5.0
_MASKED_BYTES = KEPT_BYTES + 128  # a card number may begin within what is kept and end after it

_COUNT = """
INSERT INTO authorizations_rejectedminute (minute, count) VALUES (%(minute)s, %(count)s)
ON CONFLICT (minute) DO UPDATE SET
    count = authorizations_rejectedminute.count + excluded.count
RETURNING count
"""


@dataclass(frozen=True, slots=True)
class Rejection:
    """A rejected request; card numbers in `body_start` are not masked yet.

    Both are empty if the body was not read, as that of a request without a signature.
    """

    received_at: datetime
    cause: str
    sender: str
    body_sha256: str
    body_start: bytes

    @property
    def minute(self) -> datetime:
        return self.received_at.replace(second=0, microsecond=0)


class RejectionCounter:
    """The requests that this process rejected and has not written yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[datetime] = Counter()
        self._waiting: list[Rejection] = []
        self._minute: datetime | None = None
        self._kept = 0  # in that minute, written or not

    def note(self, body: bytes, cause: str, *, sender: str) -> None:
        """Count a rejected request, and keep it if it is one of the first of its minute."""
        now = timezone.now()
        minute = now.replace(second=0, microsecond=0)
        with self._lock:
            if minute != self._minute:
                self._minute, self._kept = minute, 0
            if minute not in self._counts and len(self._counts) >= MAX_MINUTES:
                minute = max(self._counts)
            self._counts[minute] += 1
            if self._kept < KEPT_A_MINUTE and len(self._waiting) < MAX_WAITING:
                sha256 = hashlib.sha256(body).hexdigest() if body else ""
                start = body[:_MASKED_BYTES]
                self._waiting.append(Rejection(now, cause, sender, sha256, start))
                self._kept += 1

    def write(self) -> None:
        """Write what was noted since the last call; what can't be written waits for the next one.

        Keeps the first 60 requests of each minute over all processes. Raises django.db.Error.
        """
        with self._lock:
            counts, waiting = self._counts, self._waiting
            self._counts, self._waiting = Counter(), []
        if not counts:
            return
        try:
            with deadline(monotonic() + WRITE_BUDGET_S), transaction.atomic():
                rows: list[RejectedRequest] = []
                for minute, count in sorted(counts.items()):
                    with connection.cursor() as cursor:
                        cursor.execute(_COUNT, {"minute": minute, "count": count})
                        [total] = cursor.fetchone()
                    free = max(0, KEPT_A_MINUTE - (int(total) - count))
                    rows += [_row(it) for it in waiting if it.minute == minute][:free]
                RejectedRequest.objects.bulk_create(rows)
        except BaseException:
            with self._lock:
                self._counts.update(counts)
                self._waiting = [*waiting, *self._waiting][:MAX_WAITING]
            raise


def _row(rejection: Rejection) -> RejectedRequest:
    return RejectedRequest(
        received_at=rejection.received_at,
        cause=rejection.cause,
        sender=rejection.sender,
        body_sha256=rejection.body_sha256,
        body_start=masking.raw(rejection.body_start)[:KEPT_BYTES],
    )


_counter = RejectionCounter()
_seldom = Seldom(logger)


def note(body: bytes, cause: str, sentence: str, *, sender: str) -> None:
    """Note a rejected request in this process; `sentence` is the reason for the log."""
    _counter.note(body, cause, sender=sender)
    _seldom.warn(cause, "Rejected a request from %s: %s", sender or "this host", sentence)


def write() -> None:
    """Write what this process noted: see RejectionCounter.write."""
    _counter.write()


def write_the_rest() -> None:
    """Write what is left when the process ends; for atexit."""
    try:
        write()
    except Exception as error:  # noqa: BLE001 - the process ends anyway
        logger.warning("The last rejected requests can't be written: %s", error)
    finally:
        connection.close()
