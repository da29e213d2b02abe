"""Rows: what was asked, what was answered, and what it rested on, written in one statement."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction

from authorizations.models import DecidedBy, LedgerCause
from authorizations.rules.basics.controls import scope_key
from authorizations.rules.basics.filters import Merchant
from authorizations.rules.decision.controls import AppliedControls
from authorizations.rules.decision.values import (
    DeclineReason,
    PurchaseContext,
    Verdict,
    Window,
    WindowUsage,
)
from authorizations.rules.purchases.books import AuthorizationState
from authorizations.rules.purchases.counted import CountedUsage
from authorizations.rules.purchases.events import AuthorizationRequest, PurchaseEvent, Question
from authorizations.services.host.host_answers import HostAnswer
from authorizations.services.runtime import codec
from authorizations.services.store import answers, decision_log, repeats, rows, statements
from authorizations.services.store.delivery import Delivery
from authorizations.services.store.lookup import LockedScopes
from authorizations.services.store.rows import Row
from authorizations.services.store.usage import Remembered
from authorizations.wire import answer


@dataclass(frozen=True, slots=True)
class Outcome:
    """A decision with all it rested on and all it changes.

    `books` is the authorization's state afterwards, None where it must not be touched; `changes`
    are the steps that led there, `remembered` the usage rows that changed or are new. `position`
    is where in the ledger it stands.
    """

    request: AuthorizationRequest
    held: LockedScopes
    applied: tuple[AppliedControls, ...]
    standing: PurchaseContext
    usage: dict[Window, WindowUsage]
    decision: Verdict
    books: AuthorizationState | None
    changes: list[tuple[LedgerCause, CountedUsage]]
    remembered: list[Remembered]
    position: int
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Rows:
    """What is written beside the webhook request."""

    decisions: Sequence[Row] = ()
    purchases: Sequence[Row] = ()
    entries: Sequence[Row] = ()
    usage: Sequence[Remembered] = ()


NO_ROWS = Rows()


def save_decision(outcome: Outcome, delivery: Delivery) -> bytes:
    """Write everything a decision leaves behind; returns the body of the answer."""
    answer_body, written = _rows_of(outcome, delivery)
    write(delivery, answer_body, written)
    _once_kept(lambda: decision_log.decided(outcome.decision, outcome.request, delivery))
    return answer_body.encode()


def rehearse(outcome: Outcome, delivery: Delivery) -> bytes:
    """Does what `save_decision` does, but writes no row and logs nothing.

    So no number of a sequence is used up: one that is missing looks like a row that was deleted.
    """
    answer_body, written = _rows_of(outcome, delivery)
    nothing = _parameters(NO_ROWS) | {"body": b"", "requests": "[]"}
    statements.run(
        statements.WRITE, **_of_delivery(delivery, answer_body) | _parameters(written) | nothing
    )
    return answer_body.encode()


def _rows_of(outcome: Outcome, delivery: Delivery) -> tuple[str, Rows]:
    """The body of the answer, and what a decision leaves behind."""
    request, now = outcome.request, delivery.now
    row = decision_row(outcome.decision, request.event_id, now) | request_columns(request)
    row |= {
        "problem": outcome.problem,
        "policies": [policy_row(policy) for policy in outcome.applied],
        "standing": outcome.standing,
        "usage": list(outcome.usage.items()),
        "position": outcome.position,
    }
    row["duration_us"] = delivery.stopwatch.mark("decided")
    books, held = outcome.books, outcome.held
    written = Rows(
        decisions=[row],
        purchases=[rows.purchase(request, held, books)] if books else [],
        entries=entries(request, outcome.changes, now),
        usage=outcome.remembered,
    )
    return str(row["answer"]), written


def entries(
    told: PurchaseEvent, changes: Sequence[tuple[LedgerCause, CountedUsage]], now: datetime
) -> list[Row]:
    """What an event changed, in order."""
    return [
        rows.entry(told.authorization_id, told.currency, cause, change, now, event_id=told.event_id)
        for cause, change in changes
    ]


def save_refusal(
    delivery: Delivery,
    reason: DeclineReason,
    problem: str,
    request: AuthorizationRequest | None = None,
) -> bytes:
    """Keep a decline that no policy was asked for; card and books are left alone.

    Raises django.db.Error when the database fails; then nothing was kept.
    """
    decision_id = delivery.decision_id
    decision = Verdict(approved=False, amount=0, reason=reason)
    row = decision_row(decision, decision_id, delivery.now)
    row |= request_columns(request) if request else {"event_created": delivery.received_at}
    row |= {"problem": problem[:500], "policies": [], "standing": None, "usage": []}
    row["position"] = 0
    row["duration_us"] = delivery.stopwatch.mark("decided")
    question = request.question if request else None
    if sent := answers.of_event(decision_id, is_on_record=False):
        return recall(sent, question, delivery)
    try:
        with transaction.atomic():
            write(delivery, row["answer"], Rows(decisions=[row]))
            _once_kept(lambda: decision_log.decided(decision, request, delivery))
    except IntegrityError:  # decided before
        sent = answers.of_event(decision_id, is_on_record=True)
        return recall(sent, question, delivery)
    return str(row["answer"]).encode()


def recall(sent: Sequence[HostAnswer], question: Question | None, delivery: Delivery) -> bytes:
    """Answer a repeated event as before, to the byte, and keep only that it came again."""
    if earlier := answers.to_question(sent, question):
        text, reason = earlier.text, earlier.reason
    else:
        decision = Verdict(approved=False, amount=0, reason=DeclineReason.CONFLICTING_EVENT)
        text, reason = _render(decision, delivery.decision_id), DeclineReason.CONFLICTING_EVENT
    repeats.keep(delivery, text)
    _once_kept(lambda: decision_log.repeated(reason, delivery))
    return text.encode()


def save_receipt(delivery: Delivery, written: Rows = NO_ROWS) -> bytes:
    """Keep an event that asks nothing, and what it changed; returns the body of the answer."""
    text = answer.received().decode()
    write(delivery, text, written)
    return text.encode()


def _once_kept(log: Callable[[], None]) -> None:
    """Told when the transaction has committed, or there would be two lines where it is repeated."""
    transaction.on_commit(log)


def _render(decision: Verdict, decision_id: str) -> str:
    return answer.render(
        approved=decision.approved,
        amount=decision.named_amount,
        decision=decision_id,
        reason=decision.reason or "approved",
    ).decode()


def decision_row(decision: Verdict, decision_id: str, now: datetime) -> Row:
    """A decision of this desk, without what it was about: `request_columns`."""
    return {
        "id": decision_id,
        "decided_by": DecidedBy.DESK,
        "decided_at": now,
        "approved": decision.approved,
        "approved_amount": decision.amount,
        "is_partial": decision.is_partial,
        "reason": decision.reason or "",
        "trace": codec.plain_trace(decision.trace),
        "answer": _render(decision, decision_id),
        "currency": "",
        "stand_in": "",
        "supersedes": "",
    } | rows.merchant(Merchant())


def request_columns(request: AuthorizationRequest) -> Row:
    return {
        "event_created": rows.instant(request.event_created),
        "authorization_id": request.authorization_id,
        "card_id": request.card.id,
        "cardholder_id": request.card.cardholder_id,
        "amount": request.amount,
        "currency": request.currency,
        "request": request,
    } | rows.merchant(request.asked_at)


def policy_row(policy: AppliedControls) -> Row:
    return {
        "version": policy.version_id,
        "number": policy.number,
        "scope": scope_key(policy.scope),
        "measured": scope_key(policy.measured),
        "matching": policy.controls.matching,
    }


def write_part(written: Rows) -> None:
    """Write what an event changed before all of it is written; the purchase may be a new one."""
    statements.run(statements.WRITE, body=b"", requests="[]", **_parameters(written))


def write(delivery: Delivery | None, answer_body: str = "", written: Rows = NO_ROWS) -> None:
    """Write rows, and with them the delivery that caused them, if one did."""
    parameters = _parameters(written)
    if delivery is None:
        del parameters["decisions"]
        statements.run(statements.WRITE_BOOKS, **parameters)
        return
    statements.run(statements.WRITE, **_of_delivery(delivery, answer_body), **parameters)


def _of_delivery(delivery: Delivery, answer_body: str) -> dict[str, object]:
    row = codec.to_json([delivery.row(answer_body)])
    return {"body": delivery.body_to_keep, "requests": row}


def _parameters(written: Rows) -> dict[str, str]:
    return {
        "decisions": codec.to_json(written.decisions),
        "purchases": codec.to_json(written.purchases),
        "entries": codec.to_json(written.entries),
        "usage": codec.to_json(written.usage),
    }
