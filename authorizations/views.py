"""HTTP entry points: the Stripe webhook, and health, readiness and metrics."""

import hashlib
import logging
import sys
from contextlib import suppress
from datetime import UTC, datetime
from time import time

from django.conf import settings
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.template.loader import render_to_string
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from django.views.defaults import server_error

from authorizations.services.runtime import arrival
from authorizations.services.runtime import metrics as counters
from authorizations.services.runtime.delivery import PEER, Delivery, Stopwatch
from authorizations.services.webhook import answering, clock, readiness, rejections, scrape
from authorizations.web import peers
from authorizations.wire import answer, events, masking, signature

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 256 * 1024
KEPT_HEADERS = ("Content-Type", "Stripe-Signature", "User-Agent", "X-Forwarded-For")


class _RequestRefusedError(Exception):
    """A request that is refused before its body is read."""

    def __init__(self, status: int, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.response = _error(status, code, sentence)


@csrf_exempt
def webhook(request: HttpRequest) -> HttpResponse:
    """A signed event always gets an answer, never a 500; an unsigned one is rejected unparsed."""
    body = b""
    try:
        body = _body(request)
        # Time counts from here: a body that arrives slowly is no fault of ours.
        stopwatch, received_at = Stopwatch(), datetime.now(UTC)
        header = request.headers.get("Stripe-Signature")
        verified = signature.verify(body, header, settings.STRIPE_WEBHOOK_SECRETS, int(time()))
        kept = masking.body(body)
        event = events.read(kept)
    except _RequestRefusedError as refused:
        counters.rejected(refused.code)
        return refused.response
    except signature.SignatureError as rejected:
        return _rejected(request, body, rejected.cause, rejected.sentence)
    except events.NotAnEventError as rejected:
        return _rejected(request, body, "not_an_event", rejected.sentence)
    clock.note(verified.timestamp, received_at.timestamp())
    stopwatch.mark("verified")
    sha256 = hashlib.sha256(body).hexdigest()
    if sent := answering.answer_at_once(sha256, received_at):
        return _respond(sent.body, sent.status)
    sender, peer = peers.client_address(request), request.META.get("REMOTE_ADDR", "")
    found = request.headers
    headers = {name: masking.text(found[name]) for name in KEPT_HEADERS if name in found}
    if sender != peer:  # the proxy, so that X-Forwarded-For can be evaluated again
        headers[PEER] = peer
    delivery = Delivery(
        received_at=received_at,
        sender=sender,
        headers=headers,
        body=kept,
        signing_key=verified.signing_key,
        event=event,
        stopwatch=stopwatch,
        waited_ms=arrival.waited_ms(request.META, received_at.timestamp()),
        received_sha256="" if kept is body else sha256,
    )
    if events.wants_decision(event.type):
        return _respond(answering.answer(delivery))
    answered = answering.take(delivery)
    return _respond(answered.body, answered.status)


def _body(request: HttpRequest) -> bytes:
    """The raw body. Raises _RequestRefusedError."""
    if request.method != "POST":
        refusal = _RequestRefusedError(405, "method_not_allowed", "Use POST.")
        refusal.response.headers["Allow"] = "POST"
        raise refusal
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise _RequestRefusedError(415, "unsupported_encoding", "Send the body uncompressed.")
    length = request.META.get("CONTENT_LENGTH") or ""
    if not (length.isascii() and length.isdecimal() and len(length) < 16):
        sentence = "A Content-Length header is required."
        raise _RequestRefusedError(411, "length_required", sentence)
    if int(length) > MAX_BODY_BYTES:
        sentence = f"Bodies may have up to {MAX_BODY_BYTES} bytes."
        raise _RequestRefusedError(413, "too_large", sentence)
    with suppress(UnreadablePostError):
        if len(request.body) == int(length):
            return request.body
    raise _RequestRefusedError(400, "incomplete", "The body is shorter than Content-Length.")


def _rejected(request: HttpRequest, body: bytes, cause: str, sentence: str) -> HttpResponse:
    counters.rejected(cause)
    rejections.note(body, cause, sentence, sender=peers.client_address(request))
    return _error(400, cause, sentence)


def _respond(body: bytes, status: int = 200) -> HttpResponse:
    return HttpResponse(body, status=status, headers=answer.headers(settings.STRIPE_VERSION, body))


def _error(status: int, code: str, sentence: str) -> HttpResponse:
    return _respond(answer.error(code, sentence), status)


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
