"""Checks every decision's usage figures against the ledger as of that decision, and its limits.

A decision draws a number from the ledger's own sequence under the lock of card, cardholder and
group (`Decision.position`): entries of these scopes with lower numbers were there before it. So
the ledger is read once, in order, beside the decisions.

Decisions are read in the order of their requests' numbers. Sessions that write at the same time may
have drawn the ledger's in another order. Then some entries are read before a decision that were
written with it or after it: they have higher numbers, and are taken off again. A decision's figures
hold none of them, except what its event itself reported.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, takewhile
from typing import NamedTuple

from msgspec.structs import replace

from authorizations.rules.basics.controls import scope_key
from authorizations.rules.decision.limits import fits_limits, limit_checks
from authorizations.rules.decision.values import Window, WindowUsage
from authorizations.rules.decision.waivers import is_waived
from authorizations.rules.wording.sentences import limit_words
from authorizations.services.store.window_totals import Used, minus, plus
from authorizations.services.verify.changed_chains import ChangedChains
from authorizations.services.verify.checking import Checked, Difference
from authorizations.services.verify.decision_stream import (
    RecordedDecision,
    Row,
    Span,
    pieces,
    read,
    window_words,
)
from authorizations.services.verify.ledger_stream import Entry, LedgerStream
from authorizations.services.verify.running_sums import LedgerChange, used_words
from authorizations.services.verify.windows_as_of import ScopeUsage, Sum, WindowsAsOf

DECISIONS, ENTRIES = "decisions", "ledger entries"

_STRIDE = 10_000
_MAX_DISORDER = 10_000
"""Entries that may be read before a decision with a lower number; some hundreds are."""

_ROUND = 100
"""Decisions checked in one round: few enough to stay in the processor's cache."""


class _Mismatch(NamedTuple):
    """A window of a decision: what the decision says it had used, and what the ledger says."""

    window: Window
    recorded: Used
    actual: Used


def verify_decisions(span: Span) -> Iterator[Checked]:
    """Check each decision of the span, and that each of its ledger entries has a purchase."""
    check = _LedgerCheck(span)
    for rows in pieces(span):
        yield check.decisions(rows)
        yield check.entries()
    yield from check.rest()


class _LedgerCheck:
    """A span's decisions and the ledger, read side by side."""

    def __init__(self, span: Span) -> None:
        self._end = span.end
        self._ledger = LedgerStream(span.begin)
        self._windows = WindowsAsOf(span.begin)
        # The entries read last: some before the decision that wrote them, or one before that.
        self._recent: deque[Entry] = deque(maxlen=_MAX_DISORDER)
        self._entries = 0
        self._strays: list[Difference] = []

    def decisions(self, rows: Sequence[Row]) -> Checked:
        """Check some decisions, given in the order they were written."""
        differences: list[Difference] = []
        unchecked = 0
        for start in range(0, len(rows), _ROUND):
            found = [read(row) for row in rows[start : start + _ROUND]]
            differences += [one for one in found if isinstance(one, Difference)]
            decisions = [one for one in found if isinstance(one, RecordedDecision)]
            queries = [query for decision in decisions for query in decision.queries]
            sums = iter(self._windows.prepare(queries, self._ledger.before))
            mismatches = []
            for decision in decisions:
                self._read_up_to(decision.row.position)
                own_sums = islice(sums, len(decision.queries))
                mismatches.append(list(self._mismatches(decision, own_sums)))
            # Read last, once for all: a chain that changed while they were checked is in it.
            chains = ChangedChains({it.window.scope for some in mismatches for it in some})
            for decision, some in zip(decisions, mismatches, strict=True):
                at = decision.row.decided_at
                certain = [it for it in some if not chains.changed_since(it.window.scope, at)]
                unchecked += len(some) - len(certain)
                differences += _differences(decision, certain)
        self._windows.drop_old()
        return Checked(DECISIONS, len(rows), differences, unchecked)

    def entries(self) -> Checked:
        """The entries of the span that were read since the last call."""
        found = Checked(ENTRIES, self._entries, self._strays)
        self._entries, self._strays = 0, []
        return found

    def rest(self) -> Iterator[Checked]:
        """The entries after the last decision."""
        while self._ledger.before < self._end:
            self._read_up_to(min(self._ledger.before + _STRIDE, self._end))
            yield self.entries()

    def _read_up_to(self, position: int) -> None:
        for entry in self._ledger.up_to(position):
            if entry.id < self._end:
                self._entries += 1
                if entry.difference:
                    self._strays.append(entry.difference)
            if entry.change:
                self._windows.add(entry.change, entry.scopes)
                self._recent.append(entry)

    def _mismatches(
        self, decision: RecordedDecision, sums: Iterable[tuple[ScopeUsage, Sum]]
    ) -> Iterator[_Mismatch]:
        """The windows whose usage the decision states wrongly."""
        row = decision.row
        # Decisions come in the order of their requests' numbers, and sessions that write at the
        # same time draw their numbers in any order.
        early = list(takewhile(lambda entry: entry.id > row.position, reversed(self._recent)))
        windows = zip(decision.usage, decision.queries, sums, strict=True)
        for (window, recorded), (_, concern, _), (scope, running) in windows:
            key = (str(window.scope.kind), window.scope.id)
            scope.settle()
            used = running.used(window.start)
            for entry in early:
                if entry.change and key in entry.scopes and _is_within(window, entry.change):
                    used = minus(used, entry.change.seen_in(window.currency, concern))
            for change in decision.reported:
                used = plus(used, change.seen_in(window.currency, concern))
            stated = (recorded.amount, recorded.refunded, recorded.count)
            if used != stated and recorded.is_complete:
                yield _Mismatch(window, stated, used)


def _is_within(window: Window, change: LedgerChange) -> bool:
    """Whether a purchase's change counts in a window; a rolling one has no end."""
    return window.start <= change.created and (window.rolling or change.created < window.end)


def _differences(
    decision: RecordedDecision, mismatches: Sequence[_Mismatch]
) -> Iterator[Difference]:
    """The mismatches, and the limits that the approved amount exceeds after the ledger.

    Not those that an exception waived.
    """
    row = decision.row
    where = f"decision {row.id}"
    for window, recorded, actual in mismatches:
        what = f"usage of {window_words(window)}"
        yield Difference(where, what, used_words(recorded), used_words(actual))
    if not row.approved_amount:
        return
    usage = dict(decision.usage)
    usage.update((window, WindowUsage(*actual)) for window, _, actual in mismatches)
    approved, context = decision.request, decision.context
    if row.approved_amount != approved.amount:
        approved = replace(approved, amount=row.approved_amount)
    given = next((one for one in context.exceptions if one.id == row.exception_id), None)
    try:
        for policy in decision.applied:
            if fits_limits(approved, context, policy, usage):
                continue
            name = f"{policy.controls.name} ({scope_key(policy.scope)})"
            for check in limit_checks(approved, context, policy, usage):
                if given and not check.passed and is_waived(check, given, decision.applied):
                    continue
                if check.figures and not check.passed:
                    limit = limit_words(check.figures)
                    what = f"policy {name}, {limit}: usage with what it approved"
                    used = check.figures.used + check.figures.asked
                    yield Difference(where, what, used, f"at most {check.figures.limit}")
    except KeyError as missing:
        yield Difference(where, "usage", "none", missing)
