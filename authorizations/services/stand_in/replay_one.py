"""Brings one answer that was sent without the database into the books, exactly once.

It takes the locks and the steps that `authorize` takes, but decides nothing: the answer is sent.
An amount that exceeds a limit is booked all the same, and flagged.
"""

import logging
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from django.utils import timezone

from authorizations.models import ExceptionUse, LedgerCause, PolicyVersion, WebhookRequest
from authorizations.rules.decision.attempts import attempt_of
from authorizations.rules.decision.values import Verdict
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.services.authorize.decision import answer_of, cause_of_answer, freezes_by
from authorizations.services.authorize.outcome import Freeze, freezing
from authorizations.services.purchases import linking
from authorizations.services.purchases.entries import (
    WITHOUT_BOOKS,
    booking_of,
    flag,
    measured_after,
    rows_of,
)
from authorizations.services.purchases.linking import TakenIn, take_in
from authorizations.services.purchases.steps import Steps
from authorizations.services.runtime import codec
from authorizations.services.runtime.codec import DAMAGED
from authorizations.services.runtime.delivery import Delivery
from authorizations.services.stand_in.decision_ids import AssignedId, assign_id
from authorizations.services.stand_in.spool_record import SpoolRecord
from authorizations.services.store import repeats, rows, writing
from authorizations.services.store.attempts import KeepsChangingError, carry_out
from authorizations.services.store.decision_row import UnreadableRowError, applied_of
from authorizations.services.store.limited_attempts import refusing
from authorizations.services.store.locks import Retry
from authorizations.services.store.lookup import lock
from authorizations.services.store.plans import Plan, call
from authorizations.services.store.rows import DecisionRow
from authorizations.wire import events

logger = logging.getLogger(__name__)


_CONTRADICTS = (
    "Card, currency or creation time differ from what this authorization began with: it is not "
    "counted."
)


class CannotReplayError(Exception):
    """The rows it concerns kept changing. The replay can be tried again."""


class Replayed(StrEnum):
    """The outcome of replaying an answer."""

    WRITTEN = "written"
    CORRECTED = "corrected"
    """The database had a different answer than the one that was sent."""
    KNOWN = "known"
    """It was on record already, or repeats an answer that is."""


@dataclass(frozen=True, slots=True)
class _SentAnswer:
    """A spooled answer, decoded; `request` is None if the request can't be read."""

    record: SpoolRecord
    delivery: Delivery
    request: AuthorizationRequest | None

    @property
    def decision(self) -> Verdict:
        """The decision, of an answer that has one."""
        assert self.record.decision  # noqa: S101 - see `_replay`
        return self.record.decision

    @property
    def is_on_record(self) -> bool:
        """Whether the database has this very delivery with this answer."""
        same = WebhookRequest.objects.filter(
            event_id=self.delivery.event.id or "",
            received_at=self.record.received_at,
            body_sha256=self.delivery.body_sha256,
            answer_body=self.record.answer,
        )
        return same.exists()


def replay(record: SpoolRecord) -> Replayed:
    """Write the rows that the answer would have left in the database, with its original times.

    Raises CannotReplayError, django.db.Error, and NotAnEventError if the body is not an event; then
    nothing is written.
    """
    delivery = record.delivery()
    request = None
    try:
        request = events.authorization_request(delivery.event)
    except events.MalformedEventError:
        pass
    except Exception:  # the same failure made the answer an internal error
        logger.exception("Event %s could not be read.", delivery.event.id)
    sent = _SentAnswer(record, delivery, request)
    try:
        return carry_out(lambda before: _replay(sent, before))
    except KeepsChangingError:
        raise CannotReplayError("its card or authorization kept changing meanwhile.") from None


def _replay(sent: _SentAnswer, before: Retry) -> Plan[Replayed | Retry]:
    """The outcome, or a Retry that says what the next attempt has to lock first."""
    decision, request = sent.record.decision, sent.request
    locked = existing = None
    if decision is not None and request is not None and decision.reason not in WITHOUT_BOOKS:
        found = yield from lock(request, before)
        if isinstance(found, Retry):
            return found
        locked, existing = found.locked, found.existing
    if (yield from call(lambda: sent.is_on_record)):
        return Replayed.KNOWN
    assigned = (yield from assign_id(sent.record, sent.delivery)) if decision else None
    if assigned is None:
        yield from repeats.keep(sent.delivery, sent.record.answer)
        return Replayed.KNOWN
    other = ""
    if sent.decision.exception:
        known = ExceptionUse.objects.filter(pk=sent.decision.exception)
        other = yield from call(lambda: known.values_list("decision_id", flat=True).first() or "")
    used_twice = other and rows.USED_TWICE.format(other)
    if (
        request
        and locked
        and existing
        and (not existing.purchase or existing.purchase.is_of(request))
    ):
        taken_in = yield from take_in(request, locked, existing)
        if isinstance(taken_in, Retry):
            return taken_in
        booking = booking_of(request, locked, taken_in.existing)
        _book(booking.steps, sent, request, assigned, taken_in)
        measured = yield from measured_after(booking)
        row = _row(sent, assigned, request, used_twice)
        # The first to be written is what limits on attempts count, whatever else was sent.
        attempt = "" if request.request_index else attempt_of(sent.decision).value
        limited = (yield from _limited(sent, row.id)) if attempt else _NOT_LIMITED
        written = rows_of(
            booking,
            measured,
            [row],
            timezone.now(),
            attempt=attempt,
            refused_by=limited.refused_by,
        )
        written = replace(written, uses=[] if other else rows.exception_uses(row, locked))
        yield from writing.write(sent.delivery, sent.record.answer, written)
        is_first = not (existing.purchase and existing.purchase.attempt)
        if is_first and (freezes := freezing(limited.freezes, request, row.id)):
            yield freezes
        yield from linking.save(request, taken_in.transactions, booking.steps.last)
        yield from flag(booking, measured)
    else:
        problem = f"{_CONTRADICTS} {used_twice}".strip() if existing else ""
        row = _row(sent, assigned, request, problem)
        uses = rows.exception_uses(row, locked) if locked and not other else []
        written = writing.Rows(decisions=[row], uses=uses)
        yield from writing.write(sent.delivery, sent.record.answer, written)
    return Replayed.CORRECTED if assigned.supersedes else Replayed.WRITTEN


class _Limited(NamedTuple):
    """What limits on attempts make of an answer: those that refused it, and freezes of the card."""

    refused_by: tuple[str, ...] = ()
    freezes: tuple[Freeze, ...] = ()


_NOT_LIMITED = _Limited()


def _limited(sent: _SentAnswer, decision_id: str) -> Plan[_Limited]:
    """What limits on attempts make of an answer, which freezes the card from now on.

    Only an answer that the database computed knows what was counted.
    """
    named = [policy for policy in sent.record.policies if policy.attempts]
    if not named:
        return _NOT_LIMITED
    versions = PolicyVersion.objects.filter(pk__in=[policy.version for policy in named])
    in_force = yield from call(lambda: dict(versions.values_list("policy_id", "pk")))
    try:
        applied = yield from call(lambda: applied_of(codec.plain(named)))
    except (*DAMAGED, UnreadableRowError) as damage:  # such as a version that is not there
        logger.warning("Limits on attempts of answer %s can't be read: %s", decision_id, damage)
        return _NOT_LIMITED
    return _Limited(
        () if sent.decision.approved else refusing(applied, in_force),
        freezes_by(attempt_of(sent.decision), applied, in_force),
    )


def _book(
    steps: Steps,
    sent: _SentAnswer,
    request: AuthorizationRequest,
    assigned: AssignedId,
    taken_in: TakenIn,
) -> None:
    """Take the steps of Stripe's report, then those of the answer."""
    steps.report(request.snapshot, taken_in.transactions, in_one=True)
    # Replaces the answer it supersedes, and stands beside one that was sent as well.
    event_id = assigned.supersedes or assigned.id
    answer = replace(answer_of(request, sent.decision), event_id=event_id)
    answered = steps.reported.with_response(answer)
    if assigned.supersedes:
        steps.to(LedgerCause.ANSWERED, answered)
        return
    asked = steps.reported.requesting(request.request_index, answer.amount, answer.cashback)
    steps.to(LedgerCause.REASKED, asked)
    steps.to(cause_of_answer(request, sent.decision), answered)


def _row(
    sent: _SentAnswer,
    assigned: AssignedId,
    request: AuthorizationRequest | None,
    problem: str = "",
) -> DecisionRow:
    record = sent.record
    asked = rows.question_columns(request) if request else rows.unread_columns(record.received_at)
    return DecisionRow(
        id=assigned.id,
        decided_at=record.answered_at,
        problem=(problem or record.problem or assigned.problem)[:500],
        policies=record.policies,
        context=record.context,
        usage=record.usage,
        position=0,  # its usage was not measured at a position of the ledger
        duration_us=record.duration_us,
        answer=record.answer,
        stand_in=record.stand_in,
        supersedes=assigned.supersedes,
        **rows.verdict_columns(sent.decision),
        **asked,
    )
