"""One signed delivery on its way: what arrived, and how long each step took."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import perf_counter_ns

from authorizations.services.store.rows import RequestRow
from authorizations.wire.events import Event
from authorizations.wire.reports import about

PEER = "Remote-Addr"
"""Among the headers that are kept: which of our proxies a request came through."""


@dataclass(slots=True)
class Stopwatch:
    """Microseconds since arrival at the end of each step."""

    started_ns: int = field(default_factory=perf_counter_ns)
    marks: dict[str, int] = field(default_factory=dict)

    @property
    def elapsed_us(self) -> int:
        return (perf_counter_ns() - self.started_ns) // 1000

    def mark(self, step: str) -> int:
        """Note that a step is done, and say how long it has been since arrival."""
        self.marks[step] = elapsed = self.elapsed_us
        return elapsed


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came in through the door, its signature checked, or what we read in Stripe's API.

    `received_sha256` is of the body as it came, where card numbers were masked in `body`;
    `repeats_id` names the delivery that brought this very body first, and keeps it;
    `waited_ms` is how long a trusted proxy says that it waited for a worker.
    """

    received_at: datetime
    sender: str
    headers: dict[str, str]
    body: bytes
    signing_key: str
    event: Event
    stopwatch: Stopwatch
    waited_ms: float = 0.0
    received_sha256: str = ""
    repeats_id: int | None = None

    def share_of(self, budget_ms: int, at_least_ms: int) -> int:
        """What of a budget is left for the worker: Stripe waits from before it got there on."""
        return max(at_least_ms, int(budget_ms - self.waited_ms))

    def seconds_left(self, budget_ms: int) -> float:
        """How much of so many milliseconds from its arrival is left."""
        return (budget_ms - self.stopwatch.elapsed_us / 1000) / 1000

    @property
    def now(self) -> datetime:
        """The clock on the wall is read on arrival, and never again on the way."""
        return self.received_at + timedelta(microseconds=self.stopwatch.elapsed_us)

    @property
    def body_sha256(self) -> str:
        """Of what was received."""
        return self.received_sha256 or self._kept_sha256

    @property
    def _kept_sha256(self) -> str:
        return hashlib.sha256(self.body).hexdigest()

    @property
    def decision_id(self) -> str:
        """Under which it is decided: the event's id, or, where that is unreadable, the body's own:
        the same again is the same.
        """
        return self.event.id or f"request_{self.body_sha256[:32]}"

    @property
    def body_to_keep(self) -> bytes:
        """Nothing where another delivery keeps it."""
        return b"" if self.repeats_id else self.body

    def row(self, answer_body: str, answer_status: int = 200) -> RequestRow:
        """The webhook request as a row."""
        if self.event.is_read:
            answer_body, answer_status = "", 200
        return RequestRow(
            received_at=self.received_at,
            sender=self.sender,
            headers=self.headers,
            body_sha256=self.body_sha256,
            masked_sha256=self._kept_sha256 if self.received_sha256 else "",
            signing_key=self.signing_key,
            event_id=self.event.id or "",
            event_type=self.event.type,
            about=about(self.event),
            api_version=self.event.api_version or "",
            account=self.event.account or "",
            livemode=self.event.livemode,
            repeats_id=self.repeats_id,
            answer_status=answer_status,
            answer_body=answer_body,
            timings=self.stopwatch.marks,
        )
