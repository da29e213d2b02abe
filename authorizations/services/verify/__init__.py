"""Proves the record: counts the books again, decides every decision again, and compares rows with
each other.

`verify_books`, `verify_record` and `redecide` are the three proofs; the other modules are their
parts.
"""

__all__ = [
    "checking",
    "missing_numbers",
    "parts",
    "proofs",
    "ranges",
    "record_checks",
    "redecide",
    "verify_books",
    "verify_digest",
    "verify_record",
]
