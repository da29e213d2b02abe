"""The read model of decisions: rows and sums that lists and charts read.

It is filled a moment after the decisions are written.
"""

__all__ = ["overview", "periods", "statements", "update"]
