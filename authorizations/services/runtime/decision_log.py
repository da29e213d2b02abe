"""Each decision once in the log and in the metrics, when the answer stands."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from authorizations.rules.decision.values import Verdict
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.services.runtime import metrics
from authorizations.services.runtime.delivery import Delivery, Stopwatch

logger = logging.getLogger(__name__)


@contextmanager
def silence() -> Iterator[None]:
    """No line for what is decided meanwhile: for demo data, of which there would be many."""
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextmanager
def _harmless() -> Iterator[None]:
    """The answer stands by now: nothing here may change it."""
    try:
        yield
    except Exception:
        logger.exception("A decision could not be counted or told.")


@_harmless()
def decided(
    decision: Verdict,
    request: AuthorizationRequest | None,
    delivery: Delivery,
    stand_in: str = "",
) -> None:
    """`stand_in` is the cause of a stand-in; `request` is None where it could not be read."""
    outcome, reason = _outcome(decision), decision.reason or "approved"
    elapsed_us = delivery.stopwatch.elapsed_us
    metrics.decided(outcome, reason, elapsed_us / 1e6)
    _count_wait(delivery.stopwatch)
    unreadable = request.unreadable if request else ()
    for field in unreadable:
        metrics.unreadable(field)
    logger.info(
        "Decision %s: %s, %s.",
        delivery.decision_id,
        outcome.replace("_", " "),
        reason,
        extra={
            "decision": delivery.decision_id,
            "event_id": delivery.event.id or "",
            "outcome": outcome,
            "reason": reason,
            "approved_amount": decision.amount,
            "stand_in": stand_in,
            "duration_ms": elapsed_us / 1000,
            **_question(request),
        },
    )


@_harmless()
def repeated(reason: str, delivery: Delivery) -> None:
    """A request that was decided before; `reason` is that of the answer, "" for an approval."""
    metrics.repeated()
    logger.info(
        "Decision %s: repeated.",
        delivery.decision_id,
        extra={
            "decision": delivery.decision_id,
            "event_id": delivery.event.id or "",
            "outcome": "repeated",
            "reason": reason or "approved",
            "duration_ms": delivery.stopwatch.elapsed_us / 1000,
        },
    )


def _outcome(decision: Verdict) -> str:
    if not decision.approved:
        return "declined"
    return "partly_approved" if decision.is_partial else "approved"


def _question(request: AuthorizationRequest | None) -> dict[str, str | int]:
    if request is None:
        return {}
    return {
        "amount": request.amount,
        "currency": request.currency,
        "card": request.card.id,
        "authorization": request.authorization_id,
    }


def _count_wait(stopwatch: Stopwatch) -> None:
    marks = stopwatch.marks
    if "locked" in marks and "verified" in marks:
        metrics.waited_for_lock((marks["locked"] - marks["verified"]) / 1e6)
