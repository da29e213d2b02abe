"""Locks cards, cardholders and groups in the one order of statements.LOCK_ROWS, for everybody.

Before the first write of a transaction. Cards are locked together with the roots of their chains.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, TypeVar

from django.db import OperationalError, connection, transaction
from django.db.transaction import TransactionManagementError

from authorizations.rules.purchases.events import PurchaseEvent
from authorizations.services.store import statements

T = TypeVar("T")

CHUNK = 100
"""Whoever changes more cards than these locks so many at once: purchases on them wait."""

_ATTEMPTS = 5


class ChainsKeepChangingError(OperationalError):
    """The roots of the cards changed each time while they were being locked; try again."""


class LockedCard(NamedTuple):
    """The row LOCK returns, column by column."""

    root_id: str
    card_root_id: str
    replacement_for: str
    card_cardholder_id: str | None
    frozen: bool
    details_at: int
    last4: str
    brand: str
    type: str
    currency: str
    status: str
    cardholder_id: str | None
    cardholder_name: str | None
    group_id: int | None
    scope_group_id: int | None
    root_root_id: str

    def is_settled(self, told: PurchaseEvent) -> bool:
        """Whether what is locked is what the event is about."""
        card = told.card
        is_late = told.event_created < self.details_at or card.is_only_named
        return (
            self.root_root_id == self.root_id
            and self.card_root_id == self.root_id
            and (self.replacement_for == card.replacement_for or not card.replacement_for)
            and (self.card_cardholder_id == card.cardholder_id or is_late)
            and self.cardholder_id is not None
            and self.group_id == self.scope_group_id
        )


@dataclass(frozen=True, slots=True)
class AlsoLocked:
    """Rows to lock with a purchase's own, which are among them, in the one order."""

    cards: Sequence[str] = ()
    cardholders: Sequence[str] = ()
    groups: Sequence[int] = ()


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
    named = list(dict.fromkeys(cards))
    rows = {"cards": named, "cardholders": list(cardholders), "groups": list(groups)}
    for _ in range(_ATTEMPTS):
        with transaction.atomic():
            found = statements.run(statements.LOCK_ROWS, **rows).fetchall()
            if all(before == root for _, before, root in found):
                return {card: root for card, _, root in found if card}
            transaction.set_rollback(True)  # gives the locks back: others may have to come first
    raise ChainsKeepChangingError("The cards' chains kept changing meanwhile: please try again.")


def in_chunks(ids: Iterable[T]) -> Iterator[list[T]]:
    """So many at a time as may be locked at once."""
    remaining = iter(ids)
    while chunk := list(islice(remaining, CHUNK)):
        yield chunk
