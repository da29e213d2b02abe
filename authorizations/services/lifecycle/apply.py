"""Applies Stripe's later events to the books, each in one transaction with its request row.

The state of an authorization is a join, so events may come late, twice and in any order. A
transaction belongs to the authorization that Stripe names; until that one is known, it is booked
under its own id, and moves later.
"""

from contextlib import ExitStack
from dataclasses import dataclass

from django.db import transaction

from authorizations.rules.purchases.events import PurchaseEvent
from authorizations.rules.purchases.reports import (
    AuthorizationReport,
    CardholderReport,
    CardReport,
    DisputeReport,
    Report,
    TransactionReport,
)
from authorizations.services.lifecycle import disputes
from authorizations.services.purchases import limit_findings, linking
from authorizations.services.purchases.entries import book, book_part, booking_of
from authorizations.services.purchases.linking import Stray
from authorizations.services.purchases.steps import news_of
from authorizations.services.runtime.delivery import Delivery
from authorizations.services.store import attempts, cards, writing
from authorizations.services.store.attempts import KeepsChangingError, carry_out
from authorizations.services.store.locks import Retry
from authorizations.services.store.lookup import Found, load_existing, lock
from authorizations.services.store.plans import Plan, call, drive
from authz_project.deadline import ending_within

AT_ONCE = 100
"""Maximum new transactions booked in one database transaction."""


class CannotApplyError(Exception):
    """The event contradicts what is recorded, or names too little; the text says what to do.

    `is_final`: sending the event again can't help.
    """

    def __init__(self, sentence: str, *, is_final: bool) -> None:
        super().__init__(sentence)
        self.is_final = is_final


class TakesLongerError(Exception):
    """The event lists more than may be booked at once; apply it in pieces, in the background."""


@dataclass(frozen=True, slots=True)
class Pieces:
    """How an event that lists many transactions is divided; purchases of its card wait for each.

    `size` is the maximum of transactions in a piece. `locked_s` is the maximum time in seconds that
    a piece may hold its locks; None for no limit.
    """

    size: int = AT_ONCE
    locked_s: float | None = None


IN_PIECES = Pieces()


def apply_report(report: Report, delivery: Delivery, pieces: Pieces | None = IN_PIECES) -> bytes:
    """Apply a report and record its delivery; returns the body of the answer.

    Each piece is a transaction of its own, and the delivery is recorded with the last one. Raises
    CannotApplyError, django.db.Error, and TakesLongerError if `pieces` is None and it needs more
    than one. Then the delivery is not recorded, but pieces stay booked: applied again, in any
    order, they give the same result.
    """
    match report:
        case CardReport():
            cards.register(report.card, report.event_id, report.event_created)
            with transaction.atomic():
                cards.tell(report.card, report.event_id, report.event_created)
                return drive(writing.save_receipt(delivery))
        case CardholderReport():
            cards.tell_cardholder(report)
            with transaction.atomic():
                return drive(writing.save_receipt(delivery))
        case DisputeReport():
            with transaction.atomic():
                disputes.save(report)
                return drive(writing.save_receipt(delivery))
        case AuthorizationReport() | TransactionReport():
            return _apply_to_purchase(report, delivery, pieces)


def _apply_to_purchase(
    report: AuthorizationReport | TransactionReport, delivery: Delivery, pieces: Pieces | None
) -> bytes:
    with ExitStack() as limits:

        def attempt(before: Retry) -> Plan[bytes | Retry]:
            limits.close()
            resolved = yield from call(lambda: _resolved(report))
            found = yield from lock(resolved, before)
            if isinstance(found, Retry):
                return found
            if pieces and pieces.locked_s:
                limits.enter_context(ending_within(pieces.locked_s))
            # It may have been linked elsewhere before the lock was taken.
            if resolved != (yield from call(lambda: _resolved(report))):
                return Retry(before.also)
            return (yield from _apply_locked(resolved, found, pieces, delivery))

        def register(event: PurchaseEvent) -> None:
            limits.close()
            if not event.card.cardholder_id:
                raise CannotApplyError(
                    f"Card {event.card.id} is not known yet, and the event does not name its "
                    "cardholder. It can be applied once a different event has named it.",
                    is_final=False,
                )
            attempts.register(event)

        try:
            return carry_out(attempt, register=register)
        except KeepsChangingError:
            raise CannotApplyError(
                "Its card or authorization kept changing meanwhile: apply it again.",
                is_final=False,
            ) from None


def _resolved(
    report: AuthorizationReport | TransactionReport,
) -> AuthorizationReport | TransactionReport:
    return linking.resolve(report) if isinstance(report, TransactionReport) else report


@dataclass(frozen=True, slots=True)
class ReportPart:
    """The part of a report booked in one transaction; `found` are all strays of its purchase."""

    found: list[Stray]
    pieces: Pieces | None

    @property
    def size(self) -> int:
        """Maximum transactions in it."""
        return self.pieces.size if self.pieces else AT_ONCE

    @property
    def strays(self) -> list[Stray]:
        """The strays that this part moves."""
        return self.found[: self.size]

    @property
    def later(self) -> set[str]:
        """The ids of strays that a later part moves."""
        return {stray.id for stray in self.found[self.size :]}


def _apply_locked(
    report: AuthorizationReport | TransactionReport,
    found: Found,
    pieces: Pieces | None,
    delivery: Delivery,
) -> Plan[bytes | Retry]:
    """The answer, once everything is booked; else what the next attempt has to lock first."""
    locked, existing = found.locked, found.existing
    part = ReportPart((yield from call(lambda: linking.find_strays(report))), pieces)
    if not all(locked.cover(stray.under) for stray in part.strays):
        return Retry(linking.locks_for(part.strays, locked))
    if isinstance(report, TransactionReport) and (
        yield from call(lambda: linking.is_outdated(report))
    ):
        return (yield from writing.save_receipt(delivery))
    if part.later and part.pieces is None:
        raise TakesLongerError
    moved = yield from linking.detach(part.strays, report)
    if part.strays:
        # Read again, because the sums no longer contain the strays.
        existing = yield from load_existing(report, locked)
    if existing.purchase and not existing.purchase.is_of(report):
        raise CannotApplyError(
            "Card, currency or creation time differ from what this authorization began with. "
            "Look it up at Stripe; nothing was changed here.",
            is_final=True,
        )
    listed = yield from call(lambda: linking.transactions_of(report, moved))
    transactions = [t for t in listed if t.id not in part.later]
    news, renewed = news_of(existing.books, transactions)
    left = [stray.under for stray in part.strays]
    booking = booking_of(report, locked, existing)
    if part.later or len(news) > part.size:
        if part.pieces is None:
            raise TakesLongerError
        # Transactions only: the snapshot is booked with the last part.
        booked = [*renewed, *news[: part.size]]
        booking.steps.report(None, booked)
        yield from book_part(booking, delivery.now)
        yield from linking.save(report, booked, booking.steps.last)
        yield from call(lambda: limit_findings.look_again_where(left, report))
        return Retry(is_further=True)
    snapshot = report.snapshot if isinstance(report, AuthorizationReport) else None
    booking.steps.report(snapshot, transactions)
    answer = yield from book(booking, delivery)
    # A transaction's own report may have nothing new but its link.
    is_transaction = isinstance(report, TransactionReport)
    changed = transactions if is_transaction else [*news, *renewed]
    yield from linking.save(report, changed, booking.steps.last)
    # Last, so that what was detached there is counted here.
    yield from call(lambda: limit_findings.look_again_where(left, report))
    return answer
