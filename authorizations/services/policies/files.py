"""Policy files: everything the desk decides by, out of the database and into it."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from authorizations.models import Assignment, Card, CardGroup, Cardholder, Policy
from authorizations.rules.basics.controls import ScopeKind
from authorizations.rules.basics.words import gained_words
from authorizations.services.policies import counting_ahead, groups, plan
from authorizations.services.policies.changes import Changes, GroupChange, Target
from authorizations.services.policies.plan import Strangers
from authorizations.services.policies.publish import publish
from authorizations.services.store import locks


def export_policies() -> dict[str, Any]:
    """Everything as a policy file in full; the same content gives the same file."""
    policies = Policy.objects.select_related("current_version").order_by("name")
    shared = CardGroup.objects.prefetch_related("cards").order_by("name")
    return {
        "policies": [policy.document for policy in policies],
        "groups": [
            {"name": group.name, "cards": sorted(card.pk for card in group.cards.all())}
            for group in shared
        ],
        "assignments": [
            {"policy": at.policy, at.kind.value: at.target or True} for at in sorted(plan.targets())
        ],
    }


def compare(written: str) -> Changes:
    """What importing this text would change. Raises InvalidPolicyError with all that is wrong."""
    file = plan.checked(written)
    return plan.changes(file, plan.strangers(file))


class NewSpendingError(Exception):
    """A file would let cards spend that could not before, and nobody said that it may."""

    def __init__(self, cards: int) -> None:
        super().__init__(gained_words(cards))


def import_policies(
    written: str,
    *,
    author: User | None = None,
    reason: str = "",
    allow_new_spending: bool = False,
) -> Changes:
    """Make what is there what the file says; returns what that changed.

    Policies in the file are created or replaced, its groups get exactly the cards listed, its
    assignments are made, and others of its policies removed. What it doesn't name stays. Raises
    InvalidPolicyError with all that is wrong, and NewSpendingError where cards could spend that
    could not before and not `allow_new_spending`; then nothing has changed.

    Policies come into force together; then cards get theirs and change groups, locks.CHUNK at a
    time, as purchases on them wait; what the file takes away goes last, so that no card is without
    its policies meanwhile. Interrupted, it goes on where it stopped when run again.
    """
    file = plan.checked(written)
    unseen = plan.strangers(file)
    changes = plan.changes(file, unseen)
    if changes.grants.gained and not allow_new_spending:
        raise NewSpendingError(changes.grants.gained)
    _register(unseen)
    with transaction.atomic():
        for change in changes.policies:
            publish(change.normal, author, reason)
        for group in changes.groups:
            CardGroup.objects.get_or_create(name=group.name)
        _assign([target for target in changes.assigned if target.kind is not ScopeKind.CARD])
    _assign_cards([target for target in changes.assigned if target.kind is ScopeKind.CARD])
    _regroup(changes.groups)
    _unassign(changes.unassigned)
    for policy in Policy.objects.filter(name__in={target.policy for target in changes.assigned}):
        counting_ahead.begin(policy)
    return changes


def _register(unseen: Strangers) -> None:
    """Rows to refer to; the first event about them fills in the rest.

    Committed before anything is locked: whoever wants to make one of them too may hold locks.
    """
    cards = [Card(id=id_, root_id=id_) for id_ in unseen.cards]
    Card.objects.bulk_create(cards, ignore_conflicts=True)
    cardholders = [Cardholder(id=id_) for id_ in unseen.cardholders]
    Cardholder.objects.bulk_create(cardholders, ignore_conflicts=True)


def _regroup(changes: Sequence[GroupChange]) -> None:
    """Cards leave before others join: one may go from a group of the file to another."""
    ids = dict(CardGroup.objects.values_list("name", "pk"))
    for change in changes:
        groups.move_all(change.leaving, None, out_of=ids[change.name])
    for change in changes:
        groups.move_all(sorted(change.joining), ids[change.name])
        if change.joining:
            counting_ahead.begin_at_group(ids[change.name])


def _assign(targets: Iterable[Target]) -> None:
    ids = dict(Policy.objects.values_list("name", "pk"))
    rows = [Assignment(policy_id=ids[at.policy], **_scope(at)) for at in targets]
    Assignment.objects.bulk_create(rows, ignore_conflicts=True)  # somebody may just have made one


def _assign_cards(targets: Iterable[Target]) -> None:
    for chunk in locks.in_chunks(targets):
        with transaction.atomic():
            _assign(_on_roots(chunk))


def _unassign(targets: Iterable[Target]) -> None:
    for chunk in locks.in_chunks(targets):
        with transaction.atomic():
            for target in _on_roots(chunk):
                rows = Assignment.objects.filter(policy__name=target.policy, **_scope(target))
                rows.delete()


def _on_roots(targets: Sequence[Target]) -> list[Target]:
    """With cards locked, and named by their roots as they are under the lock."""
    cards = [at.target for at in targets if at.kind is ScopeKind.CARD]
    roots = locks.hold(cards=cards)
    return [
        replace(at, target=roots[at.target]) if at.kind is ScopeKind.CARD else at for at in targets
    ]


def _scope(target: Target) -> dict[str, Any]:
    """The columns of an assignment to this target."""
    if target.kind is ScopeKind.PROGRAM:
        return {"program": True}
    if target.kind is ScopeKind.GROUP:
        return {"group": CardGroup.objects.get(name=target.target)}
    return {f"{target.kind}_id": target.target}
