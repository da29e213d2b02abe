"""What Stripe tells afterwards, brought into the books: one transaction, with its request row.

An authorization's books are a join, so events may come late, twice and in any order. A transaction
belongs to the authorization Stripe names; until that one is heard of, it stands for itself, and
then moves.
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
from authorizations.services.store.locks import AlsoLocked, Retry
from authorizations.services.store.lookup import Existing, LockedScopes, load_existing, lock_scopes
from authorizations.services.store.statements import Plan, call, drive
from authz_project.deadline import ending_within

AT_ONCE = 100
"""So many new transactions are booked at once."""


class CannotApplyError(Exception):
    """The event contradicts what is known, or names too little; the text says what to do.

    `is_final` where sending it again can't help.
    """

    def __init__(self, sentence: str, *, is_final: bool) -> None:
        super().__init__(sentence)
        self.is_final = is_final


class TakesLongerError(Exception):
    """It lists more than is booked at once: to be settled in pieces, while nobody waits."""


@dataclass(frozen=True, slots=True)
class Pieces:
    """How much is booked at once of what lists many transactions: purchases of the card wait.

    `locked_s`: after that it is given up; None: never.
    """

    size: int = AT_ONCE
    locked_s: float | None = None


IN_PIECES = Pieces()


def settle(report: Report, delivery: Delivery, pieces: Pieces | None = IN_PIECES) -> bytes:
    """Apply a report and keep its delivery; returns the body of the answer.

    In pieces, each a transaction of its own; that it was told of is kept with the last one. Raises
    CannotApplyError, TakesLongerError where no pieces are allowed, and django.db.Error when the
    database fails; then nothing was kept, but pieces stay booked: any order gives the same.
    """
    match report:
        case CardReport():
            cards.register(report.card, report.event_id, report.event_created)
            with transaction.atomic():
                cards.tell(report.card, report.event_id, report.event_created)
                return drive(writing.save_receipt(delivery))
        case CardholderReport():
            with transaction.atomic():
                cards.tell_cardholder(report)
                return drive(writing.save_receipt(delivery))
        case DisputeReport():
            with transaction.atomic():
                disputes.keep(report)
                return drive(writing.save_receipt(delivery))
        case AuthorizationReport() | TransactionReport():
            return _settle_purchase(report, delivery, pieces)


def _settle_purchase(
    report: AuthorizationReport | TransactionReport, delivery: Delivery, pieces: Pieces | None
) -> bytes:
    with ExitStack() as limits:

        def attempt(also: AlsoLocked | None) -> Plan[bytes | Retry]:
            limits.close()
            told = yield from call(lambda: _placed(report))
            held = yield from lock_scopes(told, also)
            if isinstance(held, Retry):
                return held
            if pieces and pieces.locked_s:
                limits.enter_context(ending_within(pieces.locked_s))
            # Under the lock once more: what was seen before it may have changed.
            if told != (yield from call(lambda: _placed(report))):
                return Retry(also)
            return (yield from _settle_held(told, held, pieces, delivery))

        def register(told: PurchaseEvent) -> None:
            limits.close()
            _register(told)

        try:
            return carry_out(attempt, register=register)
        except KeepsChangingError:
            raise CannotApplyError(
                "Its card or authorization kept changing meanwhile: apply it again.",
                is_final=False,
            ) from None


def _placed(
    report: AuthorizationReport | TransactionReport,
) -> AuthorizationReport | TransactionReport:
    return linking.place(report) if isinstance(report, TransactionReport) else report


def _register(told: PurchaseEvent) -> None:
    if not told.card.cardholder_id:
        raise CannotApplyError(
            f"Card {told.card.id} is not known yet, and the event does not say whose it is. It "
            "can be applied once another event has told of the card.",
            is_final=False,
        )
    attempts.register(told)


@dataclass(frozen=True, slots=True)
class ReportPart:
    """What of a report is booked in one transaction: `found` are all strays that belong to it."""

    found: list[Stray]
    pieces: Pieces | None

    @property
    def size(self) -> int:
        return self.pieces.size if self.pieces else AT_ONCE

    @property
    def strays(self) -> list[Stray]:
        return self.found[: self.size]

    @property
    def later(self) -> set[str]:
        """Transactions that another part takes out of the rows they are booked under."""
        return {stray.id for stray in self.found[self.size :]}


def _settle_held(
    told: AuthorizationReport | TransactionReport,
    held: LockedScopes,
    pieces: Pieces | None,
    delivery: Delivery,
) -> Plan[bytes | Retry]:
    """The answer, once all of it is booked; else what the next attempt is to lock first."""
    part = ReportPart((yield from call(lambda: linking.strays(told))), pieces)
    if not all(held.cover(stray.under) for stray in part.strays):
        return Retry(linking.with_strays(held, part.strays))
    if isinstance(told, TransactionReport) and (yield from call(lambda: linking.is_outdated(told))):
        return (yield from writing.save_receipt(delivery))
    if part.later and part.pieces is None:
        raise TakesLongerError
    known = yield from load_existing(told, held)
    if known.purchase and not known.purchase.is_within(held):
        return Retry()
    moved = yield from linking.take_out(part.strays, told)
    if part.strays:
        # The sums, as they are without the strays.
        known = yield from load_existing(told, held)
    _check(told, known)
    arriving = yield from call(lambda: linking.arriving(told, moved))
    transactions = [t for t in arriving if t.id not in part.later]
    news, renewed = news_of(known.books, transactions)
    left = [stray.under for stray in part.strays]
    booking = booking_of(told, held, known)
    if part.later or len(news) > part.size:
        if part.pieces is None:
            raise TakesLongerError
        # Transactions only: the authorization itself is told of once all of them are booked.
        taken_in = [*renewed, *news[: part.size]]
        booking.steps.report(None, taken_in)
        yield from book_part(booking, delivery.now)
        yield from linking.keep(told, taken_in, booking.steps.last)
        yield from call(lambda: limit_findings.look_again_where(left, told))
        return Retry(is_further=True)
    snapshot = told.snapshot if isinstance(told, AuthorizationReport) else None
    booking.steps.report(snapshot, transactions)
    answer = yield from book(booking, delivery)
    # Of a transaction that stands for itself the link alone may be new.
    is_alone = isinstance(told, TransactionReport)
    yield from linking.keep(
        told, transactions if is_alone else [*news, *renewed], booking.steps.last
    )
    # Not before what was taken out there is counted here.
    yield from call(lambda: limit_findings.look_again_where(left, told))
    return answer


def _check(told: AuthorizationReport | TransactionReport, known: Existing) -> None:
    if known.purchase and not known.purchase.is_of(told):
        raise CannotApplyError(
            "Card, currency or creation time differ from what this authorization began with. "
            "Look it up at Stripe; nothing was changed here.",
            is_final=True,
        )
