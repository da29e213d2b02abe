"""Reconciles with Stripe: reads its lists, and books what the webhook never delivered.

An object with news is applied as a delivery of its own; one without leaves no row. An interrupted
reading resumes after its last complete page.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from django.utils import timezone

from authorizations.models import Reconciliation, UnappliedEvent
from authorizations.rules.purchases.reports import AuthorizationReport
from authorizations.services.lifecycle import intake
from authorizations.services.lifecycle.news_of_reports import is_news
from authorizations.services.runtime.delivery import Delivery, Stopwatch
from authorizations.wire import events, reports
from authorizations.wire.api import Api, ListedObject, UnknownPlaceError
from authorizations.wire.events import READ

SENDER = "Stripe's API"

_Listing = Reconciliation.Listing


class ReconcileOutcome(NamedTuple):
    """The outcome of one object; `problem` is a sentence if it could not be applied."""

    found: ListedObject
    is_changed: bool = False
    problem: str = ""


def begun(since: datetime) -> Reconciliation:
    """The interrupted reading of objects created `since` then, or a new one."""
    interrupted = Reconciliation.objects.filter(since=since, finished_at=None).first()
    return interrupted or Reconciliation.objects.create(since=since, started_at=timezone.now())


def read(reading: Reconciliation, api: Api) -> Iterator[list[ReconcileOutcome]]:
    """Read to the end, page by page; `reading` stores the progress.

    Raises CannotReadError, and django.db.Error if the database fails. After either, the reading can
    be resumed.
    """
    is_resumed = bool(reading.reached)
    while reading.finished_at is None:
        try:
            yield _read_page(reading, api)
        except UnknownPlaceError:
            if not is_resumed:
                raise
            reading.reached = ""  # deleted at Stripe, or of a different account: start again
        is_resumed = False


def _read_page(reading: Reconciliation, api: Api) -> list[ReconcileOutcome]:
    since = int(reading.since.timestamp())
    page = api.page(reading.listing, since=since, after=reading.reached)
    outcomes = []
    for found in page.found:
        outcomes.append(outcome := _apply(found, page.headers))
        if outcome.is_changed:  # saved at once: it is no news when it is read again
            reading.changed += 1
            reading.save(update_fields=["changed"])
    _drop_superseded(outcomes)
    reading.read += len(outcomes)
    reading.failed += sum(bool(outcome.problem) for outcome in outcomes)
    if page.has_more:
        reading.reached = page.found[-1].id or ""
    elif reading.listing == _Listing.AUTHORIZATIONS:
        reading.listing, reading.reached = _Listing.TRANSACTIONS, ""
    else:
        reading.finished_at = timezone.now()
    reading.save()
    return outcomes


def _apply(found: ListedObject, headers: dict[str, str]) -> ReconcileOutcome:
    """Deliver it until it has no news: one delivery lists only one of Stripe's own declines."""
    event = events.read(found.body)
    try:
        report = reports.report(event)
    except events.MalformedEventError:
        return ReconcileOutcome(
            found, problem=intake.receive(_delivery(found, headers, event)).problem
        )
    max_deliveries = 1
    if isinstance(report, AuthorizationReport):
        max_deliveries += len(report.snapshot.history)
    is_changed = False
    for _ in range(max_deliveries):
        if not is_news(report):
            break
        if problem := intake.receive(_delivery(found, headers, event)).problem:
            return ReconcileOutcome(found, is_changed, problem)
        is_changed = True
    return ReconcileOutcome(found, is_changed)


def _delivery(found: ListedObject, headers: dict[str, str], event: events.Event) -> Delivery:
    return Delivery(
        received_at=timezone.now(),
        sender=SENDER,
        headers=headers,
        body=found.body,
        signing_key="",
        event=event,
        stopwatch=Stopwatch(),
    )


def _drop_superseded(outcomes: list[ReconcileOutcome]) -> None:
    """Of each object that is not applied, keep only the version that was read last."""
    waiting = UnappliedEvent.objects.filter(applied_at=None, event_type__startswith=READ)
    by_object: dict[str, list[str]] = {}
    for key in waiting.values_list("pk", flat=True):
        by_object.setdefault(key.removeprefix("read_").rpartition("_")[0], []).append(key)
    for outcome in outcomes:
        keys = by_object.get(outcome.found.id or "", [])
        if keys and outcome.problem:
            UnappliedEvent.objects.filter(pk__in=keys).exclude(pk=max(keys)).delete()
        elif keys:
            UnappliedEvent.objects.filter(pk__in=keys).update(applied_at=timezone.now())
