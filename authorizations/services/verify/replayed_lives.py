"""Replays each purchase's events and decisions, and compares the outcome with what is on record.

Joining every applied snapshot and every answer, in the order of writing, must give the purchase's
books. On the way, each decision's ledger entries must be what the books then made of its answer.
(These are not always the answered amount: with a fuel pump's hold, a partial approval or a second
answer to one request they differ.)
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
from authorizations.rules.purchases.reports import AuthorizationReport, TransactionReport
from authorizations.rules.purchases.snapshots import TransactionSnapshot
from authorizations.services.purchases.entries import WITHOUT_BOOKS
from authorizations.services.purchases.linking import merchant_of
from authorizations.services.purchases.steps import steps_of
from authorizations.services.runtime import codec
from authorizations.services.runtime.codec import DAMAGED
from authorizations.services.store import rows
from authorizations.services.store.decision_row import UnreadableRowError, applied_of
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
    """Replay every purchase; for a range, only those that something was written about in it."""
    for ids in _all() if part.is_whole else touched(part):
        for start in range(0, len(ids), _SIZE):
            lives = lives_of(ids[start : start + _SIZE])
            found: list[Difference] = []
            for life in lives:
                where = f"authorization {life.row.pk}"
                try:
                    found += list(_differences(life))
                except DAMAGED as problem:
                    found.append(Difference(where, "content", problem, "readable"))
                except UnreadableRowError as damage:
                    found.append(Difference(where, damage.what, damage.kept, damage.found))
            yield Checked(LIVES, len(lives), found)


def _all() -> Iterator[list[str]]:
    last = ""
    purchases = Authorization.objects.order_by("pk").values_list("pk", flat=True)
    while ids := list(purchases.filter(pk__gt=last)[:_SIZE]):
        yield ids
        last = ids[-1]


def _differences(life: Life) -> Iterator[Difference]:
    recorded = codec.value(AuthorizationState, life.row.books)
    steps = [step for request in life.requests if (step := _applied_event(request, life))]
    state = AuthorizationState()
    expected: dict[str, _Changes] = defaultdict(Counter)
    by_hand = [entry for entry in life.entries if entry.cause in _BY_HAND]
    for request, event in steps:
        while by_hand and _is_before(by_hand[0], request, life):
            entry = by_hand.pop(0)
            is_release = entry.cause == LedgerCause.RELEASE
            state = state.released() if is_release else state.adjusted_by(entry.amount)
        if isinstance(event, AuthorizationRequest):
            decision = life.decisions[request.pk]
            changes, state = _decided(state, event, decision, life)
            expected[event.event_id] += changes
        elif isinstance(event, TransactionReport):
            state = state.with_transaction(event.transaction)
        elif isinstance(event, AuthorizationReport):
            *_, (_, state) = steps_of(state, event.snapshot, event.transactions)
    yield from _books_differences(life, recorded, state)
    if life.is_in_order:
        yield from _entry_differences(life, expected)
    for row in life.transactions:
        yield from _transaction_differences(row, steps)


def _applied_event(
    request: WebhookRequest, life: Life
) -> tuple[WebhookRequest, PurchaseEvent] | None:
    """The event of a request, if it was applied to this purchase."""
    read = events.read(request.kept_body)
    decision = life.decisions.get(request.pk)
    try:
        if decision:
            if decision.reason in WITHOUT_BOOKS:
                return None
            event: Any = events.authorization_request(read)
        else:
            event = reports.report(read)
            if not isinstance(event, AuthorizationReport | TransactionReport):
                return None
    except events.MalformedEventError:
        return None
    if request.event_id in life.waiting:
        return None
    row = life.row
    is_about = (
        event.authorization_id == row.pk
        and event.card.id == row.card_id
        and event.currency == row.currency
        and event.created == int(row.created.timestamp())
    )
    is_its_transaction = isinstance(event, TransactionReport) and event.currency == row.currency
    return (request, event) if is_about or is_its_transaction else None


def _is_before(entry: LedgerEntry, request: WebhookRequest, life: Life) -> bool:
    """Whether an entry made by hand precedes this event; False where the ledger does not say."""
    decision = life.decisions.get(request.pk)
    if decision and decision.position:
        return entry.pk < decision.position
    numbers = [it.pk for it in life.entries if it.event_id == request.event_id]
    return bool(numbers) and entry.pk < min(numbers)


def _decided(
    before: AuthorizationState, request: AuthorizationRequest, decision: Decision, life: Life
) -> tuple[_Changes, AuthorizationState]:
    """What a decision changes in the ledger, and the books after it.

    See `authorize` and `replay_one`, which write these.
    """
    merchant = merchant_of(life.row)
    *_, (_, joined) = steps_of(before, request.snapshot, request.transactions)
    answer = OurResponse(
        request_index=request.request_index,
        event_id=decision.supersedes or decision.pk,
        at=request.event_created,
        approved=decision.approved,
        amount=decision.approved_amount,
        asked=request.amount,
        cashback=request.cashback_amount if decision.approved_amount else 0,
    )
    after = joined.with_response(answer)
    if decision.supersedes:
        change = after.counted(merchant) - joined.counted(merchant)
        return _changes((LedgerCause.ANSWERED, change)), after
    if decision.position:
        recorded = codec.value(AuthorizationRequest, decision.request)
        reserving = fuel_hold(recorded, applied_of(decision.policies)) or request.amount
        asked = joined.requesting(request.request_index, reserving, request.cashback_amount)
    else:
        asked = joined.requesting(request.request_index, answer.amount, answer.cashback)
    approval = LedgerCause.INCREMENT if request.request_index else LedgerCause.HOLD
    released = asked.counted(merchant) - joined.counted(merchant)
    reserved = after.counted(merchant) - asked.counted(merchant)
    cause = approval if decision.approved else LedgerCause.KEPT
    return _changes((LedgerCause.REASKED, released), (cause, reserved)), after


def _changes(*changes: tuple[LedgerCause, CountedUsage]) -> _Changes:
    return Counter((cause.value, change) for cause, change in changes if change)


def _entry_differences(life: Life, expected: dict[str, _Changes]) -> Iterator[Difference]:
    """Check each decision's entries, and that each entry has its decision."""
    recorded: dict[str, _Changes] = defaultdict(Counter)
    for entry in life.entries:
        if entry.cause in BY_DECISION:
            change = CountedUsage(
                amount=entry.amount,
                cash=entry.cash_amount,
                refunded=entry.refunded_amount,
                count=entry.count,
                cash_count=entry.cash_count,
            )
            recorded[entry.event_id][entry.cause, change] += 1
    for event_id in recorded.keys() | expected.keys():
        kept, found = recorded[event_id], expected[event_id]
        if kept != found:
            where = f"decision {event_id}"
            yield Difference(where, "entries in the ledger", _words(kept), _words(found))


def _words(changes: _Changes) -> str:
    return ", ".join(f"{cause} of {change}" for cause, change in changes.elements()) or "none"


def _books_differences(
    life: Life, kept: AuthorizationState, found: AuthorizationState
) -> Iterator[Difference]:
    """Compare the books, except what is also in other rows: `verify_books` compares these."""
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
            where = f"authorization {life.row.pk}"
            yield Difference(where, f"{name} in its books", value, after[name])


def _transaction_differences(
    row: TransactionRow, steps: Sequence[tuple[WebhookRequest, PurchaseEvent]]
) -> Iterator[Difference]:
    """Check a transaction against the newest event that reports it."""
    reported: list[tuple[TransactionSnapshot, str]] = []
    for _, event in steps:
        if isinstance(event, TransactionReport):
            reported.append((event.transaction, event.currency))
        elif isinstance(event, AuthorizationReport | AuthorizationRequest):
            reported += [(it, event.currency) for it in event.transactions]
    reported = [(it, currency) for it, currency in reported if it.id == row.pk]
    newest = max((it.at for it, _ in reported), default=None)
    columns = ("reported_at", "type", "amount", "created", "merchant_amount", "merchant_currency")
    kept = tuple(getattr(row, name) for name in columns)
    found = [
        (
            *(it.at, it.type[:50], it.amount, rows.instant(it.created)),
            *(it.merchant_amount, it.merchant_currency),
        )
        for it, currency in reported
        if it.at == newest and currency == row.currency
    ]
    if kept not in found:
        what = found[0] if found else "reported by an event"
        yield Difference(f"transaction {row.pk}", "type, amounts and times", kept, what)
