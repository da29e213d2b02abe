"""The events of a purchase: deliveries, decisions and ledger entries, joined by event."""

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

MAX_ROWS = 200
"""Maximum ledger entries, and maximum deliveries, of one purchase on its page."""


@dataclass(slots=True)
class LifeEvent:
    """One event, or one adjustment by an operator; deliveries and entries are oldest first.

    `report` is the content of the event and `created` its time at Stripe, in Unix seconds; both are
    None if the event can't be read. `decision` is the desk's decision on the event,
    `stripes_decision` the decline by Stripe that it reported. `problem` says why the event could
    not be applied.
    """

    deliveries: list[WebhookRequest] = field(default_factory=list)
    entries: list[LedgerEntry] = field(default_factory=list)
    decision: Decision | None = None
    stripes_decision: Decision | None = None
    report: Report | None = None
    created: int | None = None
    problem: str = ""

    @property
    def is_read(self) -> bool:
        """Whether the desk read it from Stripe's API, as the webhook had missed it."""
        return bool(self.deliveries) and self.deliveries[0].event_type.startswith(events.READ)

    @property
    def at(self) -> datetime:
        """When the delivery that was applied arrived; without a delivery, when it was entered."""
        received = [delivery.received_at for delivery in self.deliveries]
        if self.entries:
            entered = self.entries[0].entered_at
            return max((at for at in received if at <= entered), default=entered)
        return received[0] if received or self.decision is None else self.decision.decided_at


def life_events(
    row: Authorization, state: AuthorizationState | None, decisions: Iterable[Decision]
) -> tuple[list[LifeEvent], bool]:
    """The events of a purchase, oldest first, and whether older ones are left out.

    `decisions` are those of the purchase, by the desk and by Stripe.
    """
    of_desk: dict[str, Decision] = {}
    of_stripe: dict[int, Decision] = {}  # by the delivery that reported it
    for decision in decisions:
        if decision.decided_by == DecidedBy.DESK:
            of_desk[decision.pk] = decision
        else:
            of_stripe[decision.webhook_request_id] = decision

    entries = list(row.ledger.all()[: MAX_ROWS + 1])
    # About the authorization or its transactions, or of its decisions and entries; newest first.
    about = [row.pk, *(t.id for t in (state.transactions if state else ()))]
    event_ids = {*of_desk, *(e.event_id for e in entries if e.event_id)}
    requests = WebhookRequest.objects.filter(Q(about__in=about) | Q(event_id__in=event_ids))
    shown = requests.only(
        "received_at", "event_id", "event_type", "body", "repeats", "answer_status"
    )
    deliveries = list(shown.order_by("-pk")[: MAX_ROWS + 1])

    found: dict[str, LifeEvent] = defaultdict(LifeEvent)
    for delivery in reversed(deliveries[:MAX_ROWS]):
        event = found[delivery.event_id or f"delivery {delivery.pk}"]
        event.deliveries.append(delivery)
        event.stripes_decision = of_stripe.get(delivery.pk, event.stripes_decision)
    for entry in reversed(entries[:MAX_ROWS]):
        found[entry.event_id or f"entry {entry.pk}"].entries.append(entry)
    for event_id, decision in of_desk.items():
        found[event_id].decision = decision
    unapplied = UnappliedEvent.objects.filter(pk__in=found, applied_at=None)
    for event_id, problem in unapplied.values_list("pk", "error"):
        found[event_id].problem = problem
    for event in found.values():
        _read_report(event)

    is_cut = len(entries) > MAX_ROWS or len(deliveries) > MAX_ROWS
    return sorted(found.values(), key=lambda event: event.at), is_cut


def _read_report(event: LifeEvent) -> None:
    """Set `created` and `report`, as far as the first delivery can be read."""
    if not event.deliveries:
        return
    try:
        content = events.read(event.deliveries[0].kept_body)
        event.created = content.created
        event.report = reports.report(content)
    except (events.NotAnEventError, events.MalformedEventError):
        pass
