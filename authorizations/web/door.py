"""The webhook's door: from an HTTP request to a delivery, for every kind of server.

Method, encoding, length and the form of the signature header are checked before the body is read.
Only a body with a valid signature is parsed. views.py uses it under WSGI, webhook_server.py under
ASGI. Nothing here waits for the database, a disk or a lock that is held meanwhile.
"""

import hashlib
from datetime import UTC, datetime
from time import time

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from authorizations.services.runtime import arrival
from authorizations.services.runtime import metrics as counters
from authorizations.services.runtime.delivery import PEER, Delivery, Stopwatch
from authorizations.services.webhook import answering, clock, rejections
from authorizations.web import peers
from authorizations.wire import answer, events, masking, signature

MAX_BODY_BYTES = 256 * 1024
_KEPT_HEADERS = (
    ("Content-Type", "CONTENT_TYPE"),
    ("Stripe-Signature", "HTTP_STRIPE_SIGNATURE"),
    ("User-Agent", "HTTP_USER_AGENT"),
    ("X-Forwarded-For", "HTTP_X_FORWARDED_FOR"),
)
"""The headers that are stored with a request, and their names in META."""

NOTHING_HERE = (
    "This address accepts no POST: Stripe's events are sent to /webhook. Set that path in the "
    "address of the endpoint, at Stripe or in `stripe listen --forward-to`."
)


def refusal(request: HttpRequest) -> HttpResponse | None:
    """The response to a request whose body need not be read, which is counted; else None."""
    found = request.META
    if request.method != "POST":
        refused = refuse(405, "method_not_allowed", "Use POST.")
        refused.headers["Allow"] = "POST"
        return refused
    if found.get("HTTP_CONTENT_ENCODING", "identity") != "identity":
        return refuse(415, "unsupported_encoding", "Send the body uncompressed.")
    length = found.get("CONTENT_LENGTH") or ""
    is_chunked = "HTTP_TRANSFER_ENCODING" in found
    if is_chunked or not (length.isascii() and length.isdecimal() and len(length) < 16):
        return refuse(411, "length_required", "A Content-Length header is required.")
    if int(length) > MAX_BODY_BYTES:
        return refuse(413, "too_large", f"Bodies may have up to {MAX_BODY_BYTES} bytes.")
    try:
        signature.read_timestamp(found.get("HTTP_STRIPE_SIGNATURE"))
    except signature.SignatureError as rejected:
        return _rejected(request, b"", rejected.cause, rejected.sentence)
    return None


def delivery(request: HttpRequest, body: bytes) -> Delivery | HttpResponse:
    """The delivery of a body that was read, or the response that refuses it.

    Time counts from here: a body that arrives slowly is no fault of the desk's.
    """
    stopwatch, received_at = Stopwatch(), datetime.now(UTC)
    found = request.META
    if len(body) != int(found["CONTENT_LENGTH"]):
        return refuse(400, "incomplete", "The body is shorter than Content-Length.")
    try:
        header = found.get("HTTP_STRIPE_SIGNATURE")
        verified = signature.verify(body, header, settings.STRIPE_WEBHOOK_SECRETS, int(time()))
        kept = masking.body(body)
        event = events.read(kept)
    except signature.SignatureError as rejected:
        return _rejected(request, body, rejected.cause, rejected.sentence)
    except events.NotAnEventError as rejected:
        return _rejected(request, body, "not_an_event", rejected.sentence)
    clock.note(verified.timestamp, received_at.timestamp())
    stopwatch.mark("verified")
    sha256 = hashlib.sha256(body).hexdigest()
    if sent := answering.answer_at_once(sha256, received_at):
        return respond(sent.body, sent.status)
    sender, peer = peers.client_address(request), found.get("REMOTE_ADDR", "")
    headers = {
        name: masking.text(value) for name, key in _KEPT_HEADERS if (value := found.get(key))
    }
    if sender != peer:  # the proxy, so that X-Forwarded-For can be evaluated again
        headers[PEER] = peer
    return Delivery(
        received_at=received_at,
        sender=sender,
        headers=headers,
        body=kept,
        signing_key=verified.signing_key,
        event=event,
        stopwatch=stopwatch,
        waited_ms=arrival.waited_ms(found, received_at.timestamp()),
        received_sha256="" if kept is body else sha256,
    )


def answered(taken: Delivery) -> HttpResponse:
    """Decide a request, or apply a later event; waits for the database, within its budget."""
    if events.wants_decision(taken.event.type):
        return respond(answering.answer(taken))
    done = answering.take(taken)
    return respond(done.body, done.status)


def refuse(status: int, code: str, sentence: str) -> HttpResponse:
    """The response to a request that is refused for its form, which is counted."""
    counters.rejected(code)
    return error(status, code, sentence)


def error(status: int, code: str, sentence: str) -> HttpResponse:
    """A response for programs, by `code`, and for people, by `sentence`."""
    return respond(answer.error(code, sentence), status)


def respond(body: bytes, status: int = 200) -> HttpResponse:
    """A response with the headers that Stripe needs."""
    return HttpResponse(body, status=status, headers=answer.headers(settings.STRIPE_VERSION, body))


def _rejected(request: HttpRequest, body: bytes, cause: str, sentence: str) -> HttpResponse:
    counters.rejected(cause)
    rejections.note(body, cause, sentence, sender=peers.client_address(request))
    return error(400, cause, sentence)
