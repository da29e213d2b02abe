"""Locks cards, cardholders and groups, always in one order: roots, cards, cardholders, groups.

Locking comes before the first write of a transaction. Cards are locked together with the roots of
their chains. Where it is enough that chains stay as they are, they are kept, and purchases go on.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, TypeVar

from django.db import OperationalError, connection, transaction
from django.db.transaction import TransactionManagementError

from authorizations.models import Card
from authorizations.rules.basics.controls import member_scope, scope_key
from authorizations.rules.purchases.events import PurchaseEvent
from authorizations.services.store import plans, statements
from authorizations.services.store.plans import Plan, drive

T = TypeVar("T")

CHUNK = 100
"""Maximum cards to lock at once, because purchases on them wait."""

_ATTEMPTS = 5


class ChainsKeepChangingError(OperationalError):
    """The roots of the cards kept changing while they were being locked; try again."""


class LockedCard(NamedTuple):
    """The row that statements.LOCK_CARDS returns."""

    id: str
    root_id: str
    replacement_for: str
    cardholder_id: str | None
    frozen: bool
    details_at: int
    last4: str
    brand: str
    type: str
    currency: str
    status: str
    group_id: int | None

    def is_as_in(self, event: PurchaseEvent) -> bool:
        """Whether the card's chain and cardholder are those that the event names."""
        card = event.card
        is_late = event.event_created < self.details_at or card.is_only_named
        return (self.replacement_for == card.replacement_for or not card.replacement_for) and (
            self.cardholder_id == card.cardholder_id or is_late
        )


class ExpectedScopes(NamedTuple):
    """Where a purchase is expected to count, before the rows that say so are locked."""

    root_id: str
    cardholder_id: str
    group_id: int | None

    @property
    def keys(self) -> list[str]:
        """The keys of these scopes, which are locked, the card's first."""
        # As scope_key writes them, which takes three times as long.
        keys = [f"card:{self.root_id}", f"cardholder:{self.cardholder_id}"]
        if self.group_id is not None:
            keys.append(f"group:{self.group_id}")
        return keys

    @property
    def usage_keys(self) -> list[str]:
        """The keys of the scopes whose usage the purchase counts in: also of the member's."""
        if self.group_id is None:
            return self.keys
        return [*self.keys, scope_key(member_scope(self.group_id, self.cardholder_id))]


@dataclass(frozen=True, slots=True)
class AlsoLocked:
    """Rows to lock for a purchase, its own among them, in the one order."""

    cards: Sequence[str] = ()
    cardholders: Sequence[str] = ()
    groups: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Retry:
    """The purchase could not be locked as it is; another attempt is needed.

    The next attempt locks `also` first, and the scopes that were found to be the purchase's.
    `unsettled` is an event whose card does not exist yet (`is_unknown`) or differs. `is_further`: a
    part is done, so the number of attempts starts again.
    """

    also: AlsoLocked | None = None
    scopes: ExpectedScopes | None = None
    unsettled: PurchaseEvent | None = None
    is_unknown: bool = False
    is_further: bool = False


def lock_rows(rows: AlsoLocked) -> Plan[dict[str, str] | None]:
    """Lock these rows; `cards` may be any cards of a chain.

    Returns the root of each known card, as it is under the lock; None if a root changed while its
    lock was waited for. Then the transaction must be rolled back, because other rows may have to be
    locked first.
    """
    found = yield from plans.ask(
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


def keep_chains(cards: Iterable[str]) -> dict[str, str]:
    """Keep the chains of these cards as they are until the transaction ends.

    For what is written to a root beside its purchases, which don't wait: only a card that turns out
    to replace another, or to be replaced, does. Returns the root of each known card. Raises as
    `hold`.
    """
    if not connection.in_atomic_block:
        raise TransactionManagementError("Locks last until the end of a transaction: begin one.")
    ids = list(cards)
    if not ids:
        return {}
    for _ in range(_ATTEMPTS):
        with transaction.atomic():
            before = dict(drive(plans.ask(statements.KEEP_CHAINS, cards=ids)))
            # By a later statement, which sees what the lock was waited for.
            roots = dict(Card.objects.filter(pk__in=ids).values_list("pk", "root_id"))
            if roots == before:
                return roots
            transaction.set_rollback(True)
    raise ChainsKeepChangingError("The cards' chains kept changing meanwhile: please try again.")


def in_chunks(ids: Iterable[T], size: int | None = None) -> Iterator[list[T]]:
    """Split into lists of at most `size`, or CHUNK."""
    remaining = iter(ids)
    while chunk := list(islice(remaining, size or CHUNK)):
        yield chunk
