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
from authorizations.services.store.statements import Plan, drive

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

    def is_settled(self, event: PurchaseEvent) -> bool:
        """Whether what is locked is what the event is about."""
        card = event.card
        is_late = event.event_created < self.details_at or card.is_only_named
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


@dataclass(frozen=True, slots=True)
class Retry:
    """Another attempt is needed: a purchase could not be locked as it is.

    `also` is locked before it. `unsettled` is the event of a purchase whose card is not there yet,
    or is not the one it names. `is_further`: a part is done, and attempts are counted anew.
    """

    also: AlsoLocked | None = None
    unsettled: PurchaseEvent | None = None
    is_further: bool = False


def lock_rows(rows: AlsoLocked) -> Plan[dict[str, str] | None]:
    """Lock these rows; `cards` may be any cards of a chain.

    Returns the root of each known card, as it is under the lock. None where a root that was read
    before was hung under another one while its lock was waited for: the locks have to be given
    back, as others may have to come first.
    """
    found = yield from statements.ask(
        statements.LOCK_ROWS,
        cards=list(rows.cards),
        cardholders=list(rows.cardholders),
        groups=list(rows.groups),
    )
    if any(before != root for _, before, root in found):
        return None
    return {card: root for card, _, root in found if card}


def hold(
    *,
    cards: Iterable[str] = (),
    cardholders: Iterable[str] = (),
    groups: Iterable[int] = (),
) -> dict[str, str]:
    """Lock these rows until the transaction ends; `cards` may be any cards of a chain.

    Returns the root of each known card, as it is under the lock. Raises ChainsKeepChangingError,
    and TransactionManagementError outside a transaction.
    """
    if not connection.in_atomic_block:
        raise TransactionManagementError("Locks last until the end of a transaction: begin one.")
    rows = AlsoLocked(list(cards), list(cardholders), list(groups))
    for _ in range(_ATTEMPTS):
        with transaction.atomic():
            roots = drive(lock_rows(rows))
            if roots is not None:
                return roots
            transaction.set_rollback(True)
    raise ChainsKeepChangingError("The cards' chains kept changing meanwhile: please try again.")


def in_chunks(ids: Iterable[T]) -> Iterator[list[T]]:
    """So many at a time as may be locked at once."""
    remaining = iter(ids)
    while chunk := list(islice(remaining, CHUNK)):
        yield chunk
