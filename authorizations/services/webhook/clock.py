"""Detects that this host's clock lags, by the time in Stripe's signatures.

A signature dated ahead is accepted up to signature.AHEAD_SECONDS: only who has the secret can make
one. But limits and schedules follow this host's clock, so it has to be put right.
"""

import logging
from datetime import datetime, timedelta

from authorizations.models import WebhookRequest
from authorizations.services.runtime import metrics
from authorizations.services.runtime.seldom import Seldom
from authorizations.services.verify.record_checks import signed_by

logger = logging.getLogger(__name__)

WARN_AHEAD_S = 60
"""A lag that needs attention, in seconds; one or two come from the network and rounding."""

_NEWEST = 20
_LATELY = timedelta(hours=1)
_seldom = Seldom(logger)


def note(signed_at: int, now: float) -> None:
    """Note an accepted signature; both in Unix seconds, `now` by this host's clock."""
    ahead_s = signed_at - now
    if ahead_s < WARN_AHEAD_S:
        return
    metrics.dated_ahead()
    _seldom.warn(
        "ahead",
        "A signature is dated %d seconds ahead: this host's clock is behind. Synchronize it: "
        "beyond 300 seconds, signatures are rejected.",
        ahead_s,
    )


def seconds_behind(now: datetime) -> int:
    """The largest lag of a clock, in seconds, among the newest requests of the last hour.

    0 if it is less than WARN_AHEAD_S. The requests may have come to a different host.
    """
    rows = WebhookRequest.objects.only("received_at", "headers").order_by("-pk")[:_NEWEST]
    lately = [
        signed[0] - row.received_at.timestamp()
        for row in rows
        if now - row.received_at < _LATELY and (signed := signed_by(row))
    ]
    ahead_s = max(lately, default=0.0)
    return int(ahead_s) if ahead_s >= WARN_AHEAD_S else 0
