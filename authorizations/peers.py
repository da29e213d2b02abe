"""Where a request came from.

A header can say anything; it is believed only from the proxies in TRUSTED_PROXIES.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest


def is_trusted(address: str) -> bool:
    """Whether this is one of our own proxies."""
    found = _parsed(address)
    return found is not None and any(found in network for network in settings.TRUSTED_PROXIES)


def client_address(request: HttpRequest) -> str:
    """The nearest address that is no proxy of ours; "" where the connection tells none."""
    peer: str = request.META.get("REMOTE_ADDR", "")
    told = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    while told and is_trusted(peer):
        nearer = told.pop().strip()
        if _parsed(nearer) is None:
            break
        peer = nearer
    return peer


def network_of_client(request: HttpRequest) -> str | None:
    """The client's address, for counting what it does; for IPv6 the first of its /64.

    One customer of a network provider has all of a /64 to change addresses in.
    """
    found = _parsed(client_address(request))
    if isinstance(found, IPv6Address):
        return str(ip_network((found, 64), strict=False).network_address)
    return str(found) if found else None


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(address)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found
