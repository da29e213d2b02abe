"""Logs and counts each decision once, when its answer is final."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from authorizations.rules.decision.values import Verdict
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.services.runtime import metrics
from authorizations.services.runtime.delivery import Delivery

logger = logging.getLogger(__name__)


@contextmanager
def silence() -> Iterator[None]:
    """Log no decisions in the block; for demo data, which has many."""
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextmanager
def _harmless() -> Iterator[None]:
    """Log any error instead of raising it: the answer is final, and must still be sent."""
    try:
        yield
    except Exception:
        logger.exception("A decision could not be counted or logged.")


@_harmless()
def decided(
    decision: Verdict,
    request: AuthorizationRequest | None,
    delivery: Delivery,
    stand_in: str = "",
) -> None:
    """Log and count a decision.

    `stand_in` is the cause if stand-in made it; `request` is None if it could not be read.
    """
    outcome, reason = "declined", decision.reason or "approved"
    if decision.approved:
        outcome = "partly_approved" if decision.is_partial else "approved"
    elapsed_us, marks = delivery.stopwatch.elapsed_us, delivery.stopwatch.marks
    metrics.decided(outcome, reason, elapsed_us / 1e6)
    if "looked_up" in marks and "verified" in marks:
        metrics.waited_for_lock((marks["looked_up"] - marks["verified"]) / 1e6)
    asked: dict[str, str | int] = {}
    if request:
        for field in request.unreadable:
            metrics.unreadable(field)
        asked = {
            "amount": request.amount,
            "currency": request.currency,
            "card": request.card.id,
            "authorization": request.authorization_id,
        }
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
            **asked,
        },
    )


@_harmless()
def repeated(reason: str, delivery: Delivery) -> None:
    """Log and count a request that was decided before.

    `reason` is that of the recorded answer, "" for an approval.
    """
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
