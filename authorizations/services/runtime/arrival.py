"""How long a request waited for a worker, according to a trusted proxy."""

import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

from django.conf import settings

_TIMESTAMP = re.compile(r"(?:t=)?(\d{10}\.\d{3})")
"""Seconds with milliseconds, as nginx writes `$msec`."""


def waited_ms(environ: Mapping[str, Any], now: float) -> float:
    """Milliseconds since X-Request-Start, if a trusted proxy sent it; else 0.

    `now` is Unix time in seconds by this host's clock. A time in the future, of a host whose clock
    differs, counts as 0.
    """
    started = _TIMESTAMP.fullmatch(environ.get("HTTP_X_REQUEST_START", ""))
    if started is None or not is_trusted(environ.get("REMOTE_ADDR", "")):
        return 0.0
    return max(0.0, (now - float(started[1])) * 1000)


def is_trusted(address: str) -> bool:
    """Whether the forwarding headers of this peer are trusted."""
    try:
        peer = ip_address(address)
    except ValueError:
        return not address  # a socket of this host has no address
    return any(peer in network for network in settings.TRUSTED_PROXIES)
