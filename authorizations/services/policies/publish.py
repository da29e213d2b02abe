"""Publishes policies: a document decides from the next request on, or when it is planned to."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from authorizations.models import PlannedVersion, Policy, PolicyVersion
from authorizations.rules.policy.document import canonical_json, normalize
from authorizations.services.policies import planned, stops
from authorizations.services.policies.counting_ahead import NOTHING_BEGUN, Begun, begin
from authorizations.services.policies.planned import PlanError, PlannedTimes
from authorizations.services.runtime.actor import acting


@dataclass(frozen=True, slots=True)
class Published:
    """The version published, whether it is new, and what is being counted for it."""

    version: PolicyVersion
    is_new: bool
    begun: Begun = NOTHING_BEGUN


@transaction.atomic
def publish(
    document: Mapping[str, Any],
    author: User | None,
    reason: str = "",
    *,
    policy: Policy | None = None,
    times: PlannedTimes | None = None,
) -> Published:
    """Put a document in force as the next version of a policy; an unchanged one makes no version.

    With `times` it is a planned version: in force from an instant on, or until one. `policy` gets
    the document's name; by default it is the policy of that name, which is created if necessary. No
    card is locked: a purchase that has read its policies under its lock keeps them, and commits
    within 700 ms; one that still waits for its lock is decided by the new version. Raises
    InvalidPolicyError if the document is not valid, and PlanError if it can't be planned so; then
    nothing changes.
    """
    normal = normalize(document)
    with acting(user=author):  # a command publishes on behalf of a user
        if policy is None:
            policy, _ = Policy.objects.get_or_create(name=normal["name"])
        policy = planned.locked(policy.pk)
        now = stops.now()
        if times is not None:
            planned.check_times(times, now)
            if normal["name"] != policy.name:
                raise PlanError("A planned version can't rename its policy: rename it first.")
        version = policy.version_in_force
        by_plan = policy.plans.filter(version=version)
        if times is None and version and version.document == normal and not by_plan.exists():
            return Published(version, is_new=False, begun=begin(policy))
        content = canonical_json(normal)
        last = policy.versions.order_by("-number").first()
        version = PolicyVersion.objects.create(
            policy=policy,
            number=last.number + 1 if last else 1,
            author=author,
            created_at=now,
            reason=reason,
            content=content.decode(),
            sha256=hashlib.sha256(content).hexdigest(),
        )
        if times is not None:
            PlannedVersion.objects.create(
                policy=policy,
                version=version,
                begins_at=times.begins_at or now,
                ends_at=times.ends_at,
            )
        else:
            policy.name, policy.current_version = normal["name"], version
            policy.save(update_fields=("name", "current_version"))
        planned.renew(policy)
    return Published(version, is_new=True, begun=begin(policy))
