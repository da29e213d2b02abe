"""Card groups, whose cards share policies.

The cards are locked before the group is written: the admin's usual order, the group first, would
deadlock with decisions. At most locks.CHUNK cards are locked at once, because purchases on them
wait.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import transaction

from authorizations.models import Card, CardGroup
from authorizations.services.cards.grants import cards_moved
from authorizations.services.policies import counting_ahead
from authorizations.services.policies.counting_ahead import NOTHING_BEGUN, Begun
from authorizations.services.store import locks
from authorizations.services.store.cards import group_by_metadata


@dataclass(frozen=True, slots=True)
class Moved:
    """The effect of a group change on cards.

    `from_groups` are the names of groups that lose a card; `without_grant` is the number of cards
    that lose every grant; `begun` is what must be counted before purchases on cards that join are
    approved.
    """

    from_groups: tuple[str, ...]
    without_grant: int
    begun: Begun = NOTHING_BEGUN


@transaction.atomic
def save(group: CardGroup, card_ids: Iterable[str]) -> Moved:
    """Save the group with exactly these cards; a card stands for its replacement chain.

    Those that join or leave are grouped by hand from then on. The first locks.CHUNK cards move in
    this transaction, the others after its commit. Cards that join the group meanwhile stay in it.
    """
    roots = Card.objects.filter(pk__in=list(card_ids)).values_list("root_id", flat=True)
    wanted = set(roots)
    before = set(group.cards.values_list("pk", flat=True)) if group.pk else set()
    others = Card.objects.filter(pk__in=wanted - before).exclude(group=None)
    from_groups = others.values_list("group__name", flat=True).distinct().order_by("group__name")
    names = tuple(from_groups)
    leaving, joining = sorted(before - wanted), sorted(wanted - before)
    moved = dict.fromkeys(leaving, (group.pk, None))
    came_from = Card.objects.filter(pk__in=joining).values_list("pk", "group_id")
    lost = cards_moved(moved | {card: (old, group.pk) for card, old in came_from}).lost
    number = min(len(leaving), locks.CHUNK)
    first_out, first_in = leaving[:number], joining[: locks.CHUNK - number]
    locks.hold(cards=[*first_out, *first_in], groups=[group.pk] if group.pk else [])
    group.save()
    _move(first_out, None, out_of=group.pk)
    _move(first_in, group.pk)

    begun = counting_ahead.begin_at_group(group.pk) if joining else NOTHING_BEGUN

    def move_the_others() -> None:
        move_all(leaving[len(first_out) :], None, out_of=group.pk)
        move_all(joining[len(first_in) :], group.pk)

    transaction.on_commit(move_the_others)
    return Moved(names, lost, begun)


@transaction.atomic
def move(card_id: str, group: CardGroup | None) -> Moved:
    """Move a card by hand into a group, or out of its group if `group` is None."""
    roots = locks.hold(cards=[card_id], groups=[group.pk] if group else [])
    after = group.pk if group else None
    root = Card.objects.select_related("group").get(pk=roots[card_id])
    lost = cards_moved({root.pk: (root.group_id, after)}).lost
    _move([card_id], after)
    return _moved(root, after, lost)


@transaction.atomic
def follow_metadata(card_id: str) -> Moved:
    """Let the groups' rules, and no longer a hand, say which group a card is in."""
    root_id = locks.hold(cards=[card_id])[card_id]
    root = Card.objects.select_related("group").get(pk=root_id)

    def follow() -> int | None:
        Card.objects.filter(pk=root_id).update(grouped_by=Card.GroupedBy.RULE)
        group_by_metadata([root_id])
        return Card.objects.get(pk=root_id).group_id

    # Tried out first: which grants are lost is asked of the groups as they are before.
    with transaction.atomic():
        after = follow()
        transaction.set_rollback(True)
    lost = cards_moved({root_id: (root.group_id, after)}).lost
    follow()
    return _moved(root, after, lost)


def _moved(root: Card, after: int | None, lost: int) -> Moved:
    """What has changed now that a root, read before, is in the group `after`."""
    if root.group_id == after:
        return Moved((), lost)
    names = (root.group.name,) if root.group else ()
    if after is None:
        return Moved(names, lost)
    return Moved(names, lost, counting_ahead.begin_at_group(after))


def move_all(
    card_ids: Iterable[str],
    group_id: int | None,
    *,
    out_of: int | None = None,
    by: str = Card.GroupedBy.HAND,
) -> None:
    """Move cards into a group, or into none; with `out_of` only those in that group.

    `by` is who groups them from then on; empty for whichever rule comes to match. Moves locks.CHUNK
    at a time, each in a transaction of its own. If it is interrupted, the rest stays where it is.
    """
    for chunk in locks.in_chunks(card_ids):
        with transaction.atomic():
            _move(chunk, group_id, out_of=out_of, by=by)


def _move(
    card_ids: Iterable[str],
    group_id: int | None,
    *,
    out_of: int | None = None,
    by: str = Card.GroupedBy.HAND,
) -> None:
    """Move the roots of these cards, read under the lock: a card may replace another by now."""
    cards = Card.objects.filter(pk__in=set(locks.hold(cards=card_ids).values()))
    if out_of is not None:
        cards = cards.filter(group=out_of)
    cards.update(group=group_id, grouped_by=by)
