"""Answers given without the database: decided by what was last known, kept in the spool.

Nothing here raises, and nothing is approved that is not on the disk: whatever breaks, the answer
is a decline.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from django.conf import settings

from authorizations.rules.controls import AppliedControls
from authorizations.rules.stand_in import (
    Circumstances,
    Refusal,
    StandInCause,
    decide_without_usage,
    needs_cap,
)
from authorizations.rules.values import AuthorizationRequest, Decision, DeclineReason
from authorizations.services import (
    decision_log,
    metrics,
    spool,
    stand_in_caps,
    standing_copy,
    switch,
)
from authorizations.services.authorize import CommitUnknownError
from authorizations.services.delivery import Delivery
from authorizations.services.spooled import COMMIT_UNKNOWN, Spooled, encode, spooled
from authorizations.wire import answer as wire

logger = logging.getLogger(__name__)

ANSWER_BUDGET_MS = 880
"""From the arrival of a request; the rest of 900 is for sending."""

_CAP_WAIT_S = 0.1

_slots = threading.BoundedSemaphore(64)
"""So many answers wait for the disk at once; where it hangs, further ones don't wait for it."""

_SETTINGS = {
    StandInCause.DATABASE_UNREACHABLE: "STAND_IN_ON_DATABASE_UNREACHABLE",
    StandInCause.OVERLOADED: "STAND_IN_ON_DATABASE_UNREACHABLE",
    StandInCause.DEADLINE_MISSED: "STAND_IN_ON_DEADLINE_MISSED",
    StandInCause.INTERNAL_ERROR: "STAND_IN_ON_INTERNAL_ERROR",
}


@dataclass(frozen=True, slots=True)
class StandInAnswer:
    """A decision made without the database, and what it rested on."""

    decision: Decision
    applied: tuple[AppliedControls, ...] = ()
    circumstances: Circumstances = field(default_factory=Circumstances)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What may be sent, with its record; `money` where it may only be sent once that is kept."""

    body: bytes
    record: Spooled
    money: bool = False


def answer(request: AuthorizationRequest, delivery: Delivery, cause: StandInCause) -> bytes:
    """Decide an authorization request without the database; returns the body of the answer."""

    def decided() -> _Answer:
        found = stand_in(request, cause, delivery.seconds_left(ANSWER_BUDGET_MS))
        body = _render(delivery, found.decision, cause)
        record = spooled(
            delivery,
            cause,
            body,
            found.decision,
            applied=found.applied,
            standing=found.circumstances,
        )
        return _Answer(body, record, money=found.decision.approved)

    def declined() -> _Answer:
        return _decline(delivery, cause, DeclineReason.INTERNAL_ERROR)

    return _sent(delivery, decided, declined, request)


def refused(
    delivery: Delivery,
    reason: DeclineReason,
    problem: str,
    cause: StandInCause = StandInCause.DATABASE_UNREACHABLE,
) -> bytes:
    """Decline a request that no policy is asked for; returns the body of the answer."""

    def declined() -> _Answer:
        return _decline(delivery, cause, reason, problem)

    return _sent(delivery, declined, declined)


def commit_unknown(unknown: CommitUnknownError, delivery: Delivery) -> bytes:
    """Answer what was computed, and let the replay find out whether the database has it."""
    computed = unknown.computed
    outcome = computed.outcome
    if outcome is None:  # the recorded answer once more
        record = spooled(delivery, COMMIT_UNKNOWN, computed.body, None)
        again = _Answer(computed.body, record)
        return _sent(delivery, lambda: again, lambda: again)

    def kept() -> _Answer:
        record = spooled(
            delivery,
            COMMIT_UNKNOWN,
            computed.body,
            outcome.decision,
            applied=outcome.held.applied,
            standing=outcome.standing,
            usage=outcome.usage,
            problem=outcome.problem,
        )
        return _Answer(computed.body, record, money=outcome.decision.approved)

    cause = StandInCause.DEADLINE_MISSED

    def declined() -> _Answer:
        return _decline(delivery, cause, DeclineReason.INTERNAL_ERROR)

    return _sent(delivery, kept, declined, outcome.request)


def stand_in(
    request: AuthorizationRequest, cause: StandInCause, seconds_left: float
) -> StandInAnswer:
    """The decision, from this host's copy of cards and policies; caps are taken of."""
    name = _SETTINGS.get(cause)
    if name and not getattr(settings, name):
        return _refusal(request, Refusal.CAUSE_SWITCHED_OFF)
    try:
        heard_at = standing_copy.read_at()
        card = standing_copy.card(request.card.id, request.card.cardholder_id)
    except standing_copy.NothingKnownError as nothing:
        logger.error("Stand-in knows nothing: %s", nothing)
        return _refusal(request, Refusal.NOTHING_KNOWN)
    if standing_copy.age_s() > settings.STAND_IN_MAX_AGE_S:
        return _refusal(request, Refusal.COPY_TOO_OLD)
    if card is None:
        return _refusal(request, Refusal.UNKNOWN_CARD)
    circumstances = Circumstances(card.frozen, hosts=settings.STAND_IN_HOSTS)
    if not needs_cap(request, circumstances, card.applied):
        decision = decide_without_usage(request, circumstances, card.applied)
        return StandInAnswer(decision, card.applied, circumstances)
    return _capped(request, card, circumstances, heard_at, min(_CAP_WAIT_S, seconds_left))


def _refusal(
    request: AuthorizationRequest, refusal: Refusal, applied: tuple[AppliedControls, ...] = ()
) -> StandInAnswer:
    circumstances = Circumstances(refusal=refusal)
    return StandInAnswer(
        decide_without_usage(request, circumstances, applied), applied, circumstances
    )


def _capped(
    request: AuthorizationRequest,
    card: standing_copy.KnownCard,
    circumstances: Circumstances,
    heard_at: float,
    within_s: float,
) -> StandInAnswer:
    """The decision where the card's cap has a say; what it approves is taken of the cap."""
    switched = switch.state()
    try:
        with stand_in_caps.turn(
            card.root_id,
            request.event_id,
            heard_at=heard_at,
            switched_on_at=switched.since if switched.on else None,
            within_s=within_s,
        ) as turn:
            circumstances = replace(circumstances, taken=turn.taken)
            decision = decide_without_usage(request, circumstances, card.applied)
            turn.take(decision.amount)
    except stand_in_caps.CapUnknownError as unknown:
        logger.error("A stand-in cap can't be kept: %s", unknown)
        return _refusal(request, Refusal.CAP_UNKNOWN, card.applied)
    return StandInAnswer(decision, card.applied, circumstances)


def _decline(
    delivery: Delivery, cause: StandInCause, reason: DeclineReason, problem: str = ""
) -> _Answer:
    decision = Decision(approved=False, amount=0, reason=reason)
    body = _render(delivery, decision, cause)
    return _Answer(body, spooled(delivery, cause, body, decision, problem=problem))


def _render(delivery: Delivery, decision: Decision, cause: StandInCause) -> bytes:
    return wire.render(
        approved=decision.approved,
        amount=decision.named_amount,
        decision=delivery.event.id or "",
        reason=decision.reason,
        stand_in=cause,
    )


def _sent(
    delivery: Delivery,
    decide: Callable[[], _Answer],
    decline: Callable[[], _Answer],
    request: AuthorizationRequest | None = None,
) -> bytes:
    """What `decide` says, once it is kept; what `decline` says where that takes too long or fails.

    A thread of its own waits for the disk.
    """
    way = _Way(decide, decline())
    if _slots.acquire(blocking=False):
        try:
            threading.Thread(target=way.go, name="stand-in", daemon=True).start()
        except RuntimeError:  # no more threads
            _slots.release()
        else:
            way.ended.wait(max(0.0, delivery.seconds_left(ANSWER_BUDGET_MS)))
    sent = way.settle(way.instead)
    if not way.ended.is_set():
        logger.error("Declined, because the disk took too long: %s", delivery.event.id)
    _tell(sent.record, request, delivery)
    return sent.body


def _tell(record: Spooled, request: AuthorizationRequest | None, delivery: Delivery) -> None:
    metrics.stood_in(record.cause)
    if record.decision is None:
        decision_log.repeated("", delivery)
    else:
        decision_log.decided(record.decision, request, delivery, record.stand_in)


@dataclass(slots=True)
class _Way:
    """One answer on its way to the spool, while Stripe waits in another thread.

    `sent` is settled once, by whichever thread comes first; what was sent is the truth, and where
    the spool has something else already, the truth follows.
    """

    decide: Callable[[], _Answer]
    instead: _Answer
    sent: _Answer | None = None
    ended: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def settle(self, answer: _Answer) -> _Answer:
        with self._lock:
            if self.sent is None:
                self.sent = answer
            return self.sent

    def go(self) -> None:
        try:
            kept = self._kept(self._decided())
            if self.settle(kept) is not kept:
                self._kept(self.instead)
        finally:
            self.ended.set()
            _slots.release()

    def _decided(self) -> _Answer:
        try:
            decided = self.decide()
        except Exception:
            logger.exception("Stand-in failed, so the purchase is declined.")
            return self.instead
        return self.instead if self.sent else decided

    def _kept(self, answer: _Answer) -> _Answer:
        """The answer that can be given: what costs money only with its record on the disk."""
        try:
            spool.append(encode(answer.record))
        except Exception:
            metrics.spool_failed()
            logger.critical("An answer is not on record: %s", answer.body, exc_info=True)
            return self.instead if answer.money else answer
        return answer
