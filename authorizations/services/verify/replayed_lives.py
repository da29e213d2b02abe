"""Purchases lived through again, from the events that the record keeps of them.

Every snapshot that was applied and every answer that was given are joined anew: that must come to
the books that are kept. On the way, in the order of writing, each decision's entries in the ledger
must be what the books made of its answer then: a fuel pump's hold, a part, or a second answer to
one request change something else than the amount alone.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from authorizations.models import (
    Authorization,
    Decision,
    LedgerCause,
    LedgerEntry,
    WebhookRequest,
)
from authorizations.models import Transaction as TransactionRow
from authorizations.rules.decision.fuel import fuel_hold
from authorizations.rules.purchases.books import AuthorizationState, OurResponse
from authorizations.rules.purchases.counted import CountedUsage
from authorizations.rules.purchases.events import AuthorizationRequest, PurchaseEvent
from authorizations.rules.purchases.reports import AuthorizationReport, Report, TransactionReport
from authorizations.rules.purchases.snapshots import TransactionSnapshot
from authorizations.services.purchases.entries import WITHOUT_BOOKS, steps_of
from authorizations.services.purchases.linking import merchant_of
from authorizations.services.runtime import codec
from authorizations.services.store import rows
from authorizations.services.store.decision_row import DAMAGED, UnreadableRowError, applied_of
from authorizations.services.verify.checking import Checked, Difference
from authorizations.services.verify.lives import BY_DECISION, Life, lives_of
from authorizations.services.verify.ranges import WHOLE, Range
from authorizations.services.verify.touched import touched
from authorizations.wire import events, reports

LIVES = "purchases"

_SIZE = 100
_BY_HAND = (LedgerCause.RELEASE, LedgerCause.ADJUSTMENT)

_Changes: TypeAlias = Counter[tuple[str, CountedUsage]]


def verify_lives(part: Range = WHOLE) -> Iterator[Checked]:
    """Every purchase, or of a range those that something was written of in it."""
    for ids in _all() if part.is_whole else touched(part):
        for start in range(0, len(ids), _SIZE):
            lives = lives_of(ids[start : start + _SIZE])
            found = [difference for life in lives for difference in _safely(life)]
            yield Checked(LIVES, len(lives), found)


def _all() -> Iterator[list[str]]:
    last = ""
    purchases = Authorization.objects.order_by("pk").values_list("pk", flat=True)
    while ids := list(purchases.filter(pk__gt=last)[:_SIZE]):
        yield ids
        last = ids[-1]


def _safely(life: Life) -> list[Difference]:
    try:
        return list(_differences(life))
    except DAMAGED as problem:
        return [Difference(f"authorization {life.row.pk}", "a part of it", problem, "readable")]
    except UnreadableRowError as damage:
        where = f"authorization {life.row.pk}"
        return [Difference(where, damage.what, damage.kept, damage.found)]


def _differences(life: Life) -> Iterator[Difference]:
    where = f"authorization {life.row.pk}"
    kept = codec.value(AuthorizationState, life.row.books)
    steps = [step for request in life.requests if (step := _read(request, life))]
    books = AuthorizationState()
    expected: dict[str, _Changes] = defaultdict(Counter)
    by_hand = [entry for entry in life.entries if entry.cause in _BY_HAND]
    for request, told in steps:
        while by_hand and _is_before(by_hand[0], request, life):
            books = _changed_by_hand(books, by_hand.pop(0))
        if isinstance(told, AuthorizationRequest):
            decision = life.decisions[request.pk]
            changes, books = _asked(books, told, decision, life)
            expected[told.event_id] += changes
        elif isinstance(told, TransactionReport):
            books = books.with_transaction(told.transaction)
        elif isinstance(told, AuthorizationReport):
            *_, (_, books) = steps_of(books, told.snapshot, told.transactions)
    yield from _unlike(where, kept, books)
    if life.is_in_order:
        yield from _entered_otherwise(life, expected)
    for row in life.transactions:
        yield from _transaction_differences(row, steps)


def _read(request: WebhookRequest, life: Life) -> tuple[WebhookRequest, PurchaseEvent] | None:
    """What an event told of the purchase; None where it was not applied to it."""
    event = events.read(request.kept_body)
    decision = life.decisions.get(request.pk)
    try:
        if decision:
            if decision.reason in WITHOUT_BOOKS:
                return None
            told: Any = events.authorization_request(event)
        else:
            told = _report(reports.report(event))
    except events.MalformedEvent:
        return None
    if told is None or request.event_id in life.waiting:
        return None
    is_about = told.authorization_id == life.row.pk and (
        told.card.id,
        told.currency,
        told.created,
    ) == (life.row.card_id, life.row.currency, int(life.row.created.timestamp()))
    is_its_transaction = isinstance(told, TransactionReport) and told.currency == life.row.currency
    return (request, told) if is_about or is_its_transaction else None


def _report(report: Report | None) -> AuthorizationReport | TransactionReport | None:
    return report if isinstance(report, AuthorizationReport | TransactionReport) else None


def _is_before(entry: LedgerEntry, request: WebhookRequest, life: Life) -> bool:
    """Whether something was booked by hand before this event, as far as the ledger tells."""
    decision = life.decisions.get(request.pk)
    if decision and decision.position:
        return entry.pk < decision.position
    numbers = [it.pk for it in life.entries if it.event_id == request.event_id]
    return bool(numbers) and entry.pk < min(numbers)


def _changed_by_hand(books: AuthorizationState, entry: LedgerEntry) -> AuthorizationState:
    if entry.cause == LedgerCause.RELEASE:
        return books.released()
    return books.adjusted_by(entry.amount)


def _asked(
    before: AuthorizationState, request: AuthorizationRequest, decision: Decision, life: Life
) -> tuple[_Changes, AuthorizationState]:
    """What a decision changes, in the ledger and in the books: see `authorize` and `replay_one`."""
    merchant = merchant_of(life.row)
    *_, (_, joined) = steps_of(before, request.snapshot, request.transactions)
    answer = OurResponse(
        ordinal=request.ordinal,
        event_id=decision.supersedes or decision.pk,
        at=request.event_created,
        approved=decision.approved,
        amount=decision.approved_amount,
        asked=request.amount,
        cashback=request.cashback_amount if decision.approved_amount else 0,
    )
    after = joined.answered(answer)
    if decision.supersedes:
        change = after.counted(merchant) - joined.counted(merchant)
        return _noted((LedgerCause.ANSWERED, change)), after
    if decision.position:
        there = codec.value(AuthorizationRequest, decision.request)
        reserving = fuel_hold(there, applied_of(decision.policies)) or request.amount
        asked = joined.asking(request.ordinal, reserving, request.cashback_amount)
    else:
        asked = joined.asking(request.ordinal, answer.amount, answer.cashback)
    approval = LedgerCause.INCREMENT if request.ordinal else LedgerCause.HOLD
    released = asked.counted(merchant) - joined.counted(merchant)
    taken = after.counted(merchant) - asked.counted(merchant)
    cause = approval if decision.approved else LedgerCause.KEPT
    return _noted((LedgerCause.REASKED, released), (cause, taken)), after


def _noted(*changes: tuple[LedgerCause, CountedUsage]) -> _Changes:
    return Counter((cause.value, change) for cause, change in changes if change)


def _entered_otherwise(life: Life, expected: dict[str, _Changes]) -> Iterator[Difference]:
    """Each decision's entries, and each entry's decision."""
    entered: dict[str, _Changes] = defaultdict(Counter)
    for entry in life.entries:
        if entry.cause in BY_DECISION:
            change = CountedUsage(
                amount=entry.amount,
                cash=entry.cash_amount,
                refunded=entry.refunded_amount,
                count=entry.count,
                cash_count=entry.cash_count,
            )
            entered[entry.event_id][entry.cause, change] += 1
    for event_id in entered.keys() | expected.keys():
        kept, found = entered[event_id], expected[event_id]
        if kept != found:
            where = f"decision {event_id}"
            yield Difference(where, "entries in the ledger", _listed(kept), _listed(found))


def _listed(changes: _Changes) -> str:
    return ", ".join(f"{cause} of {change}" for cause, change in changes.elements()) or "none"


def _unlike(
    where: str, kept: AuthorizationState, found: AuthorizationState
) -> Iterator[Difference]:
    """The books but for what stands in other rows, which `verify_books` compares with them."""
    found = replace(
        found,
        transactions=kept.transactions,
        released_at=kept.released_at,
        adjusted=kept.adjusted,
        answers=tuple(replace(it, released=False) for it in found.answers),
    )
    kept = replace(kept, answers=tuple(replace(it, released=False) for it in kept.answers))
    before, after = codec.plain(kept), codec.plain(found)
    for name, value in before.items():
        if value != after[name]:
            yield Difference(where, f"{name} in its books", value, after[name])


def _transaction_differences(
    row: TransactionRow, steps: Sequence[tuple[WebhookRequest, PurchaseEvent]]
) -> Iterator[Difference]:
    """A transaction against the newest event that tells of it."""
    told = [version for _, it in steps for version in _versions(it, row.pk)]
    newest = max((version.at for version, _ in told), default=None)
    columns = ("told_at", "type", "amount", "created", "merchant_amount", "merchant_currency")
    kept = tuple(getattr(row, name) for name in columns)
    found = [
        (
            *(it.at, it.type[:50], it.amount, rows.instant(it.created)),
            *(it.merchant_amount, it.merchant_currency),
        )
        for it, currency in told
        if it.at == newest and currency == row.currency
    ]
    if kept not in found:
        what = found[0] if found else "told by an event"
        yield Difference(f"transaction {row.pk}", "type, amounts and times", kept, what)


def _versions(told: PurchaseEvent, transaction_id: str) -> list[tuple[TransactionSnapshot, str]]:
    found: Sequence[TransactionSnapshot] = ()
    if isinstance(told, TransactionReport):
        found = [told.transaction]
    elif isinstance(told, AuthorizationReport | AuthorizationRequest):
        found = told.transactions
    return [(it, told.currency) for it in found if it.id == transaction_id]
