"""How long a request waited for a worker, as a proxy of ours tells."""

import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

from django.conf import settings

_TOLD = re.compile(r"(?:t=)?(\d{10}\.\d{3})")
"""Seconds with milliseconds, as nginx writes `$msec`."""


def waited_ms(environ: Mapping[str, Any], now: float) -> float:
    """From X-Request-Start, where it comes from a trusted proxy; else 0.

    `now` is Unix time in seconds by this host's clock. One in the future, of a host whose clock
    differs, tells nothing.
    """
    told = _TOLD.fullmatch(environ.get("HTTP_X_REQUEST_START", ""))
    if told is None or not is_trusted(environ.get("REMOTE_ADDR", "")):
        return 0.0
    return max(0.0, (now - float(told[1])) * 1000)


def is_trusted(address: str) -> bool:
    """Whether headers that tell of the way a request came are believed from this peer."""
    try:
        peer = ip_address(address)
    except ValueError:
        return not address  # a socket of this host has no address
    return any(peer in network for network in settings.TRUSTED_PROXIES)
