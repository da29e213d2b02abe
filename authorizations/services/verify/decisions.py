"""Every decision's usage figures against the ledger as of that decision, and against its limits.

A decision draws a number from the ledger's own sequence under the lock of card, cardholder and
group (`Decision.position`): entries of these scopes with lower numbers were there before it. So
the ledger is read once, in order, beside the decisions.

Decisions are read in the order they were written. Where two of different scopes drew their
numbers the other way round, the only entries of a decision's scopes that were read too early
are its own, which its figures never hold but for what the event itself told.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeAlias

from msgspec.structs import replace

from authorizations.rules.basics.controls import scope_key
from authorizations.rules.decision.controls import AppliedControls
from authorizations.rules.decision.limits import fits_limits, limit_checks
from authorizations.rules.decision.values import LimitFigures, Window, WindowUsage
from authorizations.rules.wording.sentences import limit_words
from authorizations.services.store.running_sums import LedgerChange, Used, minus, plus, used_words
from authorizations.services.verify.changed_chains import Rehung
from authorizations.services.verify.checking import Checked, Difference
from authorizations.services.verify.decision_stream import (
    Decided,
    Row,
    Span,
    pieces,
    read,
    window_words,
)
from authorizations.services.verify.ledger_stream import Entry, LedgerAlong
from authorizations.services.verify.windows_as_of import Asked, ScopeUsage, Sum, WindowsAsOf

DECISIONS, ENTRIES = "decisions", "ledger entries"

_Off: TypeAlias = tuple[Window, Used, Used]
"""A window, what a decision says that it had used up, and what it had."""

_STRIDE = 10_000
_AT_ONCE = 100
"""Few enough to be still in the processor's cache when they are checked."""


def verify_decisions(span: Span) -> Iterator[Checked]:
    """Each decision, and whether each entry of the ledger is of a purchase."""
    along = _Along(span)
    for rows in pieces(span):
        yield along.check(rows)
        yield along.entries()
    yield from along.finish()


class _Along:
    """Where the check is: in the ledger, and in every window somebody asked about."""

    def __init__(self, span: Span) -> None:
        self._end = span.end
        self._ledger = LedgerAlong(span.begin)
        self._windows = WindowsAsOf(span.begin)
        # By event, of the entries read lately: those of decisions that come a little later.
        self._early: dict[str, list[Entry]] = {}
        self._earlier: dict[str, list[Entry]] = {}
        self._entries = 0
        self._strays: list[Difference] = []

    def check(self, rows: Sequence[Row]) -> Checked:
        """Some decisions, in the order they were written."""
        self._early, self._earlier = {}, self._early
        differences: list[Difference] = []
        unchecked = 0
        for start in range(0, len(rows), _AT_ONCE):
            wrong, unknown = self._check_round(rows[start : start + _AT_ONCE])
            differences += wrong
            unchecked += unknown
        self._windows.tidy()
        return Checked(DECISIONS, len(rows), differences, unchecked)

    def _check_round(self, rows: Sequence[Row]) -> tuple[list[Difference], int]:
        found = [read(row) for row in rows]
        decided = [one for one in found if isinstance(one, Decided)]
        differences = [one for one in found if isinstance(one, Difference)]
        asked = [window for one in decided for window in one.asked]
        sums = iter(self._windows.prepare(asked, self._ledger.before))
        off = []
        for one in decided:
            self._read_up_to(one.row.position)
            off.append(self._off(one, islice(sums, len(one.asked))))
        # Only now, and for all at once: what is hung elsewhere meanwhile has happened by now.
        rehung = Rehung({window.scope for figures in off for window, _, _ in figures})
        unchecked = 0
        for one, figures in zip(decided, off, strict=True):
            wrong, unknown = _differences(one, figures, rehung)
            differences += wrong
            unchecked += unknown
        return differences, unchecked

    def entries(self) -> Checked:
        """Those read since this was asked last; what lies beyond the span is left to others."""
        found = Checked(ENTRIES, self._entries, self._strays)
        self._entries, self._strays = 0, []
        return found

    def finish(self) -> Iterator[Checked]:
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
                self._early.setdefault(entry.event_id, []).append(entry)

    def _off(self, decided: Decided, sums: Iterable[tuple[ScopeUsage, Sum]]) -> list[_Off]:
        """The windows of a decision that had used up something else than it says."""
        row = decided.row
        early = (*self._early.get(row.id, ()), *self._earlier.get(row.id, ()))
        # What an earlier answer to the same event took was there before it.
        own = [entry.change for entry in early if entry.change and entry.id > row.position]
        found = []
        of_decision = zip(decided.usage, decided.asked, sums, strict=True)
        for (window, recorded), asked, (scope, running) in of_decision:
            if scope.waiting:
                scope.settle()
            used = running.used(window.start)
            if own or decided.told:
                used = _as_of(used, asked, own, decided.told)
            kept = (recorded.amount, recorded.refunded, recorded.count)
            if used != kept and recorded.is_complete:
                found.append((window, kept, used))
        return found


def _differences(
    decided: Decided, off: Sequence[_Off], rehung: Rehung
) -> tuple[list[Difference], int]:
    """What is wrong with a decision, and how many of its windows nobody can tell."""
    row = decided.row
    known = [figures for figures in off if not rehung.since(figures[0].scope, row.decided_at)]
    differences = [
        Difference(
            f"decision {row.id}",
            f"usage of {window_words(window)}",
            used_words(kept),
            used_words(used),
        )
        for window, kept, used in known
    ]
    if row.approved_amount:
        usage = dict(decided.usage)
        usage.update((window, WindowUsage(*used)) for window, _, used in known)
        differences += _exceeded(decided, usage)
    return differences, len(off) - len(known)


def _as_of(
    used: Used, asked: Asked, own: Sequence[LedgerChange], told: Sequence[LedgerChange]
) -> Used:
    """Without the decision's own entries, but for those of what its event told."""
    window, concern, _ = asked
    for change in own:
        used = minus(used, change.seen_in(window.currency, concern))
    for change in told:
        used = plus(used, change.seen_in(window.currency, concern))
    return used


def _exceeded(decided: Decided, usage: dict[Window, WindowUsage]) -> Iterator[Difference]:
    """The limits that what was approved goes beyond, after the ledger as it was then."""
    row, approved, standing = decided.row, decided.request, decided.standing
    if row.approved_amount != approved.amount:
        approved = replace(approved, amount=row.approved_amount)
    try:
        for policy in decided.applied:
            if not fits_limits(approved, standing, policy, usage):
                for check in limit_checks(approved, standing, policy, usage):
                    if check.figures and not check.passed:
                        yield _exceeds(row.id, policy, check.figures)
    except KeyError as missing:
        yield Difference(f"decision {row.id}", "usage", "none", missing)


def _exceeds(id_: str, policy: AppliedControls, figures: LimitFigures) -> Difference:
    name = f"{policy.controls.name} ({scope_key(policy.scope)})"
    what = f"policy {name}, {limit_words(figures)}: usage with what it approved"
    return Difference(
        f"decision {id_}", what, figures.used + figures.asked, f"at most {figures.limit}"
    )
