"""Writes a delivery, its decision and all changes in one statement."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import IntegrityError, transaction
from msgspec import structs

from authorizations.rules.decision.values import DeclineReason, Verdict
from authorizations.rules.purchases.events import AuthorizationRequest, Question
from authorizations.services.host.host_answers import HostAnswer
from authorizations.services.runtime import codec, decision_log
from authorizations.services.runtime.delivery import Delivery
from authorizations.services.runtime.pipeline import Statement
from authorizations.services.store import (
    answers,
    plans,
    repeats,
    rows,
    write_statements,
)
from authorizations.services.store.plans import Plan, drive
from authorizations.services.store.rows import (
    AuthorizationRow,
    DecisionRow,
    ExceptionUseRow,
    LedgerEntryRow,
)
from authorizations.services.store.usage import Remembered, UsageKey
from authorizations.wire import answer


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows to write besides the webhook request."""

    decisions: Sequence[DecisionRow] = ()
    purchases: Sequence[AuthorizationRow] = ()
    entries: Sequence[LedgerEntryRow] = ()
    usage: Sequence[Remembered] = ()
    uses: Sequence[ExceptionUseRow] = ()


NO_ROWS = Rows()


class Written(NamedTuple):
    """A delivery with its answer and the rows it causes."""

    delivery: Delivery
    answer_body: str
    rows: Rows = NO_ROWS


def save_refusal(
    delivery: Delivery,
    reason: DeclineReason,
    problem: str,
    request: AuthorizationRequest | None = None,
) -> bytes:
    """Record a decline made without asking a policy; returns the body of the answer.

    Card and books stay unchanged. Raises django.db.Error; then nothing is recorded.
    """
    decision = Verdict(approved=False, amount=0, reason=reason)
    question = request.question if request else None
    text = render(decision, delivery.decision_id)
    asked = rows.question_columns(request) if request else rows.unread_columns(delivery.received_at)
    row = DecisionRow(
        id=delivery.decision_id,
        decided_at=delivery.now,
        problem=problem[:500],
        answer=text,
        duration_us=delivery.stopwatch.mark("decided"),
        **rows.verdict_columns(decision),
        **asked,
    )
    if sent := drive(answers.of_event(row.id, is_on_record=False)):
        return drive(recall(sent, question, delivery))
    try:
        with transaction.atomic():
            drive(write(delivery, text, Rows(decisions=[row])))
            once_kept(lambda: decision_log.decided(decision, request, delivery))
    except IntegrityError:  # decided before
        sent = drive(answers.of_event(row.id, is_on_record=True))
        return drive(recall(sent, question, delivery))
    return text.encode()


def recall(
    sent: Sequence[HostAnswer], question: Question | None, delivery: Delivery
) -> Plan[bytes]:
    """Answer a repeated event as before, to the byte, and keep only that it came again."""
    if earlier := answers.to_question(sent, question):
        text, reason = earlier.text, earlier.reason
    else:
        decision = Verdict(approved=False, amount=0, reason=DeclineReason.CONFLICTING_EVENT)
        text, reason = render(decision, delivery.decision_id), DeclineReason.CONFLICTING_EVENT
    yield from repeats.keep(delivery, text)
    once_kept(lambda: decision_log.repeated(reason, delivery))
    return text.encode()


def save_receipt(delivery: Delivery, written: Rows = NO_ROWS) -> Plan[bytes]:
    """Record an event that is not a request, and its changes; returns the body of the answer."""
    text = answer.received().decode()
    yield from write(delivery, text, written)
    return text.encode()


def once_kept(log: Callable[[], None]) -> None:
    """Call `log` after the commit, so that a retried transaction is logged once."""
    transaction.on_commit(log)


def render(decision: Verdict, decision_id: str) -> str:
    """The body of the answer."""
    return answer.render(
        approved=decision.approved,
        amount=decision.named_amount,
        decision=decision_id,
        reason=decision.reason or "approved",
    ).decode()


def write(delivery: Delivery, answer_body: str, written: Rows = NO_ROWS) -> Plan[None]:
    """Write rows together with the delivery that caused them."""
    yield write_all([Written(delivery, answer_body, written)])


def write_all(written: Sequence[Written]) -> list[Statement]:
    """The statements that write several deliveries with their rows, in this order."""
    statements = [_write(written)]
    if uses := [use for one in written for use in one.rows.uses]:
        statements.append(Statement(write_statements.USE, {"uses": codec.to_json(uses)}))
    return statements


def _write(written: Sequence[Written]) -> Statement:
    requests = [rows.request(one.delivery, one.answer_body) for one in written]
    return Statement(
        write_statements.WRITE,
        {
            "bodies": [one.delivery.body_to_keep for one in written],
            "requests": codec.to_json(requests),
            **_parameters([one.rows for one in written]),
        },
    )


def write_part(written: Rows) -> Plan[None]:
    """Write a part of an event's changes, without its delivery; the purchase may be new."""
    yield from plans.ask(write_statements.WRITE, **_NO_DELIVERIES, **_parameters([written]))


def write_books(written: Rows) -> Plan[None]:
    """Write changes of existing purchases that no delivery caused."""
    parameters = _parameters([written])
    del parameters["decisions"]
    yield from plans.ask(write_statements.WRITE_BOOKS, **parameters)


def write_nothing(delivery: Delivery, answer_body: str, written: Rows) -> Plan[None]:
    """Run the statement of `write` without writing a row.

    No number of a sequence is used: a missing number would look like a deleted row.
    """
    made = _write([Written(delivery, answer_body, written)]).parameters
    nothing = _NO_DELIVERIES | _parameters([NO_ROWS])
    yield from plans.ask(write_statements.WRITE, **{**made, **nothing})


_NO_DELIVERIES: dict[str, Any] = {"bodies": list[bytes](), "requests": "[]"}


def _parameters(parts: Sequence[Rows]) -> dict[str, Any]:
    """The rows of several deliveries, each with the places of its numbers and of its request."""
    decisions: list[DecisionRow] = []
    entries: list[LedgerEntryRow] = []
    usage: dict[UsageKey, Remembered] = {}
    numbers = 0
    for place, part in enumerate(parts, start=1):
        for decision in part.decisions:
            numbers += bool(decision.position)
            position = numbers if decision.position else 0
            decisions.append(structs.replace(decision, position=position, webhook_request_id=place))
        for numbers, entry in enumerate(part.entries, start=numbers + 1):  # noqa: B020
            entries.append(structs.replace(entry, id=numbers))
        usage |= {row.key: row for row in part.usage}  # the last has what those before it used
    return {
        "numbers": numbers,
        "decisions": codec.to_json(decisions),
        "purchases": codec.to_json([row for part in parts for row in part.purchases]),
        "entries": codec.to_json(entries),
        "usage": codec.to_json(list(usage.values())),
    }
