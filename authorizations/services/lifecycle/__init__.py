"""What happens to a purchase after its decision.

Later events, transactions, disputes, adjustments by hand, overdue holds, and what Stripe's own
lists bring in.
"""

__all__ = [
    "adjust",
    "disputes",
    "holds",
    "later",
    "open_findings",
    "reconcile",
    "unheard",
    "waiting",
]
