"""Checks declines that Stripe made itself against the event that reported them."""

from collections.abc import Iterator
from dataclasses import replace

from msgspec.structs import asdict

from authorizations.models import Authorization, Decision, WebhookRequest
from authorizations.rules.purchases.books import AuthorizationState
from authorizations.rules.purchases.reports import AuthorizationReport
from authorizations.services.purchases import entries
from authorizations.services.purchases.linking import merchant_of
from authorizations.services.runtime import codec
from authorizations.services.verify.checking import Difference
from authorizations.wire import events, reports


def decline_differences(
    row: Decision, reported_by: WebhookRequest, purchase: Authorization | None
) -> Iterator[Difference]:
    """Check a decline of Stripe's against the request history of its purchase.

    The decline's id is "<authorization>/<index in request_history>". The row is written from that
    entry in the event, or in the books if a later event reported it first.
    """
    purchase_id, _, index = row.pk.rpartition("/")
    if purchase is None or purchase.pk != purchase_id or not index.isdecimal():
        yield Difference(row.pk, "authorization", row.authorization_id, f"existing {purchase_id}")
        return
    try:
        report = reports.report(events.read(reported_by.kept_body))
    except (events.NotAnEventError, events.MalformedEventError) as problem:
        yield Difference(row.pk, "event that reported it", problem, "readable")
        return
    if not isinstance(report, AuthorizationReport) or report.authorization_id != purchase_id:
        yield Difference(row.pk, "event that reported it", reported_by.pk, f"about {purchase_id}")
        return
    state = codec.value(AuthorizationState, purchase.books)
    report_there = replace(report, merchant=merchant_of(purchase))
    possible = [
        asdict(entries.decline(report_there, row.pk, history[int(index)]))
        for history in (report.snapshot.history, state.history)
        if int(index) < len(history)
    ]
    if not possible:
        yield Difference(row.pk, "entry in request_history", index, "an existing one")
        return
    for name, value in possible[0].items():
        if name == "webhook_request_id":  # its place, where the row has its number
            continue
        if getattr(row, name) not in [it[name] for it in possible]:
            yield Difference(row.pk, name, getattr(row, name), value)
