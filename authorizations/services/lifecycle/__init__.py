"""What happens to a purchase after its decision.

Later events, transactions, disputes, adjustments by hand, overdue holds, and what Stripe's own
lists bring in.
"""

__all__ = [
    "adjustments",
    "attention",
    "disputes",
    "group",
    "intake",
    "open_findings",
    "reconcile",
    "stale_holds",
    "unheard",
]
