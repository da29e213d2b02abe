"""What is held and not captured: it ends by an event that can get lost."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from authorizations.models import Authorization, Card
from authorizations.rules.purchases.books import AuthorizationState
from authorizations.rules.purchases.horizons import LONG_DAYS, LONG_HOLDS, USUAL_DAYS
from authorizations.services.runtime import codec

RECENT = timedelta(days=60)
"""What a card holds is looked for so far back: whatever is older is an alarm."""

MOST = 500
"""So many holds of a card are added up."""


def past_their_time(now: datetime) -> Q:
    """Holds older than their horizon; an index on what is held finds them."""
    usual, long = (now - timedelta(days=days) for days in (USUAL_DAYS, LONG_DAYS))
    kinds = Q()
    for stretch in LONG_HOLDS:
        kinds |= Q(category_code__range=stretch)
    return Q(is_held=True, created__lt=usual) & (Q(created__lt=long) | ~kinds)


def oldest_past(now: datetime) -> QuerySet[Authorization]:
    """Those past their time, the oldest first."""
    return Authorization.objects.filter(past_their_time(now)).order_by("created", "pk")


def held_amount(row: Authorization) -> int:
    """What is held of a purchase and not captured. Raises ValueError for unreadable books."""
    return codec.value(AuthorizationState, row.books).held


def held_of(rows: Iterable[Authorization]) -> dict[str, int]:
    """By currency, the largest first."""
    sums: Counter[str] = Counter()
    for row in rows:
        sums[row.currency] += held_amount(row)
    return dict(sums.most_common())


def of_card(card: Card) -> QuerySet[Authorization]:
    """What the card, with those it replaced, holds of late."""
    since = timezone.now() - RECENT
    chain = Card.objects.filter(root=card.root_id)
    held = Authorization.objects.filter(card__in=chain, created__gte=since, is_held=True)
    return held.only("currency", "books")[:MOST]
