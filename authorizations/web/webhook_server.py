"""The ASGI application of the webhook's instance: it answers Stripe and whoever watches over it.

Django's own ASGI handler takes a millisecond of processor time for a request, and cancels a view
whose client has left. This calls the views past it, as wsgi.py goes past the WSGI handler. On the
event loop it does only what cannot wait: the door's checks, the signature, parsing; and deciding,
which drives its connections from the loop (services/webhook/together.py). What asks a disk or uses
the ORM runs in threads. A client that leaves interrupts none of it.
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from time import monotonic
from typing import Any, TypeAlias

from django.core.handlers.asgi import ASGIRequest
from django.db import connections
from django.http import HttpRequest, HttpResponse

from authorizations.services.runtime import budget
from authorizations.services.runtime.delivery import Delivery
from authorizations.services.webhook import together
from authorizations.web import door
from authorizations.wire import events

Scope: TypeAlias = dict[str, Any]
Receive: TypeAlias = Callable[[], Any]
Send: TypeAlias = Callable[[dict[str, Any]], Any]
View: TypeAlias = Callable[[HttpRequest], HttpResponse]

READY_WITHIN_S = 5.0
"""Maximum time to wait for connections at the start; without them stand-in answers."""

REFUSED_AT_ONCE = 50
"""Maximum requests a second that a process refuses at once, for a false signature or their form."""

REFUSED_AFTER_S = 0.5
"""Further ones wait this long for their answer, which costs nothing: a flood on 256 connections is
then 512 requests a second, and purchases find a free loop."""

WATCHING_THREADS = 2
MOST_WATCHING = 16
"""Maximum requests for readiness and metrics that wait or are answered at once."""

_OF_BODIES = {"CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING"}
WEBHOOKS = ("/webhook", "/webhook.php")
_NOTHING_HERE = (
    "This server answers Stripe alone, at /webhook. The admin is on a server of its own."
)


class WebhookServer:
    """An ASGI application; `healthz` answers at once, `watching` may wait for the database."""

    def __init__(self, healthz: View, watching: Mapping[str, View]) -> None:
        self._healthz = healthz
        self._watching = watching
        self._now_watching = 0
        self._desk: together.Desk | None = None
        self._watching_threads = ThreadPoolExecutor(WATCHING_THREADS, "watching")
        self._refused_in, self._refused = 0, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        # No view reads the query string, which need not be UTF-8.
        request = ASGIRequest({**scope, "query_string": b""}, BytesIO())
        response = await self._respond(request, receive)
        if 400 <= response.status_code < 500:
            await self._hold_back()
        headers = [(name.encode(), value.encode("latin-1")) for name, value in response.items()]
        await send(
            {"type": "http.response.start", "status": response.status_code, "headers": headers}
        )
        await send({"type": "http.response.body", "body": response.content})

    async def _respond(self, request: HttpRequest, receive: Receive) -> HttpResponse:
        path = request.path_info.removesuffix("/")
        if path in WEBHOOKS:
            return await self._webhook(request, receive)
        if request.method == "POST":
            return door.error(404, "not_found", door.NOTHING_HERE)
        if path == "/healthz":
            return _with_length(self._healthz(request))
        if view := self._watching.get(path):
            return await self._watch(view, request)
        return door.error(404, "not_found", _NOTHING_HERE)

    async def _webhook(self, request: HttpRequest, receive: Receive) -> HttpResponse:
        """What views.webhook does, without waiting on the event loop."""
        if refused := door.refusal(request):
            # A body of any length may follow, but one that is only not signed is not long.
            if refused.status_code != 400 and request.META.keys() & _OF_BODIES:
                refused.headers["Connection"] = "close"
            return refused
        try:
            async with asyncio.timeout(budget.BODY_MS / 1000):
                body = await _body(receive)
        except TimeoutError:
            late = door.refuse(408, "body_too_slow", "The body took too long; send it again.")
            late.headers["Connection"] = "close"
            return late
        taken = door.delivery(request, body)
        return taken if isinstance(taken, HttpResponse) else await self._answer(taken)

    async def _hold_back(self) -> None:
        """Wait with a refusal if there are too many of them in this second."""
        now = int(monotonic())
        if now != self._refused_in:
            self._refused_in, self._refused = now, 0
        self._refused += 1
        if self._refused > REFUSED_AT_ONCE:
            await asyncio.sleep(REFUSED_AFTER_S)

    async def _answer(self, taken: Delivery) -> HttpResponse:
        """The response to a delivery, decided and recorded."""
        desk = self._desk = self._desk or together.Desk()
        if events.wants_decision(taken.event.type):
            return door.respond(await desk.answer(taken))
        done = await desk.take(taken)
        return door.respond(done.body, done.status)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Connect before the first request comes.

        At the end nothing is closed: until the process is gone, a connection that it was given may
        still bring a request.
        """
        await receive()
        self._desk = self._desk or together.Desk()
        await self._desk.ready(READY_WITHIN_S)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _watch(self, view: View, request: HttpRequest) -> HttpResponse:
        if self._now_watching >= MOST_WATCHING:
            return door.error(503, "try_again", "Too many such requests are being answered.")
        self._now_watching += 1
        try:
            loop = asyncio.get_running_loop()
            response = await loop.run_in_executor(self._watching_threads, _viewed, view, request)
            return _with_length(response)
        finally:
            self._now_watching -= 1


async def _body(receive: Receive) -> bytes:
    """The body, as far as it came before the client left; the door has limited its length."""
    body, is_open = b"", True
    while is_open:
        message = await receive()
        body += message.get("body", b"")
        is_open = message.get("more_body", False)
    return body


def _viewed(view: View, request: HttpRequest) -> HttpResponse:
    try:
        return view(request)
    finally:
        connections.close_all()


def _with_length(response: HttpResponse) -> HttpResponse:
    response.headers["Content-Length"] = str(len(response.content))
    return response
