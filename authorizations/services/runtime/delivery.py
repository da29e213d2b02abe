"""A signed delivery: what arrived, and how long each step took."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import perf_counter_ns

from authorizations.wire.events import Event

PEER = "Remote-Addr"
"""Among the stored headers, the address of the proxy that a request came through."""


@dataclass(slots=True)
class Stopwatch:
    """Microseconds since arrival at the end of each step."""

    started_ns: int = field(default_factory=perf_counter_ns)
    marks: dict[str, int] = field(default_factory=dict)

    @property
    def elapsed_us(self) -> int:
        return (perf_counter_ns() - self.started_ns) // 1000

    def mark(self, step: str) -> int:
        """Note the end of a step; returns the microseconds since arrival."""
        self.marks[step] = elapsed = self.elapsed_us
        return elapsed


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event that was delivered with a valid signature, or an object read in Stripe's API.

    `received_sha256` is the hash of the body as received, if card numbers are masked in `body`.
    `repeats_id` is the request that delivered this very body first and stores it. `waited_ms` is
    how long it waited for a worker, according to a trusted proxy.
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
        """A budget in milliseconds less the wait for a worker, but at least `at_least_ms`."""
        return max(at_least_ms, int(budget_ms - self.waited_ms))

    def seconds_left(self, budget_ms: int) -> float:
        """Seconds left of a budget in milliseconds that began with the arrival."""
        return (budget_ms - self.stopwatch.elapsed_us / 1000) / 1000

    @property
    def now(self) -> datetime:
        """The current time: the time of arrival plus what the stopwatch measured since."""
        return self.received_at + timedelta(microseconds=self.stopwatch.elapsed_us)

    @property
    def body_sha256(self) -> str:
        """The hash of the body as received."""
        return self.received_sha256 or self.kept_sha256

    @property
    def kept_sha256(self) -> str:
        """The hash of the body as stored."""
        return hashlib.sha256(self.body).hexdigest()

    @property
    def decision_id(self) -> str:
        """The id of its decision: the event's id, or one made of the body if that is unreadable.

        A repeat has the same id.
        """
        return self.event.id or f"request_{self.body_sha256[:32]}"

    @property
    def body_to_keep(self) -> bytes:
        """The body to store; empty if an earlier delivery stores it."""
        return b"" if self.repeats_id else self.body
