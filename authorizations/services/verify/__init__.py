"""Proves the record: counts the books again, decides every decision again, and compares rows with
each other.

`books`, `record` and `redecide` are the three proofs; the other modules are their parts.
"""

__all__ = [
    "books",
    "checking",
    "digest",
    "missing_numbers",
    "parts",
    "proofs",
    "ranges",
    "record",
    "record_checks",
    "redecide",
]
