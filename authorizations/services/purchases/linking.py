"""Where a transaction is booked: under the authorization Stripe names, once that is known.

Until then it stands for itself, under its own id. Of two versions the newest says where it belongs.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from authorizations.models import Authorization, LedgerCause, Transaction
from authorizations.rules.basics.filters import Merchant
from authorizations.rules.purchases.books import AuthorizationState
from authorizations.rules.purchases.events import AuthorizationRequest, CardDetails, PurchaseEvent
from authorizations.rules.purchases.reports import AuthorizationReport, TransactionReport
from authorizations.rules.purchases.snapshots import TransactionSnapshot
from authorizations.services.purchases.steps import Steps
from authorizations.services.runtime import codec
from authorizations.services.store import findings, rows, statements, writing
from authorizations.services.store.locks import AlsoLocked, Retry
from authorizations.services.store.lookup import (
    Existing,
    LockedScopes,
    load_existing,
    scope_keys,
)
from authorizations.services.store.statements import Plan, call
from authorizations.services.store.usage import remembered_around

Event: TypeAlias = AuthorizationRequest | AuthorizationReport | TransactionReport


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
    row = Transaction.objects.filter(pk=report.transaction.id).first()
    return row is not None and _version(row) > (report.transaction.at, report.linked or "")


def _version(row: Transaction) -> tuple[int, str]:
    return row.told_at, row.linked


def strays(told: Event) -> list[Stray]:
    """What is booked elsewhere and belongs under this purchase."""
    here = told.authorization_id
    if isinstance(told, TransactionReport):
        found = Transaction.objects.filter(pk=told.transaction.id)
    else:
        embedded = list(_welcome(told))
        linked = Q(linked=here) & ~Q(linked="") & ~Q(booked_under=F("linked"))
        found = Transaction.objects.filter(linked | Q(pk__in=embedded)).order_by("pk")
    elsewhere = {row.pk: row.booked_under for row in found if row.booked_under != here}
    under = _with_cards().in_bulk(set(elsewhere.values()))
    return [Stray(id_, under[key]) for id_, key in elsewhere.items() if key in under]


def _with_cards() -> QuerySet[Authorization]:
    """Purchases with their cards, which tell the root."""
    return Authorization.objects.prefetch_related("card")


def _welcome(report: AuthorizationRequest | AuthorizationReport) -> set[str]:
    """Which of an authorization's transactions no newer version links to another one."""
    known = Transaction.objects.in_bulk([t.id for t in report.transactions])
    return {
        t.id
        for t in report.transactions
        if t.id not in known or _version(known[t.id]) <= (t.at, report.authorization_id)
    }


def arriving(told: Event, moved: Sequence[TransactionSnapshot]) -> list[TransactionSnapshot]:
    """All transactions that the purchase takes in with this event, in the order of time."""
    if isinstance(told, TransactionReport):
        return [told.transaction]
    welcome = _welcome(told)
    found = [*moved, *(t for t in told.transactions if t.id in welcome)]
    return sorted(found, key=lambda t: (t.created, t.id, t.at))


def with_strays(held: LockedScopes, found: Iterable[Stray]) -> AlsoLocked:
    """What to lock where strays turned out to be booked in other scopes than are locked.

    With the purchase's own scopes, so that all are locked in the one order.
    """
    under = [stray.under for stray in found]
    groups = {held.group_id, *(row.group_id for row in under)}
    return AlsoLocked(
        cards=[held.root_id, *(row.card_id for row in under)],
        cardholders=[held.cardholder_id, *(row.cardholder_id for row in under)],
        groups=[group for group in groups if group is not None],
    )


@dataclass(frozen=True, slots=True)
class TakenIn:
    """What is known of a purchase once its strays are out of the rows they were booked under.

    `transactions` are all that it takes in with this event, in the order of time; `left` are the
    rows that strays were taken out of.
    """

    known: Existing
    transactions: Sequence[TransactionSnapshot] = ()
    left: Sequence[Authorization] = ()


def take_in(
    request: AuthorizationRequest, held: LockedScopes, known: Existing
) -> Plan[TakenIn | Retry]:
    """What a request lists itself or what waits for it; else what to lock first next time.

    An ordinary request has neither, and costs nothing here.
    """
    if not known.has_strays and not request.transactions:
        return TakenIn(known)
    found = yield from call(lambda: strays(request))
    if not all(held.cover(stray.under) for stray in found):
        return Retry(with_strays(held, found))
    moved = yield from take_out(found, request)
    if found:
        # The sums, as they are without the strays.
        known = yield from load_existing(request, held)
    transactions = yield from call(lambda: arriving(request, moved))
    return TakenIn(known, transactions, [stray.under for stray in found])


def take_out(found: Iterable[Stray], told: PurchaseEvent) -> Plan[list[TransactionSnapshot]]:
    """Take them out of the rows they are booked under; returns them as they were booked.

    All of them are read and written at once. The sums remembered around those rows change with
    them: a busy scope must not have to count its past again.
    """
    ids_under: dict[str, set[str]] = {}
    for stray in found:
        ids_under.setdefault(stray.under.pk, set()).add(stray.id)
    if not ids_under:
        return []
    under = yield from call(lambda: _with_cards().in_bulk(ids_under))
    scopes = {key for row in under.values() for key in scope_keys(row)}
    times = [int(row.created.timestamp()) for row in under.values()]
    around = yield from remembered_around(times, scopes)
    usage, taken, now = around, list[TransactionSnapshot](), timezone.now()
    purchases, entries, left = [], [], []
    for id_, row in under.items():
        its = told_of(row, told.event_id, told.event_created)
        before = codec.value(AuthorizationState, row.books)
        steps = Steps(before, its.merchant)
        after = before.without_transactions(ids_under[id_])
        taken += [t for t in before.transactions if t.id in ids_under[id_]]
        held = LockedScopes(
            row.root_id, frozen=False, cardholder_id=row.cardholder_id, group_id=row.group_id
        )
        purchases.append(rows.authorization(its, held, after))
        left.append((its, after))
        if change := steps.to(LedgerCause.MOVED, after):
            usage = [
                one.with_change(change, its) if one.scope in held.scopes else one for one in usage
            ]
        entries += steps.entries(its, now)
    changed = [new for new, old in zip(usage, around, strict=True) if new != old]
    yield from writing.write_books(
        writing.Rows(purchases=purchases, entries=entries, usage=changed)
    )
    yield from call(lambda: findings.refresh_all(left))
    return taken


def told_of(row: Authorization, event_id: str, event_created: int = 0) -> PurchaseEvent:
    """The row's own identity, with the event that changes it."""
    card = CardDetails(row.card_id, "", "", "", row.cardholder_id, "")
    return PurchaseEvent(
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


def keep(
    told: Event, transactions: Sequence[TransactionSnapshot], books: AuthorizationState
) -> Plan[None]:
    """Write the rows of these transactions as they are booked now."""
    if not transactions:
        return
    ids = {transaction.id for transaction in transactions}
    linked = told.authorization_id
    if isinstance(told, TransactionReport):
        linked = told.linked or ""
    booked = [found for found in books.transactions if found.id in ids]
    found = [rows.transaction(told, one, linked) for one in booked]
    yield from statements.ask(statements.KEEP, transactions=codec.to_json(found))
