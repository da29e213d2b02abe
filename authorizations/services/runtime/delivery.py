"""One signed delivery on its way: what arrived, and how long each step took."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import perf_counter_ns

from authorizations.wire.events import Event

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
        return self.received_sha256 or self.kept_sha256

    @property
    def kept_sha256(self) -> str:
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
