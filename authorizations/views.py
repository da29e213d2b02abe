"""HTTP entry points: the Stripe webhook, and health, readiness and metrics."""

import sys
from contextlib import suppress

from django.conf import settings
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.template.loader import render_to_string
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from django.views.defaults import server_error

from authorizations.services.webhook import readiness, scrape
from authorizations.web import door, peers


@csrf_exempt
def webhook(request: HttpRequest) -> HttpResponse:
    """A signed event always gets an answer, never a 500; an unsigned one is rejected unparsed."""
    if refused := door.refusal(request):
        return refused
    body = b""
    with suppress(UnreadablePostError):  # it is shorter than it says
        body = request.body
    taken = door.delivery(request, body)
    return taken if isinstance(taken, HttpResponse) else door.answered(taken)


@require_safe
def healthz(_request: HttpRequest) -> HttpResponse:
    """The process is up."""
    return JsonResponse({"status": "ok"})


@require_safe
def readyz(_request: HttpRequest) -> HttpResponse:
    """Whether this server should be sent purchases: 200 if so, else 503."""
    is_ready, facts = readiness.readiness()
    return JsonResponse(facts, status=200 if is_ready else 503)


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Metrics for Prometheus. Answers 404 outside the networks in METRICS_ALLOWED."""
    if not peers.is_from(request, settings.METRICS_ALLOWED):
        return HttpResponse(status=404)
    try:
        return HttpResponse(scrape.exposition(), content_type=scrape.CONTENT_TYPE)
    except TimeoutError:
        return HttpResponse(status=503)


def broken(request: HttpRequest) -> HttpResponse:
    """The response of a page that failed: 503 if the database failed, else 500."""
    if isinstance(sys.exc_info()[1], OperationalError):
        return HttpResponse(render_to_string("503.html"), status=503)
    return server_error(request)
