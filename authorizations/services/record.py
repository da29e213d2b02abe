"""Rows: what was asked, what was answered, and what it rested on, written in one statement."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import IntegrityError, transaction

from authorizations.models import Decision as DecisionRow
from authorizations.models import LedgerCause
from authorizations.rules.books import Books, Counted
from authorizations.rules.controls import AppliedControls
from authorizations.rules.filters import Merchant
from authorizations.rules.values import (
    AuthorizationRequest,
    Decision,
    DeclineReason,
    Standing,
    Usage,
    Window,
)
from authorizations.services import codec, sql
from authorizations.services.delivery import Delivery
from authorizations.services.known import Held, Recorded
from authorizations.services.usage import Remembered, scope_key
from authorizations.wire import answer

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A decision with all it rested on and all it changes.

    `books` is the authorization's state afterwards, None where it must not be touched; `changes`
    are the steps that led there, `remembered` the usage rows that changed or are new.
    """

    request: AuthorizationRequest
    held: Held
    standing: Standing
    usage: dict[Window, Usage]
    decision: Decision
    books: Books | None
    changes: list[tuple[LedgerCause, Counted]]
    remembered: list[Remembered]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Rows:
    """What is written beside the webhook request."""

    decisions: Sequence[Row] = ()
    purchases: Sequence[Row] = ()
    entries: Sequence[Row] = ()
    usage: Sequence[Remembered] = ()


NO_ROWS = Rows()


def decided(outcome: Outcome, delivery: Delivery) -> bytes:
    """Write everything a decision leaves behind; returns the body of the answer."""
    request, now = outcome.request, delivery.now
    row = _decision_row(outcome.decision, request.event_id, now) | _request_columns(request)
    row |= {
        "problem": outcome.problem,
        "policies": [_policy_row(policy) for policy in outcome.held.applied],
        "standing": outcome.standing,
        "usage": list(outcome.usage.items()),
    }
    row["duration_us"] = delivery.stopwatch.mark("decided")
    rows = Rows(
        decisions=[row],
        purchases=[_purchase_row(outcome)] if outcome.books else [],
        entries=[_entry_row(request, cause, change, now) for cause, change in outcome.changes],
        usage=outcome.remembered,
    )
    _write(delivery, row["answer"], rows)
    return str(row["answer"]).encode()


def refused(
    delivery: Delivery,
    reason: DeclineReason,
    problem: str,
    request: AuthorizationRequest | None = None,
) -> bytes:
    """Keep a decline that no policy was asked for; card and books are left alone.

    Raises django.db.Error when the database fails; then nothing was kept.
    """
    # Without an event id the body itself names the decision: the same again is the same.
    decision_id = delivery.event.id or f"request_{delivery.body_sha256[:32]}"
    decision = Decision(approved=False, amount=0, reason=reason)
    row = _decision_row(decision, decision_id, delivery.now)
    row |= _request_columns(request) if request else {"event_created": delivery.received_at}
    row |= {"problem": problem[:500], "policies": [], "standing": None, "usage": []}
    row["duration_us"] = delivery.stopwatch.mark("decided")
    try:
        with transaction.atomic():
            _write(delivery, row["answer"], Rows(decisions=[row]))
    except IntegrityError:  # decided before
        return recall(_recorded(decision_id), request, delivery)
    return str(row["answer"]).encode()


def recall(recorded: Recorded, request: AuthorizationRequest | None, delivery: Delivery) -> bytes:
    """Answer a repeated event as before, to the byte, and keep only that it came again."""
    text = recorded.answer
    if not recorded.answers(request):
        decision = Decision(approved=False, amount=0, reason=DeclineReason.CONFLICTING_EVENT)
        text = _render(decision, delivery.event.id or "")
    _write(delivery, text)
    return text.encode()


def received(delivery: Delivery) -> bytes:
    """Keep an event that asks nothing; returns the body of the answer."""
    text = answer.received().decode()
    _write(delivery, text)
    return text.encode()


def _recorded(decision_id: str) -> Recorded:
    columns = ("reason", "answer", "authorization_id", "card_id", "amount")
    return Recorded(*DecisionRow.objects.values_list(*columns).get(pk=decision_id))


def _render(decision: Decision, decision_id: str) -> str:
    partial_amount = decision.amount if decision.is_partial else None
    reason = decision.reason or "approved"
    return answer.render(
        approved=decision.approved, amount=partial_amount, decision=decision_id, reason=reason
    ).decode()


def _decision_row(decision: Decision, decision_id: str, now: datetime) -> Row:
    return {
        "id": decision_id,
        "decided_at": now,
        "approved": decision.approved,
        "approved_amount": decision.amount,
        "is_partial": decision.is_partial,
        "reason": decision.reason or "",
        "trace": codec.plain_trace(decision.trace),
        "answer": _render(decision, decision_id),
        "currency": "",
    } | _merchant_columns(Merchant())


def _request_columns(request: AuthorizationRequest) -> Row:
    return {
        "event_created": _instant(request.event_created),
        "authorization_id": request.authorization_id,
        "card_id": request.card.id,
        "cardholder_id": request.card.cardholder_id,
        "amount": request.amount,
        "currency": request.currency,
        "request": request,
    } | _merchant_columns(request.merchant)


def _merchant_columns(merchant: Merchant) -> Row:
    return {
        "category": merchant.category,
        "category_code": merchant.category_code,
        "merchant_country": merchant.country,
        "merchant_name": merchant.name,
    }


def _policy_row(policy: AppliedControls) -> Row:
    return {
        "version": policy.version_id,
        "number": policy.number,
        "scope": scope_key(policy.scope),
        "measured": scope_key(policy.measured),
    }


def _purchase_row(outcome: Outcome) -> Row:
    request, held, books = outcome.request, outcome.held, outcome.books or Books()
    counted = books.counted(request.merchant)
    return {
        "id": request.authorization_id,
        "card_id": request.card.id,
        "root_card_id": held.root_id,
        "cardholder_id": held.cardholder_id,
        "group_id": held.group_id,
        "created": _instant(request.created),
        "currency": request.currency,
        "network_id": request.merchant.network_id,
        "books": books,
        "counted_amount": counted.amount,
        "counted_cash": counted.cash,
        "refunded_amount": counted.refunded,
        "count": counted.count,
        "cash_count": counted.cash_count,
    } | _merchant_columns(request.merchant)


def _entry_row(
    request: AuthorizationRequest, cause: LedgerCause, change: Counted, now: datetime
) -> Row:
    return {
        "authorization_id": request.authorization_id,
        "event_id": request.event_id,
        "cause": cause,
        "amount": change.amount,
        "cash_amount": change.cash,
        "refunded_amount": change.refunded,
        "count": change.count,
        "cash_count": change.cash_count,
        "currency": request.currency,
        "entered_at": now,
    }


def _instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _write(
    delivery: Delivery,
    answer_body: str,
    rows: Rows = NO_ROWS,
) -> None:
    sql.run(
        sql.WRITE,
        body=delivery.body,
        request=codec.to_json(delivery.row(answer_body)),
        decisions=codec.to_json(rows.decisions),
        purchases=codec.to_json(rows.purchases),
        entries=codec.to_json(rows.entries),
        usage=codec.to_json(rows.usage),
    )
