"""Answers requests without the database, from this host's copy, and spools the answers.

Nothing here raises, and no approval is sent before it is on disk. If anything fails, the answer is
a decline.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from django.conf import settings

from authorizations.rules.basics.filters import LimitFilter, UnknownMerchant
from authorizations.rules.decision.checks import concerning
from authorizations.rules.decision.controls import AppliedControls
from authorizations.rules.decision.stand_in import (
    Refusal,
    StandInCause,
    StandInContext,
    begun,
    change_by,
    decide_without_usage,
    windows_needed,
)
from authorizations.rules.decision.values import DeclineReason, Verdict, Window
from authorizations.rules.purchases.events import AuthorizationRequest, Question
from authorizations.services.authorize.transaction import CommitUnknownError
from authorizations.services.host import caps, local_copy, recent_answers, recent_merchants
from authorizations.services.host.host_memory import Approval
from authorizations.services.runtime import budget, decision_log, metrics
from authorizations.services.runtime.delivery import Delivery
from authorizations.services.stand_in.durable_answer import DurableAnswer, settle
from authorizations.services.stand_in.spool_record import COMMIT_UNKNOWN, spool_record
from authorizations.services.store import answers, rows
from authorizations.services.store.plans import drive
from authorizations.wire import answer as wire

logger = logging.getLogger(__name__)

_SETTINGS = {
    StandInCause.DATABASE_UNREACHABLE: "STAND_IN_ON_DATABASE_UNREACHABLE",
    StandInCause.OVERLOADED: "STAND_IN_ON_OVERLOADED",
    StandInCause.DEADLINE_MISSED: "STAND_IN_ON_DEADLINE_MISSED",
    StandInCause.ROW_LOCKED: "STAND_IN_ON_DEADLINE_MISSED",
    StandInCause.INTERNAL_ERROR: "STAND_IN_ON_INTERNAL_ERROR",
}


@dataclass(frozen=True, slots=True)
class StandInAnswer:
    """A decision made without the database, and what it rested on."""

    decision: Verdict
    applied: tuple[AppliedControls, ...] = ()
    context: StandInContext = field(default_factory=StandInContext)


def answer(request: AuthorizationRequest, delivery: Delivery, cause: StandInCause) -> bytes:
    """Decide an authorization request without the database; returns the body of the answer."""

    def decide() -> DurableAnswer:
        if earlier := _earlier(delivery, request.question, cause):
            return earlier
        made = stand_in(request, cause, delivery.seconds_left(budget.STAND_IN_MS))
        if made.decision.approved:
            recent_merchants.note(begun(request, made.context))
        body = _render(delivery, made.decision, cause)
        record = spool_record(
            delivery,
            cause,
            body,
            made.decision,
            applied=made.applied,
            context=made.context,
        )
        return DurableAnswer(body, record, money=made.decision.approved)

    fallback = _decline(delivery, cause, DeclineReason.INTERNAL_ERROR)
    return _log(settle(delivery, decide, fallback), request, delivery)


def refused(
    delivery: Delivery,
    reason: DeclineReason,
    problem: str,
    cause: StandInCause = StandInCause.DATABASE_UNREACHABLE,
    request: AuthorizationRequest | None = None,
) -> bytes:
    """Decline a request for `reason`, without asking a policy; returns the body of the answer.

    An event that this host has answered before gets that answer again.
    """
    question = request.question if request else None
    decline = _decline(delivery, cause, reason, problem)
    chosen = settle(delivery, lambda: _earlier(delivery, question, cause) or decline, decline)
    return _log(chosen, None, delivery)


def commit_unknown(unknown: CommitUnknownError, delivery: Delivery) -> bytes:
    """Send the answer that was computed; the replay finds out whether it was committed."""
    computed = unknown.computed
    outcome = computed.outcome
    if outcome is None:  # a recorded answer, sent again
        record = spool_record(delivery, COMMIT_UNKNOWN, computed.body, None)
        again = DurableAnswer(computed.body, record, is_repeat=True)
        return _log(settle(delivery, lambda: again, again), None, delivery)

    def decide() -> DurableAnswer:
        record = spool_record(
            delivery,
            COMMIT_UNKNOWN,
            computed.body,
            outcome.decision,
            applied=outcome.applied,
            context=rows.context(outcome.context),
            usage=outcome.usage,
            problem=outcome.problem,
        )
        return DurableAnswer(computed.body, record, money=outcome.decision.approved)

    fallback = _decline(delivery, StandInCause.DEADLINE_MISSED, DeclineReason.INTERNAL_ERROR)
    return _log(settle(delivery, decide, fallback), outcome.request, delivery)


def stand_in(
    request: AuthorizationRequest, cause: StandInCause, seconds_left: float
) -> StandInAnswer:
    """Decide from this host's copy of cards and policies; an approval is taken from its caps."""
    name = _SETTINGS.get(cause)
    if name and not getattr(settings, name):
        return _refusal(request, Refusal.CAUSE_SWITCHED_OFF)
    try:
        card = local_copy.card(request.card.id, request.card.cardholder_id)
        is_too_old = local_copy.age_s() > settings.STAND_IN_MAX_AGE_S
    except local_copy.NoCopyError as error:
        logger.error("Stand-in declines, because it has no copy to decide from: %s", error)
        return _refusal(request, Refusal.NOTHING_KNOWN)
    if is_too_old or card is None:
        refusal = Refusal.COPY_TOO_OLD if is_too_old else Refusal.UNKNOWN_CARD
        return _refusal(request, refusal)
    began_at = recent_merchants.look_up(request.authorization_id) if request.request_index else None
    context = StandInContext(
        card.frozen,
        hosts=settings.STAND_IN_HOSTS,
        began_at=began_at,
        stops=concerning(request, card.stops),
        exclusions=card.exclusions,
    )
    windows = windows_needed(request, context, card.applied)
    if not windows:
        decision = decide_without_usage(request, context, card.applied)
        if not (decision.approved and card.shares_cap):
            return StandInAnswer(decision, card.applied, context)
    elif cause is StandInCause.OVERLOADED:
        return _refusal(request, Refusal.OVERLOAD_OPENS_NO_CAP, card.applied)
    within_s = min(budget.CAP_WAIT_MS / 1000, seconds_left)
    return _capped(request, card, context, windows, within_s)


def _earlier(
    delivery: Delivery, question: Question | None, cause: StandInCause
) -> DurableAnswer | None:
    """The answer this host gave to the event before; None if it gave none.

    An event id that was answered for a different question gets a decline.
    """
    earlier = drive(answers.of_event(delivery.decision_id, is_on_record=False))
    if not earlier and (recent := recent_answers.look_up(delivery.decision_id)):
        earlier = [recent]
    if not earlier:
        return None
    if again := answers.to_question(earlier, question):
        body = again.text.encode()
        return DurableAnswer(body, spool_record(delivery, cause, body, None), is_repeat=True)
    reason = DeclineReason.CONFLICTING_EVENT
    problem = "A different question was answered under this event id before."
    return replace(_decline(delivery, cause, reason, problem), is_repeat=True)


def _refusal(
    request: AuthorizationRequest, refusal: Refusal, applied: tuple[AppliedControls, ...] = ()
) -> StandInAnswer:
    context = StandInContext(refusal=refusal)
    return StandInAnswer(decide_without_usage(request, context, applied), applied, context)


def _capped(
    request: AuthorizationRequest,
    card: local_copy.CopiedCard,
    context: StandInContext,
    windows: Mapping[Window, LimitFilter],
    within_s: float,
) -> StandInAnswer:
    """Decide where caps apply, if only to others in a scope; an approved amount is taken from them.

    Waits at most `within_s` seconds for other processes of the host.
    """
    question = caps.question_of(request)
    try:
        with caps.turn(question, windows, since=card.since, within_s=within_s) as turn:
            context = replace(context, windows=turn.windows)
            decision = decide_without_usage(request, context, card.applied)
            if decision.approved:
                counted = begun(request, context)
                is_anywhere = isinstance(counted.merchant, UnknownMerchant)
                turn.take(
                    Approval(
                        question=question,
                        scopes=card.scopes,
                        created=request.created,
                        currency=request.currency,
                        merchant=None if is_anywhere else counted.merchant,
                        change=change_by(counted, decision),
                    )
                )
    except caps.CapUnknownError as error:
        logger.error("Stand-in declines, because it can't tell what a cap has left: %s", error)
        return _refusal(request, Refusal.CAP_UNKNOWN, card.applied)
    return StandInAnswer(decision, card.applied, context)


def _decline(
    delivery: Delivery, cause: StandInCause, reason: DeclineReason, problem: str = ""
) -> DurableAnswer:
    decision = Verdict(approved=False, amount=0, reason=reason)
    body = _render(delivery, decision, cause)
    return DurableAnswer(body, spool_record(delivery, cause, body, decision, problem=problem))


def _render(delivery: Delivery, decision: Verdict, cause: StandInCause) -> bytes:
    return wire.render(
        approved=decision.approved,
        amount=decision.named_amount,
        decision=delivery.decision_id,
        reason=decision.reason,
        stand_in=cause,
    )


def _log(chosen: DurableAnswer, request: AuthorizationRequest | None, delivery: Delivery) -> bytes:
    """Count and log an answer; returns its body."""
    record = chosen.record
    metrics.stood_in(record.cause)
    if record.decision is None:
        decision_log.repeated("", delivery)
    else:
        decision_log.decided(record.decision, request, delivery, record.stand_in)
    return chosen.body
