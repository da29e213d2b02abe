"""What people's pages share: times in their own zone, and changes under their own name.

The zone is told by a cookie that their browser sets (zone.js).
"""

from collections.abc import Callable
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from django.http import (
    HttpRequest,
    HttpResponseBadRequest,
    HttpResponseBase,
    HttpResponseNotAllowed,
)
from django.utils import timezone
from django.utils.encoding import escape_uri_path

from authorizations.browsers import is_of_admin
from authorizations.services.acting import acting

COOKIES = ("__Host-desk_time_zone", "desk_time_zone")
"""Over HTTPS, and in development."""


class NoNul:
    """An address with a NUL in it means nothing, and PostgreSQL takes none: 400, not an error."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if "\0" in request.path_info or "%00" in request.META.get("QUERY_STRING", ""):
            return HttpResponseBadRequest("This address can't be read.", "text/plain")
        return self.get_response(request)


class OnlyOpenedAndSent:
    """People's pages are opened, and forms sent. Django's admin takes any other method for that
    of opening a page, and renders it.
    """

    METHODS = ("GET", "HEAD", "POST")

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if is_of_admin(request) and request.method not in self.METHODS:
            return HttpResponseNotAllowed(self.METHODS)
        return self.get_response(request)


class ReadersTimeZone:
    """Shows the times of a page in its reader's zone; in TIME_ZONE where that is not known."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        names = (request.COOKIES.get(name) for name in COOKIES)
        with timezone.override(_zone(next(filter(None, names), ""))):
            return self.get_response(request)


class UnderTheirName:
    """What a page changes goes into the history as the work of whoever is logged in."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with acting(user=request.user, url=escape_uri_path(request.path)):
            return self.get_response(request)


def _zone(name: str) -> ZoneInfo | None:
    # Only names that are known: a name is also a path into the zone files.
    return ZoneInfo(name) if name in _known() else None


@cache
def _known() -> frozenset[str]:
    return frozenset(available_timezones())
