"""Assigning a policy to many at once, and taking it away from many.

Cards are locked before the assignments are written, no more than locks.CHUNK at once: purchases on
them wait. What a change does to cards is counted before anything is written.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet

from authorizations.models import Assignment, Card, Policy
from authorizations.rules.basics.controls import Scope, ScopeKind, scope_key
from authorizations.services.cards import grants
from authorizations.services.cards.grants import GrantDifference
from authorizations.services.policies import counting_ahead
from authorizations.services.policies.counting_ahead import NOTHING_BEGUN, Begun
from authorizations.services.store import locks


@dataclass(frozen=True, slots=True)
class Targets:
    """What a policy is to be assigned to; cards of a chain stand for its first one."""

    program: bool = False
    groups: tuple[int, ...] = ()
    cardholders: tuple[str, ...] = ()
    cards: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Assigned:
    """What assigning a policy did.

    `scopes` are the keys of where it is new, `there` says at how many others it was assigned
    already; `begun` is what has to be counted before purchases there are approved.
    """

    scopes: tuple[str, ...]
    there: int
    difference: GrantDifference
    begun: Begun = NOTHING_BEGUN


@transaction.atomic
def assign(policy: Policy, targets: Targets) -> Assigned:
    """Assign a policy to all of these.

    The first cards get it with all else, the others once that is committed; broken off, the rest
    stays without it, and may be assigned again. Raises Policy.DoesNotExist.
    """
    policy = _held(policy)
    chains = Card.objects.filter(pk__in=targets.cards).order_by("root")
    roots = list(chains.values_list("root", flat=True).distinct())
    wanted = dict(_rows(policy, targets, roots)).keys()
    there = policy.assignments.filter(scope__in=wanted).values_list("scope", flat=True)
    new = tuple(sorted(wanted - {*there}))
    # Before cards are locked: among many, both take their time.
    difference = grants.scopes_changed(policy, come=new)
    begun = counting_ahead.begin_at(policy, new)
    first, *others = [*locks.in_chunks(roots)] or [[]]
    _write(policy, targets, first)

    def assign_the_others() -> None:
        for chunk in others:
            with transaction.atomic():
                _write(policy, Targets(), chunk)

    transaction.on_commit(assign_the_others)
    return Assigned(new, len(wanted) - len(new), difference, begun)


@transaction.atomic
def unassign(policy: Policy, assignments: QuerySet[Assignment]) -> GrantDifference:
    """Take a policy away from these of its assignments; what that does to cards.

    No card is locked: what is decided meanwhile rests on what was read before.
    """
    policy = _held(policy)
    rows = assignments.filter(policy=policy)
    difference = grants.scopes_changed(policy, gone=list(rows.values_list("scope", flat=True)))
    rows.delete()
    return difference


def _held(policy: Policy) -> Policy:
    """As it is under the lock: what it grants stays the same to the end of the transaction."""
    return Policy.objects.select_for_update(of=("self",), no_key=True).get(pk=policy.pk)


def _rows(
    policy: Policy, targets: Targets, roots: Iterable[str]
) -> Iterator[tuple[str, Assignment]]:
    """An assignment for each, by the key of its scope; cards are named by their roots."""
    if targets.program:
        yield _key(ScopeKind.PROGRAM, ""), Assignment(policy=policy, program=True)
    for group in targets.groups:
        yield _key(ScopeKind.GROUP, group), Assignment(policy=policy, group_id=group)
    for holder in targets.cardholders:
        yield _key(ScopeKind.CARDHOLDER, holder), Assignment(policy=policy, cardholder_id=holder)
    for root in roots:
        yield _key(ScopeKind.CARD, root), Assignment(policy=policy, card_id=root)


def _key(kind: ScopeKind, target: object) -> str:
    return scope_key(Scope(kind, str(target)))


def _write(policy: Policy, targets: Targets, cards: Iterable[str]) -> None:
    """Cards by their roots as they are under the lock: one may have turned out to replace another.

    Some assignments may be there already.
    """
    roots = set(locks.hold(cards=cards).values())
    rows = dict(_rows(policy, targets, sorted(roots))).values()
    Assignment.objects.bulk_create(rows, ignore_conflicts=True)
