"""Checks policy versions against their hash and the change history, which the database writes."""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

from django.db.models import Q, Value
from django.db.models.functions import Coalesce

from authorizations.models import Policy, PolicyVersion
from authorizations.rules.policy.tenures import FOR_GOOD
from authorizations.services.verify.checking import EXISTING, Checked, Difference, by_key, fetch

VERSIONS = "policy versions"

_CLOCKS_APART = timedelta(minutes=1)
"""The change history's time is the database's, at the beginning of the transaction."""

_PUBLISHED = """
SELECT
    change.changed_at, change.user_id,
    (change.before ->> 'current_version_id')::bigint,
    (change.after ->> 'current_version_id')::bigint,
    change.names ->> ('policyversion:' || (change.after ->> 'current_version_id'))
FROM authorizations_historyentry AS change
WHERE change.kind = 'policy' AND change.object_id = %s
    AND change.before ->> 'current_version_id' IS DISTINCT FROM
        change.after ->> 'current_version_id'
ORDER BY change.id
"""

_PLANNED = """
SELECT
    change.changed_at, change.user_id, NULL, (change.after ->> 'version_id')::bigint,
    change.names ->> ('policyversion:' || (change.after ->> 'version_id'))
FROM authorizations_historyentry AS change
WHERE change.kind = 'plannedversion' AND change.subject = 'policy' AND change.subject_id = %s
ORDER BY change.id
"""


class _Published(NamedTuple):
    """A version published at once or planned, as the change history has it.

    `before` and `after` are version ids; `named` is the number and reason of the later one.
    """

    at: datetime
    user_id: int | None
    before: int | None
    after: int | None
    named: str | None


def verify_versions() -> Iterator[Checked]:
    """Check every version of every policy, and the order in which they came into force."""
    for policy in by_key(Policy.objects.all()):
        versions = list(policy.versions.order_by("number"))
        published = [_Published(*row) for row in fetch(_PUBLISHED, [str(policy.pk)])]
        planned = [_Published(*row) for row in fetch(_PLANNED, [str(policy.pk)])]
        plans = set(policy.plans.values_list("version", flat=True))
        current = Policy.objects.values_list("current_version", flat=True).get(pk=policy.pk)
        if current != policy.current_version_id:
            continue  # published meanwhile, so what was read does not fit together
        found = [*_version_by_version(versions, [*published, *planned])]
        at_once = [version for version in versions if version.pk not in plans]
        found += _order_differences(current, at_once, published)
        found += _unread_plans(policy)
        yield Checked(VERSIONS, len(versions), found)


def version_differences(version: PolicyVersion) -> Iterator[Difference]:
    """Check a version's content against its SHA-256."""
    digest = hashlib.sha256(version.content.encode()).hexdigest()
    if digest != version.sha256:
        yield Difference(_where(version), "SHA-256", version.sha256, digest)


def _version_by_version(
    versions: Sequence[PolicyVersion], published: Sequence[_Published]
) -> Iterator[Difference]:
    """Each version's content, number, author, reason and time."""
    by_version = {one.after: one for one in published}
    for number, version in enumerate(versions, 1):
        yield from version_differences(version)
        if version.number != number:
            yield Difference(_where(version), "number", version.number, number)
        one = by_version.get(version.pk)
        if one is None:
            what = "publication in the change history"
            yield Difference(_where(version), what, "none", EXISTING)
            continue
        if version.author_id != one.user_id:
            yield Difference(_where(version), "author", version.author_id, one.user_id)
        named = f"{version.number}: {version.reason}" if version.reason else str(version.number)
        if named != one.named:
            yield Difference(_where(version), "number and reason", named, one.named)
        if abs(version.created_at - one.at) > _CLOCKS_APART:
            yield Difference(_where(version), "time", version.created_at, one.at)


def _order_differences(
    current: Any, versions: Sequence[PolicyVersion], published: Sequence[_Published]
) -> Iterator[Difference]:
    """Each version published at once replaced the one before it, and the last one is current."""
    numbers = {version.pk: version.number for version in versions}
    for one in published:
        where = f"change of {one.at}"
        if numbers.get(one.after or 0, 0) <= numbers.get(one.before or 0, 0):
            yield Difference(where, "version in force", one.after, f"a later one than {one.before}")
    for one, following in pairwise(published):
        if one.after != following.before:
            where = f"change of {following.at}"
            yield Difference(where, "version before it", following.before, one.after)
    last = versions[-1].pk if versions else None
    if current != last:
        yield Difference("policy version", "without a plan, the last one", current, last)


def _unread_plans(policy: Policy) -> Iterator[Difference]:
    """Plans that decisions do not look for, as the policy says that there are none by then."""
    until = Coalesce("ends_at", Value(FOR_GOOD))
    unread = Q(policy__planned_until=None) | Q(policy__planned_until__lt=until)
    for plan in policy.plans.open().filter(unread).select_related("version"):
        yield Difference(_where(plan.version), "plan", "not read", "read until its end")


def _where(version: PolicyVersion) -> str:
    return f"policy version {version.pk}"
