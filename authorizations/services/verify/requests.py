"""Checks every delivery and every decision against each other, in the order they were written.

Reads some rows at a time, in short transactions: memory does not grow with the record.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from django.db.models import Q

from authorizations.models import Authorization, DecidedBy, Decision, WebhookRequest
from authorizations.services.verify.arrivals import Arrivals
from authorizations.services.verify.attempts import Attempts
from authorizations.services.verify.checking import (
    EXISTING,
    Checked,
    Difference,
    pieces,
    row_pieces,
    summaries,
)
from authorizations.services.verify.first_purchases import first_purchase_differences
from authorizations.services.verify.pots import Funds
from authorizations.services.verify.ranges import Ids
from authorizations.services.verify.record_checks import (
    decision_differences,
    delivery_of,
    is_signature_checked,
    repeat_differences,
    request_differences,
)
from authorizations.services.verify.stops import Stops
from authorizations.services.verify.stripe_declines import decline_differences
from authorizations.services.verify.tenures import VersionsInForce
from authorizations.wire import events
from authorizations.wire.events import wants_decision

REQUESTS, DECISIONS, SIGNATURES = "requests", "decisions", "signatures"

_DEMO = "load_demo"
"""The sender of the demo's requests: its days lie before its policies were published."""

_SIZE = 100
"""Requests read at once: each may have a body of 256 kB."""


def verify_requests(ids: Ids) -> Iterator[Checked]:
    """Check each delivery with the decision made on it, or with the recorded answer it got."""
    arrivals, stops, funds, attempts = Arrivals(), Stops(), Funds(), Attempts()
    versions = VersionsInForce()
    rows = WebhookRequest.objects.filter(pk__lte=ids.up_to).select_related("repeats")
    for piece in row_pieces(rows, _SIZE, ids.above):
        found: list[Difference] = []
        by_pk = {row.pk: row for row in piece}
        decisions = list(Decision.objects.filter(webhook_request_id__in=by_pk).order_by("pk"))
        ours: dict[int, list[Decision]] = defaultdict(list)
        for decision in decisions:
            if decision.decided_by == DecidedBy.DESK:
                ours[decision.webhook_request_id].append(decision)
        named = {row.authorization_id for row in decisions} - {None}
        purchases = Authorization.objects.in_bulk(named)
        repeated = [row for row in piece if wants_decision(row.event_type) and not ours[row.pk]]
        recorded = _recorded_for(repeated)
        for row in piece:
            found += request_differences(row)
            for decision in ours[row.pk]:
                purchase = purchases.get(decision.authorization_id or "")
                found += decision_differences(decision, row, purchase)
                found += stops.differences(decision)
                if row.sender != _DEMO:
                    found += versions.differences(decision)
                found += funds.differences(decision)
                found += attempts.differences(decision, purchase)
                if decision.approved and not purchase:
                    name = decision.authorization_id
                    found.append(Difference(decision.pk, "authorization", name, EXISTING))
            if len(ours[row.pk]) > 1:
                names = ", ".join(decision.pk for decision in ours[row.pk])
                found.append(Difference(f"request {row.pk}", "decisions", names, "one"))
            found += arrivals.next(row, ours[row.pk])
        found += first_purchase_differences(
            [
                (decision, purchases.get(decision.authorization_id or ""))
                for decisions_on_one in ours.values()
                for decision in decisions_on_one
            ]
        )
        for row in repeated:
            found += repeat_differences(row, recorded[row.pk])
        for decision in decisions:
            if decision.decided_by == DecidedBy.STRIPE:
                purchase = purchases.get(decision.authorization_id or "")
                asked = by_pk[decision.webhook_request_id]
                found += decline_differences(decision, asked, purchase)
        yield Checked(REQUESTS, len(piece), found)
        yield Checked(DECISIONS, len(decisions))
        checked = sum(map(is_signature_checked, piece))
        yield Checked(SIGNATURES, checked, unchecked=len(piece) - checked)
    yield Checked(REQUESTS, 0, arrivals.rest())


def _recorded_for(repeated: Sequence[WebhookRequest]) -> dict[int, list[Decision]]:
    """For each of these requests the decisions of its event, second answers included."""
    keys: dict[int, str] = {}
    for request in repeated:
        try:
            keys[request.pk] = delivery_of(request).decision_id
        except events.NotAnEventError:
            keys[request.pk] = ""
    wanted = {key for key in keys.values() if key}
    of_event = WebhookRequest.objects.filter(event_id__in=wanted).exclude(event_id="")
    rows = Decision.objects.filter(
        Q(pk__in=wanted) | Q(webhook_request_id__in=of_event.values("pk")),
        decided_by=DecidedBy.DESK,
    ).only("answer", "request", "reason")
    by_key: dict[str, list[Decision]] = defaultdict(list)
    for row in rows:
        by_key[row.pk].append(row)
        by_key[row.pk.rpartition("/answered")[0]].append(row)
    return {pk: by_key[key] for pk, key in keys.items()}


_UNUSED = """
SELECT use.instruction_id, use.decision_id
FROM authorizations_exceptionuse AS use
LEFT JOIN authorizations_decision AS decision
    ON decision.id = use.decision_id AND decision.exception_id = use.instruction_id
WHERE use.instruction_id > %s AND decision.id IS NULL
ORDER BY use.instruction_id LIMIT %s
"""


def verify_uses() -> Iterator[Checked]:
    """Find uses of exceptions by decisions that do not exist or do not name them."""
    for rows in pieces(_UNUSED, 0, _ORPHANS_SIZE):
        differences = [
            Difference(f"use of exception {id_}", "decision", decision, "one that names it")
            for id_, decision in rows
        ]
        yield Checked(DECISIONS, 0, differences)


_ORPHANS = """
SELECT max(asked), array_agg(ARRAY[id, asked::text]) FILTER (WHERE is_orphan)
FROM (
    SELECT decision.id, webhook_request_id AS asked, NOT EXISTS (
        SELECT FROM authorizations_webhookrequest AS request WHERE request.id = webhook_request_id
    ) AS is_orphan
    FROM authorizations_decision AS decision
    WHERE webhook_request_id > %s AND webhook_request_id <= %s
    ORDER BY webhook_request_id LIMIT %s
) AS found
"""
_ORPHANS_SIZE = 10_000


def verify_orphans(ids: Ids) -> Iterator[Checked]:
    """Find decisions whose request does not exist, which `verify_requests` cannot see."""
    for _, orphans in summaries(_ORPHANS, ids.above, ids.up_to, _ORPHANS_SIZE):
        differences = [
            Difference(key, "webhook request", asked, EXISTING) for key, asked in orphans or ()
        ]
        yield Checked(DECISIONS, 0, differences)
