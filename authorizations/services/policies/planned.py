"""Planned versions of policies: in force from an instant on, or until one, without any job.

Each is a row that is never changed: it ends by its time, by a row that cancels it, or by what is
published over it. No card is locked: decisions compare the times with the database's clock, once
their rows are locked.
"""

from contextlib import nullcontext
from datetime import UTC, datetime
from typing import NamedTuple

from django.contrib.auth.models import User
from django.db import transaction

from authorizations.models import PlanCancellation, Policy, PolicyVersion
from authorizations.rules.basics.parsing import YEARS
from authorizations.rules.policy.tenures import FOR_GOOD, Tenure
from authorizations.services.policies import stops
from authorizations.services.runtime.actor import acting

_TOO_FAR = datetime(YEARS.stop, 1, 1, tzinfo=UTC)


class PlanError(ValueError):
    """A version can't be planned so, or not be cancelled; the sentence says why.

    `is_of_end` if the end is wrong, and not the beginning.
    """

    def __init__(self, sentence: str, *, is_of_end: bool = False) -> None:
        super().__init__(sentence)
        self.is_of_end = is_of_end


class PlannedTimes(NamedTuple):
    """When a planned version is to be in force: None for at once, and for good."""

    begins_at: datetime | None = None
    ends_at: datetime | None = None


def check_times(times: PlannedTimes, now: datetime) -> None:
    """Raises PlanError if a version can't be planned so."""
    begins_at, ends_at = times
    if begins_at is not None and begins_at < now:
        raise PlanError("The beginning is in the past: choose a later one, or none for at once.")
    if begins_at is not None and begins_at >= _TOO_FAR:
        raise PlanError("The beginning is too far away: choose an earlier one.")
    if ends_at is None:
        return
    if ends_at <= now:
        wrong = "The end is in the past: choose a later one, or none for good."
    elif begins_at is not None and ends_at <= begins_at:
        wrong = "The end is not later than the beginning: choose a later one, or none for good."
    elif ends_at >= _TOO_FAR:
        wrong = "The end is too far away: choose an earlier one, or none for good."
    else:
        return
    raise PlanError(wrong, is_of_end=True)


@transaction.atomic
def cancel(version: PolicyVersion, *, by: User | None, reason: str) -> bool:
    """Cancel a planned version, in force or not; returns whether there was still one.

    The next decision goes by what is in force without it. Raises PlanError without a reason.
    """
    if not reason.strip():
        raise PlanError("Give a reason.")
    policy = locked(version.policy_id)
    if not policy.plans.open().filter(version=version).exists():
        return False
    with acting(user=by, reason=reason) if by else nullcontext():
        PlanCancellation.objects.create(
            policy=policy, version=version, cancelled_at=stops.now(), author=by, reason=reason
        )
    renew(policy)
    return True


def locked(policy_id: int) -> Policy:
    """The policy, locked against other publications until the transaction ends."""
    return Policy.objects.select_for_update(of=("self",), no_key=True).get(pk=policy_id)


def renew(policy: Policy) -> None:
    """Note until when the policy's plans are to be read; the policy is locked."""
    ends = policy.plans.open().values_list("ends_at", flat=True)
    until = max((end or FOR_GOOD for end in ends), default=None)
    if until != policy.planned_until:
        policy.planned_until = until
        policy.save(update_fields=("planned_until",))


def versions_to_come(policy: Policy) -> list[PolicyVersion]:
    """The versions of a policy that are in force or may be, the current one last."""
    found = [plan.version for plan in policy.listed_plans]
    return [*found, policy.current_version] if policy.current_version else found


def tenures(policy: Policy) -> list[Tenure]:
    """When the versions of a policy are in force from now on, by its plans."""
    found = [
        Tenure(plan.version_id, plan.version.number, plan.begins_at, plan.ends_at)
        for plan in policy.listed_plans
    ]
    if current := policy.current_version:
        found.append(Tenure(current.pk, current.number, current.created_at))
    return found
