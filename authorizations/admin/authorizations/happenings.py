"""What happened to a purchase, event by event: deliveries, the decision, and what was booked."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Q

from authorizations.models import (
    Authorization,
    DecidedBy,
    Decision,
    LedgerEntry,
    UnappliedEvent,
    WebhookRequest,
)
from authorizations.rules.purchases.books import AuthorizationState
from authorizations.rules.purchases.reports import Report
from authorizations.wire import events, reports

MOST = 200
"""So many entries, and so many deliveries, of one purchase stand on its page."""


@dataclass(slots=True)
class Happening:
    """One event, or what an operator booked: its deliveries and entries, the oldest first.

    `problem` is what stands against applying it.

    `report` is what it tells, `told_at` when it was created at Stripe, in Unix seconds. `decision`
    is ours that it asked for, `stripes_decision` the decline that it told of.
    """

    deliveries: list[WebhookRequest] = field(default_factory=list)
    entries: list[LedgerEntry] = field(default_factory=list)
    decision: Decision | None = None
    stripes_decision: Decision | None = None
    report: Report | None = None
    told_at: int | None = None
    problem: str = ""

    @property
    def is_read(self) -> bool:
        """Whether it was read from Stripe's own list, where the webhook had missed it."""
        return bool(self.deliveries) and self.deliveries[0].event_type.startswith(events.READ)

    @property
    def at(self) -> datetime:
        """When it came, the time that it was applied; what came by no event, when it was booked."""
        came = [delivery.received_at for delivery in self.deliveries]
        if self.entries:
            entered = self.entries[0].entered_at
            return max((at for at in came if at <= entered), default=entered)
        return came[0] if came or self.decision is None else self.decision.decided_at


def happenings(
    row: Authorization, books: AuthorizationState | None, decisions: Iterable[Decision]
) -> tuple[list[Happening], bool]:
    """The oldest first, and whether older ones are left out.

    `decisions` are those of the purchase, ours and Stripe's own.
    """
    entries = list(row.ledger.all()[: MOST + 1])
    rows = list(decisions)
    ours = {found.pk: found for found in rows if found.decided_by == DecidedBy.DESK}
    stripes = {d.webhook_request_id: d for d in rows if d.decided_by == DecidedBy.STRIPE}
    deliveries = _deliveries(row, books, {*ours, *(e.event_id for e in entries if e.event_id)})
    found: dict[str, Happening] = defaultdict(Happening)
    for delivery in deliveries[:MOST][::-1]:
        happening = found[delivery.event_id or f"delivery {delivery.pk}"]
        happening.deliveries.append(delivery)
        happening.stripes_decision = stripes.get(delivery.pk, happening.stripes_decision)
    for entry in entries[:MOST][::-1]:
        found[entry.event_id or f"entry {entry.pk}"].entries.append(entry)
    for key, decision in ours.items():
        found[key].decision = decision
    waiting = UnappliedEvent.objects.filter(pk__in=found, applied_at=None)
    for key, problem in waiting.values_list("pk", "error"):
        found[key].problem = problem
    for happening in found.values():
        _read(happening)
    is_cut = len(entries) > MOST or len(deliveries) > MOST
    return sorted(found.values(), key=lambda it: it.at), is_cut


def _deliveries(
    row: Authorization, books: AuthorizationState | None, event_ids: set[str]
) -> list[WebhookRequest]:
    """The newest first; found by what they tell of, and requests for a decision by their event."""
    about = [row.pk, *(t.id for t in (books.transactions if books else ()))]
    rows = WebhookRequest.objects.filter(Q(about__in=about) | Q(event_id__in=event_ids))
    shown = rows.only("received_at", "event_id", "event_type", "body", "repeats", "answer_status")
    return list(shown.order_by("-pk")[: MOST + 1])


def _read(happening: Happening) -> None:
    """What the event tells, as far as it can be read."""
    if not happening.deliveries:
        return
    try:
        event = events.read(happening.deliveries[0].kept_body)
        happening.told_at = event.created
        happening.report = reports.report(event)
    except (events.NotAnEventError, events.MalformedEventError):
        pass
