"""Checks the policy versions that decisions name against those that were in force then."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from authorizations.models import Decision, PolicyVersion
from authorizations.rules.policy.tenures import Tenure
from authorizations.services.verify.checking import Difference

_APART = timedelta(minutes=1)
"""Around a beginning or an end either version may decide: clocks differ."""

_COMMITTING = timedelta(minutes=10)
"""After a row was written, decisions may not see it yet: a policy file publishes for minutes."""


class _Recorded(NamedTuple):
    """A version's tenure, with when it was written and cancelled."""

    tenure: Tenure
    written: datetime
    cancelled: datetime | None

    def may_hold(self, at: datetime) -> bool:
        tenure = self.tenure
        return (
            tenure.begins <= at + _APART
            and (tenure.ends is None or at - _APART < tenure.ends)
            and (self.cancelled is None or at - _COMMITTING < self.cancelled)
        )

    def holds_surely(self, at: datetime) -> bool:
        tenure = self.tenure
        return (
            tenure.begins < at - _APART
            and self.written < at - _COMMITTING
            and (tenure.ends is None or at + _APART < tenure.ends)
            and (self.cancelled is None or at + _APART < self.cancelled)
        )


class VersionsInForce:
    """All versions of policies, read when they are first asked for."""

    def __init__(self) -> None:
        self._versions: dict[int, _Recorded] = {}
        self._beaten: dict[int, list[_Recorded]] = {}

    def differences(self, row: Decision) -> Iterator[Difference]:
        """Each version by which this desk decided, and that was not in force at that instant.

        Stand-in decides by a copy, which may be older.
        """
        if row.stand_in:
            return
        for policy in row.policies:
            version = policy["version"]
            if version not in self._versions:  # published since they were read, or never
                self._read()
            found = self._versions.get(version)
            at = row.decided_at
            if found is None or not found.may_hold(at):
                yield Difference(row.pk, f"policy version {version}", "in force", "not then")
                continue
            other = next((it for it in self._beaten[version] if it.holds_surely(at)), None)
            if other is not None:
                name = f"policy version {version}"
                yield Difference(row.pk, name, "in force", f"{other.tenure.version_id} then")

    def _read(self) -> None:
        by_policy: dict[int, list[_Recorded]] = defaultdict(list)
        columns = ("plan__begins_at", "plan__ends_at", "plan_cancellation__cancelled_at")
        rows = PolicyVersion.objects.order_by("number")
        for id_, policy, number, written, begins, ends, cancelled in rows.values_list(
            "pk", "policy_id", "number", "created_at", *columns
        ):
            tenure = Tenure(id_, number, begins or written, ends)
            one = _Recorded(tenure, written, cancelled)
            self._versions[id_] = one
            by_policy[policy].append(one)
        for versions in by_policy.values():
            beating: list[_Recorded] = []
            # The latest first, so that of those that last the nearest one is found at once.
            for one in sorted(versions, key=lambda it: (it.tenure.begins, it.tenure.number))[::-1]:
                self._beaten[one.tenure.version_id] = [*beating]
                if one.tenure.ends is None and one.cancelled is None:
                    # It holds from then on whatever begins later: those add nothing.
                    beating = [it for it in beating if it.tenure.ends or it.cancelled]
                beating.append(one)
