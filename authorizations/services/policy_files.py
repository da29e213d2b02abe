"""Policy files: everything the desk decides by, out of the database and into it, all or nothing."""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from authorizations.models import Assignment, Card, CardGroup, Cardholder, Policy
from authorizations.rules.controls import ScopeKind
from authorizations.rules.document import PolicyProblems, Problem
from authorizations.rules.policy_file import PolicyFile
from authorizations.services import locks, policy_plan
from authorizations.services.policy_changes import Changes, GroupChange, Target
from authorizations.services.policy_plan import Strangers
from authorizations.services.publish import publish, save_document


def export_policies() -> dict[str, Any]:
    """Everything as a policy file in full; the same content gives the same file.

    Raises PolicyProblems where a saved policy could not be published.
    """
    groups = CardGroup.objects.prefetch_related("cards").order_by("name")
    return {
        "policies": [_saved(policy) for policy in policy_plan.policies().order_by("name")],
        "groups": [
            {"name": group.name, "cards": sorted(card.pk for card in group.cards.all())}
            for group in groups
        ],
        "assignments": [
            {"policy": at.policy, at.kind.value: at.target or True}
            for at in sorted(policy_plan.targets())
        ],
    }


def _saved(policy: Policy) -> dict[str, Any]:
    try:
        return policy_plan.saved(policy)
    except PolicyProblems as wrong:
        sentence = f'The policy "{policy.name}" can\'t work; put it right in the admin.'
        raise PolicyProblems([Problem((), sentence), *wrong.problems]) from None


def compare(written: str) -> Changes:
    """What importing this text would change. Raises PolicyProblems with all that is wrong."""
    file = policy_plan.checked(written)
    return policy_plan.changes(file, policy_plan.strangers(file))


@transaction.atomic
def import_policies(written: str, *, author: User | None = None, reason: str = "") -> Changes:
    """Make what is there what the file says; returns what that changed.

    Policies in the file are created or replaced, its groups get exactly the cards listed, its
    assignments are made, and others of its policies removed. What it doesn't name stays. Raises
    PolicyProblems with all that is wrong; then nothing has changed.
    """
    file = policy_plan.checked(written)
    unseen = policy_plan.strangers(file)
    _register(unseen)
    _hold(file)
    changes = policy_plan.changes(file, unseen)
    _regroup(changes.groups)
    for change in changes.policies:
        publish(save_document(change.normal), author, reason)
    _reassign(assigned=changes.assigned, unassigned=changes.unassigned)
    return changes


def _register(unseen: Strangers) -> None:
    """Rows to refer to; the first event about them fills in the rest.

    New rows can come before the locks: whoever wants to make one of them too waits for this
    transaction, and holds no lock meanwhile.
    """
    cards = [Card(id=id_, root_id=id_) for id_ in unseen.cards]
    Card.objects.bulk_create(cards, ignore_conflicts=True)
    cardholders = [Cardholder(id=id_) for id_ in unseen.cardholders]
    Cardholder.objects.bulk_create(cardholders, ignore_conflicts=True)


def _hold(file: PolicyFile) -> None:
    names = [*file.group_names, *file.targets(ScopeKind.GROUP)]
    groups = list(CardGroup.objects.filter(name__in=names).values_list("pk", flat=True))
    members = Card.objects.filter(group__in=groups).values_list("pk", flat=True)
    left = Card.objects.filter(chain__in=file.cards, group__isnull=False)
    locks.hold(
        cards=[*file.cards, *members],
        cardholders=file.targets(ScopeKind.CARDHOLDER),
        groups={*groups, *left.values_list("group_id", flat=True)},
    )


def _regroup(changes: Iterable[GroupChange]) -> None:
    """Cards leave before others join: one may go from a group of the file to another."""
    for change in changes:
        Card.objects.filter(pk__in=change.leaving).update(group=None)
    for change in changes:
        group, _ = CardGroup.objects.get_or_create(name=change.name)
        Card.objects.filter(pk__in=change.joining).update(group=group)


def _reassign(*, assigned: Iterable[Target], unassigned: Iterable[Target]) -> None:
    for target in unassigned:
        Assignment.objects.filter(policy__name=target.policy, **_scope(target)).delete()
    ids = dict(Policy.objects.values_list("name", "pk"))
    rows = [Assignment(policy_id=ids[at.policy], **_scope(at)) for at in assigned]
    Assignment.objects.bulk_create(rows, ignore_conflicts=True)  # somebody may just have made one


def _scope(target: Target) -> dict[str, Any]:
    """The columns of an assignment to this target."""
    if target.kind is ScopeKind.PROGRAM:
        return {"program": True}
    if target.kind is ScopeKind.GROUP:
        return {"group": CardGroup.objects.get(name=target.target)}
    return {f"{target.kind}_id": target.target}
