"""A webhook request as it came in and was answered, for its own page and its decision's."""

import hashlib
from typing import Any, NamedTuple

from django.conf import settings

from authorizations.admin.requests.timeline import Timeline, timeline
from authorizations.admin.shared.bodies import Body, body
from authorizations.admin.shared.links import link
from authorizations.admin.shared.times import exact_time
from authorizations.models import WebhookRequest
from authorizations.wire.signature import fingerprint


class SentAnswer(NamedTuple):
    """What was answered. `version` is today's setting: the header is not kept with each answer."""

    status: int
    body: Body
    version: str


class ShownDelivery(NamedTuple):
    """`first` leads to the delivery that keeps the body, where that is another one."""

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
    return ShownDelivery(
        row=row,
        received=exact_time(row.received_at),
        first=link(row.repeats, exact_time(row.repeats.received_at)) if row.repeats else "",
        body=body(data),
        is_intact=hashlib.sha256(data).hexdigest() == (row.masked_sha256 or row.body_sha256),
        headers=_headers(row.headers),
        key_in_use=row.signing_key in map(fingerprint, settings.STRIPE_WEBHOOK_SECRETS),
        answer=SentAnswer(
            row.answer_status, body(row.answer_body.encode()), settings.STRIPE_VERSION
        ),
        timeline=timeline(row.timings),
    )


def _headers(headers: Any) -> list[tuple[str, str]]:
    if not isinstance(headers, dict):
        return [("Headers", str(headers))]
    return [(str(name), str(value)) for name, value in headers.items()]
