"""The webhook's door over real HTTP, through the application that servers load."""

import http.client
import json
import time
from collections.abc import Iterator
from socketserver import ThreadingMixIn
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import pytest
from pytest_django import Settings

from authorizations.models import Decision, RejectedMinute, RejectedRequest, WebhookRequest
from authorizations.services.webhook import rejections
from authorizations.wire.signature import fingerprint, sign
from authz_project.wsgi import application
from simulator.stripe import samples
from tests.settings import SECRETS
from tests.support.desk import Shopper, in_force
from tests.support.timeouts import PATIENCE_S

pytestmark = pytest.mark.django_db(transaction=True)


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nobody reads it."""


@pytest.fixture
def door() -> Iterator["Door"]:
    with _Server(("127.0.0.1", 0), _Quiet) as server:
        server.set_app(application)
        thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield Door(server.server_port)
        server.shutdown()
        thread.join()


class Door:
    """Knocks with whatever a test makes up."""

    def __init__(self, port: int) -> None:
        self.port = port

    def knock(
        self,
        body: bytes,
        headers: dict[str, str] | None = None,
        method: str = "POST",
        path: str = "/webhook",
    ) -> tuple[http.client.HTTPResponse, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        connection.request(method, path, body=body, headers=headers or {})
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return response, json.loads(content) if content else None

    def knock_signed(
        self, body: bytes, secret: str = SECRETS[0], age: int = 0, path: str = "/webhook"
    ) -> tuple[http.client.HTTPResponse, Any]:
        header = sign(body, secret, int(time.time()) - age)
        return self.knock(body, {"Stripe-Signature": header}, path=path)


def question(amount: int = 100, **event: Any) -> bytes:
    shopper = Shopper()
    return samples.to_bytes(shopper.event(shopper.purchase(amount)) | event)


@pytest.mark.parametrize("path", ["/webhook", "/webhook/", "/webhook.php"])
def test_all_spellings_of_the_address_answer_without_a_redirect(door: Door, path: str) -> None:
    in_force()
    response, answer = door.knock_signed(question(), path=path)
    assert (response.status, answer["approved"]) == (200, True)


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize(
    "path",
    [
        *("/", "/stripe", "/webhooks", "/webhook.phpx", "/webhook/x", "/static/x", "/admin"),
        *("/healthz", "/readyz", "/admin/x", "/admin/search/", "/admin/authorizations/card/1/"),
        *("/admin/", "/admin/login/", "/admin/authorizations/card/"),
    ],
)
def test_what_is_sent_elsewhere_gets_a_sentence_and_no_page(
    door: Door, settings: Settings, path: str, debug: bool
) -> None:
    """Whatever browsers would get there: a redirect to HTTPS or to the log-in, or a page."""
    settings.DEBUG, settings.SECURE_SSL_REDIRECT = debug, not debug
    response, answer = door.knock_signed(question(), path=path)
    assert (response.status, response.getheader("Content-Type")) == (404, "application/json")
    assert answer["error"]["code"] == "not_found"
    assert "/webhook" in answer["error"]["message"]
    assert not WebhookRequest.objects.exists()


def test_what_is_sent_unsigned_to_no_page_of_the_admin_gets_it_too(door: Door) -> None:
    for path in ("/", "/admin/x", "/admin/authorizations/card/1/"):
        response, answer = door.knock(b"{}", path=path)
        assert (response.status, answer["error"]["code"]) == (404, "not_found")


def test_an_answer_has_the_headers_stripe_needs_and_few_others(door: Door) -> None:
    response, answer = door.knock_signed(question())
    headers = {name.lower(): value for name, value in response.getheaders()}
    assert headers["stripe-version"] == "2022-08-01"
    assert headers["content-type"] == "application/json"
    assert int(headers["content-length"]) == len(json.dumps(answer, separators=(",", ":")))
    assert len(headers) <= 8


def test_each_configured_secret_opens_and_which_one_is_on_record(door: Door) -> None:
    for secret in SECRETS:
        response, _ = door.knock_signed(question(), secret)
        assert response.status == 200
    keys = WebhookRequest.objects.order_by("pk").values_list("signing_key", flat=True)
    assert list(keys) == [fingerprint(secret) for secret in SECRETS]


def test_who_sent_it_is_on_record_as_a_trusted_proxy_tells(door: Door, settings: Settings) -> None:
    body = question()
    header = sign(body, SECRETS[0], int(time.time()))
    told = {"X-Forwarded-For": "192.0.2.1, 203.0.113.9"}
    door.knock(body, {"Stripe-Signature": header} | told)
    door.knock(b"{}", told)
    settings.TRUSTED_PROXIES = []
    door.knock(body, {"Stripe-Signature": header} | told)
    door.knock(b"{}", told)
    senders = ["203.0.113.9", "127.0.0.1"]  # the nearest that is no proxy of ours
    assert [row.sender for row in WebhookRequest.objects.order_by("pk")] == senders
    rejections.write()
    assert [row.sender for row in RejectedRequest.objects.order_by("pk")] == senders


def test_a_secret_that_was_rolled_away_no_longer_opens(door: Door, settings: Settings) -> None:
    settings.STRIPE_WEBHOOK_SECRETS = [SECRETS[1]]
    response, answer = door.knock_signed(question(), SECRETS[0])
    assert (response.status, answer["error"]["code"]) == (400, "mismatch")
    assert not WebhookRequest.objects.exists()


@pytest.mark.parametrize(
    ("headers", "method", "status", "code"),
    [
        ({}, "GET", 405, "method_not_allowed"),
        ({}, "PUT", 405, "method_not_allowed"),
        ({"Content-Encoding": "gzip"}, "POST", 415, "unsupported_encoding"),
        ({"Content-Length": "262145"}, "POST", 413, "too_large"),
        ({"Transfer-Encoding": "chunked"}, "POST", 411, "length_required"),
        ({}, "POST", 400, "missing"),
        ({"Stripe-Signature": "t=1,v0=ab"}, "POST", 400, "no_v1"),
        ({"Stripe-Signature": "nonsense"}, "POST", 400, "malformed"),
    ],
)
def test_what_is_not_stripes_gets_no_further(
    door: Door, headers: dict[str, str], method: str, status: int, code: str
) -> None:
    response, answer = door.knock(b"{}", headers, method)
    assert response.status == status
    assert answer["error"]["code"] == code
    assert (response.getheader("Allow") == "POST") == (status == 405)
    assert not WebhookRequest.objects.exists()


@pytest.mark.parametrize(("age", "code"), [(301, "too_old"), (-420, "too_new")])
def test_an_old_or_a_future_signature_names_the_clock(door: Door, age: int, code: str) -> None:
    response, answer = door.knock_signed(question(), age=age)
    assert (response.status, answer["error"]["code"]) == (400, code)
    assert "clock" in answer["error"]["message"]


@pytest.mark.parametrize("body", [b"", b"[]", b"1", b"{}", b'{"type": 5}', b"\xff\xfe{", b"{"])
def test_signed_but_no_event_is_refused_with_a_sentence(door: Door, body: bytes) -> None:
    response, answer = door.knock_signed(body)
    assert response.status == 400
    assert answer["error"]["message"]
    rejections.write()
    assert RejectedRequest.objects.get().body_start == body


def test_another_type_is_received_and_kept(door: Door) -> None:
    body = question(type="issuing_card.updated")
    response, answer = door.knock_signed(body)
    assert (response.status, answer) == (200, {"received": True})
    row = WebhookRequest.objects.get()
    assert (row.event_type, bytes(row.body)) == ("issuing_card.updated", body)
    assert not Decision.objects.exists()


@pytest.mark.parametrize(("mode", "reason"), [(True, "wrong_mode"), (False, "approved")])
def test_events_of_the_other_mode_are_declined_and_kept(
    door: Door, settings: Settings, mode: bool, reason: str
) -> None:
    in_force()
    settings.STRIPE_LIVEMODE = mode
    body = question()
    for _ in range(2):
        response, answer = door.knock_signed(body)
        assert (response.status, answer["metadata"]["reason"]) == (200, reason)
    assert Decision.objects.get().reason == ("" if reason == "approved" else reason)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("pending_request", None),
        ("pending_request.amount", -1),
        ("pending_request.amount", 1.5),
        ("pending_request.amount", True),
        ("pending_request.amount", "100"),
        ("pending_request.amount", 2**53),
        ("pending_request.currency", "euro"),
        ("card", "ic_1"),
        ("card.id", None),
        ("card.status", None),
        ("id", ""),
        ("created", "today"),
    ],
)
def test_a_request_with_an_unreadable_part_is_declined_not_left_to_stripes_default(
    door: Door, path: str, value: object
) -> None:
    in_force()
    event = json.loads(question())
    *parents, last = path.split(".")
    part = event["data"]["object"]
    for name in parents:
        part = part[name]
    part[last] = value
    body = samples.to_bytes(event)
    response, answer = door.knock_signed(body)
    assert response.status == 200
    assert answer["approved"] is False
    assert answer["metadata"]["reason"] == "malformed_request"
    assert path in Decision.objects.get().problem
    assert door.knock_signed(body)[1] == answer


def test_a_malformed_request_without_an_id_is_still_answered_and_kept_once(door: Door) -> None:
    body = question(id=None)
    _, first = door.knock_signed(body)
    _, again = door.knock_signed(body)
    assert first == again
    assert Decision.objects.get().pk == first["metadata"]["decision"]


def test_nul_and_lone_surrogates_in_a_name_do_not_decide_a_purchase(door: Door) -> None:
    in_force()
    event = json.loads(question())
    event["data"]["object"]["merchant_data"]["name"] = "Caf\0e\ud800<b>"
    response, answer = door.knock_signed(json.dumps(event).encode())
    assert (response.status, answer["approved"]) == (200, True)
    assert Decision.objects.get().merchant_name == "Caf\ufffde\ufffd<b>"


def test_rejected_requests_are_kept_up_to_sixty_a_minute_and_counted_beyond(door: Door) -> None:
    false = {"Stripe-Signature": sign(b"", "whsec_of_nobody", int(time.time()))}
    for _ in range(65):
        door.knock(b"x" * 2000, false)
    rejections.write()
    minutes = RejectedMinute.objects.values_list("count", flat=True)
    assert sum(minutes) == 65
    kept = RejectedRequest.objects.count()
    assert kept == sum(min(count, 60) for count in minutes)
    assert len(bytes(RejectedRequest.objects.all()[0].body_start)) == 1024


def test_of_a_request_without_a_signature_no_body_is_kept(door: Door) -> None:
    door.knock(b"x" * 2000)
    rejections.write()
    row = RejectedRequest.objects.get()
    assert (row.cause, row.body_sha256, bytes(row.body_start)) == ("missing", "", b"")


def test_the_process_and_the_database_can_be_asked_how_they_are(door: Door) -> None:
    assert door.knock(b"", method="GET", path="/healthz")[1] == {"status": "ok"}
    assert door.knock(b"", method="GET", path="/readyz")[1] == {
        "status": "ready",
        "database": "answers",
        "breaker": "closed",
        "stand_in": "off",
        "pooler": "none noticed",
        "spool": "can be written",
    }
