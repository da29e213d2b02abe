"""The webhook's server over raw sockets: what it answers before a body has come, or without one."""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.conf import settings
from django.db import transaction
from pytest_django.plugin import DjangoDbBlocker

from authorizations.models import Card, Decision, WebhookRequest
from authorizations.web.door import MAX_BODY_BYTES
from tests.conftest import empty_the_database
from tests.hostile.exchange import Answer, exchange, post, read_answers, received
from tests.hostile.requests import purchase
from tests.hostile.watch import outcome, outcomes
from tests.serving.supervised import wait_until
from tests.support import server
from tests.support.desk import in_force
from tests.support.server import Server

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

FALSE = "Stripe-Signature: t=1,v1=" + "0" * 64
HALF_SENT = 64


@pytest.fixture(scope="module")
def desk(
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    """With the times of a real one."""
    log = tmp_path_factory.mktemp("desk") / "log"
    with django_db_blocker.unblock():
        with server.running(log, "authz_project.asgi") as running:
            yield running
        empty_the_database()


@pytest.fixture(autouse=True)
def approving(desk: Server) -> None:
    in_force(spending_limits=[{"amount": 10_000, "interval": "per_authorization"}])


def connected(desk: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", desk.port), timeout=server.PATIENCE_S)


def whole() -> bytes:
    body, signature = purchase()
    return post(body, signature)


def bought(desk: Server, count: int = 8) -> list[str]:
    """The outcomes of purchases, four at a time."""
    with ThreadPoolExecutor(4) as threads:
        answers = threads.map(lambda _: exchange(desk.port, whole()), range(count))
        return [outcomes(answer) for answer in answers]


def answer_to(desk: Server, head: str, *headers: str) -> Answer:
    """The answer to a head alone, on a connection that stays open."""
    with connected(desk) as client:
        client.sendall("\r\n".join([head, "Host: x", *headers, "", ""]).encode())
        found = client.recv(65536)
    [answer] = read_answers(found)
    return answer


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        (["Content-Length: 9000"], 400, "missing"),
        (["Content-Length: 9000", "Stripe-Signature: v1=nonsense"], 400, "malformed"),
        (["Content-Length: 9000", "Stripe-Signature: t=1,v0=ab"], 400, "no_v1"),
        ([f"Content-Length: {MAX_BODY_BYTES + 1}", FALSE], 413, "too_large"),
        (["Transfer-Encoding: chunked", FALSE], 411, "length_required"),
        (["Content-Length: 9000", "Content-Encoding: gzip", FALSE], 415, "unsupported_encoding"),
    ],
)
def test_what_a_head_alone_shows_is_refused_before_the_body_has_come(
    desk: Server, headers: list[str], status: int, code: str
) -> None:
    answer = answer_to(desk, "POST /webhook HTTP/1.1", *headers)
    assert (answer.status, outcome(answer)) == (status, code)
    assert ("connection" in answer.headers) == (status != 400)


@pytest.mark.parametrize(
    ("line", "status", "code"),
    [
        ("GET /webhook HTTP/1.1", 405, "method_not_allowed"),
        ("GET / HTTP/1.1", 404, "not_found"),
        ("GET /admin/ HTTP/1.1", 404, "not_found"),
        ("POST /healthz HTTP/1.1", 404, "not_found"),
        ("POST /webhooks HTTP/1.1", 404, "not_found"),
        ("DELETE /readyz HTTP/1.1", 405, "405"),
    ],
)
def test_other_addresses_and_methods_are_answered_in_the_webhook_s_format(
    desk: Server, line: str, status: int, code: str
) -> None:
    answer = answer_to(desk, line)
    assert (answer.status, outcome(answer)) == (status, code)


def test_a_body_that_is_longer_than_it_may_be_is_not_read_in_chunks_either(desk: Server) -> None:
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    head = f"POST /webhook HTTP/1.1\r\nHost: x\r\n{FALSE}\r\nTransfer-Encoding: chunked\r\n\r\n"
    with connected(desk) as client:
        client.sendall(head.encode() + chunk)
        assert client.recv(65536).startswith(b"HTTP/1.1 411 ")


def test_a_body_has_two_seconds(desk: Server) -> None:
    sent = whole()
    head = sent.index(b"\r\n\r\n") + 4
    with connected(desk) as client:
        began = time.monotonic()
        client.sendall(sent[: head + 10])
        [answer] = read_answers(received(client))
        took_s = time.monotonic() - began
    assert (answer.status, outcome(answer)) == (408, "body_too_slow")
    assert took_s >= 2
    assert not WebhookRequest.objects.exists()


def test_a_head_has_five_seconds_and_so_has_who_sends_nothing(desk: Server) -> None:
    for sent in (b"", b"POST /webh", b"\r\n", b"POST /webhook HTTP/1.1\r\nHost: x\r\nA: "):
        with connected(desk) as client:
            began = time.monotonic()
            client.sendall(sent)
            assert received(client) == b""
            assert 4.9 < time.monotonic() - began < server.PATIENCE_S


def test_a_purchase_is_recorded_although_the_client_has_left(desk: Server) -> None:
    for _ in range(20):
        with connected(desk) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.sendall(whole())
            time.sleep(0.02)  # the whole request has to arrive before the reset does
    wait_until(lambda: WebhookRequest.objects.count() == Decision.objects.count() == 20)


@pytest.mark.parametrize("part", [0.05, 0.2, 0.9])
def test_half_sent_requests_hold_up_no_purchase(desk: Server, part: float) -> None:
    sent = whole()
    with ExitStack() as open_ones:
        for _ in range(HALF_SENT):
            client = open_ones.enter_context(connected(desk))
            client.sendall(sent[: int(len(sent) * part)])
        assert bought(desk) == ["approved"] * 8


def test_a_row_that_stays_locked_holds_up_only_its_own_purchases(desk: Server) -> None:
    """Threads wait for the database; the event loop does not."""
    assert bought(desk, 1) == ["approved"]
    card = Card.objects.get()
    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            Card.objects.select_for_update().get(pk=card.pk)
            waiting = threads.submit(bought, desk, 1)
            for _ in range(20):
                began = time.monotonic()
                assert desk.ask("/healthz")[0] == 200
                assert time.monotonic() - began < 1
                time.sleep(0.05)
        assert waiting.result() != []


def test_a_reload_loses_no_purchase_and_leaves_none_to_stand_in(tmp_path: Path) -> None:
    """With all the time of a busy machine: two more processes start beside the tests."""
    with server.running(tmp_path / "log") as desk:
        reload_without_loss(desk)


def reload_without_loss(desk: Server) -> None:
    old = desk.workers()
    answers: list[Answer] = []
    with ThreadPoolExecutor(4) as threads:
        desk.process.send_signal(signal.SIGHUP)
        while old & desk.workers():
            found = threads.map(lambda _: exchange(desk.port, whole()), range(8))
            answers += [answer for [answer] in found]
    assert len(desk.workers()) == 2
    assert outcomes(answers).split() == ["approved"] * len(answers)
    assert not any(b"stand_in" in answer.body for answer in answers)
    decisions = {json.loads(answer.body)["metadata"]["decision"] for answer in answers}
    assert Decision.objects.filter(pk__in=decisions).count() == len(answers)


def test_an_answer_comes_in_one_piece(desk: Server) -> None:
    """If the process is killed in between, nginx passes half an answer on to Stripe."""
    for _ in range(20):
        with connected(desk) as client:
            client.sendall(whole())
            [answer] = read_answers(client.recv(65536))
            assert json.loads(answer.body)["metadata"]["decision"]


def test_purchases_are_decided_while_nobody_reads_stderr(desk: Server) -> None:
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "authz_project.serving.supervisor", "--json"),
                *("--fd", str(listening.fileno()), "--processes", "2"),
            ],
            cwd=settings.BASE_DIR,
            env=server.environment(),
            stderr=writing,
            pass_fds=[listening.fileno()],
        )
        full = Server(process, listening.getsockname()[1], log=settings.BASE_DIR / "nowhere")
        try:
            # Each leaves a line of some hundred bytes; the pipe has room for ten.
            assert bought(full, 64) == ["approved"] * 64
        finally:
            process.terminate()
            assert process.wait(server.PATIENCE_S) == 0
            os.close(reading)
            os.close(writing)
