"""Processes events without HTTP: for demo data, benchmarks and load tests."""

from datetime import datetime

from authorizations.services.authorize.transaction import authorize
from authorizations.services.lifecycle import intake
from authorizations.services.lifecycle.intake import Answered
from authorizations.services.runtime.delivery import Delivery, Stopwatch
from authorizations.wire import events


def take_in(body: bytes, *, received_at: datetime, sender: str) -> Answered:
    """Process an event as if its signature were valid; raises what its service raises."""
    event = events.read(body)
    delivery = Delivery(
        received_at=received_at,
        sender=sender,
        headers={},
        body=body,
        signing_key=sender[:8],
        event=event,
        stopwatch=Stopwatch(),
    )
    if not events.wants_decision(event.type):
        return intake.receive(delivery)
    return Answered(200, authorize(events.authorization_request(event), delivery))
