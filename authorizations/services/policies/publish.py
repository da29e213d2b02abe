"""Publishes policies: a document decides from the next request on."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from authorizations.models import Policy, PolicyVersion
from authorizations.rules.policy.document import canonical_json, normalize
from authorizations.services.policies.counting_ahead import NOTHING_BEGUN, Begun, begin
from authorizations.services.runtime.actor import acting


@dataclass(frozen=True, slots=True)
class Published:
    """The version in force, whether it is new, and what is being counted for it."""

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
) -> Published:
    """Put a document in force as the next version of a policy; an unchanged one makes no version.

    `policy` gets the document's name; by default it is the policy of that name, which is created if
    necessary. No card is locked: a purchase that has read its policies under its lock keeps them,
    and commits within 700 ms; one that still waits for its lock is decided by the new version.
    Raises InvalidPolicyError if the document is not valid; then nothing changes.
    """
    normal = normalize(document)
    with acting(user=author):  # a command publishes on behalf of a user
        if policy is None:
            policy, _ = Policy.objects.get_or_create(name=normal["name"])
        policy = Policy.objects.select_for_update(of=("self",), no_key=True).get(pk=policy.pk)
        if policy.current_version and policy.document == normal:
            return Published(policy.current_version, is_new=False, begun=begin(policy))
        content = canonical_json(normal)
        last = policy.versions.order_by("-number").first()
        version = PolicyVersion.objects.create(
            policy=policy,
            number=last.number + 1 if last else 1,
            author=author,
            reason=reason,
            content=content.decode(),
            sha256=hashlib.sha256(content).hexdigest(),
        )
        policy.name, policy.current_version = normal["name"], version
        policy.save(update_fields=("name", "current_version"))
    return Published(version, is_new=True, begun=begin(policy))
