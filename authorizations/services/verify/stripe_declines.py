"""Declines that Stripe made itself and told of later, against the event that told of them."""

from collections.abc import Iterator
from dataclasses import replace

from authorizations.models import Authorization, Decision, WebhookRequest
from authorizations.rules.purchases.books import AuthorizationState
from authorizations.rules.purchases.reports import AuthorizationReport
from authorizations.rules.purchases.snapshots import RequestHistoryEntry
from authorizations.services.purchases import entries
from authorizations.services.purchases.linking import merchant_of
from authorizations.services.runtime import codec
from authorizations.services.verify.checking import Difference
from authorizations.wire import events, reports


def decline_differences(
    row: Decision, told_by: WebhookRequest, purchase: Authorization | None
) -> Iterator[Difference]:
    """A decline of Stripe's against the history of its purchase: in that event, or in the books,
    where a later event had told of it first.
    """
    purchase_id, _, ordinal = row.pk.rpartition("/")
    if purchase is None or purchase.pk != purchase_id or not ordinal.isdecimal():
        yield Difference(row.pk, "authorization", row.authorization_id, "that of its id, and there")
        return
    try:
        report = reports.report(events.read(told_by.kept_body))
    except (events.NotAnEvent, events.MalformedEvent) as problem:
        yield Difference(row.pk, "event that told of it", problem, "readable")
        return
    if not isinstance(report, AuthorizationReport) or report.authorization_id != purchase_id:
        yield Difference(row.pk, "event that told of it", told_by.pk, f"about {purchase_id}")
        return
    told = replace(report, merchant=merchant_of(purchase))
    written = [
        entries.decline(told, row.pk, entry) for entry in _entries(report, purchase, int(ordinal))
    ]
    if not written:
        yield Difference(row.pk, "place in its history", ordinal, "there")
        return
    for name, value in written[0].items():
        if getattr(row, name) not in [it[name] for it in written]:
            yield Difference(row.pk, name, getattr(row, name), value)


def _entries(
    report: AuthorizationReport, purchase: Authorization, ordinal: int
) -> Iterator[RequestHistoryEntry]:
    books = codec.value(AuthorizationState, purchase.books)
    for history in (report.snapshot.history, books.history):
        if ordinal < len(history):
            yield history[ordinal]
