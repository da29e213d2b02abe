"""Receives events that are not authorization requests: applies them, or keeps them for later.

No delivery is lost. An event that can't be applied is kept as an UnappliedEvent, and is applied
when Stripe sends it again, or by `apply_again`. One that takes too long, or arrives with too many
others, is applied in the background by `apply_due`.
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
from authorizations.services.store.plans import drive
from authorizations.services.store.writing import save_receipt
from authorizations.wire import answer, events, reports

logger = logging.getLogger(__name__)

TOO_LONG = "It took too long while Stripe waited: it is applied in the background."
TOO_MANY = "Too many came at once: it is applied in the background."
"""Reasons why an event is kept for the background."""

_APPLIED_WITHIN_S = 20.0
_CLAIMED_FOR = timedelta(seconds=30)
_SOON = timedelta(minutes=1)
_SELDOM = timedelta(hours=1)
_FIRST_TRY = 2
"""The number of the first attempt in the background; the delivery itself was attempt 1."""


@dataclass(frozen=True, slots=True)
class Answered:
    """Status and body for Stripe; `problem` says why the event was not applied."""

    status: int
    body: bytes
    problem: str = ""


def receive(delivery: Delivery, pieces: Pieces | None = IN_PIECES) -> Answered:
    """Apply an event and record its delivery, or keep it with the reason why it was not applied.

    Without `pieces`, an event that would take long is kept for the background. Raises
    django.db.Error if the event can't be kept, or no time is left for it.
    """
    delivery, is_applied = _with_first(delivery)
    if is_applied:
        return _record_repeat(delivery)
    try:
        return Answered(200, _apply(delivery, pieces))
    except events.MalformedEventError as malformed:
        problem, is_final = f"A part could not be read: {malformed.problem}.", True
    except CannotApplyError as error:
        problem, is_final = str(error), error.is_final
    except TakesLongerError:
        return keep_for_later(delivery, TOO_LONG)
    except DatabaseError as error:
        if has_passed(error) or (pieces is None and took_too_long(error)):
            raise
        logger.exception("Event %s could not be applied.", delivery.event.id)
        problem, is_final = f"The database refused: {_first_line(error)}", False
    answered = Answered(200, answer.received(), problem)
    if not is_final:  # Stripe sends it again only if that can help
        body = answer.error("not_applied", "Kept, but not applied yet: please send it again.")
        answered = Answered(503, body, problem)
    with transaction.atomic():
        _note(delivery, answered)
    return answered


def keep_for_later(delivery: Delivery, why: str) -> Answered:
    """Keep an event to be applied in the background. Raises django.db.Error."""
    delivery, is_applied = _with_first(delivery)
    if is_applied:
        return _record_repeat(delivery)
    answered = Answered(200, answer.received(), why)
    with transaction.atomic():
        _note(delivery, answered, retry_at=delivery.now)
    return answered


def _with_first(delivery: Delivery) -> tuple[Delivery, bool]:
    """Add the id of the first delivery with the same body; and whether its event is applied."""
    first_id, is_applied = repeats.first_of(delivery)
    return replace(delivery, repeats_id=first_id or delivery.repeats_id), is_applied


@transaction.atomic
def _record_repeat(delivery: Delivery) -> Answered:
    """Record that an applied event was delivered again; nothing else changes."""
    answered = Answered(200, answer.received())
    drive(repeats.keep(delivery, answered.body.decode()))
    return answered


def _apply(delivery: Delivery, pieces: Pieces | None) -> bytes:
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
            f"This is a {mode} event, and the desk is set up for the other mode. Check which "
            "webhook endpoint points here.",
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


def _note(delivery: Delivery, answered: Answered, retry_at: datetime | None = None) -> None:
    """Record a delivery and its event as not applied; `retry_at` is when to try it again."""
    text, problem = answered.body.decode(), answered.problem
    if delivery.repeats_id:
        request_id = drive(repeats.keep(delivery, text, answered.status))
    else:
        columns = asdict(rows.request(delivery, text, answered.status))
        request_id = WebhookRequest.objects.create(body=delivery.body_to_keep, **columns).pk
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
        row.applied_at = None  # a different endpoint's rendering may contain more
        row.webhook_request_id, row.error, row.failed_at = request_id, problem, delivery.now
        row.attempts += 1
        row.retry_at = retry_at
        row.save()


def ask_again(waiting: QuerySet[UnappliedEvent]) -> int:
    """Queue events to be applied again in the background, oldest first; returns how many."""
    return waiting.filter(applied_at=None).update(retry_at=timezone.now())


def apply_again(waiting: UnappliedEvent) -> str:
    """Try again, as a new delivery; returns the problem, or "" if it was applied."""
    return receive(_delivery_of(waiting)).problem


def _delivery_of(waiting: UnappliedEvent) -> Delivery:
    request = waiting.webhook_request
    body = request.kept_body
    return Delivery(
        received_at=timezone.now(),
        sender="applied again",
        headers={},
        body=body,
        signing_key=request.signing_key,
        event=events.read(body),
        stopwatch=Stopwatch(),
        received_sha256=request.body_sha256 if request.masked_sha256 else "",
        repeats_id=request.repeats_id or request.pk,
    )


def apply_due(budget_s: float) -> int:
    """Apply events kept for the background, for up to `budget_s` seconds; returns the number tried.

    Costs one small statement if none is due. Every process calls it often, outside of
    transactions; only one of them tries an event at a time.
    """
    until, tried = monotonic() + budget_s, 0
    while monotonic() < until and (waiting := _claim()):
        _apply_claimed(waiting)
        tried += 1
    return tried


def _claim() -> UnappliedEvent | None:
    """The oldest event that is due. Other processes leave it alone for _CLAIMED_FOR.

    If this process is stopped meanwhile, another one takes the event over after that.
    """
    with transaction.atomic():
        due = UnappliedEvent.objects.filter(applied_at=None, retry_at__lte=timezone.now())
        row = due.order_by("failed_at", "pk").select_for_update(skip_locked=True, no_key=True)
        claimed = row.first()
        if claimed:
            claimed.retry_at = timezone.now() + _CLAIMED_FOR
            claimed.attempts += 1
            claimed.save(update_fields=["retry_at", "attempts"])
    return claimed


def _apply_claimed(waiting: UnappliedEvent) -> None:
    # With each failed attempt the pieces get smaller.
    pieces = Pieces(max(1, AT_ONCE >> (waiting.attempts - 2)), budget.BACKGROUND_LOCK_MS / 1000)
    retry_at, problem = None, ""
    try:
        with deadline(monotonic() + _APPLIED_WITHIN_S):
            _apply(_delivery_of(waiting), pieces)
    except events.MalformedEventError as malformed:
        problem = f"A part could not be read: {malformed.problem}."
    except CannotApplyError as cannot:
        problem = str(cannot)
        was_answered_ok = waiting.webhook_request.answer_status == 200
        if not cannot.is_final and was_answered_ok:  # otherwise Stripe sends it again
            retry_at = _next_try(waiting, at_most=_SELDOM)
    except (OperationalError, InterfaceError) as error:  # too long again, or the database is away
        retry_at = _next_try(waiting, at_most=_SOON)
        problem = f"It is tried again in the background: {_first_line(error)}"
    except DatabaseError as error:
        problem = f"The database refused: {_first_line(error)}"
    if problem:
        logger.warning("Event %s is not applied yet. %s", waiting.pk, problem)
        rows = UnappliedEvent.objects.filter(pk=waiting.pk, applied_at=None)
        rows.update(retry_at=retry_at, error=problem)


def _next_try(waiting: UnappliedEvent, at_most: timedelta) -> datetime:
    """When to try again: the delay doubles with each attempt."""
    exponent = min(waiting.attempts, 12)
    return timezone.now() + min(timedelta(seconds=2**exponent), at_most)


def needing_attention(now: datetime) -> QuerySet[UnappliedEvent]:
    """Events that are not applied automatically, or that the background takes long to apply.

    Leaves out events that only wait in a long queue, as long as the queue advances.
    """
    applied = UnappliedEvent.objects.filter(applied_at__gt=now - _SOON, retry_at__isnull=False)
    in_turn = Q(Exists(applied), attempts__lte=_FIRST_TRY)
    in_background = Q(in_turn | Q(failed_at__gt=now - _SOON), retry_at__isnull=False)
    return UnappliedEvent.objects.filter(~in_background, applied_at=None)


def all_waiting() -> Iterator[UnappliedEvent]:
    """Events not applied yet, oldest first; fetched one by one, because bodies are long."""
    waiting = UnappliedEvent.objects.filter(applied_at=None)
    for key in list(waiting.order_by("failed_at", "pk").values_list("pk", flat=True)):
        yield from waiting.filter(pk=key).select_related("webhook_request")


def apply_all() -> Iterator[tuple[UnappliedEvent, str]]:
    """Try each event, and repeat while that helps, because one may depend on another.

    Yields each attempt's event with its problem, or with "" if it was applied.
    """
    is_any_applied = is_any_left = True
    while is_any_applied and is_any_left:
        is_any_applied = is_any_left = False
        for waiting in all_waiting():
            problem = apply_again(waiting)
            is_any_left |= bool(problem)
            is_any_applied |= not problem
            yield waiting, problem
