"""Reads and writes PostgreSQL: statements, locks, rows, and usage with its background counting.

What is counted only changes under the locks of its scopes; `statements` has their order.
"""

__all__ = [
    "answers",
    "attempts",
    "cards",
    "counting",
    "decision_row",
    "findings",
    "first_purchases",
    "ledger_cause",
    "limited_attempts",
    "locked_rows",
    "locks",
    "lookup",
    "pipes",
    "plans",
    "repeats",
    "rows",
    "statements",
    "sum_statements",
    "uncounted",
    "usage",
    "window_sums",
    "window_totals",
    "write_statements",
    "writing",
]
