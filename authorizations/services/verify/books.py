"""Whether the books are right, from the first entry to the last, and whether they ever were not.

Cards against their chains; purchases against their ledger, their books and their transactions;
remembered sums against the purchases; every decision's usage figures against the ledger as of that
decision, and against the limits it approved by. All in short transactions, beside the traffic: what
comes in after the beginning is left for the next time.

Of a range: all cards, the decisions and entries written in it, the purchases they are of, and the
sums of windows that were not over before it.
"""

from collections.abc import Iterator
from functools import partial

from authorizations.services.verify.authorizations import (
    PURCHASES,
    TRANSACTIONS,
    verify_purchases,
    verify_transactions,
)
from authorizations.services.verify.cards import CARDS, verify_cards
from authorizations.services.verify.checking import Checked
from authorizations.services.verify.decision_stream import spans
from authorizations.services.verify.decisions import DECISIONS, ENTRIES, verify_decisions
from authorizations.services.verify.parts import Part, checked
from authorizations.services.verify.ranges import WHOLE, Range
from authorizations.services.verify.usage_rows import REMEMBERED, verify_remembered

KINDS = (CARDS, PURCHASES, TRANSACTIONS, REMEMBERED, DECISIONS, ENTRIES)
"""What is checked."""

_DECISIONS_SHARE = 0.7
"""Of all the work."""


def verify_books(processes: int = 1, part: Range = WHOLE) -> Iterator[Checked]:
    """What is found, piece by piece; more than one process share the work between them."""
    # Besides that of the decisions; the longest first.
    others: list[Part] = [
        partial(verify_purchases, part),
        partial(verify_remembered, part),
        verify_cards,
        partial(verify_transactions, part),
    ]
    decisions = _of_decisions(processes, part)
    parts = [*others, *decisions] if processes == 1 else [*decisions, *others]
    yield from checked(parts, processes)


def _of_decisions(processes: int, part: Range) -> list[Part]:
    """As few spans of decisions as possible: each sums up first what was before it."""
    length = 1 / processes / _DECISIONS_SHARE
    shares = [place * length for place in range(1, processes) if place * length < 1]
    return [partial(verify_decisions, span) for span in spans(shares, part)]
