"""Ground for everything else.

The time budget and deadlines, the connection pool, the circuit breaker, metrics and log lines, who
is acting, a delivery on its way, values as JSON.
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
    "pool",
    "prepared",
    "seldom",
    "tables",
    "turns",
]
