"""Typed rows of the tables that a purchase is kept in; write_statements.WRITE takes them as JSON.

Each has the columns of its table, but for the number that the database draws and a body that
travels as bytes: a test compares them. What several cases of a row have in common is a TypedDict,
so that mypy sees a column that is missing.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TypedDict

import msgspec

from authorizations.models import DecidedBy, LedgerCause
from authorizations.rules.basics.controls import Override, Pot, scope_key
from authorizations.rules.basics.filters import Merchant
from authorizations.rules.decision.controls import AppliedControls, AttemptsUsed
from authorizations.rules.decision.values import TRACE_VERSION, PurchaseContext, Verdict
from authorizations.rules.purchases.books import AuthorizationState
from authorizations.rules.purchases.counted import CountedUsage
from authorizations.rules.purchases.events import AuthorizationRequest, PurchaseEvent
from authorizations.rules.purchases.snapshots import TransactionSnapshot
from authorizations.services.runtime import codec
from authorizations.services.runtime.delivery import Delivery
from authorizations.services.store.lookup import LockedScopes
from authorizations.wire.reports import about


class RequestRow(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook request, without its body."""

    received_at: datetime
    sender: str
    headers: dict[str, str]
    body_sha256: str
    masked_sha256: str
    signing_key: str
    event_id: str
    event_type: str
    about: str
    api_version: str
    account: str
    livemode: bool | None
    repeats_id: int | None
    answer_status: int
    answer_body: str
    timings: dict[str, int]


def request(delivery: Delivery, answer_body: str, answer_status: int = 200) -> RequestRow:
    """The row of a delivery; an object that was read in Stripe's API has no answer."""
    event = delivery.event
    if event.is_read:
        answer_body, answer_status = "", 200
    return RequestRow(
        received_at=delivery.received_at,
        sender=delivery.sender,
        headers=delivery.headers,
        body_sha256=delivery.body_sha256,
        masked_sha256=delivery.kept_sha256 if delivery.received_sha256 else "",
        signing_key=delivery.signing_key,
        event_id=event.id or "",
        event_type=event.type,
        about=about(event),
        api_version=event.api_version or "",
        account=event.account or "",
        livemode=event.livemode,
        repeats_id=delivery.repeats_id,
        answer_status=answer_status,
        answer_body=answer_body,
        timings=delivery.stopwatch.marks,
    )


class PolicyRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """A policy as a decision's row names it.

    `matching` is the version of the rule that merchants were matched by. `overrides` are the
    scopes' own amounts that held, `pots` the funds of what was measured, `attempts` what limits on
    attempts had counted.
    """

    version: int
    number: int
    scope: str
    measured: str
    matching: int = 1
    overrides: list[Override] = []
    pots: list[Pot] = []
    attempts: list[AttemptsUsed] = []


def policy(applied: AppliedControls) -> PolicyRow:
    return PolicyRow(
        version=applied.version_id,
        number=applied.number,
        scope=scope_key(applied.scope),
        measured=scope_key(applied.measured),
        matching=applied.controls.matching,
        overrides=[*applied.overrides],
        pots=[*applied.pots],
        attempts=[*applied.attempts],
    )


class MerchantColumns(TypedDict):
    """The merchant of a decision or an authorization, except its network id."""

    category: str
    category_code: str
    merchant_country: str
    merchant_name: str


def merchant_columns(found: Merchant) -> MerchantColumns:
    return {
        "category": found.category,
        "category_code": found.category_code,
        "merchant_country": found.country,
        "merchant_name": found.name,
    }


class QuestionColumns(MerchantColumns):
    """The request that was decided; only `event_created` is set if it could not be read."""

    event_created: datetime
    authorization_id: str | None
    card_id: str | None
    cardholder_id: str | None
    amount: int | None
    currency: str
    request: AuthorizationRequest | None


def question_columns(request: AuthorizationRequest) -> QuestionColumns:
    return {
        "event_created": instant(request.event_created),
        "authorization_id": request.authorization_id,
        "card_id": request.card.id,
        "cardholder_id": request.card.cardholder_id,
        "amount": request.amount,
        "currency": request.currency,
        "request": request,
        **merchant_columns(request.asked_at),
    }


def unread_columns(received_at: datetime) -> QuestionColumns:
    return {
        "event_created": received_at,
        "authorization_id": None,
        "card_id": None,
        "cardholder_id": None,
        "amount": None,
        "currency": "",
        "request": None,
        **merchant_columns(Merchant()),
    }


def context(found: PurchaseContext) -> dict[str, Any]:
    """A context as its column has it: what most have nothing of only where there is some."""
    fields = {name: getattr(found, name) for name in PurchaseContext.__slots__}
    for name in ("exceptions", "exclusions", "first_of"):
        if not fields[name]:
            del fields[name]
    return fields


class VerdictColumns(TypedDict):
    """How this desk decided."""

    approved: bool
    approved_amount: int
    is_partial: bool
    reason: str
    exception_id: int | None
    trace: list[dict[str, Any]]


def verdict_columns(decision: Verdict) -> VerdictColumns:
    return {
        "approved": decision.approved,
        "approved_amount": decision.amount,
        "is_partial": decision.is_partial,
        "reason": decision.reason or "",
        "exception_id": decision.exception,
        "trace": codec.plain_trace(decision.trace),
    }


class DecisionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A decision. `webhook_request_id` is the place of its request among those written with it;
    `position` is the place of its number among those drawn, 0 if it has none.

    `context` and `usage` are values, or what codec.plain makes of them.
    """

    id: str
    event_created: datetime
    decided_at: datetime
    authorization_id: str | None
    card_id: str | None
    cardholder_id: str | None
    decided_by: str = DecidedBy.DESK.value
    approved: bool
    stand_in: str = ""
    supersedes: str = ""
    reason: str
    problem: str = ""
    amount: int | None
    approved_amount: int = 0
    is_partial: bool = False
    exception_id: int | None = None
    currency: str
    category: str
    category_code: str
    merchant_country: str
    merchant_name: str
    request: AuthorizationRequest | None
    policies: list[PolicyRow] = []
    context: Any = None
    usage: list[Any] = []
    trace: list[dict[str, Any]] = []
    trace_version: int = TRACE_VERSION
    answer: str
    duration_us: int
    position: int = 0
    webhook_request_id: int = 1


class ExceptionUseRow(msgspec.Struct, frozen=True, kw_only=True):
    """The use of an exception by a decision; `scopes` are the keys of those it counts in."""

    instruction_id: int
    decision_id: str
    used_at: datetime
    scopes: list[str]


USED_TWICE = "The exception that let it through was used by {} as well."
"""The problem of a decision that was sent and not committed, if another used its exception then."""


def exception_uses(decision: DecisionRow, locked: LockedScopes) -> list[ExceptionUseRow]:
    """The use of the exception that let the decision through; none without one."""
    if decision.exception_id is None:
        return []
    use = ExceptionUseRow(
        instruction_id=decision.exception_id,
        decision_id=decision.id,
        used_at=decision.decided_at,
        scopes=locked.usage_scopes,
    )
    return [use]


class StateColumns(TypedDict):
    """The columns of an authorization that change in its life."""

    status: str
    books: AuthorizationState
    captured_amount: int
    is_held: bool
    counted_amount: int
    counted_cash: int
    refunded_amount: int
    count: int
    cash_count: int


def state_columns(state: AuthorizationState, at: Merchant) -> StateColumns:
    counted = state.counted(at)
    return {
        "status": state.status[:50],
        "books": state,
        "captured_amount": state.captured,
        "is_held": state.held > 0,
        "counted_amount": counted.amount,
        "counted_cash": counted.cash,
        "refunded_amount": counted.refunded,
        "count": counted.count,
        "cash_count": counted.cash_count,
    }


class AuthorizationRow(msgspec.Struct, frozen=True, kw_only=True):
    """An authorization; of an existing one only the StateColumns are written."""

    id: str
    card_id: str
    cardholder_id: str
    group_id: int | None
    created: datetime
    currency: str
    category: str
    category_code: str
    merchant_country: str
    merchant_name: str
    network_id: str
    card_presence: str
    authorization_method: str
    status: str
    books: AuthorizationState
    captured_amount: int
    is_held: bool
    counted_amount: int
    counted_cash: int
    refunded_amount: int
    count: int
    cash_count: int
    attempt: str = ""
    refused_by: str = ""


def authorization(
    event: PurchaseEvent,
    locked: LockedScopes,
    state: AuthorizationState,
    attempt: str = "",
    refused_by: Sequence[str] = (),
) -> AuthorizationRow:
    """`attempt` and `refused_by` are written by the authorization's first request alone."""
    return AuthorizationRow(
        id=event.authorization_id,
        card_id=event.card.id,
        cardholder_id=locked.cardholder_id,
        group_id=locked.group_id,
        created=instant(event.created),
        currency=event.currency,
        network_id=event.merchant.network_id,
        card_presence=event.merchant.card_presence,
        authorization_method=event.merchant.authorization_method,
        attempt=attempt,
        refused_by=" ".join(refused_by),
        **merchant_columns(event.merchant),
        **state_columns(state, event.merchant),
    )


class LedgerEntryRow(msgspec.Struct, frozen=True, kw_only=True):
    """One change of what an authorization counts for, by an event or by hand.

    `id` is the place of its number among those drawn.
    """

    id: int = 0
    authorization_id: str
    event_id: str
    cause: str
    amount: int
    cash_amount: int
    refunded_amount: int
    count: int
    cash_count: int
    currency: str
    entered_at: datetime
    author: str = ""
    reason: str = ""


def entry(
    event: PurchaseEvent,
    cause: LedgerCause,
    change: CountedUsage,
    now: datetime,
    *,
    author: str = "",
    reason: str = "",
) -> LedgerEntryRow:
    """A ledger entry; `author` and `reason` are set if it is booked by hand, without an event."""
    return LedgerEntryRow(
        authorization_id=event.authorization_id,
        event_id=event.event_id,
        cause=cause.value,
        amount=change.amount,
        cash_amount=change.cash,
        refunded_amount=change.refunded,
        count=change.count,
        cash_count=change.cash_count,
        currency=event.currency,
        entered_at=now,
        author=author,
        reason=reason,
    )


class TransactionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction as it is booked now."""

    id: str
    type: str
    amount: int
    currency: str
    merchant_amount: int
    merchant_currency: str
    merchant_name: str
    created: datetime
    card_id: str
    linked: str
    booked_under: str
    reported_at: int


def transaction(event: PurchaseEvent, found: TransactionSnapshot, linked: str) -> TransactionRow:
    """A transaction's row; `linked` is the authorization that Stripe names, or ""."""
    return TransactionRow(
        id=found.id,
        type=found.type[:50],
        amount=found.amount,
        currency=event.currency,
        merchant_amount=found.merchant_amount,
        merchant_currency=found.merchant_currency,
        merchant_name=event.merchant.name,
        created=instant(found.created),
        card_id=event.card.id,
        linked=linked,
        booked_under=event.authorization_id,
        reported_at=found.at,
    )


def instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
