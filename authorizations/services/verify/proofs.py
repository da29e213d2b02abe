"""What a run of a proof found, and its record."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils import timezone

from authorizations.models import ProofRun
from authorizations.services.verify.checking import Checked
from authorizations.services.verify.ranges import WHOLE, Range

MOST_SHOWN = 20
"""Maximum differences that are printed and recorded; the others are counted."""

_LONGEST = 2_000
"""Maximum characters of a difference: one may quote a whole request."""


@dataclass(slots=True)
class Proof:
    """A run so far; `first` holds its first differences as text."""

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
        """Count a result; returns the differences to print."""
        self.checked[found.what] += found.number
        self.differences += len(found.differences)
        self.unchecked += found.unchecked
        shown = []
        for difference in found.differences[: MOST_SHOWN - len(self.first)]:
            # A damaged text may contain NUL, which no column can.
            words = str(difference).replace("\0", "\N{REPLACEMENT CHARACTER}")
            shown.append(words if len(words) <= _LONGEST else f"{words[:_LONGEST]} ...")
        self.first += shown
        return shown

    def save(self, run_by: str, problem: str = "") -> ProofRun:
        """Record the run now that it has ended; `problem` says what stopped it early."""
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
