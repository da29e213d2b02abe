"""Leaves cards, cardholders and groups out of an assignment of a policy.

The policy does not apply to them then. What they spend still counts in a budget that they are left
out of, as it is the budget of a scope that they are in.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet

from authorizations.models import Instruction, Policy
from authorizations.rules.basics.controls import Scope, ScopeKind, scope_key
from authorizations.services.cards import grants
from authorizations.services.cards.grants import GrantDifference
from authorizations.services.policies import planned, scopes, stops
from authorizations.services.policies.changes import ExclusionChange
from authorizations.services.policies.names import group_ids, policy_ids
from authorizations.services.policies.stops import StopError
from authorizations.services.runtime.actor import acting


def in_force() -> QuerySet[Instruction]:
    """The exclusions that hold now, by the database's clock."""
    return stops.holding().filter(kind=Instruction.Kind.EXCLUSION)


@transaction.atomic
def leave_out(
    policy: Policy,
    assigned: Scope,
    scope: Scope,
    *,
    by: User | None,
    reason: str,
    until: datetime | None = None,
) -> GrantDifference:
    """Leave a card, cardholder or group out of the assignment of a policy to `assigned`.

    A card stands for the root of its chain. Returns the cards that gain or lose a grant. Raises
    StopError if the policy is not assigned there, or to this very kind of scope, or if there is no
    such scope.
    """
    policy = planned.locked(policy.pk)  # so that the assignment isn't removed meanwhile
    [scope] = scopes.lock([scope]).values()
    if not policy.assignments.filter(scope=scope_key(assigned)).exists():
        raise StopError("The policy is not assigned there any more: nobody has to be left out.")
    if scope.kind is ScopeKind.PROGRAM:
        raise StopError("For every card, remove the assignment instead.")
    if assigned.kind in (scope.kind, ScopeKind.CARD):
        raise StopError(f"Remove the assignment instead: it is to one {assigned.kind} alone.")
    key = scope_key(assigned)
    difference = grants.exclusions_changed(policy, key, come=[scope_key(scope)])
    stops.write(
        Instruction.Kind.EXCLUSION,
        scope,
        {"assigned": key},
        policy=policy,
        by=by,
        reason=reason,
        until=until,
    )
    return difference


def lifted(row: Instruction) -> GrantDifference:
    """The cards that gain or lose a grant once this exclusion is lifted."""
    others = in_force().filter(policy=row.policy_id, scope=row.scope).exclude(pk=row.pk)
    is_held = any(other.terms == row.terms for other in others)
    if row.policy is None or is_held:
        return grants.NO_DIFFERENCE
    return grants.exclusions_changed(row.policy, row.terms["assigned"], gone=[row.scope])


def end_at(policy: Policy, assigned: Iterable[str], *, by: User | None) -> None:
    """Lift the exclusions from a policy's assignments to the scopes with these keys.

    Runs within a transaction, when these are removed: assigned again they would hold again.
    """
    rows = in_force().filter(policy=policy, terms__assigned__in=list(assigned))
    ended = list(rows.values_list("pk", flat=True))
    if ended:
        scopes.lock(scopes.cards_of(ended))
        stops.lift_all(ended, by=by, reason="No longer assigned")


def follow(new: Sequence[ExclusionChange], ended: Sequence[int], *, by: User | None) -> None:
    """Make these exclusions and lift those with these keys, all at once.

    Purchases don't wait, however many there are. Raises GoneError.
    """
    if not new and not ended:
        return
    groups, policies = group_ids(), policy_ids()

    def scope_of(kind: ScopeKind, target: str) -> Scope:
        return Scope(kind, str(groups[target]) if kind is ScopeKind.GROUP else target)

    left_out = [scope_of(change.listed.kind, change.target) for change in new]
    with transaction.atomic(), acting(user=by):
        locked = scopes.lock([*left_out, *scopes.cards_of(ended)])
        now = stops.now()
        rows = []
        for change, scope in zip(new, left_out, strict=True):
            listed, assigned = change.listed, change.assigned
            row = Instruction(
                kind=Instruction.Kind.EXCLUSION,
                scope=scope_key(locked[scope]),
                policy_id=policies[assigned.policy],
                terms={"assigned": scope_key(scope_of(assigned.kind, assigned.target))},
                starts_at=now,
                ends_at=datetime.fromtimestamp(listed.until, UTC) if listed.until else None,
                author=by,
                author_name=by.get_username() if by else "",
                reason=listed.reason,
            )
            rows.append(row)
        Instruction.objects.bulk_create(rows, batch_size=stops.BATCH)
        stops.lift_all(ended, by=by, reason="Not in the file")
