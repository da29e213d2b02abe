"""Links transactions to the authorization that Stripe names.

Until that authorization is known, a transaction is booked under its own id. The newest version of
a transaction decides which authorization it is linked to.
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
from authorizations.services.runtime.pipeline import Statement
from authorizations.services.store import findings, rows, write_statements, writing
from authorizations.services.store.locks import AlsoLocked, Retry
from authorizations.services.store.lookup import (
    Existing,
    LockedScopes,
    load_existing,
    scopes_of,
)
from authorizations.services.store.plans import Plan, call
from authorizations.services.store.usage import remembered_around

Event: TypeAlias = AuthorizationRequest | AuthorizationReport | TransactionReport


@dataclass(frozen=True, slots=True)
class Stray:
    """A transaction of this purchase that is booked under a different row, `under`."""

    id: str
    under: Authorization


def resolve(report: TransactionReport) -> TransactionReport:
    """The report with the authorization it is linked to, if that is known; else unchanged."""
    row = Authorization.objects.filter(pk=report.linked, currency=report.currency).first()
    if row is None:
        return report
    card = replace(report.card, id=row.card_id, cardholder_id=row.cardholder_id)
    created = int(row.created.timestamp())
    return replace(report, authorization_id=row.pk, card=card, created=created)


def is_outdated(report: TransactionReport) -> bool:
    """Whether a newer version of the transaction is on record."""
    row = Transaction.objects.filter(pk=report.transaction.id).first()
    return row is not None and _version(row) > (report.transaction.at, report.linked or "")


def _version(row: Transaction) -> tuple[int, str]:
    return row.reported_at, row.linked


def find_strays(event: Event) -> list[Stray]:
    """The transactions of the event's purchase that are booked under a different row."""
    here = event.authorization_id
    if isinstance(event, TransactionReport):
        found = Transaction.objects.filter(pk=event.transaction.id)
    else:
        embedded = list(_accepted(event))
        linked = Q(linked=here) & ~Q(linked="") & ~Q(booked_under=F("linked"))
        found = Transaction.objects.filter(linked | Q(pk__in=embedded)).order_by("pk")
    elsewhere = {row.pk: row.booked_under for row in found if row.booked_under != here}
    under = _with_cards().in_bulk(set(elsewhere.values()))
    return [Stray(id_, under[key]) for id_, key in elsewhere.items() if key in under]


def _with_cards() -> QuerySet[Authorization]:
    """Purchases with their cards, which have the root."""
    return Authorization.objects.prefetch_related("card")


def _accepted(report: AuthorizationRequest | AuthorizationReport) -> set[str]:
    """Ids of the listed transactions that no newer version links to a different purchase."""
    existing = Transaction.objects.in_bulk([t.id for t in report.transactions])
    return {
        t.id
        for t in report.transactions
        if t.id not in existing or _version(existing[t.id]) <= (t.at, report.authorization_id)
    }


def transactions_of(
    event: Event, moved: Sequence[TransactionSnapshot]
) -> list[TransactionSnapshot]:
    """The transactions an event brings to its purchase, with the `moved` ones, by time."""
    if isinstance(event, TransactionReport):
        return [event.transaction]
    accepted = _accepted(event)
    transactions = [*moved, *(t for t in event.transactions if t.id in accepted)]
    return sorted(transactions, key=lambda t: (t.created, t.id, t.at))


def locks_for(strays: Iterable[Stray], locked: LockedScopes) -> AlsoLocked:
    """What to lock in order to move these strays, which are booked in further scopes.

    Contains the purchase's own scopes, so that all are locked in the one order.
    """
    under = [stray.under for stray in strays]
    groups = {locked.group_id, *(row.group_id for row in under)}
    return AlsoLocked(
        cards=[locked.root_id, *(row.card_id for row in under)],
        cardholders=[locked.cardholder_id, *(row.cardholder_id for row in under)],
        groups=[group for group in groups if group is not None],
    )


@dataclass(frozen=True, slots=True)
class TakenIn:
    """A purchase after its strays were detached from the rows they were booked under.

    `transactions` are all that the event brings to it, in the order of time; `left` are the rows
    from which strays were detached.
    """

    existing: Existing
    transactions: Sequence[TransactionSnapshot] = ()
    left: Sequence[Authorization] = ()


def take_in(
    request: AuthorizationRequest, locked: LockedScopes, existing: Existing
) -> Plan[TakenIn | Retry]:
    """Collect the transactions that a request lists or that are booked elsewhere for it.

    Returns a Retry if more has to be locked first. Costs nothing for an ordinary request, which
    has no transactions.
    """
    if not existing.has_strays and not request.transactions:
        return TakenIn(existing)
    strays = yield from call(lambda: find_strays(request))
    if not all(locked.cover(stray.under) for stray in strays):
        return Retry(locks_for(strays, locked))
    moved = yield from detach(strays, request)
    if strays:
        # Read again, because the sums no longer contain the strays.
        existing = yield from load_existing(request, locked)
    transactions = yield from call(lambda: transactions_of(request, moved))
    return TakenIn(existing, transactions, [stray.under for stray in strays])


def detach(strays: Iterable[Stray], event: PurchaseEvent) -> Plan[list[TransactionSnapshot]]:
    """Remove strays from the rows they are booked under; returns them as they were booked.

    All are read and written at once. Stored usage of those rows is changed with them, so that a
    busy scope does not have to be summed again.
    """
    ids_under: dict[str, set[str]] = {}
    for stray in strays:
        ids_under.setdefault(stray.under.pk, set()).add(stray.id)
    if not ids_under:
        return []
    under = yield from call(lambda: _with_cards().in_bulk(ids_under))
    scopes = {key for row in under.values() for key in scopes_of(row).usage_keys}
    times = [int(row.created.timestamp()) for row in under.values()]
    around = yield from remembered_around(times, scopes)
    usage, taken, now = around, list[TransactionSnapshot](), timezone.now()
    purchases, entries, left = [], [], []
    for id_, row in under.items():
        its = event_for(row, event.event_id, event.event_created)
        before = codec.value(AuthorizationState, row.books)
        steps = Steps(before, its.merchant)
        after = before.without_transactions(ids_under[id_])
        taken += [t for t in before.transactions if t.id in ids_under[id_]]
        locked = LockedScopes(
            row.root_id, frozen=False, cardholder_id=row.cardholder_id, group_id=row.group_id
        )
        purchases.append(rows.authorization(its, locked, after))
        left.append((its, after))
        if change := steps.to(LedgerCause.MOVED, after):
            usage = [
                one.with_change(change, its) if one.scope in locked.usage_scopes else one
                for one in usage
            ]
        entries += steps.entries(its, now)
    changed = [new for new, old in zip(usage, around, strict=True) if new != old]
    yield from writing.write_books(
        writing.Rows(purchases=purchases, entries=entries, usage=changed)
    )
    yield from call(lambda: findings.refresh_all(left))
    return taken


def event_for(row: Authorization, event_id: str, event_created: int = 0) -> PurchaseEvent:
    """The event that changes a row, with the row's card, currency and merchant."""
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
    """The merchant that limits know a purchase by."""
    return Merchant(
        category=row.category,
        category_code=row.category_code,
        country=row.merchant_country,
        name=row.merchant_name,
        network_id=row.network_id,
        card_presence=row.card_presence,
        authorization_method=row.authorization_method,
    )


def save(
    event: Event, transactions: Sequence[TransactionSnapshot], state: AuthorizationState
) -> Plan[None]:
    """Write the rows of these transactions as they are booked now, with their links."""
    if found := saving(event, transactions, state):
        yield found


def saving(
    event: Event, transactions: Sequence[TransactionSnapshot], state: AuthorizationState
) -> list[Statement]:
    """The statements of `save`; none without transactions."""
    if not transactions:
        return []
    ids = {transaction.id for transaction in transactions}
    linked = event.authorization_id
    if isinstance(event, TransactionReport):
        linked = event.linked or ""
    booked = [found for found in state.transactions if found.id in ids]
    found = [rows.transaction(event, one, linked) for one in booked]
    return [Statement(write_statements.KEEP, {"transactions": codec.to_json(found)})]
