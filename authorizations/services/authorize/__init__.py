"""Decides one authorization request with the database.

One transaction, under the locks of card, cardholder and group.
"""

__all__ = ["approvals", "decision", "group", "outcome", "rehearsal", "transaction"]
