"""The one loop of whatever changes a purchase: begin, run, commit; at most four times.

An attempt locks the purchase first. Where it can't be locked as it is, because its card is new or
has changed, or because other rows have to be locked before it, the attempt says so, having written
nothing but what the event tells of the card: that is committed, what is missing is put right, and
the next attempt begins. Every other exit rolls back.
"""

from collections.abc import Callable
from typing import TypeVar

from django.db import Error, IntegrityError, transaction

from authorizations.rules.purchases.events import PurchaseEvent
from authorizations.services.store import cards
from authorizations.services.store.locks import AlsoLocked, Retry
from authorizations.services.store.statements import Plan, drive

T = TypeVar("T")

ATTEMPTS = 4


class KeepsChangingError(Exception):
    """The rows it concerns kept changing while they were being locked: it can be tried again."""


def register(event: PurchaseEvent) -> None:
    """Put right what an event needs of its card."""
    cards.register(event.card, event.event_id, event.event_created)


def carry_out(
    attempt: Callable[[AlsoLocked | None], Plan[T | Retry]],
    *,
    register: Callable[[PurchaseEvent], None] = register,
    lost: Callable[[T], Exception] | None = None,
) -> T:
    """What the plan of an attempt returns, once that is committed; it gets what to lock first.

    `register` puts a card right between two attempts. `lost` makes the error of an attempt whose
    COMMIT was sent and whose reply is lost: it may or may not be in the database. Without it that
    raises django.db.Error, like every failure of the database. Raises IntegrityError where that
    came each time, and KeepsChangingError.
    """
    refused: IntegrityError | None = None
    also: AlsoLocked | None = None
    attempts_left = ATTEMPTS
    while attempts_left:
        attempts_left -= 1
        found: T | Retry = Retry()
        try:
            with transaction.atomic():
                found = drive(attempt(also))
        except Error as error:
            if lost and not isinstance(found, Retry):
                raise lost(found) from error
            if not isinstance(error, IntegrityError):
                raise
            refused = error  # the same was written meanwhile, and is found now; or refused for good
            continue
        if not isinstance(found, Retry):
            return found
        refused, also = None, found.also
        if found.is_further:
            attempts_left = ATTEMPTS
        if found.unsettled:
            register(found.unsettled)
    if refused:
        raise refused
    raise KeepsChangingError
