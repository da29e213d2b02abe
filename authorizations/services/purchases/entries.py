"""Writes the changes of one purchase: ledger entries, usage, findings and Stripe's own declines."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.contrib.auth.models import User

from authorizations.models import DecidedBy, Decision
from authorizations.rules.decision.values import DeclineReason, Window
from authorizations.rules.decision.windows import limit_concerns, windows_at
from authorizations.rules.purchases.books import AuthorizationState
from authorizations.rules.purchases.counted import NOTHING
from authorizations.rules.purchases.events import PurchaseEvent
from authorizations.rules.purchases.reports import AuthorizationReport
from authorizations.rules.purchases.snapshots import RequestHistoryEntry
from authorizations.rules.wording.stripe_reasons import failed_checks, stripe_reason
from authorizations.services.purchases import limit_findings
from authorizations.services.purchases.steps import Steps
from authorizations.services.runtime.delivery import Delivery
from authorizations.services.store import findings, rows, writing
from authorizations.services.store.lookup import Existing, LockedScopes
from authorizations.services.store.plans import Plan, call
from authorizations.services.store.rows import DecisionRow
from authorizations.services.store.usage import MeasuredUsage, measure

WITHOUT_BOOKS = {
    DeclineReason.MALFORMED_REQUEST,
    DeclineReason.WRONG_MODE,
    DeclineReason.CONFLICTING_EVENT,
}
"""Declines that change neither card nor purchase."""


@dataclass(frozen=True, slots=True)
class Booking:
    """A locked purchase, and the steps that change it."""

    event: PurchaseEvent
    locked: LockedScopes
    existing: Existing
    steps: Steps


def book(booking: Booking, delivery: Delivery) -> Plan[bytes]:
    """Write all changes with the delivery; returns the body of the answer."""
    measured = yield from measured_after(booking)
    declines = yield from _declined_by_stripe(booking)
    written = rows_of(booking, measured, declines, delivery.now)
    answer = yield from writing.save_receipt(delivery, written)
    yield from flag(booking, measured)
    return answer


def book_part(booking: Booking, now: datetime) -> Plan[None]:
    """Write a part of an event's changes; the delivery is recorded with the last part."""
    measured = yield from measured_after(booking)
    declines = yield from _declined_by_stripe(booking)
    yield from writing.write_part(rows_of(booking, measured, declines, now))
    yield from flag(booking, measured)


def flag(booking: Booking, measured: MeasuredUsage, *, by: User | None = None) -> Plan[None]:
    """Update the findings after the change; `by` is the user who booked it, if no event did."""
    event, steps = booking.event, booking.steps
    change, applied = steps.change, booking.existing.applied
    sinks = limit_findings.is_sinking(change)

    def refresh() -> None:
        findings.refresh(event, steps.last, by=by)
        limit_findings.note(event, applied, measured.usage, change)
        limit_findings.look_again(event, booking.locked.usage_scopes, sinks=sinks, by=by)

    yield from call(refresh)


def measured_after(booking: Booking) -> Plan[MeasuredUsage]:
    """The usage including the change; if more is taken, in the windows of every limit."""
    event, applied, change = booking.event, booking.existing.applied, booking.steps.change
    windows: Sequence[Window] = ()
    if change.amount > 0 or change.count > 0:
        windows = windows_at(event.created, applied, lambda limit: limit_concerns(limit, event))
    return (yield from measure(event, windows, applied, booking.existing.remembered, change))


def rows_of(
    booking: Booking,
    measured: MeasuredUsage,
    decisions: Sequence[DecisionRow],
    now: datetime,
    *,
    attempt: str = "",
    refused_by: Sequence[str] = (),
) -> writing.Rows:
    """The rows to write for the change, with these decisions.

    `attempt` is what became of the authorization's first request, if the event is one, and
    `refused_by` are the limits on attempts that were full then.
    """
    event, steps = booking.event, booking.steps
    is_changed = booking.existing.purchase is None or steps.last != steps.before
    return writing.Rows(
        decisions=decisions,
        purchases=[rows.authorization(event, booking.locked, steps.last, attempt, refused_by)]
        if is_changed
        else [],
        entries=steps.entries(event, now),
        usage=measured.changed(NOTHING),
    )


def _declined_by_stripe(booking: Booking) -> Plan[list[DecisionRow]]:
    """The newest decline of Stripe's own that is not recorded yet.

    One for each event, because each of Stripe's declines comes with an event of its own.
    """
    event, state = booking.event, booking.steps.last
    missing = yield from unlisted_declines(event.authorization_id, state)
    return [decline(event, *missing[-1])] if missing else []


def unlisted_declines(
    authorization_id: str, state: AuthorizationState
) -> Plan[list[tuple[str, RequestHistoryEntry]]]:
    """Stripe's own declines without a decision row yet, each with the id for that row."""
    found = declines_by_stripe(authorization_id, state)
    if not found:
        return []
    decisions = Decision.objects.filter(pk__in=found).values_list("pk", flat=True)
    listed = yield from call(lambda: set(decisions))
    return [(key, entry) for key, entry in found.items() if key not in listed]


def declines_by_stripe(
    authorization_id: str, state: AuthorizationState
) -> dict[str, RequestHistoryEntry]:
    """Stripe's own declines, by the id of the row that each has or is due."""
    return {
        f"{authorization_id}/{request_index}": entry
        for request_index, entry in enumerate(state.history)
        if _is_stripes_own(entry) and state.answer_to(request_index) is None
    }


def _is_stripes_own(entry: RequestHistoryEntry) -> bool:
    return not entry.approved and entry.reason != "webhook_declined"


def decline(event: PurchaseEvent, key: str, entry: RequestHistoryEntry) -> DecisionRow:
    """A decline of Stripe's own, as a decision; `event` reported it."""
    checks: tuple[str, ...] = ()
    if isinstance(event, AuthorizationReport):  # a transaction's event tells of no checks
        checks = failed_checks(entry.reason, event.verification)
    return DecisionRow(
        id=key,
        decided_by=DecidedBy.STRIPE.value,
        event_created=rows.instant(event.event_created),
        decided_at=rows.instant(entry.created),
        authorization_id=event.authorization_id,
        card_id=event.card.id,
        cardholder_id=event.card.cardholder_id,
        approved=False,
        reason=stripe_reason(entry.reason),
        problem=", ".join(checks),
        amount=entry.amount,
        currency=event.currency,
        request=None,
        answer="",
        duration_us=0,
        **rows.merchant_columns(event.merchant),
    )


def booking_of(event: PurchaseEvent, locked: LockedScopes, existing: Existing) -> Booking:
    """A booking of the purchase as it is, with the merchant that limits know it by."""
    if existing.purchase is not None:
        event = replace(event, merchant=event.merchant.begun_at(existing.purchase.merchant))
    return Booking(event, locked, existing, Steps(existing.books, event.merchant))
