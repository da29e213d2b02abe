"""What all other services rest on.

The time budget and deadlines, the connection pool, the circuit breaker, metrics and log lines, the
acting user, deliveries, values as JSON.
"""

__all__ = [
    "actor",
    "arrival",
    "breaker",
    "budget",
    "codec",
    "deadline",
    "decision_log",
    "delivery",
    "metrics",
    "metrics_files",
    "pipeline",
    "pool",
    "seldom",
    "tables",
    "turns",
]
