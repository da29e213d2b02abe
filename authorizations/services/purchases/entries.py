"""Writing what a report of Stripe's changes in one purchase: entries, usage, findings, declines."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from operator import itemgetter

from authorizations.models import DecidedBy, Decision, LedgerCause
from authorizations.rules.basics.filters import Merchant
from authorizations.rules.decision.values import DeclineReason, Window
from authorizations.rules.decision.windows import limit_concerns, windows_at
from authorizations.rules.purchases.books import AuthorizationState
from authorizations.rules.purchases.counted import NOTHING, CountedUsage
from authorizations.rules.purchases.events import PurchaseEvent
from authorizations.rules.purchases.reports import AuthorizationReport
from authorizations.rules.purchases.snapshots import (
    RequestHistoryEntry,
    Snapshot,
    TransactionSnapshot,
)
from authorizations.rules.wording.stripe_reasons import failed_checks, stripe_reason
from authorizations.services.purchases import limit_findings
from authorizations.services.store import findings, rows, writing
from authorizations.services.store.delivery import Delivery
from authorizations.services.store.ledger_cause import cause_of
from authorizations.services.store.lookup import Existing, LockedScopes
from authorizations.services.store.rows import Row
from authorizations.services.store.usage import MeasuredUsage, measure

WITHOUT_BOOKS = {
    DeclineReason.MALFORMED_REQUEST,
    DeclineReason.WRONG_MODE,
    DeclineReason.CONFLICTING_EVENT,
}
"""Declines that leave card and purchase alone."""

_CAUSES = {"refund": LedgerCause.REFUND}


@dataclass(frozen=True, slots=True)
class Booking:
    """A purchase under its lock, and the states its books go through, each with its cause."""

    told: PurchaseEvent
    held: LockedScopes
    known: Existing
    steps: Sequence[tuple[LedgerCause, AuthorizationState]]

    @property
    def after(self) -> AuthorizationState:
        return self.steps[-1][1] if self.steps else self.known.books

    @property
    def changes(self) -> list[tuple[LedgerCause, CountedUsage]]:
        return changes_of(self.known.books, self.steps, self.told.merchant)

    @property
    def change(self) -> CountedUsage:
        merchant = self.told.merchant
        return self.after.counted(merchant) - self.known.books.counted(merchant)


def changes_of(
    before: AuthorizationState,
    steps: Sequence[tuple[LedgerCause, AuthorizationState]],
    merchant: Merchant,
) -> list[tuple[LedgerCause, CountedUsage]]:
    """What each step changed of what is counted."""
    counted = [before.counted(merchant), *(books.counted(merchant) for _, books in steps)]
    changes = zip(steps, counted, counted[1:], strict=False)
    return [(cause, new - old) for (cause, _), old, new in changes if new != old]


def by_cause(
    steps: Iterable[tuple[LedgerCause, AuthorizationState]],
) -> list[tuple[LedgerCause, AuthorizationState]]:
    """Of steps in a row with the same cause the last: a request may list a thousand captures."""
    return [list(row)[-1] for _, row in groupby(steps, key=itemgetter(0))]


def steps_of(
    before: AuthorizationState,
    snapshot: Snapshot | None,
    transactions: Sequence[TransactionSnapshot],
) -> Iterator[tuple[LedgerCause, AuthorizationState]]:
    """Money first: so a closing snapshot only gives back what was not captured."""
    news, renewed = news_of(before, transactions)
    books = before.with_transactions(renewed) if renewed else before
    for transaction in news:
        books = books.with_transaction(transaction)
        yield _CAUSES.get(transaction.type, LedgerCause.CAPTURE), books
    if snapshot:
        joined = books.joined(snapshot)
        yield cause_of(books, joined), joined


def news_of(
    books: AuthorizationState, transactions: Sequence[TransactionSnapshot]
) -> tuple[list[TransactionSnapshot], list[TransactionSnapshot]]:
    """Of these transactions what tells something new, and newer versions that say the same."""
    newest = {t.id: t for t in books.transactions}
    news: list[TransactionSnapshot] = []
    renewed: list[TransactionSnapshot] = []
    for transaction in transactions:
        known = newest.get(transaction.id)
        if known is not None and transaction <= known:
            continue
        is_same = known is not None and replace(transaction, at=known.at) == known
        (renewed if is_same else news).append(transaction)
        newest[transaction.id] = transaction
    return news, renewed


def book(booking: Booking, delivery: Delivery) -> bytes:
    """Write all of it, with the delivery; returns the body of the answer."""
    measured = measured_after(booking)
    answer = writing.save_receipt(delivery, rows_of(booking, measured, delivery.now))
    _flag(booking, measured)
    return answer


def book_part(booking: Booking, now: datetime) -> None:
    """Write it without a delivery: that of its last part tells of all."""
    measured = measured_after(booking)
    writing.write_part(rows_of(booking, measured, now))
    _flag(booking, measured)


def _flag(booking: Booking, measured: MeasuredUsage) -> None:
    findings.refresh(booking.told, booking.after)
    limit_findings.note(booking.told, booking.known.applied, measured.usage, booking.change)
    sinks = limit_findings.is_sinking(booking.change)
    limit_findings.look_again(booking.told, booking.held.scopes, sinks=sinks)


def measured_after(booking: Booking) -> MeasuredUsage:
    """Usage once the change is counted in; where more is taken, in the windows of every limit."""
    told, applied, change = booking.told, booking.known.applied, booking.change
    windows: Sequence[Window] = ()
    if change.amount > 0 or change.count > 0:
        windows = windows_at(told.created, applied, lambda limit: limit_concerns(limit, told))
    return measure(told, windows, applied, booking.known.remembered, change)


def rows_of(booking: Booking, measured: MeasuredUsage, now: datetime) -> writing.Rows:
    told, held = booking.told, booking.held
    is_new = booking.known.purchase is None
    is_changed = is_new or booking.after != booking.known.books
    return writing.Rows(
        decisions=_declined_by_stripe(booking),
        purchases=[rows.purchase(told, held, booking.after)] if is_changed else [],
        entries=writing.entries(told, booking.changes, now),
        usage=measured.changed(NOTHING),
    )


def _declined_by_stripe(booking: Booking) -> list[Row]:
    """The newest decline that never reached us, unless it is listed already.

    One an event: each of Stripe's declines comes with an event of its own.
    """
    missing = unlisted_declines(booking.told.authorization_id, booking.after)
    return [decline(booking.told, *missing[-1])] if missing else []


def unlisted_declines(
    authorization_id: str, books: AuthorizationState
) -> list[tuple[str, RequestHistoryEntry]]:
    """Stripe's own declines that no decision tells of yet, each with that decision's id."""
    found = {
        f"{authorization_id}/{ordinal}": entry
        for ordinal, entry in enumerate(books.history)
        if _is_stripes_own(entry) and books.answer_to(ordinal) is None
    }
    if not found:
        return []
    listed = set(Decision.objects.filter(pk__in=found).values_list("pk", flat=True))
    return [(key, entry) for key, entry in found.items() if key not in listed]


def _is_stripes_own(entry: RequestHistoryEntry) -> bool:
    return not entry.approved and entry.reason != "webhook_declined"


def decline(told: PurchaseEvent, key: str, entry: RequestHistoryEntry) -> Row:
    """A decline of Stripe's own, as a decision; `told` is the event that tells of it."""
    checks: tuple[str, ...] = ()
    if isinstance(told, AuthorizationReport):  # a transaction's event tells of no checks
        checks = failed_checks(entry.reason, told.verification)
    return {
        "id": key,
        "decided_by": DecidedBy.STRIPE,
        "event_created": rows.instant(told.event_created),
        "decided_at": rows.instant(entry.created),
        "authorization_id": told.authorization_id,
        "card_id": told.card.id,
        "cardholder_id": told.card.cardholder_id,
        "approved": False,
        "approved_amount": 0,
        "is_partial": False,
        "reason": stripe_reason(entry.reason),
        "problem": ", ".join(checks),
        "amount": entry.amount,
        "currency": told.currency,
        "policies": [],
        "usage": [],
        "trace": [],
        "answer": "",
        "duration_us": 0,
        "position": 0,
        "stand_in": "",
        "supersedes": "",
    } | rows.merchant(told.merchant)


def placed(booking: Booking) -> Booking:
    """With the merchant by which limits know the purchase."""
    purchase = booking.known.purchase
    if purchase is None:
        return booking
    merchant = booking.told.merchant.begun_at(purchase.merchant)
    return replace(booking, told=replace(booking.told, merchant=merchant))
