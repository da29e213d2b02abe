"""Whether requests were numbered in the order in which they came.

A request waits at most some seconds, for its lock, before it is written. A clock that is set moves
all that comes after it, so a row is only out of order if those before and after it agree with each
other, and neither they nor its own signature's time agree with it.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from datetime import timedelta

from authorizations.models import Decision, WebhookRequest
from authorizations.services.verify.checking import Difference
from authorizations.services.verify.record_checks import signed_by
from authorizations.wire.events import wants_decision

_AROUND = 8
_WAITS_S = 5
_WAITS = timedelta(seconds=_WAITS_S)


class Arrivals:
    """Takes the requests one by one; each is looked at once the next few are known."""

    def __init__(self) -> None:
        self._rows: deque[WebhookRequest] = deque()
        self._place = 0  # of the first that was not looked at

    def next(self, row: WebhookRequest, decisions: Sequence[Decision]) -> Iterator[Difference]:
        """One more, with the decisions made upon it; yields what is wrong with an earlier one."""
        if not _is_written_at_once(row, decisions):
            return
        self._rows.append(row)
        if len(self._rows) > self._place + _AROUND:
            yield from self._look(self._place)
            if self._place == _AROUND:
                self._rows.popleft()
            else:
                self._place += 1

    def rest(self) -> list[Difference]:
        """What is wrong with the last ones."""
        places = range(self._place, len(self._rows))
        return [found for place in places for found in self._look(place)]

    def _look(self, place: int) -> Iterator[Difference]:
        rows = list(self._rows)
        row, before, after = rows[place], rows[max(0, place - _AROUND) : place], rows[place + 1 :]
        earliest = max((it.received_at for it in before), default=row.received_at)
        latest = min((it.received_at for it in after[:_AROUND]), default=row.received_at)
        if earliest > latest + _WAITS or _is_told_by_its_signature(row):
            return  # they contradict each other: the clock was set, or just then put right
        if not earliest - _WAITS <= row.received_at <= latest + _WAITS:
            what = f"between {earliest} and {latest}, as its neighbours"
            yield Difference(f"request {row.pk}", "received_at", row.received_at, what)


def _is_told_by_its_signature(row: WebhookRequest) -> bool:
    """Whether whoever signed it had the same time; that nobody changed that can be checked."""
    signed = signed_by(row)
    return signed is not None and abs(row.received_at.timestamp() - signed[0]) <= _WAITS_S


def _is_written_at_once(row: WebhookRequest, decisions: Sequence[Decision]) -> bool:
    """Not after an outage: decided under the lock, or an event that asks nothing."""
    if not wants_decision(row.event_type):
        return True
    return any(decision.position for decision in decisions)
