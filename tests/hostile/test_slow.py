"""Requests that come slowly, or stop half-way: whoever sends them, others are answered."""

import json
import socket
import time
from contextlib import ExitStack

import pytest

from tests.hostile.exchange import PATIENCE_SECONDS, exchange, post, read_answers, received
from tests.hostile.requests import purchase
from tests.hostile.watch import expected_rows, outcomes, unharmed
from tests.support.server import Server

# In a transaction that only reads: what the server commits can be seen in it.
pytestmark = pytest.mark.django_db

FEWER_THAN_A_WORKER_S_THREADS = 3


def request() -> bytes:
    body, signature = purchase()
    return post(body, signature)


def test_a_purchase_that_comes_byte_by_byte_is_answered(server: Server) -> None:
    with unharmed(server) as new:
        answers = exchange(server.port, *(bytes([byte]) for byte in request()))
    assert outcomes(answers) == "approved"
    assert new == expected_rows("approved")


def test_a_purchase_that_stops_half_way_is_answered_once_it_goes_on(server: Server) -> None:
    sent = request()
    address = ("127.0.0.1", server.port)
    with unharmed(server), socket.create_connection(address, timeout=PATIENCE_SECONDS) as client:
        client.sendall(sent[: len(sent) // 2])
        assert outcomes(exchange(server.port, request())) == "approved"
        client.sendall(sent[len(sent) // 2 :])
        client.shutdown(socket.SHUT_WR)
        assert outcomes(read_answers(received(client))) == "approved"


def test_a_body_that_comes_a_second_after_its_head_is_decided_as_usual(server: Server) -> None:
    sent = request()
    head = sent.index(b"\r\n\r\n") + 4
    address = ("127.0.0.1", server.port)
    with unharmed(server) as new, socket.create_connection(address) as client:
        client.settimeout(PATIENCE_SECONDS)
        client.sendall(sent[:head])
        time.sleep(1.2)  # longer than an answer may take
        client.sendall(sent[head:])
        client.shutdown(socket.SHUT_WR)
        [answer] = read_answers(received(client))
        assert outcomes([answer]) == "approved"
        assert "stand_in" not in json.loads(answer.body)["metadata"]
    assert new == expected_rows("approved")


@pytest.mark.parametrize("part", [0.0, 0.02, 0.05, 0.5, 0.999])
def test_half_sent_requests_hold_up_nobody_and_are_forgotten(server: Server, part: float) -> None:
    sent = request()
    with unharmed(server) as new, ExitStack() as open_ones:
        for _ in range(FEWER_THAN_A_WORKER_S_THREADS):
            client = socket.create_connection(("127.0.0.1", server.port))
            open_ones.enter_context(client)
            client.sendall(sent[: int(len(sent) * part)])
        for _ in range(4):
            assert outcomes(exchange(server.port, request())) == "approved"
    assert new == expected_rows("approved approved approved approved")


def test_a_body_cut_off_anywhere_is_never_an_approval(server: Server) -> None:
    sent = request()
    head = sent.index(b"\r\n\r\n") + 4
    with unharmed(server) as new:
        for end in range(head, len(sent), 997):
            assert outcomes(exchange(server.port, sent[:end])) == "incomplete"
    assert not new


def test_whoever_leaves_before_the_answer_harms_nobody(server: Server) -> None:
    # The last of these tests: nobody knows when the server is done with them.
    with unharmed(server):
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", server.port)) as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                client.sendall(request())
