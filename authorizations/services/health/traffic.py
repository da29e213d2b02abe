"""What the newest requests tell: whether both of Stripe's endpoints are there, whose clock is off,
which proxy is not believed, and which versions meet.
"""

import platform
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import django
from django.conf import settings
from django.utils import timezone

from authorizations.models import WebhookRequest
from authorizations.services.arrival import is_trusted
from authorizations.services.delivery import PEER
from authorizations.services.health.values import HealthCheck, State
from authorizations.services.record_checks import signed_by
from authorizations.wire.events import AUTHORIZATION_REQUEST

_NEWEST = 300
_LATELY = timedelta(days=1)
_HEARD_WITHIN = timedelta(minutes=10)
_MANY = 100
_CLOCK_OF = 20
_OFF_S, _FAR_OFF_S = 10, 60


def checks() -> Iterator[HealthCheck]:
    since = timezone.now() - _LATELY
    newest = WebhookRequest.objects.defer("body", "answer_body").order_by("-pk")[:_NEWEST]
    # What was read in Stripe's API came through no door.
    rows = [row for row in newest if row.received_at >= since and signed_by(row)]
    yield _endpoints(rows)
    yield from _clock(rows)
    yield from _proxies(rows)
    yield from _versions(rows)


def _endpoints(rows: list[WebhookRequest]) -> HealthCheck:
    """Decisions are asked for at one endpoint; whatever happens afterwards is told at another."""
    name = "Stripe's endpoints"
    asked = [row for row in rows if row.event_type == AUTHORIZATION_REQUEST]
    if not asked:
        what = "No purchase was asked about in the last day, so nothing can be told of them."
        return HealthCheck(name, State.OK, what)
    if len(asked) < len(rows):
        what = "Purchases are asked about, and what happens to them afterwards is told."
        return HealthCheck(name, State.OK, what)
    cure = (
        "Register a webhook endpoint for Issuing's other events besides the authorization webhook, "
        "and add its signing secret to STRIPE_WEBHOOK_SECRET: docs/going-live.md names the events."
    )
    if len(asked) >= _MANY or asked[-1].received_at < timezone.now() - _HEARD_WITHIN:
        what = f"Of the newest {len(asked):,} purchases nothing was told afterwards. {cure}"
        return HealthCheck(name, State.BAD, what)
    what = f"Nothing was told yet of the newest purchases, for up to ten minutes. Else: {cure}"
    return HealthCheck(name, State.WARN, what)


def _clock(rows: list[WebhookRequest]) -> Iterator[HealthCheck]:
    """Each signature has the time of its making; the way here and a wait make it older, never
    younger.
    """
    lags = [
        row.received_at.timestamp() - signed[0]
        for row in rows[:_CLOCK_OF]
        if (signed := signed_by(row))
    ]
    if not lags:
        return
    lag_s = round(min(lags))
    told = f"The newest signatures were {abs(lag_s):,} seconds {'old' if lag_s >= 0 else 'ahead'}"
    if abs(lag_s) < _OFF_S:
        yield HealthCheck("Stripe's clock", State.OK, f"{told} when they came.")
        return
    state = State.BAD if abs(lag_s) >= _FAR_OFF_S else State.WARN
    whose = "ahead" if lag_s > 0 else "behind"
    what = f"{told}: this host's clock is {whose}. Synchronize it: beyond 300 seconds none counts."
    yield HealthCheck("Stripe's clock", state, what)


def _proxies(rows: list[WebhookRequest]) -> Iterator[HealthCheck]:
    """Who passes on for whom, without being believed."""
    passed_on = [row for row in rows if "X-Forwarded-For" in row.headers]
    strangers = Counter(
        row.sender for row in passed_on if PEER not in row.headers and not _is_ours(row.sender)
    )
    for sender, number in strangers.most_common(3):
        what = (
            f"{number:,} of the newest {len(rows):,} requests came from {sender}, which says for "
            "whom it passes them on and is not in TRUSTED_PROXIES. If it is yours, add it."
        )
        yield HealthCheck("Proxies", State.WARN, what)
    trusts_it = getattr(settings, "SECURE_PROXY_SSL_HEADER", None)
    is_behind_proxy = any(PEER in row.headers for row in rows)
    if is_behind_proxy and not settings.DEBUG and not trusts_it:
        what = (
            "Requests come through a proxy, and TRUST_PROXY_TLS is not set: if it ends TLS, the "
            "admin redirects for ever."
        )
        yield HealthCheck("Proxies", State.WARN, what)
    elif not strangers and rows:
        yield HealthCheck("Proxies", State.OK, "Every request's sender is known.")


def _is_ours(address: str) -> bool:
    return bool(address) and is_trusted(address)


def _versions(rows: list[WebhookRequest]) -> Iterator[HealthCheck]:
    what = f"Python {platform.python_version()} and Django {django.get_version()}."
    yield HealthCheck("Program", State.OK, what)
    counts = Counter(row.api_version for row in rows if row.api_version)
    told = f"Answers name {settings.STRIPE_VERSION}"
    if not counts:
        yield HealthCheck("Stripe's versions", State.OK, f"{told}.")
        return
    came = " and ".join(version for version, _ in counts.most_common(3))
    state = State.WARN if len(counts) > 1 else State.OK
    cure = " Give both endpoints one version." if len(counts) > 1 else ""
    yield HealthCheck("Stripe's versions", state, f"{told}; events come in {came}.{cure}")
