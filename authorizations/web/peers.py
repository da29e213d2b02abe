"""The client's address of a request.

X-Forwarded-For is believed only from the proxies in TRUSTED_PROXIES.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from django.http import HttpRequest

from authorizations.services.runtime.arrival import is_trusted

_PASSED_ON = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_VIA")


def client_address(request: HttpRequest) -> str:
    """The nearest address that is not a trusted proxy; "" if the connection has none."""
    peer: str = request.META.get("REMOTE_ADDR", "")
    forwarded_for = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    while forwarded_for and is_trusted(peer):
        previous = forwarded_for.pop().strip()
        if _parsed(previous) is None:
            break
        peer = previous
    return peer


def network_of_client(request: HttpRequest) -> str | None:
    """The address by which a client's attempts are counted; for IPv6 the first of its /64.

    A customer of a network provider can use any address of a /64.
    """
    found = _parsed(client_address(request))
    if isinstance(found, IPv6Address):
        return str(ip_network((found, 64), strict=False).network_address)
    return str(found) if found else None


def is_from(request: HttpRequest, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    """Whether the client is in one of these networks; False behind an untrusted proxy."""
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
