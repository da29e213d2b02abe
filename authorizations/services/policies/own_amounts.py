"""Gives a card, cardholder or group its own amount for one limit of a policy."""

import json
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet

from authorizations.models import CardGroup, Instruction, Lifting, Policy
from authorizations.rules.basics.controls import (
    LimitControl,
    Scope,
    ScopeKind,
    scope_key,
    scope_of,
)
from authorizations.rules.basics.money import MAX_AMOUNT
from authorizations.rules.policy.document import controls
from authorizations.services.policies import stops
from authorizations.services.policies.changes import OverrideChange
from authorizations.services.policies.stops import StopError
from authorizations.services.runtime.actor import acting


def in_force() -> QuerySet[Instruction]:
    """The own amounts that hold now, by this server's clock."""
    return stops.holding().filter(kind=Instruction.Kind.OVERRIDE)


def limits_of(policy: Policy) -> tuple[LimitControl, ...]:
    """The limits of the version in force."""
    version = policy.current_version
    return controls(json.loads(version.content)).spending_limits if version else ()


def give(
    scope: Scope,
    policy: Policy,
    key: str,
    *,
    by: User | None,
    reason: str,
    amount: int | None = None,
    raise_by: int | None = None,
    until: datetime | None = None,
) -> Instruction:
    """Let a scope have `amount` in place of the limit's, or `raise_by` more.

    Figures are in the limit's unit: the smallest of its currency, or purchases. Raises StopError if
    the policy has no such limit, or nowhere measures this scope or one of its cards.
    """
    policy = Policy.objects.select_related("current_version").get(pk=policy.pk)
    limit = next((one for one in limits_of(policy) if one.key == key), None)
    if limit is None:
        raise StopError("The policy has no such limit any more: choose one of those it has.")
    if scope.kind is ScopeKind.PROGRAM:
        raise StopError("For every card, change the policy itself.")
    if (amount is None) == (raise_by is None):
        raise StopError("Give an amount, or what to add to it: one of them.")
    if not 0 <= (amount or raise_by or 0) <= MAX_AMOUNT or raise_by == 0:
        raise StopError("Give a figure that is not negative, and not too large.")
    if not _is_measured_at(policy, scope):
        raise StopError(
            "The limit measures no card there: assign the policy first, or give the amount to what "
            "it is assigned to."
        )
    terms = {
        "limit": key,
        "interval": limit.interval.value,
        "currency": limit.currency,
        "amount": amount,
        "raise_by": raise_by,
    }
    kept = {name: value for name, value in terms.items() if value not in (None, "")}
    return stops.write(
        Instruction.Kind.OVERRIDE, scope, kept, policy=policy, by=by, reason=reason, until=until
    )


def follow(new: Sequence[OverrideChange], ended: Sequence[int], *, by: User | None) -> None:
    """Make these own amounts and lift those with these keys, all at once."""
    if not new and not ended:
        return
    groups = {name: str(pk) for name, pk in CardGroup.objects.values_list("name", "pk")}
    policies = dict(Policy.objects.values_list("name", "pk"))
    with transaction.atomic(), acting(user=by) if by else nullcontext():
        now = stops.now()
        Instruction.objects.bulk_create(
            Instruction(
                kind=Instruction.Kind.OVERRIDE,
                # A group of the file may have been new when the change was planned.
                scope=scope_key(
                    Scope(
                        change.listed.kind,
                        groups[change.listed.target]
                        if change.listed.kind is ScopeKind.GROUP
                        else change.target,
                    )
                ),
                policy_id=policies[change.listed.policy],
                terms=change.terms,
                starts_at=now,
                ends_at=datetime.fromtimestamp(change.listed.until, UTC)
                if change.listed.until
                else None,
                author=by,
                author_name=by.get_username() if by else "",
                reason=change.listed.reason,
            )
            for change in new
        )
        Lifting.objects.bulk_create(
            (
                Lifting(instruction_id=pk, lifted_at=now, author=by, reason="Not in the file")
                for pk in ended
            ),
            ignore_conflicts=True,
        )


def _is_measured_at(policy: Policy, scope: Scope) -> bool:
    """Whether some limit of the policy measures this scope, or cards."""
    kinds = {scope_of(key).kind for key in policy.assignments.values_list("scope", flat=True)}
    return not kinds.isdisjoint({scope.kind, ScopeKind.CARD, ScopeKind.PROGRAM})
