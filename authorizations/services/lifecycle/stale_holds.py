"""Holds that were not captured. The event that ends one can get lost; then it is overdue."""

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
"""How far back the holds of a card are listed: older ones are overdue."""

MAX_HOLDS = 500
"""Maximum holds of a card that are summed."""


def overdue(now: datetime) -> Q:
    """Holds older than their expiry; the index of open holds finds them."""
    usual, long = (now - timedelta(days=days) for days in (USUAL_DAYS, LONG_DAYS))
    has_long_holds = Q()
    for codes in LONG_HOLDS:
        has_long_holds |= Q(category_code__range=codes)
    return Q(is_held=True, created__lt=usual) & (Q(created__lt=long) | ~has_long_holds)


def oldest_overdue(now: datetime) -> QuerySet[Authorization]:
    """Overdue holds, oldest first."""
    return Authorization.objects.filter(overdue(now)).order_by("created", "pk")


def held_amount(row: Authorization) -> int:
    """The amount held and not captured. Raises ValueError if the state can't be read."""
    return codec.value(AuthorizationState, row.books).held


def held_by_currency(rows: Iterable[Authorization]) -> dict[str, int]:
    """Held amounts by currency, largest first."""
    sums: Counter[str] = Counter()
    for row in rows:
        sums[row.currency] += held_amount(row)
    return dict(sums.most_common())


def of_card(card: Card) -> QuerySet[Authorization]:
    """Recent holds of a card's replacement chain, at most MAX_HOLDS."""
    since = timezone.now() - RECENT
    chain = Card.objects.filter(root=card.root_id)
    held = Authorization.objects.filter(card__in=chain, created__gte=since, is_held=True)
    return held.only("currency", "books")[:MAX_HOLDS]
