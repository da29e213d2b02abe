"""Every delivery and every decision against each other, in the order they were written.

In short transactions, some rows at a time: memory stays the same however long the record is.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain

from django.db.models import Q

from authorizations.models import Authorization, DecidedBy, Decision, WebhookRequest
from authorizations.services.verify.arrivals import Arrivals
from authorizations.services.verify.checking import Checked, Difference, fetch
from authorizations.services.verify.ranges import Ids
from authorizations.services.verify.record_checks import (
    decision_differences,
    delivery_of,
    is_signature_checked,
    repeat_differences,
    request_differences,
)
from authorizations.services.verify.stripe_declines import decline_differences
from authorizations.wire import events
from authorizations.wire.events import wants_decision

REQUESTS, DECISIONS, SIGNATURES = "requests", "decisions", "signatures"

_SIZE = 100
"""A body may have 256 kB."""


def verify_requests(ids: Ids) -> Iterator[Checked]:
    """Each delivery with the decision it asked for, or the answer it got once more."""
    arrivals = Arrivals()
    last = ids.above
    while piece := _piece(last, ids.up_to):
        yield from _check(piece, arrivals)
        last = piece[-1].pk
    yield Checked(REQUESTS, 0, arrivals.rest())


def _piece(above: int, up_to: int) -> list[WebhookRequest]:
    rows = WebhookRequest.objects.filter(pk__gt=above, pk__lte=up_to)
    return list(rows.select_related("repeats").order_by("pk")[:_SIZE])


def _check(piece: Sequence[WebhookRequest], arrivals: Arrivals) -> Iterator[Checked]:
    found: list[Difference] = []
    made = _made_of(piece)
    purchases = Authorization.objects.in_bulk(
        {row.authorization_id for row in chain(*made.values())} - {None}
    )
    repeated = [row for row in piece if wants_decision(row.event_type) and not _ours(made[row.pk])]
    recorded = _recorded_for(repeated)
    for row in piece:
        found += request_differences(row)
        decisions = _ours(made[row.pk])
        for decision in decisions:
            purchase = purchases.get(decision.authorization_id or "")
            found += decision_differences(decision, row, purchase)
            if decision.approved and not purchase:
                found.append(
                    Difference(decision.pk, "authorization", decision.authorization_id, "there")
                )
        if len(decisions) > 1:
            names = ", ".join(decision.pk for decision in decisions)
            found.append(Difference(f"request {row.pk}", "decisions", names, "one"))
        found += arrivals.next(row, decisions)
    for row in repeated:
        found += repeat_differences(row, recorded[row.pk])
    by_pk = {row.pk: row for row in piece}
    for decision in chain(*made.values()):
        if decision.decided_by == DecidedBy.STRIPE:
            purchase = purchases.get(decision.authorization_id or "")
            found += decline_differences(decision, by_pk[decision.webhook_request_id], purchase)
    yield Checked(REQUESTS, len(piece), found)
    yield Checked(DECISIONS, sum(map(len, made.values())))
    checked = sum(map(is_signature_checked, piece))
    yield Checked(SIGNATURES, checked, unchecked=len(piece) - checked)


def _ours(decisions: Sequence[Decision]) -> list[Decision]:
    return [row for row in decisions if row.decided_by == DecidedBy.DESK]


def _made_of(piece: Sequence[WebhookRequest]) -> dict[int, list[Decision]]:
    """The decisions that each of these requests asked for or told of."""
    found: dict[int, list[Decision]] = defaultdict(list)
    rows = Decision.objects.filter(webhook_request_id__in=[row.pk for row in piece])
    for row in rows.order_by("pk"):
        found[row.webhook_request_id].append(row)
    return found


def _recorded_for(repeated: Sequence[WebhookRequest]) -> dict[int, list[Decision]]:
    """For each of these requests the decisions of its event, second answers included."""
    keys = {row.pk: _key(row) for row in repeated}
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


def _key(row: WebhookRequest) -> str:
    """Under which a request is decided; "" where its body can't be read."""
    try:
        return delivery_of(row).decision_id
    except events.NotAnEvent:
        return ""


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
_PIECE = 10_000


def verify_orphans(ids: Ids) -> Iterator[Checked]:
    """Decisions of no request: whoever goes through the requests never meets them."""
    last = ids.above
    while True:
        [(end, orphans)] = fetch(_ORPHANS, [last, ids.up_to, _PIECE])
        if end is None:
            return
        differences = [
            Difference(key, "webhook request", asked, "there") for key, asked in orphans or ()
        ]
        yield Checked(DECISIONS, 0, differences)
        last = end
