"""Ground for everything else.

The time budget and deadlines, the connection pool, the circuit breaker, metrics, values as JSON.
"""

__all__ = [
    "arrival",
    "breaker",
    "budget",
    "codec",
    "deadline",
    "metrics",
    "metrics_files",
    "pool",
    "seldom",
    "turns",
]
