"""Changes one purchase in the books.

Ledger entries from one state to the next, transactions linked to their authorization, limits that
were exceeded.
"""

__all__ = ["entries", "in_turn", "limit_findings", "linking", "steps"]
