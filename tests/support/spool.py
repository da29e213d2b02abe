"""Answers given without the database, as a server leaves them in the spool."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from django.conf import settings

from authorizations.rules.decision.values import DeclineReason, Verdict
from authorizations.services.host.spool_writer import Spool
from authorizations.services.runtime.delivery import Delivery, Stopwatch
from authorizations.services.stand_in.spool_record import (
    COMMIT_UNKNOWN,
    SpoolRecord,
    encode,
    spool_record,
)
from authorizations.wire import answer, events, masking, signature
from simulator.stripe import samples
from simulator.stripe.samples import Json, Purchase
from tests.support.desk import Shopper

EARLIER = datetime(2026, 11, 18, 12, 0, 0, 250_000, tzinfo=UTC)
"""Shortly after tests.support.desk.NOON."""


def delivery_of(event: Json | bytes, received_at: datetime = EARLIER) -> Delivery:
    """A signed event as the door hands it on."""
    body = event if isinstance(event, bytes) else samples.to_bytes(event)
    secret = settings.STRIPE_WEBHOOK_SECRETS[0]
    signed = masking.text(signature.sign(body, secret, int(received_at.timestamp())))
    return Delivery(
        received_at=received_at,
        sender="203.0.113.9",
        headers={"Stripe-Signature": signed},
        body=body,
        signing_key=signature.fingerprint(secret),
        event=events.read(body),
        stopwatch=Stopwatch(marks={"verified": 80}),
    )


def answered(
    event: Json | bytes,
    amount: int | None,
    *,
    cause: str = "database_unreachable",
    received_at: datetime = EARLIER,
    reason: DeclineReason = DeclineReason.AMOUNT_LIMIT_EXCEEDED,
    **facts: Any,
) -> SpoolRecord:
    """The record of an answer: an approval of `amount`, or, for None, a decline."""
    delivery = delivery_of(event, received_at)
    is_partial = amount is not None and amount < _asked(delivery)
    decision = Verdict(
        approved=amount is not None,
        amount=amount or 0,
        reason=None if amount is not None else reason,
        is_partial=is_partial,
        named_amount=amount if is_partial else None,
    )
    sent = answer.render(
        approved=decision.approved,
        amount=decision.named_amount,
        decision=delivery.decision_id,
        reason=decision.reason,
        stand_in="" if cause == COMMIT_UNKNOWN else cause,
    )
    record = spool_record(delivery, cause, sent, decision, **facts)
    # Not the clock of the test: answered 40 ms after it came.
    return msgspec.structs.replace(record, answered_at=received_at + timedelta(milliseconds=40))


def _asked(delivery: Delivery) -> int:
    """0 where that can't be read."""
    pending = json.loads(delivery.body)["data"]["object"]["pending_request"] or {}
    return int(pending.get("amount", 0))


def asked(shopper: Shopper, purchase: Purchase | int, event_id: str = "") -> Json:
    """The event of a purchase that may be new."""
    if isinstance(purchase, int):
        purchase = shopper.purchase(purchase)
    return shopper.event(purchase, event_id)


def leave(directory: Path, *records: SpoolRecord) -> Path:
    """A file of a process that is gone; returns it."""
    spool = Spool(directory, timeout_s=60)
    for record in records:
        spool.append(encode(record))
    spool.rotate()
    return max(directory.glob("*.spool"))
