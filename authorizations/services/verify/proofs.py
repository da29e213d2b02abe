"""What a run of a proof found, and that it is put on record."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils import timezone

from authorizations.models import ProofRun
from authorizations.services.verify.checking import Checked, Difference
from authorizations.services.verify.ranges import WHOLE, Range

MOST_SHOWN = 20
"""So many differences are printed and kept; the others are counted."""

_LONGEST = 2_000
"""Of a difference in characters: one may name a whole request."""


@dataclass(slots=True)
class Proof:
    """One run so far; `first` are the first differences as a person reads them."""

    command: ProofRun.Command
    part: Range = WHOLE
    decision: str = ""
    processes: int = 1
    started_at: datetime = field(default_factory=timezone.now)
    checked: Counter[str] = field(default_factory=Counter)
    differences: int = 0
    unchecked: int = 0
    first: list[str] = field(default_factory=list)
    missing: dict[str, Any] = field(default_factory=dict)

    def add(self, found: Checked) -> list[str]:
        """Count what a piece of the check found; returns the differences to show."""
        self.checked[found.what] += found.number
        self.differences += len(found.differences)
        self.unchecked += found.unchecked
        shown = [_words(it) for it in found.differences[: MOST_SHOWN - len(self.first)]]
        self.first += shown
        return shown

    def keep(self, run_by: str, problem: str = "") -> ProofRun:
        """Put it on record, now that it has ended; `problem` is what stopped it before its end."""
        result = ProofRun.Result.DIFFERENT if self.differences else ProofRun.Result.RIGHT
        return ProofRun.objects.create(
            command=self.command,
            started_at=self.started_at,
            ended_at=timezone.now(),
            since=self.part.since,
            until=self.part.until,
            decision=self.decision[:255],
            processes=self.processes,
            run_by=run_by[:255],
            result=ProofRun.Result.STOPPED if problem else result,
            differences=self.differences,
            unchecked=self.unchecked,
            checked=dict(self.checked),
            missing=self.missing,
            first_differences=self.first,
            problem=problem,
        )


def _words(difference: Difference) -> str:
    """Without NUL, which a damaged text may have and no row can."""
    words = str(difference).replace("\0", "\N{REPLACEMENT CHARACTER}")
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]} ..."
