"""Middleware: times in the reader's zone, changes under the user's name, requests refused early.

The zone is in a cookie that the browser sets (zone.js).
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
from django.urls import Resolver404, resolve
from django.utils import timezone
from django.utils.encoding import escape_uri_path

from authorizations.services.runtime.actor import acting
from authorizations.web import door
from authorizations.web.browsers import is_of_admin

COOKIES = ("__Host-desk_time_zone", "desk_time_zone")
"""The cookie's name over HTTPS, and in development."""


class NothingElseIsSent:
    """Answers a POST to an address that accepts none with a 404 in the webhook's format.

    It comes from a program, which can log this, and Stripe follows no redirects. The webhook
    accepts a POST, and so do pages of the admin, unless it carries a Stripe-Signature.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.method != "POST":
            return self.get_response(request)
        try:
            name = resolve(request.path_info).url_name
        except Resolver404:
            name = None
        # Addresses without a name are redirects, or the admin's page for unknown addresses.
        is_page = is_of_admin(request) and name is not None
        is_stripes = "Stripe-Signature" in request.headers
        if name in ("webhook", "webhook_php") or (is_page and not is_stripes):
            return self.get_response(request)
        return door.error(404, "not_found", door.NOTHING_HERE)


class NoNul:
    """Answers 400 to an address with a NUL, which PostgreSQL would raise an error for."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if "\0" in request.path_info or "%00" in request.META.get("QUERY_STRING", ""):
            return HttpResponseBadRequest("This address can't be read.", "text/plain")
        return self.get_response(request)


class OnlyOpenedAndSent:
    """Refuses other methods than GET, HEAD and POST in the admin, which would treat them as GET."""

    METHODS = ("GET", "HEAD", "POST")

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if is_of_admin(request) and request.method not in self.METHODS:
            return HttpResponseNotAllowed(self.METHODS)
        return self.get_response(request)


class ReadersTimeZone:
    """Shows the times of a page in the reader's zone; in TIME_ZONE if that is unknown."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        names = (request.COOKIES.get(name) for name in COOKIES)
        name = next(filter(None, names), "")
        # Only known names: a name is also a path to the zone's file.
        zone = ZoneInfo(name) if name in _zone_names() else None
        with timezone.override(zone):
            return self.get_response(request)


class UnderTheirName:
    """Records what a form changes under the name of the user who is logged in.

    A page that is only opened changes nothing that the history is about.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.method != "POST" or not is_of_admin(request):
            return self.get_response(request)
        with acting(user=request.user, url=escape_uri_path(request.path)):
            return self.get_response(request)


@cache
def _zone_names() -> frozenset[str]:
    return frozenset(available_timezones())
