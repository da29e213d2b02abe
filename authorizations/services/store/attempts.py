"""Runs a change of a purchase in a transaction, with retries.

An attempt locks the purchase first. If that is not possible, because its card is new or has
changed, or because other rows must be locked, the attempt returns a Retry, having written only the
event's card details. Those are committed, what is missing is registered, and the next attempt
begins. Any other failure rolls back.
"""

from collections.abc import Callable
from typing import TypeVar

from django.db import Error, IntegrityError, connection, transaction

from authorizations.rules.purchases.events import PurchaseEvent
from authorizations.services.store import cards
from authorizations.services.store.locks import Retry
from authorizations.services.store.plans import Plan, drive

T = TypeVar("T")

ATTEMPTS = 6


class KeepsChangingError(Exception):
    """The rows kept changing while they were being locked. The change can be tried again."""


def register(event: PurchaseEvent) -> None:
    """Create or correct the card that an event needs."""
    if not connection.in_atomic_block:
        drive(cards.create([event]))
    cards.register(event.card, event.event_id, event.event_created)


def carry_out(
    attempt: Callable[[Retry], Plan[T | Retry]],
    *,
    register: Callable[[PurchaseEvent], None] = register,
    lost: Callable[[T], Exception] | None = None,
) -> T:
    """Run attempts until one commits, at most ATTEMPTS times; returns what its plan returned.

    `attempt` gets what the one before returned, first an empty Retry. `register` corrects a card
    between two attempts. `lost` makes the error to raise if a COMMIT was sent and its reply lost,
    so that the result may or may not be in the database; by default that raises django.db.Error, as
    every failure of the database does. Raises IntegrityError if the last attempt did, and
    KeepsChangingError.
    """
    refused: IntegrityError | None = None
    before = Retry()
    attempts_left = ATTEMPTS
    while attempts_left:
        attempts_left -= 1
        found: T | Retry = Retry()
        try:
            with transaction.atomic():
                found = drive(attempt(before))
        except Error as error:
            if lost and not isinstance(found, Retry):
                raise lost(found) from error
            if not isinstance(error, IntegrityError):
                raise
            refused = error  # the same row was written meanwhile: the next attempt finds it
            continue
        if not isinstance(found, Retry):
            return found
        refused, before = None, found
        if found.is_further:
            attempts_left = ATTEMPTS
        if found.unsettled:
            register(found.unsettled)
    if refused:
        raise refused
    raise KeepsChangingError
