"""Middleware: searches, filtered lists, exports and other heavy pages take turns."""

from collections.abc import Callable
from threading import Semaphore
from typing import NamedTuple

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import Resolver404, resolve

from authorizations.services.host import heavy_reads

WAIT_S = 10.0
"""How long a page waits for its turn."""

MOST_THREADS = 12
"""Threads of a process that heavy pages may occupy; the others (deploy/gunicorn.conf.py) remain for
light ones."""

RETRY_AFTER_S = 5

# What the names of addresses end with. A page that is opened and not named here is heavy.
_LIGHT = frozenset(
    (
        # About people and the site itself: log-in, passwords, scripts, and the list of an app.
        *("login", "logout", "done", "jsi18n", "site", "list", "search", "health"),
        # About one object, or a form that changes one.
        *("add", "change", "delete", "history", "differences", "autocomplete"),
        *("adjust", "release", "freeze", "unfreeze", "see", "apply", "assign", "unassign"),
        *("allow", "cancel", "each", "enter", "exclude"),
        *("switch", "block", "lift", "duplicate", "own"),
        # Opened, they only lead back.
        *("export", "again"),
    )
)
_LIGHT_AT_FIRST = frozenset(("index", "changelist"))
"""Light as long as nothing is searched, filtered or chosen."""

_HEAVY_FORMS = frozenset(("export", "again"))
"""Forms that read; all others write, and never wait."""


def is_heavy(request: HttpRequest) -> bool:
    """Whether the page reads so much that it has to wait for its turn."""
    try:
        match = resolve(request.path_info)
    except Resolver404:
        return False
    if match.namespace != "admin" or not match.url_name:
        return False
    kind = match.url_name.rpartition("_")[2]
    if request.method == "POST":
        return kind in _HEAVY_FORMS
    if kind in _LIGHT_AT_FIRST:
        return bool(request.GET)
    return kind not in _LIGHT


class Field(NamedTuple):
    """A field of the form that is sent again."""

    name: str
    value: str


class HeavyReadsTakeTurns:
    """Lets heavy pages wait for each other; a page whose turn does not come is a 503 in words.

    Has to be the last middleware: a user who may not see a page does not wait for it, and the wait
    is the last thing before the page is made.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self.threads = Semaphore(MOST_THREADS)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not is_heavy(request) or not admin.site.has_permission(request):
            return self.get_response(request)
        if not self.threads.acquire(blocking=False):
            return _busy(request)
        try:
            with heavy_reads.turn(WAIT_S):
                return self.get_response(request)
        except heavy_reads.BusyError:
            return _busy(request)
        finally:
            self.threads.release()


def _busy(request: HttpRequest) -> HttpResponse:
    """The page with which the same can be asked again."""
    typed = request.POST if request.method == "POST" else request.GET
    fields = [
        Field(name, value)
        for name, values in typed.lists()
        for value in values
        if name != "csrfmiddlewaretoken"
    ]
    address = request.get_full_path() if request.method == "POST" else request.path
    context = {"address": address, "fields": fields}
    response = render(request, "busy.html", context, status=503)
    response.headers["Retry-After"] = str(RETRY_AFTER_S)
    response.headers["Cache-Control"] = "no-store"
    return response
