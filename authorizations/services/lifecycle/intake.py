"""The way of every event that asks nothing: applied to the books, or kept with the reason why not.

Nothing that was delivered is lost: what can't be applied waits as an UnappliedEvent, and is
applied when Stripe sends it again, or by `apply_again`. What takes too long, or comes with too many
others at once, is applied in the background, by `apply_due`.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from time import monotonic

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, transaction
from django.db.models import Exists, Q, QuerySet
from django.utils import timezone
from msgspec.structs import asdict

from authorizations.models import UnappliedEvent, WebhookRequest
from authorizations.services.lifecycle.apply import (
    AT_ONCE,
    IN_PIECES,
    CannotApplyError,
    Pieces,
    TakesLongerError,
    apply_report,
)
from authorizations.services.runtime import budget, metrics
from authorizations.services.runtime.deadline import deadline, has_passed, took_too_long
from authorizations.services.runtime.delivery import Delivery, Stopwatch
from authorizations.services.store import repeats, rows
from authorizations.services.store.statements import drive
from authorizations.services.store.writing import save_receipt
from authorizations.wire import answer, events, reports

logger = logging.getLogger(__name__)

TOO_LONG = "It took too long while Stripe waited: it is applied in the background."
TOO_MANY = "Too many came at once: it is applied in the background."
"""Why an event is kept for the background."""

_APPLIED_WITHIN_S = 20.0
_CLAIMED_FOR = timedelta(seconds=30)
_SOON = timedelta(minutes=1)
_SELDOM = timedelta(hours=1)
_FIRST_TRY = 2
"""Its delivery is an event's first attempt; this one is the first in the background."""


@dataclass(frozen=True, slots=True)
class Answered:
    """Status and body for Stripe; `problem` says why the event could not be applied."""

    status: int
    body: bytes
    problem: str = ""


def receive(delivery: Delivery, pieces: Pieces | None = IN_PIECES) -> Answered:
    """Apply an event and keep its delivery, or keep it with what stands against it.

    Without `pieces`, while somebody waits, one that would take long is kept for the background.
    Raises django.db.Error where not even that can be kept, or the time for it is used up.
    """
    delivery, is_applied = _looked_up(delivery)
    if is_applied:
        return _keep_repeat(delivery)
    try:
        return Answered(200, _applied(delivery, pieces))
    except events.MalformedEventError as malformed:
        return _keep(delivery, f"A part could not be read: {malformed.problem}.", is_final=True)
    except CannotApplyError as problem:
        return _keep(delivery, str(problem), is_final=problem.is_final)
    except TakesLongerError:
        return keep_for_later(delivery, TOO_LONG)
    except DatabaseError as error:
        if has_passed(error) or (pieces is None and took_too_long(error)):
            raise
        logger.exception("Event %s could not be applied.", delivery.event.id)
        return _keep(delivery, f"The database refused: {_first_line(error)}", is_final=False)


def keep_for_later(delivery: Delivery, why: str) -> Answered:
    """Keep an event that is applied in the background. Raises django.db.Error."""
    delivery, is_applied = _looked_up(delivery)
    if is_applied:
        return _keep_repeat(delivery)
    answered = Answered(200, answer.received(), why)
    with transaction.atomic():
        _note(delivery, _kept(delivery, answered), why, retry_at=delivery.now)
    return answered


def _looked_up(delivery: Delivery) -> tuple[Delivery, bool]:
    """With the delivery that brought the same body first; and whether its event is applied."""
    first_id, is_applied = repeats.first_of(delivery)
    return replace(delivery, repeats_id=first_id or delivery.repeats_id), is_applied


@transaction.atomic
def _keep_repeat(delivery: Delivery) -> Answered:
    """Keep that an event came again which has been applied: nothing follows from it."""
    answered = Answered(200, answer.received())
    drive(repeats.keep(delivery, answered.body.decode()))
    return answered


def _kept(delivery: Delivery, answered: Answered) -> int:
    """The request row that stands for a delivery which is looked up and not applied."""
    text = answered.body.decode()
    if delivery.repeats_id:
        return drive(repeats.keep(delivery, text, answered.status))
    row = rows.request(delivery, text, answered.status)
    return WebhookRequest.objects.create(body=delivery.body_to_keep, **asdict(row)).pk


def _applied(delivery: Delivery, pieces: Pieces | None) -> bytes:
    event = delivery.event
    if event.is_thin:
        raise CannotApplyError(f"{events.THIN}.", is_final=True)
    is_of_other_mode = settings.STRIPE_LIVEMODE is not None and event.livemode is (
        not settings.STRIPE_LIVEMODE
    )
    if is_of_other_mode and event.account:
        # A live Connect endpoint is sent the test events of its accounts as well.
        body = drive(save_receipt(delivery))
        metrics.of_other_mode()
        return _done(delivery, body)
    report = reports.report(event)
    if report is None:
        return _done(delivery, drive(save_receipt(delivery)))
    if is_of_other_mode:
        mode = "live" if event.livemode else "test"
        raise CannotApplyError(
            f"A {mode} event came to a desk that takes only others. Check which webhook points "
            "here.",
            is_final=True,
        )
    # Not in one transaction: apply_report releases its locks between attempts, and what is
    # applied twice counts once.
    return _done(delivery, apply_report(report, delivery, pieces))


def _done(delivery: Delivery, body: bytes) -> bytes:
    waiting = UnappliedEvent.objects.filter(pk=delivery.decision_id, applied_at=None)
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
        _note(delivery, _kept(delivery, answered), problem)
    return answered


def _note(
    delivery: Delivery, request_id: int, problem: str, retry_at: datetime | None = None
) -> None:
    row, is_new = UnappliedEvent.objects.select_for_update(no_key=True).get_or_create(
        pk=delivery.decision_id,
        defaults={
            "event_type": delivery.event.type,
            "webhook_request_id": request_id,
            "error": problem,
            "failed_at": delivery.now,
            "retry_at": retry_at,
        },
    )
    if not is_new and (row.applied_at is None or retry_at):
        row.applied_at = None  # as another endpoint renders it, there may be more in it
        row.webhook_request_id, row.error, row.failed_at = request_id, problem, delivery.now
        row.attempts += 1
        row.retry_at = retry_at
        row.save()


def ask_again(waiting: QuerySet[UnappliedEvent]) -> int:
    """Have events applied once more in the background, the oldest first; returns how many wait."""
    return waiting.filter(applied_at=None).update(retry_at=timezone.now())


def apply_again(waiting: UnappliedEvent) -> str:
    """Try once more, as a delivery of its own; returns what stands against it, "" if nothing."""
    return receive(_again(waiting)).problem


def _again(waiting: UnappliedEvent) -> Delivery:
    kept = waiting.webhook_request
    body = kept.kept_body
    return Delivery(
        received_at=timezone.now(),
        sender="applied again",
        headers={},
        body=body,
        signing_key=kept.signing_key,
        event=events.read(body),
        stopwatch=Stopwatch(),
        received_sha256=kept.body_sha256 if kept.masked_sha256 else "",
        repeats_id=kept.repeats_id or kept.pk,
    )


def apply_due(budget_s: float) -> int:
    """Apply what was kept for the background, for so long; how many it tried.

    Costs one small statement where there is nothing. To be called often, outside of transactions,
    by every process: each event is tried by one of them at a time.
    """
    until, tried = monotonic() + budget_s, 0
    while monotonic() < until and (waiting := _claim()):
        _apply_claimed(waiting)
        tried += 1
    return tried


def _claim() -> UnappliedEvent | None:
    """The oldest that is due, left alone by others for a while: a process that is stopped meanwhile
    leaves it to the next one.
    """
    with transaction.atomic():
        due = UnappliedEvent.objects.filter(applied_at=None, retry_at__lte=timezone.now())
        row = due.order_by("failed_at", "pk").select_for_update(skip_locked=True, no_key=True)
        found = row.first()
        if found:
            found.retry_at = timezone.now() + _CLAIMED_FOR
            found.attempts += 1
            found.save(update_fields=["retry_at", "attempts"])
    return found


def _apply_claimed(waiting: UnappliedEvent) -> None:
    # The longer it took before, the less at once.
    pieces = Pieces(max(1, AT_ONCE >> (waiting.attempts - 2)), budget.BACKGROUND_LOCK_MS / 1000)
    retry_at, problem = None, ""
    try:
        with deadline(monotonic() + _APPLIED_WITHIN_S):
            _applied(_again(waiting), pieces)
    except events.MalformedEventError as malformed:
        problem = f"A part could not be read: {malformed.problem}."
    except CannotApplyError as cannot:
        problem = str(cannot)
        was_told_it_is_kept = waiting.webhook_request.answer_status == 200
        if not cannot.is_final and was_told_it_is_kept:  # else Stripe sends it again
            retry_at = _later(waiting, at_most=_SELDOM)
    except (OperationalError, InterfaceError) as error:  # too long again, or the database is away
        retry_at = _later(waiting, at_most=_SOON)
        problem = f"It is tried again in the background: {_first_line(error)}"
    except DatabaseError as error:
        problem = f"The database refused: {_first_line(error)}"
    if problem:
        logger.warning("Event %s is not applied yet. %s", waiting.pk, problem)
        rows = UnappliedEvent.objects.filter(pk=waiting.pk, applied_at=None)
        rows.update(retry_at=retry_at, error=problem)


def _later(waiting: UnappliedEvent, at_most: timedelta) -> datetime:
    """Ever more seldom, the more often it was tried."""
    exponent = min(waiting.attempts, 12)
    return timezone.now() + min(timedelta(seconds=2**exponent), at_most)


def needs_somebody(now: datetime) -> QuerySet[UnappliedEvent]:
    """Events that nobody applies by themselves, or that the background is long in applying.

    What only waits for its turn in a long queue is left out while the queue moves on.
    """
    applied = UnappliedEvent.objects.filter(applied_at__gt=now - _SOON, retry_at__isnull=False)
    in_turn = Q(Exists(applied), attempts__lte=_FIRST_TRY)
    in_background = Q(in_turn | Q(failed_at__gt=now - _SOON), retry_at__isnull=False)
    return UnappliedEvent.objects.filter(~in_background, applied_at=None)


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
