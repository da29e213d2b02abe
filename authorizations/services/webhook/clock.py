"""Whether this host's clock lags, as Stripe's signatures tell: each has the time of its making.

A clock that lags is accepted for a while, as who can date a signature ahead has the secret; but
limits and schedules are told in its time, and beyond signature.AHEAD_SECONDS nothing is accepted.
"""

import logging
from datetime import datetime, timedelta

from authorizations.models import WebhookRequest
from authorizations.services.runtime import metrics
from authorizations.services.runtime.seldom import Seldom
from authorizations.services.verify.record_checks import signed_by

logger = logging.getLogger(__name__)

WARN_AHEAD_S = 60
"""From here on somebody should look; a second or two is what the network and rounding make."""

_NEWEST = 20
_LATELY = timedelta(hours=1)
_seldom = Seldom(logger)


def note(signed_at: int, now: float) -> None:
    """A signature that was accepted; both in Unix seconds, `now` by this host's clock."""
    ahead_s = signed_at - now
    if ahead_s < WARN_AHEAD_S:
        return
    metrics.dated_ahead()
    _seldom.warn(
        "ahead",
        "A signature is dated %d seconds ahead: this host's clock is behind. Synchronize it: "
        "beyond 300 seconds none counts.",
        ahead_s,
    )


def seconds_behind(now: datetime) -> int:
    """How far a host's clock was behind at most when the newest requests came; 0 where that is
    nothing to look at.

    Of the last hour, as they are on record: it may have been another host's clock.
    """
    rows = WebhookRequest.objects.only("received_at", "headers").order_by("-pk")[:_NEWEST]
    lately = [
        signed[0] - row.received_at.timestamp()
        for row in rows
        if now - row.received_at < _LATELY and (signed := signed_by(row))
    ]
    ahead_s = max(lately, default=0.0)
    return int(ahead_s) if ahead_s >= WARN_AHEAD_S else 0
