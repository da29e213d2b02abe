"""Prometheus metrics, by the names that /metrics shows.

The functions are called where something happens; none of them queries the database or waits.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from authorizations.services.runtime import budget

disable_created_metrics()
REGISTRY = CollectorRegistry()

_BOUNDS_MS = (budget.DECISION_MS, budget.ANSWER_MS, budget.STRIPE_MS)
_UP_TO_S = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5),
    *(bound / 1000 for bound in _BOUNDS_MS),
)
"""Buckets up to half a second, and one up to each bound of the budget."""

_decisions = Counter(
    "desk_decisions",
    "Answers to authorization requests, repeats left out; the reason as in the answer.",
    ("outcome", "reason"),
    registry=REGISTRY,
)
_repeats = Counter(
    "desk_repeated_requests",
    "Authorization requests that came again and got the recorded answer.",
    registry=REGISTRY,
)
_unreadable = Counter(
    "desk_unreadable_fields",
    "Fields that policies can ask for and that a request had in a form that can't be read, by "
    "field; whether one asked for it, and so declined, or not.",
    ("field",),
    registry=REGISTRY,
)
_seconds = Histogram(
    "desk_decision_seconds",
    "From the arrival of an authorization request at a worker to its decision, kept.",
    buckets=_UP_TO_S,
    registry=REGISTRY,
)
_lock_wait = Histogram(
    "desk_lock_wait_seconds",
    "Of that, waiting for a connection and the card's lock, and reading what is recorded.",
    buckets=_UP_TO_S,
    registry=REGISTRY,
)
_stand_ins = Counter(
    "desk_stand_ins",
    "Answers that went to the spool instead of the database, by cause; commit_unknown was decided "
    "as usual, but nobody knows yet whether it is kept.",
    ("cause",),
    registry=REGISTRY,
)
_breaker = Gauge(
    "desk_breaker_open",
    "Server processes that have stopped asking the database, because it did not answer.",
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
_spool_failures = Counter(
    "desk_spool_failures",
    "Stand-in answers that could not be kept on the disk; each was turned into a decline.",
    registry=REGISTRY,
)
_rejected = Counter(
    "desk_rejected_requests",
    "Requests that the webhook turned away, by cause: not signed, not readable, not Stripe's.",
    ("cause",),
    registry=REGISTRY,
)
_of_other_mode = Counter(
    "desk_other_mode_events",
    "Test events at a live desk, or live ones at a test desk, of accounts connected by Connect: "
    "kept, and applied to nothing.",
    registry=REGISTRY,
)
_dated_ahead = Counter(
    "desk_signatures_dated_ahead",
    "Signatures dated 60 seconds or more ahead, which were accepted: this host's clock is behind.",
    registry=REGISTRY,
)


def decided(outcome: str, reason: str, seconds: float) -> None:
    """Count a decision; `outcome` is approved, partly_approved or declined."""
    _decisions.labels(outcome, reason).inc()
    _seconds.observe(seconds)


def unreadable(field: str) -> None:
    """Count a field of a request that could not be read."""
    _unreadable.labels(field).inc()


def waited_for_lock(seconds: float) -> None:
    """Observe how long a request waited until its card was locked and its record was read."""
    _lock_wait.observe(seconds)


def repeated() -> None:
    """Count a request that got the recorded answer."""
    _repeats.inc()


def stood_in(cause: str) -> None:
    """Count an answer that went to the spool."""
    _stand_ins.labels(cause).inc()


def breaker(*, is_open: bool) -> None:
    """Set whether this process's breaker is open."""
    _breaker.set(int(is_open))


def spool_failed() -> None:
    """Count an answer that could not be written to the spool."""
    _spool_failures.inc()


def of_other_mode() -> None:
    """Count an event of a connected account in the mode that this desk does not serve."""
    _of_other_mode.inc()


def dated_ahead() -> None:
    """Count an accepted signature that is dated well ahead of this host's clock."""
    _dated_ahead.inc()


def rejected(cause: str) -> None:
    """Count a rejected request."""
    _rejected.labels(cause).inc()
