"""Checks that requests are numbered in the order they arrived.

A request waits at most some seconds, for its lock, before it is written. A change of the clock
moves all rows after it. So a row is out of order only if the rows before and after it agree with
each other, but neither they nor the row's signature agree with the time it was received.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from datetime import timedelta

from authorizations.models import Decision, WebhookRequest
from authorizations.services.verify.checking import Difference
from authorizations.services.verify.record_checks import signed_by
from authorizations.wire.events import wants_decision

_NEIGHBORS = 8
"""Rows on either side that a row is compared with."""

_MAX_WAIT = timedelta(seconds=5)


class Arrivals:
    """Takes the requests one by one, and checks each once its neighbors are known."""

    def __init__(self) -> None:
        self._rows: deque[WebhookRequest] = deque()
        self._next = 0  # index of the first row not checked yet

    def next(self, row: WebhookRequest, decisions: Sequence[Decision]) -> Iterator[Difference]:
        """Take the next request with its decisions; yields what is wrong with an earlier one."""
        if wants_decision(row.event_type) and not any(it.position for it in decisions):
            return  # written after an outage: the others are written when they arrive
        self._rows.append(row)
        if len(self._rows) > self._next + _NEIGHBORS:
            yield from self._check(self._next)
            if self._next == _NEIGHBORS:
                self._rows.popleft()
            else:
                self._next += 1

    def rest(self) -> list[Difference]:
        """What is wrong with the requests not checked yet."""
        unchecked = range(self._next, len(self._rows))
        return [found for index in unchecked for found in self._check(index)]

    def _check(self, index: int) -> Iterator[Difference]:
        rows = list(self._rows)
        row = rows[index]
        before, after = rows[max(0, index - _NEIGHBORS) : index], rows[index + 1 :]
        earliest = max((it.received_at for it in before), default=row.received_at)
        latest = min((it.received_at for it in after[:_NEIGHBORS]), default=row.received_at)
        if earliest > latest + _MAX_WAIT:
            return  # the neighbors contradict each other: the clock was changed
        signed = signed_by(row)
        if signed and abs(row.received_at.timestamp() - signed[0]) <= _MAX_WAIT.total_seconds():
            return  # the clock was wrong around it; `record_checks` verifies the signature
        if not earliest - _MAX_WAIT <= row.received_at <= latest + _MAX_WAIT:
            what = f"between {earliest} and {latest}, as its neighbors"
            yield Difference(f"request {row.pk}", "received_at", row.received_at, what)
