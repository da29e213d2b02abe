"""Answers every event in time: by the database or, if that fails, by stand-in.

Nothing here raises: a signed authorization request always gets a well-formed answer.
"""

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from time import monotonic

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from authorizations.rules.decision.stand_in import StandInCause
from authorizations.rules.decision.values import DeclineReason, Verdict
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.services.authorize.transaction import CommitUnknownError, authorize
from authorizations.services.host.caps import NotReplayedError
from authorizations.services.lifecycle import intake
from authorizations.services.runtime import budget, decision_log, metrics
from authorizations.services.runtime.breaker import Breaker
from authorizations.services.runtime.deadline import deadline, has_passed, took_too_long
from authorizations.services.runtime.delivery import Delivery
from authorizations.services.runtime.pool import Probe
from authorizations.services.stand_in import answers, replay, switch
from authorizations.services.store import locked_rows, repeats, writing
from authorizations.services.store.repeats import SentBefore
from authorizations.wire import answer as wire
from authorizations.wire import events

logger = logging.getLogger(__name__)

_REPLAY_S = 60.0
_later_turns = threading.BoundedSemaphore(2)
"""Maximum later events applied at once in a process; the other threads are for purchases."""

_keeping_turns = threading.BoundedSemaphore(1)
"""Maximum later events kept for the background at once, which takes some milliseconds each.

Of the four threads of a process (web/webhook_server.py), the fourth is thus free for purchases,
except while a further event waits for its turn to be kept.
"""


def answer_at_once(body_sha256: str, received_at: datetime) -> SentBefore | None:
    """What a body was answered with that came more than sixty times in this minute; it is counted.

    None for every other body, which is nearly all of them.
    """
    return repeats.answer_at_once(body_sha256, received_at)


def answer(delivery: Delivery) -> bytes:
    """The body of the answer to an authorization request, after it is recorded or spooled."""
    try:
        try:
            request = events.authorization_request(delivery.event)
        except events.MalformedEventError as malformed:
            return _refused(delivery, DeclineReason.MALFORMED_REQUEST, malformed.problem)
        if settings.STRIPE_LIVEMODE not in (None, request.livemode):
            if request.account:
                metrics.of_other_mode()
            modes = ("live", "test") if request.livemode else ("test", "live")
            problem = f"A {modes[0]} event came to a desk that only takes {modes[1]} events."
            return _refused(delivery, DeclineReason.WRONG_MODE, problem, request)
        cause = cause_at_once(delivery)
        if cause is None:
            try:
                return _in_time(delivery, lambda: authorize(request, delivery))
            except CommitUnknownError as unknown:
                breaker.miss()
                return answers.commit_unknown(unknown, delivery)
            except Exception as error:  # noqa: BLE001 - any error falls back to stand-in
                cause = _cause_of(error, delivery)
        return answers.answer(request, delivery, cause)
    except Exception:
        logger.exception("Event %s: not even stand-in could answer; declined.", delivery.event.id)
        reason = DeclineReason.INTERNAL_ERROR
        event_id = delivery.event.id or ""
        decision = Verdict(approved=False, amount=0, reason=reason)
        decision_log.decided(decision, None, delivery, StandInCause.INTERNAL_ERROR)
        return wire.render(approved=False, amount=None, decision=event_id, reason=reason)


def take(delivery: Delivery) -> intake.Answered:
    """Apply a later event; returns the status and body of the response.

    If too many arrive at once, or it takes too long, the event is kept for the background. An
    event that can't even be kept gets status 503, and Stripe sends it again.
    """
    try:
        if not breaker.is_open and _later_turns.acquire(timeout=budget.REPORT_TURN_MS / 1000):
            try:
                with deadline(monotonic() + budget.REPORT_MS / 1000):
                    return intake.receive(delivery, pieces=None)
            except (OperationalError, InterfaceError) as error:
                if not took_too_long(error):
                    raise
                logger.warning(
                    "Event %s took too long: it is applied in the background.", delivery.event.id
                )
                return _keep(delivery, intake.TOO_LONG)
            finally:
                _later_turns.release()
        if not breaker.is_open and _keeping_turns.acquire(timeout=budget.KEEPING_TURN_MS / 1000):
            try:
                return _keep(delivery, intake.TOO_MANY)
            finally:
                _keeping_turns.release()
        logger.warning("Event %s could not be kept: no turn, or no database.", delivery.event.id)
    except Exception:  # not a miss of the breaker: the event may be the reason
        logger.exception("Event %s could not be kept.", delivery.event.id)
    sentence = "The event could not be kept; please send it again."
    return intake.Answered(503, wire.error("try_again", sentence))


def _keep(delivery: Delivery, why: str) -> intake.Answered:
    with deadline(monotonic() + budget.REPORT_KEPT_MS / 1000):
        return intake.keep_for_later(delivery, why)


def _refused(
    delivery: Delivery,
    reason: DeclineReason,
    problem: str,
    request: AuthorizationRequest | None = None,
) -> bytes:
    """Decline without asking any policy."""
    cause = cause_at_once(delivery)
    if cause is None:
        try:
            return _in_time(
                delivery, lambda: writing.save_refusal(delivery, reason, problem, request)
            )
        except Exception as error:  # noqa: BLE001 - any error falls back to stand-in
            cause = _cause_of(error, delivery)
    return answers.refused(delivery, reason, problem, cause, request)


def cause_at_once(delivery: Delivery) -> StandInCause | None:
    """Why the database is not asked at all; None if it is."""
    if switch.is_on():
        return StandInCause.SWITCHED_ON
    waited_ms = delivery.waited_ms + delivery.stopwatch.elapsed_us / 1000
    if settings.DECISION_BUDGET_MS - waited_ms < budget.least_for_database_ms():
        return StandInCause.OVERLOADED
    return StandInCause.DATABASE_UNREACHABLE if breaker.is_open else None


def database_ends(delivery: Delivery) -> float:
    """When the time for database work ends, on the clock of time.monotonic()."""
    share_ms = delivery.share_of(settings.DECISION_BUDGET_MS, budget.least_for_database_ms())
    return monotonic() + delivery.seconds_left(share_ms)


def _in_time(delivery: Delivery, decide: Callable[[], bytes]) -> bytes:
    """Return `decide()` within the time for database work, or raise what it raises.

    Tries again if the connection is dead: after a restart of the database, all connections in the
    pool are, which takes no time to find out.
    """
    ends = database_ends(delivery)
    while True:
        try:
            with deadline(ends):
                return decide()
        except (OperationalError, InterfaceError) as error:
            is_final = has_passed(error) or locked_rows.is_timeout(error)
            if is_final or ends - monotonic() < budget.LEAST_FOR_RETRY_MS / 1000:
                raise


def _cause_of(error: Exception, delivery: Delivery) -> StandInCause:
    event_id = delivery.event.id
    if isinstance(error, NotReplayedError):
        return StandInCause.NOT_REPLAYED
    if not isinstance(error, OperationalError | InterfaceError):
        logger.error("Event %s could not be decided.", event_id, exc_info=error)
        return StandInCause.INTERNAL_ERROR
    if locked_rows.is_timeout(error):  # not a sign that the database is down
        logger.warning("Event %s: a row that it needs stayed locked.", event_id)
        return StandInCause.ROW_LOCKED
    breaker.miss()
    late = has_passed(error)
    logger.warning("Event %s: the database %s.", event_id, "was too late" if late else "failed")
    return StandInCause.DEADLINE_MISSED if late else StandInCause.DATABASE_UNREACHABLE


def _recovered() -> None:
    """Replay what was answered while the database was away."""
    try:
        replay.run_for(_REPLAY_S)
    finally:
        connection.close()


breaker = Breaker(probe=Probe(), recovered=_recovered)
