"""Adjustments by operators: releasing a hold, and changing what a purchase counts for.

Each is a ledger entry of its own, with author and reason. A later event of Stripe's supersedes a
release; an adjusted amount stays.
"""

from collections.abc import Callable
from dataclasses import replace

from django.contrib.auth.models import User
from django.utils import timezone

from authorizations.models import Authorization, LedgerCause
from authorizations.rules.basics.card_numbers import mask_text
from authorizations.rules.basics.money import MAX_AMOUNT, format_money
from authorizations.rules.purchases.books import AuthorizationState
from authorizations.services.purchases.entries import booking_of, flag, rows_of
from authorizations.services.purchases.linking import event_for
from authorizations.services.runtime.actor import user_words
from authorizations.services.store import writing
from authorizations.services.store.attempts import KeepsChangingError, carry_out
from authorizations.services.store.locks import Retry
from authorizations.services.store.lookup import lock
from authorizations.services.store.plans import Plan, call
from authorizations.services.store.usage import measure


class CannotAdjustError(ValueError):
    """The adjustment is not possible; the text says what to do instead."""


def release(authorization_id: str, *, by: User, reason: str) -> None:
    """Release the amount held and not captured. Raises CannotAdjustError."""

    def released(state: AuthorizationState, _: Authorization) -> AuthorizationState:
        if not state.held:
            raise CannotAdjustError("Nothing is held any more, so there is nothing to release.")
        return state.released()

    _book(authorization_id, LedgerCause.RELEASE, released, by, reason)


def adjust(
    authorization_id: str, amount: int, *, by: User, reason: str, seen: int | None = None
) -> None:
    """Count `amount` more for the purchase, or less if it is negative.

    `amount` is in the smallest unit of its currency. `seen` is the adjusted amount that `by` saw,
    so that a click sent twice books once. Raises CannotAdjustError.
    """

    def adjusted(state: AuthorizationState, row: Authorization) -> AuthorizationState:
        if seen not in (None, state.adjusted):
            raise CannotAdjustError(
                "It was adjusted meanwhile, perhaps by your own first click. See what it counts "
                "for now, and adjust again only if that is still wrong."
            )
        if not 0 < abs(amount) <= MAX_AMOUNT:
            raise CannotAdjustError("Give an amount other than zero.")
        if state.amount - state.refunded + amount < 0:
            left = format_money(state.amount - state.refunded, row.currency)
            raise CannotAdjustError(
                f"The purchase counts for {left}: no more than that can be given back."
            )
        return state.adjusted_by(amount)

    _book(authorization_id, LedgerCause.ADJUSTMENT, adjusted, by, reason)


def _book(
    authorization_id: str,
    cause: LedgerCause,
    change: Callable[[AuthorizationState, Authorization], AuthorizationState],
    by: User,
    reason: str,
) -> None:
    reason = mask_text(reason.strip())  # the row is written without the model's own masking
    if not reason:
        raise CannotAdjustError("Say why: the reason stays with the entry.")

    def attempt(before: Retry) -> Plan[Retry | None]:
        row = yield from call(lambda: Authorization.objects.get(pk=authorization_id))
        event, now = event_for(row, event_id=""), timezone.now()
        found = yield from lock(event, before)
        if isinstance(found, Retry):
            return replace(found, unsettled=None)  # an event that names the card corrects it
        existing = found.existing
        booking = booking_of(event, found.locked, existing)
        booking.steps.to(cause, change(existing.books, row), by_hand=True)
        measured = yield from measure(
            event, (), existing.applied, existing.remembered, booking.steps.change
        )
        entries = booking.steps.entries(event, now, author=user_words(by), reason=reason[:500])
        yield from writing.write_books(
            replace(rows_of(booking, measured, (), now), entries=entries)
        )
        yield from flag(booking, measured, by=by)
        return None

    try:
        carry_out(attempt)
    except KeepsChangingError:
        raise CannotAdjustError("Its card is changing at this moment: please try again.") from None
