"""The way of every event that asks nothing: applied to the books, or kept with the reason why not.

Nothing that was delivered is lost: what can't be applied waits as an UnappliedEvent, and is
applied when Stripe sends it again, or by `apply_again`.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings
from django.db import DatabaseError, transaction
from django.utils import timezone

from authorizations.models import UnappliedEvent, WebhookRequest
from authorizations.services.deadline import has_passed
from authorizations.services.delivery import Delivery, Stopwatch
from authorizations.services.record import received
from authorizations.services.settle import CannotApplyError, settle
from authorizations.wire import answer, events, reports

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answered:
    """Status and body for Stripe; `problem` says why the event could not be applied."""

    status: int
    body: bytes
    problem: str = ""


def take(delivery: Delivery) -> Answered:
    """Apply an event and keep its delivery, or keep it with what stands against it.

    Raises django.db.Error where not even that can be kept, or the time for it is used up.
    """
    try:
        return Answered(200, _applied(delivery))
    except events.MalformedEvent as malformed:
        return _keep(delivery, f"A part could not be read: {malformed.problem}.", is_final=True)
    except CannotApplyError as problem:
        return _keep(delivery, str(problem), is_final=problem.is_final)
    except DatabaseError as error:
        if has_passed(error):
            raise
        logger.exception("Event %s could not be applied.", delivery.event.id)
        return _keep(delivery, f"The database refused: {_first_line(error)}", is_final=False)


def _applied(delivery: Delivery) -> bytes:
    event = delivery.event
    report = reports.report(event)
    if report is None:
        return received(delivery)
    if event.livemode is not None and settings.STRIPE_LIVEMODE not in (None, event.livemode):
        mode = "live" if event.livemode else "test"
        raise CannotApplyError(
            f"A {mode} event came to a desk that takes only others. Check which webhook points "
            "here.",
            is_final=True,
        )
    # Not in one transaction: settle must let go of its locks between attempts, and what is
    # applied twice counts once.
    body = settle(report, delivery)
    waiting = UnappliedEvent.objects.filter(pk=report.event_id, applied_at=None)
    waiting.update(applied_at=delivery.now)
    return body


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _keep(delivery: Delivery, problem: str, *, is_final: bool) -> Answered:
    """Stripe is told to send it again only where that can help."""
    answered = Answered(200, answer.received(), problem)
    if not is_final:
        body = answer.error("not_applied", "Kept, but not applied yet: please send it again.")
        answered = Answered(503, body, problem)
    with transaction.atomic():
        row = delivery.row(answered.body.decode(), answered.status)
        request = WebhookRequest.objects.create(body=delivery.body, **row)
        _note(delivery, request, problem)
    return answered


def _note(delivery: Delivery, request: WebhookRequest, problem: str) -> None:
    key = delivery.event.id or f"request_{delivery.body_sha256[:32]}"
    row, is_new = UnappliedEvent.objects.select_for_update(no_key=True).get_or_create(
        pk=key,
        defaults={
            "event_type": delivery.event.type,
            "webhook_request": request,
            "error": problem,
            "failed_at": delivery.now,
        },
    )
    if not is_new and row.applied_at is None:
        row.webhook_request, row.error, row.failed_at = request, problem, delivery.now
        row.attempts += 1
        row.save()


def apply_again(waiting: UnappliedEvent) -> str:
    """Try once more, as a delivery of its own; returns what stands against it, "" if nothing."""
    kept = waiting.webhook_request
    body = bytes(kept.body)
    delivery = Delivery(
        received_at=timezone.now(),
        sender="applied again",
        headers={},
        body=body,
        signing_key=kept.signing_key,
        event=events.read(body),
        stopwatch=Stopwatch(),
        received_sha256=kept.body_sha256 if kept.masked_sha256 else "",
    )
    return take(delivery).problem


def all_waiting() -> Iterator[UnappliedEvent]:
    """Events that are not applied yet, the oldest first, fetched one by one: bodies are long."""
    waiting = UnappliedEvent.objects.filter(applied_at=None)
    for key in list(waiting.order_by("failed_at", "pk").values_list("pk", flat=True)):
        yield from waiting.filter(pk=key).select_related("webhook_request")


def apply_all() -> Iterator[tuple[UnappliedEvent, str]]:
    """Try each, and what is left once more while that helps: one may wait for another.

    With each try comes what stands against it, "" where it was applied.
    """
    is_any_applied = is_any_left = True
    while is_any_applied and is_any_left:
        is_any_applied = is_any_left = False
        for waiting in all_waiting():
            problem = apply_again(waiting)
            is_any_left |= bool(problem)
            is_any_applied |= not problem
            yield waiting, problem
