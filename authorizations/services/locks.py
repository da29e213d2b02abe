"""The one order in which rows are locked, for everybody: cards, then cardholders, then groups.

Cards are locked by their root, in the order of their ids, before the first write of a
transaction. FOR NO KEY UPDATE, so that rows that only refer to them need not wait.
"""

from collections.abc import Iterable

from django.db.models import Model

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
    _lock(Card, set(roots))
    _lock(Cardholder, set(cardholders))
    _lock(CardGroup, set(groups))


def _lock(model: type[Model], keys: set[str] | set[int]) -> None:
    if keys:
        rows = model._default_manager.filter(pk__in=keys).order_by("pk")
        list(rows.select_for_update(no_key=True).values_list("pk"))
