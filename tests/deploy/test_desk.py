"""The desk as deployed: nobody who is slow stands before a decision."""

import json
import os
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

from authorizations.web.door import MAX_BODY_BYTES
from authorizations.wire.signature import sign
from simulator.stripe import samples
from tests.deploy import serving
from tests.deploy.conftest import SECRET, Desk, manage
from tests.deploy.serving import HOST, Answer, ask
from tests.support.desk import Shopper

pytestmark = pytest.mark.slow

SLOW_CLIENTS = 60
"""Several times the threads that answer Stripe."""
LONG_EXPORTS = 12
"""As many as the admin instance has threads."""


def purchase(port: int) -> Answer:
    """The answer to a signed purchase."""
    shopper = Shopper(at=int(time.time()))
    body = samples.to_bytes(shopper.event(shopper.purchase(1_000), f"evt_{time.time_ns()}"))
    signature = sign(body, SECRET, int(time.time()))
    headers = {"Stripe-Signature": signature, "Content-Type": "application/json"}
    return ask(port, "/webhook", body, headers)


def purchases(port: int, count: int) -> list[Answer]:
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(purchase, [port] * count))


def decided(answers: list[Answer]) -> bool:
    """Whether all are answers as Stripe takes them."""
    return all(
        it.status == 200 and "Stripe-Version" in it.headers and "approved" in json.loads(it.body)
        for it in answers
    )


HALF_SENT = (
    b"",  # not even a handshake: see slow_clients
    b"POST /webhook HTT",
    b"POST /webhook HTTP/1.1\r\nHost: cards.example.com\r\nStripe-Sig",
    b"POST /webhook HTTP/1.1\r\nHost: cards.example.com\r\nContent-Length: 9000\r\n\r\n{",
    b"POST /admin/login/ HTTP/1.1\r\nHost: cards.example.com\r\nContent-Length: 9000\r\n\r\nu",
)


@contextmanager
def slow_clients(port: int) -> Iterator[None]:
    """Connections with half a request each, some of which go on by a byte a second."""
    over = Event()
    with ExitStack() as stack:
        connections = []
        for number in range(SLOW_CLIENTS):
            plain = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            if half := HALF_SENT[number % len(HALF_SENT)]:
                secured = stack.enter_context(serving.tls().wrap_socket(plain))
                secured.sendall(half)
                connections.append(secured)
        trickle = Thread(target=_trickle, args=(connections, over))
        trickle.start()
        try:
            yield
        finally:
            over.set()
            trickle.join()


def _trickle(connections: list[ssl.SSLSocket], over: Event) -> None:
    while not over.wait(1):
        for connection in connections:
            try:
                connection.sendall(b"a")
            except OSError:
                continue  # nginx had enough of it


def test_purchases_are_answered_while_dozens_of_clients_send_halves(desk: Desk) -> None:
    ports = desk.ports
    with slow_clients(ports.https):
        assert decided(purchases(ports.https, 24))


MANY_ROWS = """
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client
from django.utils.timezone import now
from authorizations.models import WebhookRequest
WebhookRequest.objects.bulk_create(
    WebhookRequest(
        received_at=now(), headers={}, body=b"[" + b"1," * 40_000 + b"1]", body_sha256="0" * 64,
        signing_key="0" * 8, answer_status=200, answer_body="{}", timings={},
    )
    for _ in range(400)
)
client = Client()
client.force_login(User.objects.create_superuser("olga", password="pass-word-1"))
print(client.cookies["__Host-sessionid"].value)
"""


@pytest.fixture(scope="module")
def cookies(desk: Desk, environment: dict[str, str]) -> dict[str, str]:
    """Of somebody who may export, and more to export than fits between desk and reader."""
    session = manage(environment, "shell", "--no-imports", "-c", MANY_ROWS).split()[-1]
    told = ask(desk.ports.https, "/admin/login/").headers["Set-Cookie"]
    token = told.partition("__Host-csrftoken=")[2].partition(";")[0]
    return {"__Host-sessionid": session, "__Host-csrftoken": token}


@contextmanager
def export_unread(port: int, cookies: dict[str, str]) -> Iterator[ssl.SSLSocket]:
    """A connection on which an export has begun to arrive, and nobody reads on."""
    body = f"format=jsonl&csrfmiddlewaretoken={cookies['__Host-csrftoken']}"
    sent = "; ".join(f"{name}={value}" for name, value in cookies.items())
    request = (
        f"POST /admin/authorizations/webhookrequest/export/ HTTP/1.1\r\nHost: {HOST}\r\n"
        f"Cookie: {sent}\r\n"
        f"Referer: https://{HOST}/admin/\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    )
    until = time.monotonic() + serving.PATIENCE_SECONDS
    while time.monotonic() < until:
        with ExitStack() as stack:
            plain = stack.enter_context(socket.socket())
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            plain.settimeout(serving.PATIENCE_SECONDS)
            plain.connect(("127.0.0.1", port))
            secured = stack.enter_context(serving.tls().wrap_socket(plain))
            secured.sendall(request.encode())
            if secured.recv(12) == b"HTTP/1.1 200":
                yield secured
                return
        # 503: the database connections of a process grow in number only bit by bit.
    raise TimeoutError(f"No export began within {serving.PATIENCE_SECONDS} seconds.")


def test_purchases_are_answered_while_exports_hold_every_thread_of_the_admin(
    desk: Desk, cookies: dict[str, str]
) -> None:
    ports = desk.ports
    with ExitStack() as stack:
        for _ in range(LONG_EXPORTS):
            stack.enter_context(export_unread(ports.https, cookies))
        assert decided(purchases(ports.https, 24))


def test_an_oversized_purchase_gets_413(desk: Desk) -> None:
    assert ask(desk.ports.https, "/webhook", b"x" * (MAX_BODY_BYTES + 1)).status == 413


def test_the_pages_come_with_their_styles_and_are_led_nowhere_else(desk: Desk) -> None:
    ports = desk.ports
    assert ask(ports.https, "/").headers["Location"] == "/admin/"
    page = ask(ports.https, "/admin/login/")
    assert page.status == 200
    assert "max-age=31536000" in page.headers["Strict-Transport-Security"]
    assert "Secure" in page.headers["Set-Cookie"]
    assert ask(ports.https, "/static/authorizations/desk.css").status == 200
    assert ask(ports.https, "/healthz").status == 200
    assert ask(ports.https, "/readyz").status == 200


def test_new_workers_take_over_without_a_purchase_lost(desk: Desk) -> None:
    """What `systemctl reload desk@webhook` does."""
    answers = []
    old = _workers(desk.webhook_process)
    os.kill(desk.webhook_process, signal.SIGHUP)
    while old & _workers(desk.webhook_process):
        answers.append(purchase(desk.ports.https))
    answers.append(purchase(desk.ports.https))
    assert decided(answers)
    assert len(_workers(desk.webhook_process)) == len(old)


def _workers(process_id: int) -> set[str]:
    children = Path(f"/proc/{process_id}/task/{process_id}/children").read_text()
    return set(children.split())


def test_without_knowing_which_instance_it_is_none_starts(
    environment: dict[str, str], tmp_path: Path
) -> None:
    port = serving.free_ports().admin
    with (
        pytest.raises(AssertionError, match="ended with 1"),
        serving.instance_of("both", port, environment, tmp_path / "log"),
    ):
        pass
