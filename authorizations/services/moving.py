"""Where a transaction is booked: under the authorization Stripe names, once that is known.

Until then it stands for itself, under its own id. Of two versions the newest says where it belongs.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from django.db.models import F, Q
from django.utils import timezone

from authorizations.models import Authorization, LedgerCause, LedgerEntry
from authorizations.models import Transaction as TransactionRow
from authorizations.rules.books import Books
from authorizations.rules.counted import NOTHING
from authorizations.rules.filters import Merchant
from authorizations.rules.reports import AuthorizationReport, TransactionReport
from authorizations.rules.snapshots import Transaction
from authorizations.rules.values import Card, Told
from authorizations.services import codec, findings, locks, record, rows
from authorizations.services.known import Held, scope_keys
from authorizations.services.usage import measure, remembered_around

Report = TypeVar("Report", AuthorizationReport, TransactionReport)


@dataclass(frozen=True, slots=True)
class Stray:
    """A transaction that belongs to this purchase, but is booked under another row."""

    id: str
    under: Authorization


def place(report: TransactionReport) -> TransactionReport:
    """Under which purchase it belongs now: the one it is linked to, or itself."""
    row = Authorization.objects.filter(pk=report.linked, currency=report.currency).first()
    if row is None:
        return report
    card = replace(report.card, id=row.card_id, cardholder_id=row.cardholder_id)
    created = int(row.created.timestamp())
    return replace(report, authorization_id=row.pk, card=card, created=created)


def is_outdated(report: TransactionReport) -> bool:
    """Whether a newer version of the transaction is known, or one that links it elsewhere."""
    row = TransactionRow.objects.filter(pk=report.transaction.id).first()
    return row is not None and _version(row) > (report.transaction.at, report.linked or "")


def _version(row: TransactionRow) -> tuple[int, str]:
    return row.told_at, row.linked


def strays(told: AuthorizationReport | TransactionReport) -> list[Stray]:
    """What is booked elsewhere and belongs under this purchase."""
    here = told.authorization_id
    if isinstance(told, TransactionReport):
        found = TransactionRow.objects.filter(pk=told.transaction.id)
    else:
        embedded = [t.id for t in told.transactions if t.id in _welcome(told)]
        linked = Q(linked=here) & ~Q(linked="") & ~Q(booked_under=F("linked"))
        found = TransactionRow.objects.filter(linked | Q(pk__in=embedded))
    elsewhere = {row.pk: row.booked_under for row in found if row.booked_under != here}
    under = Authorization.objects.in_bulk(set(elsewhere.values()))
    return [Stray(id_, under[key]) for id_, key in elsewhere.items() if key in under]


def _welcome(report: AuthorizationReport) -> set[str]:
    """Which of an authorization's transactions no newer version links to another one."""
    known = TransactionRow.objects.in_bulk([t.id for t in report.transactions])
    return {
        t.id
        for t in report.transactions
        if t.id not in known or _version(known[t.id]) <= (t.at, report.authorization_id)
    }


def arriving(
    told: AuthorizationReport | TransactionReport, moved: Sequence[Transaction]
) -> list[Transaction]:
    """All transactions that the purchase takes in with this report, in the order of time."""
    if isinstance(told, TransactionReport):
        return [told.transaction]
    welcome = _welcome(told)
    found = [*moved, *(t for t in told.transactions if t.id in welcome)]
    return sorted(found, key=lambda t: (t.created, t.id, t.at))


def hold(found: Iterable[Stray]) -> None:
    """Lock the scopes of the rows they are booked under, before the purchase's own."""
    under = [stray.under for stray in found]
    if under:
        locks.hold(
            cards=[row.card_id for row in under],
            cardholders=[row.cardholder_id for row in under],
            groups=[row.group_id for row in under if row.group_id is not None],
        )


def are_held(found: Iterable[Stray], held: Held, before: Iterable[Stray]) -> bool:
    """Whether all their scopes are locked, with the purchase's or by `hold` before it."""
    scopes = {*held.scopes, *(key for stray in before for key in scope_keys(stray.under))}
    return all(scopes.issuperset(scope_keys(stray.under)) for stray in found)


def take_out(found: Iterable[Stray], told: Told) -> list[Transaction]:
    """Take them out of the rows they are booked under; returns them as they were booked.

    The sums remembered around those rows change with them: a busy scope must not have to count
    its past again.
    """
    return [taken for stray in found for taken in _take_out(stray, told)]


def _take_out(stray: Stray, told: Told) -> list[Transaction]:
    row = Authorization.objects.get(pk=stray.under.pk)
    merchant = merchant_of(row)
    before = codec.value(Books, row.books)
    after = before.without_transaction(stray.id)
    columns = rows.standing(after, merchant)
    columns["books"] = codec.plain(after)
    Authorization.objects.filter(pk=row.pk).update(**columns)
    change = after.counted(merchant) - before.counted(merchant)
    if change:
        entry = rows.entry(
            row.pk,
            row.currency,
            LedgerCause.MOVED,
            change,
            timezone.now(),
            event_id=told.event_id,
        )
        LedgerEntry.objects.create(**entry)
        around = remembered_around(int(row.created.timestamp()), scope_keys(row))
        changed = measure(told_of(row, told.event_id), (), (), around, change).changed(NOTHING)
        record.write(None, written=record.Rows(usage=changed))
    findings.refresh(told_of(row, told.event_id, told.event_created), after)
    return [t for t in before.transactions if t.id == stray.id]


def told_of(row: Authorization, event_id: str, event_created: int = 0) -> Told:
    """The row's own identity, with the event that changes it."""
    card = Card(row.card_id, "", "", "", row.cardholder_id, "")
    return Told(
        event_id=event_id,
        event_created=event_created,
        authorization_id=row.pk,
        created=int(row.created.timestamp()),
        card=card,
        currency=row.currency,
        merchant=merchant_of(row),
    )


def merchant_of(row: Authorization) -> Merchant:
    """The merchant by which limits know a purchase."""
    return Merchant(
        category=row.category,
        category_code=row.category_code,
        country=row.merchant_country,
        name=row.merchant_name,
        network_id=row.network_id,
    )


def keep(told: AuthorizationReport | TransactionReport, booked: Iterable[Transaction]) -> None:
    """Write the rows of transactions as they are booked now."""
    linked = told.authorization_id
    if isinstance(told, TransactionReport):
        linked = told.linked or ""
    found = [_row(told, transaction, linked) for transaction in booked]
    columns = [field.name for field in TransactionRow._meta.fields if field.name != "id"]  # noqa: SLF001
    TransactionRow.objects.bulk_create(
        found, update_conflicts=True, unique_fields=["id"], update_fields=columns
    )


def _row(
    told: AuthorizationReport | TransactionReport, transaction: Transaction, linked: str
) -> TransactionRow:
    return TransactionRow(
        id=transaction.id,
        type=transaction.type[:50],
        amount=transaction.amount,
        currency=told.currency,
        merchant_amount=transaction.merchant_amount,
        merchant_currency=transaction.merchant_currency,
        merchant_name=told.merchant.name,
        created=rows.instant(transaction.created),
        card_id=told.card.id,
        linked=linked,
        booked_under=told.authorization_id,
        told_at=transaction.at,
    )
