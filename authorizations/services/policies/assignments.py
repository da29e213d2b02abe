"""Assigns a policy to many targets at once, and unassigns it.

Cards are locked before the assignments are written, at most locks.CHUNK at once, because purchases
on them wait. The cards that gain or lose a grant are counted before anything is written.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet

from authorizations.models import Assignment, Card, Policy
from authorizations.rules.basics.controls import OwnBudget, Scope, ScopeKind, scope_key
from authorizations.services.cards import grants
from authorizations.services.cards.grants import GrantDifference
from authorizations.services.policies import counting_ahead, exclusions
from authorizations.services.policies.counting_ahead import NOTHING_BEGUN, Begun
from authorizations.services.store import locks


@dataclass(frozen=True, slots=True)
class Targets:
    """What to assign a policy to; a card stands for the root of its replacement chain.

    `group_each` and `program_each` say whose own the limits are there, as Assignment.each does.
    """

    program: bool = False
    groups: tuple[int, ...] = ()
    cardholders: tuple[str, ...] = ()
    cards: tuple[str, ...] = ()
    program_each: str = ""
    group_each: str = ""


@dataclass(frozen=True, slots=True)
class Assigned:
    """The effect of assigning a policy.

    `scopes` are the keys of the scopes where it is new, `there` is the number of others where it
    was assigned already; `begun` is what must be counted before purchases there are approved.
    """

    scopes: tuple[str, ...]
    there: int
    difference: GrantDifference
    begun: Begun = NOTHING_BEGUN


@transaction.atomic
def assign(policy: Policy, targets: Targets) -> Assigned:
    """Assign a policy to all of these targets.

    The first locks.CHUNK cards get it in this transaction, the others after its commit. If that is
    interrupted, the rest stays without it and can be assigned again. Raises Policy.DoesNotExist.
    """
    policy = _locked(policy)
    chains = Card.objects.filter(pk__in=targets.cards).order_by("root")
    roots = list(chains.values_list("root", flat=True).distinct())
    wanted = dict(_rows(policy, targets, roots))
    there = policy.assignments.filter(scope__in=wanted).values_list("scope", flat=True)
    new = tuple(sorted(wanted.keys() - {*there}))
    # Before cards are locked: with many cards, both take a while.
    difference = grants.scopes_changed(policy, come=new)
    begun = counting_ahead.begin_at(policy, {scope: wanted[scope].each for scope in new})
    first, *others = [*locks.in_chunks(roots)] or [[]]
    _write(policy, targets, first)

    def assign_the_others() -> None:
        for chunk in others:
            with transaction.atomic():
                _write(policy, Targets(), chunk)

    transaction.on_commit(assign_the_others)
    return Assigned(new, len(wanted) - len(new), difference, begun)


@transaction.atomic
def unassign(
    policy: Policy, assignments: QuerySet[Assignment], *, by: User | None = None
) -> GrantDifference:
    """Delete these assignments of a policy; returns the cards that gain or lose a grant.

    Whoever one of them leaves out is not left out of later ones.
    No card is locked: purchases decided meanwhile use the policies they read before.
    """
    policy = _locked(policy)
    rows = assignments.filter(policy=policy)
    scopes = list(rows.values_list("scope", flat=True))
    difference = grants.scopes_changed(policy, gone=scopes)
    exclusions.end_at(policy, scopes, by=by)
    rows.delete()
    return difference


@transaction.atomic
def change_each(policy: Policy, assignment: Assignment, each: str) -> Begun:
    """Change whose own the limits of a policy are where it is assigned to a group or the program.

    `each` is as of Assignment.each. No usage is lost: what was spent counts in the new windows.
    Returns what must be counted first. No card is locked: purchases decided meanwhile use what they
    read before. Raises ValidationError where an assignment can't have it, and DoesNotExist.
    """
    policy = _locked(policy)
    row = policy.assignments.get(pk=assignment.pk)
    if each and not (row.program or row.group_id):
        raise ValidationError("One cardholder or card has the limits for itself: leave this empty.")
    row.each = "" if row.program and each == OwnBudget.CARD else each
    row.save(update_fields=["each"])
    return counting_ahead.begin_at(policy, {row.scope: row.each})


def _locked(policy: Policy) -> Policy:
    """The policy, locked, so that what it grants stays the same until the transaction ends."""
    return Policy.objects.select_for_update(of=("self",), no_key=True).get(pk=policy.pk)


def _rows(
    policy: Policy, targets: Targets, roots: Iterable[str]
) -> Iterator[tuple[str, Assignment]]:
    """An assignment for each target, with the key of its scope; cards are given by their roots."""

    def key(kind: ScopeKind, target: object) -> str:
        return scope_key(Scope(kind, str(target)))

    if targets.program:
        program = Assignment(policy=policy, program=True, each=targets.program_each)
        yield key(ScopeKind.PROGRAM, ""), program
    for group in targets.groups:
        shared = Assignment(policy=policy, group_id=group, each=targets.group_each)
        yield key(ScopeKind.GROUP, group), shared
    for holder in targets.cardholders:
        yield key(ScopeKind.CARDHOLDER, holder), Assignment(policy=policy, cardholder_id=holder)
    for root in roots:
        yield key(ScopeKind.CARD, root), Assignment(policy=policy, card_id=root)


def _write(policy: Policy, targets: Targets, cards: Iterable[str]) -> None:
    """Lock the cards, and write the assignments that don't exist yet.

    Roots are read again under the lock: a card may have become the replacement of another.
    """
    roots = set(locks.hold(cards=cards).values())
    rows = dict(_rows(policy, targets, sorted(roots))).values()
    Assignment.objects.bulk_create(rows, ignore_conflicts=True)
