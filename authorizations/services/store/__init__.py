"""Reads and writes PostgreSQL: statements, locks, rows, usage and its counting.

Only code that holds a lock changes what is counted; see `statements` for their order.
"""

__all__ = [
    "answers",
    "attempts",
    "cards",
    "counting",
    "decision_row",
    "findings",
    "ledger_cause",
    "locked_rows",
    "locks",
    "lookup",
    "repeats",
    "rows",
    "statements",
    "uncounted",
    "usage",
    "window_sums",
    "window_totals",
    "writing",
]
