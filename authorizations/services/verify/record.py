"""Checks the record's rows against each other: what was asked, decided, answered and published.

Sums and limits are checked by `verify_books`, the outcome of decisions by `redecide`.
"""

from collections.abc import Iterator
from functools import partial
from itertools import pairwise

from authorizations.services.verify.checking import Checked
from authorizations.services.verify.entries import ENTRIES, verify_entries
from authorizations.services.verify.history import (
    CHANGES,
    changes_in,
    verify_history,
    verify_untold,
)
from authorizations.services.verify.parts import Part, checked
from authorizations.services.verify.ranges import WHOLE, Ids, Range, entries_in, requests_in
from authorizations.services.verify.replayed_lives import LIVES, verify_lives
from authorizations.services.verify.requests import (
    DECISIONS,
    REQUESTS,
    SIGNATURES,
    verify_orphans,
    verify_requests,
    verify_uses,
)
from authorizations.services.verify.stops import INSTRUCTIONS, verify_instructions
from authorizations.services.verify.versions import VERSIONS, verify_versions

KINDS = (REQUESTS, DECISIONS, SIGNATURES, ENTRIES, LIVES, VERSIONS, INSTRUCTIONS, CHANGES)
"""The kinds of rows that are checked."""

_LOWEST = -(2**63)


def verify_record(processes: int = 1, part: Range = WHOLE) -> Iterator[Checked]:
    """Check a part of the record; the results come piece by piece, in any order."""
    requests, entries = requests_in(part), entries_in(part)
    parts: list[Part] = [
        *(partial(verify_requests, span) for span in _spans(requests, processes)),
        partial(verify_orphans, Ids(_LOWEST, requests.up_to) if part.is_whole else requests),
        *(partial(verify_entries, span) for span in _spans(entries, processes)),
        partial(verify_lives, part),
        verify_versions,
        verify_instructions,
        partial(verify_history, changes_in(part.since, part.until)),
    ]
    if part.is_whole:
        parts += [verify_untold, verify_uses]
    yield from checked(parts, processes)


def _spans(ids: Ids, number: int) -> list[Ids]:
    cuts = [ids.above + ids.number * place // number for place in range(number + 1)]
    return [Ids(*span) for span in pairwise(cuts)]
