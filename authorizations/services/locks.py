"""The one order in which rows are locked, for everybody: cards, then cardholders, then groups.

Cards are locked by their root, in the order of their ids, before the first write of a
transaction. FOR NO KEY UPDATE, so that rows that only refer to them need not wait.
"""

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet

from authorizations.models import Card, CardGroup, Cardholder


def hold(
    *,
    cards: Iterable[str] = (),
    cardholders: Iterable[str] = (),
    groups: Iterable[int] = (),
) -> None:
    """Lock these rows until the transaction ends; `cards` may be any cards of a chain.

    Raises django.db.transaction.TransactionManagementError outside a transaction.
    """
    roots = Card.objects.filter(pk__in=list(cards)).values_list("root_id", flat=True)
    _lock(Card.objects.filter(pk__in=set(roots)))
    _lock(Cardholder.objects.filter(pk__in=list(cardholders)))
    _lock(CardGroup.objects.filter(pk__in=list(groups)))


def _lock(rows: QuerySet[Any]) -> None:
    list(rows.order_by("pk").select_for_update(no_key=True).values_list("pk"))
