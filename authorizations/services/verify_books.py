"""Whether the books are right, from the first entry to the last, and whether they ever were not.

Purchases against their ledger, their books and their transactions; remembered sums against the
purchases; every decision's usage figures against the ledger as of that decision, and against the
limits it approved by. All in short transactions, beside the traffic: what comes in after the
beginning is left for the next time.
"""

from collections.abc import Iterator

from authorizations.services.checking import Checked
from authorizations.services.verify_decisions import DECISIONS, ENTRIES, verify_decisions
from authorizations.services.verify_purchases import (
    PURCHASES,
    TRANSACTIONS,
    verify_purchases,
    verify_transactions,
)
from authorizations.services.verify_remembered import REMEMBERED, verify_remembered

KINDS = (PURCHASES, TRANSACTIONS, REMEMBERED, DECISIONS, ENTRIES)
"""What is checked, in this order."""


def verify_books() -> Iterator[Checked]:
    """What is found, piece by piece."""
    yield from verify_purchases()
    yield from verify_transactions()
    yield from verify_remembered()
    yield from verify_decisions()
