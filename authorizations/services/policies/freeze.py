"""Freezes cards: a frozen card's requests are declined, even those that policies allow.

Freezing concerns the single card: one that replaces a frozen card is not frozen.
"""

from collections.abc import Iterable, Mapping, Sequence

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.db import transaction

from authorizations.models import Card
from authorizations.rules.basics.card_numbers import mask_text
from authorizations.services.runtime.actor import acting
from authorizations.services.store import locks


def freeze(card_ids: Iterable[str], *, by: User, reason: str) -> int:
    """Freeze the cards that are not frozen yet; returns how many were frozen now."""
    return _set(card_ids, by=by, frozen=True, reason=reason)


def unfreeze(
    card_ids: Iterable[str], *, by: User, reason: str, seen: Mapping[str, str] | None = None
) -> int:
    """Unfreeze the cards that are frozen; returns how many were unfrozen now.

    `seen` is the reason for each freeze that `by` saw. A card frozen for a different reason by now
    stays frozen.
    """
    return _set(card_ids, by=by, frozen=False, reason=reason, seen=seen or {})


def _set(
    card_ids: Iterable[str],
    *,
    by: User,
    frozen: bool,
    reason: str,
    seen: Mapping[str, str] | None = None,
) -> int:
    reason = mask_text(reason)
    changed = 0
    with acting(user=by, reason=reason):
        for chunk in locks.in_chunks(card_ids):
            changed += _set_chunk(chunk, seen or {}, by=by, frozen=frozen, reason=reason)
    return changed


@transaction.atomic
def _set_chunk(
    card_ids: Sequence[str], seen: Mapping[str, str], *, by: User, frozen: bool, reason: str
) -> int:
    """Change the cards that differ; others keep their reason, so a second click does nothing."""
    locks.hold(cards=card_ids)
    others = Card.objects.filter(pk__in=card_ids, frozen=not frozen)
    concerned = [
        card for card in others if seen.get(card.pk, card.frozen_reason) == card.frozen_reason
    ]
    cards = Card.objects.filter(pk__in=[card.pk for card in concerned])
    cards.update(frozen=frozen, frozen_reason=reason if frozen else "")
    if concerned:
        verb = "Froze" if frozen else "Unfroze"
        LogEntry.objects.log_actions(by.pk, concerned, CHANGE, f"{verb} the card: {reason}")
    return len(concerned)
