"""Applies several later events at once: one transaction, two round trips.

Only events that do what nearly all do: they report an authorization that is on record, or a
transaction of one, and change its books and nothing else. Every other event leaves the group,
before anything is written for it, and is applied by itself (apply.py), by the same rules.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TypeAlias

from django.conf import settings

from authorizations.rules.purchases.counted import NOTHING
from authorizations.rules.purchases.reports import AuthorizationReport, TransactionReport
from authorizations.rules.purchases.snapshots import TransactionSnapshot
from authorizations.services.lifecycle.apply import AT_ONCE
from authorizations.services.lifecycle.intake import Answered
from authorizations.services.purchases import limit_findings, linking
from authorizations.services.purchases.entries import (
    Booking,
    booking_of,
    declines_by_stripe,
    measured_after,
    rows_of,
)
from authorizations.services.purchases.in_turn import PurchaseInTurn, in_turn
from authorizations.services.purchases.steps import news_of
from authorizations.services.runtime import budget
from authorizations.services.runtime.delivery import Delivery
from authorizations.services.runtime.pipeline import BEGIN, COMMIT, Row, Statement
from authorizations.services.store import findings, statements
from authorizations.services.store.locks import Retry
from authorizations.services.store.lookup import Existing, Found, Further, expected, lock_all
from authorizations.services.store.plans import Plan
from authorizations.services.store.usage import MeasuredUsage, Remembered
from authorizations.services.store.writing import Written, write_all
from authorizations.wire import answer, events, reports

PurchaseReport: TypeAlias = AuthorizationReport | TransactionReport


def groupable(delivery: Delivery) -> PurchaseReport | None:
    """The report in a delivery, if it may be applied in a group."""
    event = delivery.event
    is_of_other_mode = settings.STRIPE_LIVEMODE not in (None, event.livemode)
    if event.is_thin or event.is_read or not event.id or delivery.repeats_id or is_of_other_mode:
        return None
    try:
        report = reports.report(event)
    except events.MalformedEventError:
        return None
    match report:
        case AuthorizationReport() if len(report.transactions) <= AT_ONCE:
            return report
        case TransactionReport() if report.linked:
            return report
    return None


def authorization_of(report: PurchaseReport) -> str:
    """The id of the authorization whose books a report concerns."""
    linked = report.linked if isinstance(report, TransactionReport) else None
    return linked or report.authorization_id


@dataclass(frozen=True, slots=True)
class _Booked:
    """A booked report, with the transactions whose rows are written."""

    report: PurchaseReport
    booking: Booking
    measured: MeasuredUsage
    transactions: Sequence[TransactionSnapshot]


def apply_together(
    members: Sequence[tuple[PurchaseReport, Delivery]],
) -> Plan[list[Answered | None]]:
    """Apply reports of different authorizations and record their deliveries; None for those that
    leave.

    Without an answer the transaction may still be open, with nothing written. Raises psycopg.Error;
    then nothing is kept, or, of a connection that is lost, perhaps all: applied again it is the
    same.
    """
    named = [_named(report) for report, _ in members]
    scopes = [expected(event) for event in named]
    listed = [t.id for report, _ in members for t in _transactions_in(report)]
    authorizations = [event.authorization_id for event in named]
    keys = list(dict.fromkeys(chain.from_iterable(one.usage_keys for one in scopes)))
    further = Further(
        statements=[
            Statement(statements.DELIVERED, {"events": [event.event_id for event in named]}),
            Statement(statements.TRANSACTIONS, {"ids": listed}),
            Statement(statements.FINDINGS, {"authorizations": authorizations}),
            Statement(
                statements.EXCEEDED, {"scopes": keys, "roots": [one.root_id for one in scopes]}
            ),
        ],
        of_linked=True,
    )
    found = yield from lock_all(
        named,
        scopes,
        patience=f"{budget.BRIEF_LOCK_WAIT_MS}ms",
        first=[BEGIN],
        further=further,
    )
    context = _context(keys, *further.answers)
    turns: dict[int, PurchaseInTurn[_Booked]] = {}
    for place, ((report, _), one) in enumerate(zip(members, found, strict=True)):
        if isinstance(one, Retry) or not context.is_plain(report, one):
            continue
        turns[place] = _turn(report, one, context)
    booked = yield from in_turn(list(turns.values()), _changed)
    answers: list[Answered | None] = [None for _ in members]
    written: list[Written] = []
    kept_rows: list[Statement] = []
    body = answer.received()
    for place, made in zip(turns, booked, strict=True):
        if made is not None:
            _, delivery = members[place]
            booking = made.booking
            rows = rows_of(booking, made.measured, (), delivery.now)
            written.append(Written(delivery, body.decode(), rows))
            kept_rows += linking.saving(made.report, made.transactions, booking.steps.last)
            answers[place] = Answered(200, body)
    if written:
        yield [*write_all(written), *kept_rows, COMMIT]
    return answers


def _named(report: PurchaseReport) -> PurchaseReport:
    """The report as of the authorization that it names; its time is not known yet."""
    return replace(report, authorization_id=authorization_of(report))


def _transactions_in(report: PurchaseReport) -> Sequence[TransactionSnapshot]:
    if isinstance(report, TransactionReport):
        return [report.transaction]
    return report.transactions


@dataclass(frozen=True, slots=True)
class _Context:
    """What else is recorded around the members: deliveries, transactions, findings.

    `is_exceeded_elsewhere`: a limit was exceeded on a card that one of theirs has replaced.
    """

    delivered: set[str]
    transactions: dict[str, Row]
    findings: list[Row]
    exceeded: set[str]
    is_exceeded_elsewhere: bool

    def is_plain(self, report: PurchaseReport, found: Found) -> bool:
        """Whether it changes nothing but the books of an authorization that is on record."""
        purchase = found.existing.purchase
        if purchase is None or found.news or found.existing.has_strays:
            return False
        if not self.exceeded.isdisjoint(found.locked.usage_scopes) or self.is_exceeded_elsewhere:
            return False
        if report.event_id in self.delivered or purchase.card_id != report.card.id:
            return False
        if purchase.currency != report.currency:
            return False
        if isinstance(report, AuthorizationReport) and purchase.created != report.created:
            return False
        here = authorization_of(report)
        for transaction in _transactions_in(report):
            if row := self.transactions.get(transaction.id):
                _, at, linked, booked_under = row
                if booked_under != here or (at, linked) > (transaction.at, here):
                    return False
        return True


def _context(
    keys: Sequence[str],
    delivered: Sequence[Row],
    transactions: Sequence[Row],
    findings: list[Row],
    exceeded: Sequence[Row],
) -> _Context:
    """From the rows of these statements; `keys` are the scopes of all members."""
    return _Context(
        delivered={id_ for (id_,) in delivered},
        transactions={row[0]: row for row in transactions},
        findings=findings,
        exceeded={scope for (scope,) in exceeded},
        is_exceeded_elsewhere=any(scope not in keys for (scope,) in exceeded),
    )


def _turn(report: PurchaseReport, found: Found, context: _Context) -> PurchaseInTurn[_Booked]:
    def work(existing: Existing) -> Plan[_Booked | None]:
        purchase = existing.purchase
        assert purchase is not None  # noqa: S101 - else it would not be plain
        event = replace(_named(report), created=purchase.created)
        booking = booking_of(event, found.locked, existing)
        transactions = sorted(_transactions_in(report), key=lambda t: (t.created, t.id, t.at))
        snapshot = report.snapshot if isinstance(report, AuthorizationReport) else None
        news, renewed = news_of(existing.books, transactions)
        booking.steps.report(snapshot, transactions)
        measured = yield from measured_after(booking)
        steps, applied = booking.steps, existing.applied
        if (
            limit_findings.exceeds(booking.event, applied, measured.usage, steps.change)
            or not findings.are_as_kept(booking.event, steps.last, context.findings)
            or declines_by_stripe(event.authorization_id, steps.last)
        ):
            return None
        # A transaction's own report may have nothing new but its link.
        is_transaction = isinstance(report, TransactionReport)
        changed = transactions if is_transaction else [*news, *renewed]
        return _Booked(event, booking, measured, changed)

    return PurchaseInTurn(found.locked, found.existing, work)


def _changed(booked: _Booked) -> Sequence[Remembered]:
    return booked.measured.changed(NOTHING)
