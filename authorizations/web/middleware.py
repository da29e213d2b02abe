"""What people's pages share: times in their own zone, and changes under their own name.

The zone is told by a cookie that their browser sets (zone.js).
"""

from collections.abc import Callable
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBadRequest,
    HttpResponseBase,
    HttpResponseNotAllowed,
)
from django.urls import Resolver404, resolve
from django.utils import timezone
from django.utils.encoding import escape_uri_path

from authorizations.services.store.actor import acting
from authorizations.web.browsers import is_of_admin
from authorizations.wire import answer

COOKIES = ("__Host-desk_time_zone", "desk_time_zone")
"""Over HTTPS, and in development."""


NOTHING_HERE = (
    "Nothing takes a POST at this address: Stripe's events are sent to /webhook. Put that path "
    "into the address of the endpoint, at Stripe or behind `stripe listen --forward-to`."
)


class NothingElseIsSent:
    """What is sent to where nothing takes it comes from a machine: a 404 that it can log, whatever
    browsers would get there, and no redirect, which Stripe does not follow.

    The webhook takes what is sent, and so do pages of the admin, but nothing that Stripe signed.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.method != "POST" or _is_taken(request):
            return self.get_response(request)
        body = answer.error("not_found", NOTHING_HERE)
        return HttpResponse(body, status=404, headers=answer.headers(settings.STRIPE_VERSION, body))


def _is_taken(request: HttpRequest) -> bool:
    try:
        name = resolve(request.path_info).url_name
    except Resolver404:
        return False
    # What has no name leads elsewhere, or catches what the admin has no page for.
    is_page = is_of_admin(request) and name is not None
    is_stripes = "Stripe-Signature" in request.headers
    return name in ("webhook", "webhook_php") or (is_page and not is_stripes)


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
    """What a form changes goes into the history as the work of whoever is logged in.

    A page that is only opened changes nothing the history is about.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.method != "POST" or not is_of_admin(request):
            return self.get_response(request)
        with acting(user=request.user, url=escape_uri_path(request.path)):
            return self.get_response(request)


def _zone(name: str) -> ZoneInfo | None:
    # Only names that are known: a name is also a path into the zone files.
    return ZoneInfo(name) if name in _known() else None


@cache
def _known() -> frozenset[str]:
    return frozenset(available_timezones())
