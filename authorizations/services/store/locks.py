"""The one order in which rows are locked, for everybody: cards, then cardholders, then groups.

Cards are locked by their root, in the order of their ids, before the first write of a
transaction. FOR NO KEY UPDATE, so that rows that only refer to them need not wait.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

from django.db import OperationalError, connection, transaction
from django.db.models import QuerySet
from django.db.transaction import TransactionManagementError

from authorizations.models import Card, CardGroup, Cardholder

T = TypeVar("T")

CHUNK = 100
"""Whoever changes more cards than these locks so many at once: purchases on them wait."""

_ATTEMPTS = 5


class ChainsKeepChangingError(OperationalError):
    """The roots of the cards changed each time while they were being locked; try again."""


def hold(
    *,
    cards: Iterable[str] = (),
    cardholders: Iterable[str] = (),
    groups: Iterable[int] = (),
) -> dict[str, str]:
    """Lock these rows until the transaction ends; `cards` may be any cards of a chain.

    Returns the root of each known card, as it is under the lock: a root that was read before may
    have been hung under another one while its lock was waited for. Raises ChainsKeepChangingError,
    and TransactionManagementError outside a transaction.
    """
    if not connection.in_atomic_block:
        raise TransactionManagementError("Locks last until the end of a transaction: begin one.")
    named = list(cards)
    for _ in range(_ATTEMPTS):
        with transaction.atomic():
            roots = _roots(named)
            _lock(Card.objects.filter(pk__in=set(roots.values())))
            if _roots(named) == roots:
                _lock(Cardholder.objects.filter(pk__in=list(cardholders)))
                _lock(CardGroup.objects.filter(pk__in=list(groups)))
                return roots
            transaction.set_rollback(True)  # gives the locks back: others may have to come first
    raise ChainsKeepChangingError("The cards' chains kept changing meanwhile: please try again.")


def in_chunks(ids: Iterable[T]) -> Iterator[list[T]]:
    """So many at a time as may be locked at once."""
    remaining = iter(ids)
    while chunk := list(islice(remaining, CHUNK)):
        yield chunk


def _roots(cards: list[str]) -> dict[str, str]:
    return dict(Card.objects.filter(pk__in=cards).values_list("pk", "root_id")) if cards else {}


def _lock(rows: QuerySet[Any]) -> None:
    list(rows.order_by("pk").select_for_update(no_key=True).values_list("pk"))
