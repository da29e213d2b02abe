"""Reads and writes PostgreSQL: statements, locks, rows, usage and its counting.

Only code that holds a lock changes what is counted; see `sql` for the order of statements.
"""

__all__ = [
    "acting",
    "answers",
    "cards",
    "causes",
    "counting",
    "decided",
    "decision_log",
    "delivery",
    "findings",
    "grants",
    "known",
    "locked_rows",
    "locks",
    "record",
    "repeats",
    "rows",
    "running_sums",
    "sql",
    "tables",
    "uncounted",
    "usage",
    "window_sums",
]
