"""Card groups: who shares a budget. The cards are locked before the group is written.

The admin's natural order, the group first and then its cards, deadlocks with decisions.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import transaction
from django.db.models import F

from authorizations.models import Card, CardGroup
from authorizations.services import locks


@dataclass(frozen=True, slots=True)
class Moved:
    """What a change of a group did to cards; `from_groups` had one of the cards before."""

    joined: int
    left: int
    from_groups: tuple[str, ...]


@transaction.atomic
def save(group: CardGroup, card_ids: Iterable[str]) -> Moved:
    """Save the group with exactly these cards; cards of a chain stand for its first card.

    Cards that join the group while this runs stay in it.
    """
    wanted = set(Card.objects.filter(pk__in=list(card_ids)).values_list("root_id", flat=True))
    before = set(group.cards.values_list("pk", flat=True)) if group.pk else set()
    concerned = Card.objects.filter(pk__in=wanted ^ before)
    left_groups = set(concerned.exclude(group=None).values_list("group_id", flat=True))
    own = {group.pk} if group.pk else set()
    locks.hold(cards=wanted ^ before, groups=left_groups | own)
    # A card may have turned out to replace another just before it was locked.
    joining = concerned.filter(pk__in=wanted - before, root=F("pk"))
    others = joining.exclude(group=None).values_list("group__name", flat=True).distinct()
    from_groups = tuple(others.order_by("group__name"))
    group.save()
    return Moved(
        left=concerned.filter(pk__in=before - wanted, group=group).update(group=None),
        joined=joining.update(group=group),
        from_groups=from_groups,
    )


@transaction.atomic
def move(card_id: str, group: CardGroup | None) -> None:
    """Put one card into another group, or into none."""
    old = Card.objects.exclude(group=None).filter(pk=card_id).values_list("group_id", flat=True)
    locks.hold(cards=[card_id], groups={*old, *([group.pk] if group else [])})
    Card.objects.filter(pk=card_id, root=F("pk")).update(group=group)
