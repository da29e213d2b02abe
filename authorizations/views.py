"""The doors: the webhook, and two for whoever watches over the process."""

import logging
from datetime import UTC, datetime
from time import time

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from authorizations.rules.values import DeclineReason
from authorizations.services import record, rejections
from authorizations.services.authorize import authorize
from authorizations.services.delivery import Delivery, Stopwatch
from authorizations.wire import answer, events, signature
from authorizations.wire.events import AUTHORIZATION_REQUEST, Event

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 256 * 1024
KEPT_HEADERS = ("Content-Type", "Stripe-Signature", "User-Agent", "X-Forwarded-For")


@csrf_exempt
def webhook(request: HttpRequest) -> HttpResponse:
    """Verify, read, decide, answer. What is signed never gets a 500; what isn't gets no further."""
    stopwatch = Stopwatch()
    received_at = datetime.now(UTC)
    if refusal := _refused_unread(request):
        return refusal
    body = request.body
    header = request.headers.get("Stripe-Signature")
    try:
        verified = signature.verify(body, header, settings.STRIPE_WEBHOOK_SECRETS, int(time()))
        event = events.read(body)
    except signature.SignatureRejected as rejected:
        return _rejected(request, body, rejected.cause, rejected.sentence)
    except events.NotAnEvent as rejected:
        return _rejected(request, body, "not_an_event", rejected.sentence)
    stopwatch.mark("verified")
    delivery = Delivery(
        received_at=received_at,
        sender=request.META.get("REMOTE_ADDR", ""),
        headers={name: request.headers[name] for name in KEPT_HEADERS if name in request.headers},
        body=body,
        signing_key=verified.signing_key,
        event=event,
        stopwatch=stopwatch,
    )
    try:
        return _respond(_answer(delivery))
    except Exception:
        logger.exception("Event %s could not be handled.", event.id)
        return _failed(event)


def _answer(delivery: Delivery) -> bytes:
    if delivery.event.type != AUTHORIZATION_REQUEST:
        return record.received(delivery)
    try:
        request = events.authorization_request(delivery.event)
    except events.MalformedRequest as malformed:
        return record.refused(delivery, DeclineReason.MALFORMED_REQUEST, malformed.problem)
    if settings.STRIPE_LIVEMODE not in (None, request.livemode):
        problem = f"A {_mode(live=request.livemode)} event came to a desk that takes only others."
        return record.refused(delivery, DeclineReason.WRONG_MODE, problem, request)
    return authorize(request, delivery)


def _mode(*, live: bool) -> str:
    return "live" if live else "test"


def _refused_unread(request: HttpRequest) -> HttpResponse | None:
    """What is answered before the body is looked at."""
    if request.method != "POST":
        refusal = _error(405, "method_not_allowed", "Stripe's events come by POST.")
        refusal.headers["Allow"] = "POST"
        return refusal
    if request.headers.get("Content-Encoding", "identity") != "identity":
        return _error(415, "unsupported_encoding", "Send the body as it is, not compressed.")
    length = request.META.get("CONTENT_LENGTH") or ""
    if not length.isdigit():
        return _error(411, "length_required", "Say in Content-Length how long the body is.")
    if int(length) > MAX_BODY_BYTES:
        return _error(413, "too_large", f"Bodies may have up to {MAX_BODY_BYTES} bytes.")
    return None


def _rejected(request: HttpRequest, body: bytes, cause: str, sentence: str) -> HttpResponse:
    try:
        rejections.keep(body, cause, sender=request.META.get("REMOTE_ADDR", ""))
    except DatabaseError:
        logger.exception("A rejected request (%s) could not be kept.", cause)
    return _error(400, cause, sentence)


def _failed(event: Event) -> HttpResponse:
    """The answer when nothing could be kept: never an approval, and Stripe tells events again."""
    if event.type == AUTHORIZATION_REQUEST:
        reason = DeclineReason.INTERNAL_ERROR
        return _respond(
            answer.render(approved=False, amount=None, decision=event.id or "", reason=reason)
        )
    return _error(503, "try_again", "The event could not be kept; please send it again.")


def _respond(body: bytes) -> HttpResponse:
    return HttpResponse(body, headers=answer.headers(settings.STRIPE_VERSION, body))


def _error(status: int, code: str, sentence: str) -> HttpResponse:
    body = answer.error(code, sentence)
    return HttpResponse(body, status=status, headers=answer.headers(settings.STRIPE_VERSION, body))


@require_safe
def healthz(_request: HttpRequest) -> HttpResponse:
    """The process is up."""
    return JsonResponse({"status": "ok"})


@require_safe
def readyz(_request: HttpRequest) -> HttpResponse:
    """The database answers and its tables are those this program expects."""
    try:
        executor = MigrationExecutor(connection)
        behind = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        return JsonResponse({"status": "unavailable", "database": "does not answer"}, status=503)
    if behind:
        return JsonResponse({"status": "unavailable", "migrations": "not applied"}, status=503)
    return JsonResponse({"status": "ready"})
