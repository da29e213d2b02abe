"""One answer that was sent without the database, brought into the books: late, and exactly once.

The same locks and the same joins as `authorize`, but nothing is decided: the answer is out. What
limits have no room for is taken all the same, and flagged.
"""

import logging
from dataclasses import dataclass, replace
from enum import StrEnum

from django.utils import timezone

from authorizations.models import LedgerCause, WebhookRequest
from authorizations.rules.decision.values import Verdict
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.services.authorize.decision import answer_of, cause_of_answer
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
from authorizations.services.runtime.delivery import Delivery
from authorizations.services.stand_in.decision_ids import Place, place_of
from authorizations.services.stand_in.spool_record import Spooled
from authorizations.services.store import repeats, rows, writing
from authorizations.services.store.attempts import KeepsChangingError, carry_out
from authorizations.services.store.locks import AlsoLocked, Retry
from authorizations.services.store.lookup import load_existing, lock_scopes
from authorizations.services.store.rows import DecisionRow
from authorizations.services.store.statements import Plan, call
from authorizations.wire import events

logger = logging.getLogger(__name__)


_CONTRADICTS = (
    "Card, currency or creation time differ from what this authorization began with: it is not "
    "counted."
)


class CannotReplayError(Exception):
    """The rows it concerns kept changing: it can be tried again."""


class Replayed(StrEnum):
    """What became of a spooled answer."""

    WRITTEN = "written"
    CORRECTED = "corrected"
    """The record had another answer than the one that was sent."""
    KNOWN = "known"
    """It was on record already, or came once more."""


@dataclass(frozen=True, slots=True)
class _Late:
    """A spooled answer, read; `request` is None where it could not be."""

    spooled: Spooled
    delivery: Delivery
    request: AuthorizationRequest | None

    @property
    def decision(self) -> Verdict:
        """Of those that have one."""
        assert self.spooled.decision  # noqa: S101 - see `replay`
        return self.spooled.decision

    @property
    def is_kept(self) -> bool:
        """Whether this very delivery, answered like this, is in the database."""
        kept = WebhookRequest.objects.filter(
            event_id=self.delivery.event.id or "",
            received_at=self.spooled.received_at,
            body_sha256=self.delivery.body_sha256,
            answer_body=self.spooled.answer,
        )
        return kept.exists()


def replay(spooled: Spooled) -> Replayed:
    """Write what its answer would have left behind, with the original times.

    Raises CannotReplayError and django.db.Error, NotAnEventError where its body is none; then
    nothing was kept.
    """
    delivery = spooled.delivery()
    late = _Late(spooled, delivery, _request(delivery))
    try:
        return carry_out(lambda also: _replay(late, also))
    except KeepsChangingError:
        raise CannotReplayError("its card or authorization kept changing meanwhile.") from None


def _request(delivery: Delivery) -> AuthorizationRequest | None:
    try:
        return events.authorization_request(delivery.event)
    except events.MalformedEventError:
        return None
    except Exception:  # as then: what made the answer an internal error
        logger.exception("Event %s could not be read.", delivery.event.id)
        return None


def _replay(late: _Late, also: AlsoLocked | None) -> Plan[Replayed | Retry]:
    """What became of it, or what to lock first next time."""
    decision, request = late.spooled.decision, late.request
    held = known = None
    if decision is not None and request is not None and decision.reason not in WITHOUT_BOOKS:
        locked = yield from lock_scopes(request, also)
        if isinstance(locked, Retry):
            return locked
        held = locked
        known = yield from load_existing(request, held)
        if known.purchase and known.purchase.is_of(request) and not known.purchase.is_within(held):
            return Retry(also)
    if (yield from call(lambda: late.is_kept)):
        return Replayed.KNOWN
    place = (yield from place_of(late.spooled, late.delivery)) if decision else None
    if place is None:
        yield from repeats.keep(late.delivery, late.spooled.answer)
        return Replayed.KNOWN
    if request and held and known and (not known.purchase or known.purchase.is_of(request)):
        taken_in = yield from take_in(request, held, known)
        if isinstance(taken_in, Retry):
            return taken_in
        booking = booking_of(request, held, taken_in.known)
        _take_steps(booking.steps, late, request, place, taken_in)
        measured = yield from measured_after(booking)
        row = _row(late, place, request)
        written = rows_of(booking, measured, [row], timezone.now())
        yield from writing.write(late.delivery, late.spooled.answer, written)
        yield from linking.keep(request, taken_in.transactions, booking.steps.last)
        yield from flag(booking, measured)
    else:
        row = _row(late, place, request, _CONTRADICTS if known else "")
        written = writing.Rows(decisions=[row])
        yield from writing.write(late.delivery, late.spooled.answer, written)
    return Replayed.CORRECTED if place.supersedes else Replayed.WRITTEN


def _take_steps(
    steps: Steps, late: _Late, request: AuthorizationRequest, place: Place, taken_in: TakenIn
) -> None:
    """Stripe's report, then the answer."""
    steps.report(request.snapshot, taken_in.transactions, in_one=True)
    # In the place of the one it supersedes; beside one that was sent as well.
    answer = replace(answer_of(request, late.decision), event_id=place.supersedes or place.id)
    after = steps.reported.with_response(answer)
    if place.supersedes:
        steps.to(LedgerCause.ANSWERED, after)
        return
    asked = steps.reported.requesting(request.request_index, answer.amount, answer.cashback)
    steps.to(LedgerCause.REASKED, asked)
    steps.to(cause_of_answer(request, late.decision), after)


def _row(
    late: _Late, place: Place, request: AuthorizationRequest | None, problem: str = ""
) -> DecisionRow:
    spooled = late.spooled
    asked = rows.question_columns(request) if request else rows.unread_columns(spooled.received_at)
    return DecisionRow(
        id=place.id,
        decided_at=spooled.answered_at,
        problem=(problem or spooled.problem or place.problem)[:500],
        policies=spooled.policies,
        context=spooled.context,
        usage=spooled.usage,
        # What it rested on was measured at another place in the ledger, or not at all.
        position=0,
        duration_us=spooled.duration_us,
        answer=spooled.answer,
        stand_in=spooled.stand_in,
        supersedes=place.supersedes,
        **rows.verdict_columns(late.decision),
        **asked,
    )
