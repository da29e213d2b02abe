"""Checks that the books are right now and were right at every decision.

Checks cards against their chains; authorizations against their ledger, books and transactions;
remembered sums against the authorizations; and every decision's usage figures against the ledger
as of that decision and against the limits. All of it in short transactions, beside the traffic:
what arrives after the beginning is left for the next run.

For a range of time: all cards, the decisions and entries written in it, their authorizations, and
the sums of windows that overlap it.
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
from authorizations.services.verify.pots import POTS, verify_pots
from authorizations.services.verify.ranges import WHOLE, Range
from authorizations.services.verify.usage_rows import REMEMBERED, verify_remembered

KINDS = (CARDS, PURCHASES, TRANSACTIONS, REMEMBERED, POTS, DECISIONS, ENTRIES)
"""The kinds of rows that are checked."""

_DECISIONS_SHARE = 0.7
"""The decisions' share of all the work."""


def verify_books(processes: int = 1, part: Range = WHOLE) -> Iterator[Checked]:
    """Check the books of a part of the record; the results come piece by piece, in any order."""
    others: list[Part] = [  # the longest first
        partial(verify_purchases, part),
        partial(verify_remembered, part),
        verify_cards,
        verify_pots,
        partial(verify_transactions, part),
    ]
    # As few spans of decisions as possible: each begins by summing up what was before it.
    length = 1 / processes / _DECISIONS_SHARE
    shares = [index * length for index in range(1, processes) if index * length < 1]
    decisions: list[Part] = [partial(verify_decisions, span) for span in spans(shares, part)]
    parts = [*others, *decisions] if processes == 1 else [*decisions, *others]
    yield from checked(parts, processes)
