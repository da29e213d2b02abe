"""A webhook request as received and answered, for its own page and for its decision's."""

import hashlib
from typing import NamedTuple

from django.conf import settings

from authorizations.admin.requests.timeline import Timeline, timeline
from authorizations.admin.shared.bodies import Body, body
from authorizations.admin.shared.links import link
from authorizations.admin.shared.times import exact_time
from authorizations.models import WebhookRequest
from authorizations.wire.signature import fingerprint


class SentAnswer(NamedTuple):
    """The answer sent. `version` is today's setting, as the header is not stored per answer."""

    status: int
    body: Body
    version: str


class ShownDelivery(NamedTuple):
    """`first` links to the delivery that stores the body; empty if this delivery stores it."""

    row: WebhookRequest
    received: str
    first: str
    body: Body
    is_intact: bool
    headers: list[tuple[str, str]]
    key_in_use: bool
    answer: SentAnswer
    timeline: Timeline | None


def delivery(row: WebhookRequest) -> ShownDelivery:
    data = row.kept_body
    if isinstance(row.headers, dict):
        headers = [(str(name), str(value)) for name, value in row.headers.items()]
    else:
        headers = [("Headers", str(row.headers))]
    return ShownDelivery(
        row=row,
        received=exact_time(row.received_at),
        first=link(row.repeats, exact_time(row.repeats.received_at)) if row.repeats else "",
        body=body(data),
        is_intact=hashlib.sha256(data).hexdigest() == (row.masked_sha256 or row.body_sha256),
        headers=headers,
        key_in_use=row.signing_key in map(fingerprint, settings.STRIPE_WEBHOOK_SECRETS),
        answer=SentAnswer(
            row.answer_status, body(row.answer_body.encode()), settings.STRIPE_VERSION
        ),
        timeline=timeline(row.timings),
    )
