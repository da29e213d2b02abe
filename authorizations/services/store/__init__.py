"""Reads and writes PostgreSQL: statements, locks, rows, usage and its counting.

Only code that holds a lock changes what is counted; see `statements` for their order.
"""

__all__ = [
    "actor",
    "answers",
    "attempts",
    "cards",
    "counting",
    "decision_log",
    "decision_row",
    "delivery",
    "findings",
    "grants",
    "ledger_cause",
    "locked_rows",
    "locks",
    "lookup",
    "repeats",
    "rows",
    "statements",
    "tables",
    "uncounted",
    "usage",
    "window_sums",
    "window_totals",
    "writing",
]
