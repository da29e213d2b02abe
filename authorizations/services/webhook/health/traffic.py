"""Checks the newest requests: both of Stripe's endpoints, clocks, proxies and versions."""

import platform
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import django
from django.conf import settings
from django.utils import timezone

from authorizations.models import WebhookRequest
from authorizations.services.lifecycle import unheard
from authorizations.services.runtime.arrival import is_trusted
from authorizations.services.runtime.delivery import PEER
from authorizations.services.verify.record_checks import signed_by
from authorizations.services.webhook.health.values import HealthCheck, HealthState

_NEWEST = 300
_LATELY = timedelta(days=1)
_CLOCK_OF = 20
_OFF_S, _FAR_OFF_S = 10, 60


def checks() -> Iterator[HealthCheck]:
    since = timezone.now() - _LATELY
    newest = WebhookRequest.objects.defer("body", "answer_body").order_by("-pk")[:_NEWEST]
    # What was read from Stripe's API is not signed.
    rows = [row for row in newest if row.received_at >= since and signed_by(row)]
    yield _endpoints()
    yield from _clock(rows)
    yield from _proxies(rows)
    yield from _versions(rows)


def _endpoints() -> HealthCheck:
    """Stripe sends authorization requests to one endpoint, all later events to a second one."""
    name = "Stripe's endpoints"
    found = unheard.latest() or unheard.look(timezone.now())
    if not found.approvals:
        what = "No approval of the last day is ten minutes old, so there is nothing to check yet."
        return HealthCheck(name, HealthState.OK, what)
    what = (
        f"Of {found.approvals:,} approvals of the last day that are ten minutes old, "
        f"{found.approvals - found.unheard:,} have a later event from Stripe."
    )
    if not found.is_alarming:
        return HealthCheck(name, HealthState.OK, what)
    cure = (
        "Register a webhook endpoint for Issuing's other events besides the authorization webhook, "
        "and add its signing secret to STRIPE_WEBHOOK_SECRET: docs/going-live.md names the events."
    )
    return HealthCheck(name, HealthState.BAD, f"{what} {cure}")


def _clock(rows: list[WebhookRequest]) -> Iterator[HealthCheck]:
    """Stripe's clock against this host's: the way here makes a signature older, never younger."""
    lags = [
        row.received_at.timestamp() - signed[0]
        for row in rows[:_CLOCK_OF]
        if (signed := signed_by(row))
    ]
    if not lags:
        return
    lag_s = round(min(lags))
    found = f"The newest signatures were {abs(lag_s):,} seconds {'old' if lag_s >= 0 else 'ahead'}"
    if abs(lag_s) < _OFF_S:
        yield HealthCheck("Stripe's clock", HealthState.OK, f"{found} when they arrived.")
        return
    state = HealthState.BAD if abs(lag_s) >= _FAR_OFF_S else HealthState.WARN
    whose = "ahead" if lag_s > 0 else "behind"
    what = (
        f"{found}: this host's clock is {whose}. Synchronize it: beyond 300 seconds, signatures "
        "are rejected."
    )
    yield HealthCheck("Stripe's clock", state, what)


def _proxies(rows: list[WebhookRequest]) -> Iterator[HealthCheck]:
    """Proxies that are not trusted, and TLS that ends at a proxy without the setting for it."""
    strangers = Counter(
        row.sender
        for row in rows
        if "X-Forwarded-For" in row.headers
        and PEER not in row.headers
        and not (row.sender and is_trusted(row.sender))
    )
    for sender, number in strangers.most_common(3):
        what = (
            f"{number:,} of the newest {len(rows):,} requests came from {sender}, which sends "
            "X-Forwarded-For and is not in TRUSTED_PROXIES. If it is your proxy, add it."
        )
        yield HealthCheck("Proxies", HealthState.WARN, what)
    trusts_it = getattr(settings, "SECURE_PROXY_SSL_HEADER", None)
    is_behind_proxy = any(PEER in row.headers for row in rows)
    if is_behind_proxy and not settings.DEBUG and not trusts_it:
        what = (
            "Requests come through a proxy, and TRUST_PROXY_TLS is not set: if the proxy "
            "terminates TLS, the admin redirects forever. Set TRUST_PROXY_TLS then."
        )
        yield HealthCheck("Proxies", HealthState.WARN, what)
    elif not strangers and rows:
        yield HealthCheck("Proxies", HealthState.OK, "Every request's sender is known.")


def _versions(rows: list[WebhookRequest]) -> Iterator[HealthCheck]:
    what = f"Python {platform.python_version()} and Django {django.get_version()}."
    yield HealthCheck("Program", HealthState.OK, what)
    counts = Counter(row.api_version for row in rows if row.api_version)
    ours = f"Answers use API version {settings.STRIPE_VERSION}"
    if not counts:
        yield HealthCheck("Stripe's versions", HealthState.OK, f"{ours}.")
        return
    theirs = " and ".join(version for version, _ in counts.most_common(3))
    state = HealthState.WARN if len(counts) > 1 else HealthState.OK
    cure = " Give both endpoints the same version." if len(counts) > 1 else ""
    yield HealthCheck("Stripe's versions", state, f"{ours}; events arrive in {theirs}.{cure}")
