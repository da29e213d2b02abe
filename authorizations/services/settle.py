"""What Stripe tells afterwards, brought into the books: one transaction, with its request row.

An authorization's books are a join, so events may come late, twice and in any order. A transaction
belongs to the authorization Stripe names; until that one is heard of, it stands for itself, and
then moves.
"""

from django.db import transaction

from authorizations.rules.reports import (
    AuthorizationReport,
    CardholderReport,
    CardReport,
    DisputeReport,
    Report,
    TransactionReport,
)
from authorizations.services import cards, disputes, moving, record
from authorizations.services.booking import Booking, book, placed, steps_of
from authorizations.services.delivery import Delivery
from authorizations.services.known import Held, Known, hold, look_up
from authorizations.services.moving import Stray

_ATTEMPTS = 4


class CannotApplyError(Exception):
    """The event contradicts what is known, or names too little; the text says what to do.

    `is_final` where sending it again can't help.
    """

    def __init__(self, sentence: str, *, is_final: bool) -> None:
        super().__init__(sentence)
        self.is_final = is_final


def settle(report: Report, delivery: Delivery) -> bytes:
    """Apply a report and keep its delivery; returns the body of the answer.

    Raises CannotApplyError, and django.db.Error when the database fails; then nothing was kept.
    """
    match report:
        case CardReport():
            cards.register(report.card, report.event_id, report.event_created)
            with transaction.atomic():
                cards.tell(report.card, report.event_id, report.event_created)
                return record.received(delivery)
        case CardholderReport():
            with transaction.atomic():
                cards.tell_cardholder(report)
                return record.received(delivery)
        case DisputeReport():
            with transaction.atomic():
                disputes.keep(report)
                return record.received(delivery)
        case AuthorizationReport() | TransactionReport():
            return _settle_purchase(report, delivery)


def _settle_purchase(report: AuthorizationReport | TransactionReport, delivery: Delivery) -> bytes:
    ahead = moving.NOTHING_AHEAD
    for _ in range(_ATTEMPTS):
        told = _placed(report)
        with transaction.atomic():
            ahead.lock()
            held = hold(told)
            # Under the lock once more: what was seen before it may have changed.
            if held and _placed(report) == told:
                strays = moving.strays(told)
                if ahead.covers(strays, held):
                    answer = _settle_held(told, held, strays, delivery)
                    if answer:
                        return answer
                else:
                    ahead = moving.Ahead(strays, held)
        if not held:
            _register(told)
    raise CannotApplyError(
        "Its card or authorization kept changing meanwhile: apply it again.", is_final=False
    )


def _placed(
    report: AuthorizationReport | TransactionReport,
) -> AuthorizationReport | TransactionReport:
    return moving.place(report) if isinstance(report, TransactionReport) else report


def _register(told: AuthorizationReport | TransactionReport) -> None:
    if not told.card.cardholder_id:
        raise CannotApplyError(
            f"Card {told.card.id} is not known yet, and the event does not say whose it is. It "
            "can be applied once another event has told of the card.",
            is_final=False,
        )
    cards.register(told.card, told.event_id, told.event_created)


def _settle_held(
    told: AuthorizationReport | TransactionReport,
    held: Held,
    strays: list[Stray],
    delivery: Delivery,
) -> bytes | None:
    """The answer; None where the purchase turns out to belong to other scopes than those held."""
    if isinstance(told, TransactionReport) and moving.is_outdated(told):
        return record.received(delivery)
    moved = moving.take_out(strays, told)
    known = look_up(told, held)
    if known.purchase and not known.purchase.is_within(held):
        transaction.set_rollback(True)
        return None
    _check(told, known)
    transactions = moving.arriving(told, moved)
    snapshot = told.snapshot if isinstance(told, AuthorizationReport) else None
    steps = list(steps_of(known.books, snapshot, transactions))
    booking = placed(Booking(told, held, known, steps))
    answer = book(booking, delivery)
    moving.keep(told, transactions, booking.after)
    return answer


def _check(told: AuthorizationReport | TransactionReport, known: Known) -> None:
    if known.purchase and not known.purchase.is_of(told):
        raise CannotApplyError(
            "Card, currency or creation time differ from what this authorization began with. "
            "Look it up at Stripe; nothing was changed here.",
            is_final=True,
        )
