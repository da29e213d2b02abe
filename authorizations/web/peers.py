"""Where a request came from.

A header can say anything; it is believed only from the proxies in TRUSTED_PROXIES.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from django.http import HttpRequest

from authorizations.services.runtime.arrival import is_trusted

_PASSED_ON = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_VIA")


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


def is_from(request: HttpRequest, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    """Whether it surely comes from these networks: a proxy that is not ours hides who asks."""
    is_passed_on = any(header in request.META for header in _PASSED_ON)
    if is_passed_on and not is_trusted(request.META.get("REMOTE_ADDR", "")):
        return False
    found = _parsed(client_address(request))
    return found is not None and any(found in network for network in networks)


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(address)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found
