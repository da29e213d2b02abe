"""When each version of a policy is in force: some are planned from an instant on, or until one."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

FOR_GOOD = datetime(9999, 12, 31, tzinfo=UTC)
"""The end of what has none, where one is needed to compare."""


class Tenure(NamedTuple):
    """When a version is to be in force: from `begins`, up to `ends` if it has one."""

    version_id: int
    number: int
    begins: datetime
    ends: datetime | None = None

    def holds(self, at: datetime) -> bool:
        """Whether it has begun and not ended, whatever others do."""
        return self.begins <= at and (self.ends is None or at < self.ends)


def in_force_at(tenures: Sequence[Tenure], at: datetime) -> Tenure | None:
    """The one in force at an instant, of those that hold the one that began last, then by number.

    None before the first begins.
    """
    holding = [one for one in tenures if one.holds(at)]
    return max(holding, key=lambda one: (one.begins, one.number), default=None)


def changes_after(tenures: Sequence[Tenure], at: datetime) -> list[tuple[datetime, Tenure | None]]:
    """Each later instant at which a different version comes into force, with that version."""
    instants = {one.begins for one in tenures} | {one.ends for one in tenures if one.ends}
    found: list[tuple[datetime, Tenure | None]] = []
    before = in_force_at(tenures, at)
    for instant in sorted(instant for instant in instants if instant > at):
        now = in_force_at(tenures, instant)
        if now != before:
            found.append((instant, now))
        before = now
    return found
