"""What gunicorn sends, piece by piece."""

from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http import wsgi
from gunicorn.http.message import Request
from gunicorn.http.unreader import IterUnreader

from authz_project import whole_answers


class Sent:
    """A socket that keeps what it is sent."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def sendall(self, piece: bytes) -> None:
        self.pieces.append(piece)


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wsgi, "Response", wsgi.Response)  # as it was, at the end
    whole_answers.use()


def responding(sent: Sent, method: bytes = b"POST") -> Any:
    """As gunicorn's worker makes it for a request."""
    config = Config()
    asked = IterUnreader(iter([method + b" /webhook HTTP/1.1\r\nHost: desk\r\n\r\n"]))
    request = Request(config, asked, ("127.0.0.1", 1))
    response, _ = wsgi.create(request, sent, ("127.0.0.1", 1), ("127.0.0.1", 2), config)
    return response


@pytest.mark.usefixtures("used")
def test_an_answer_leaves_in_one_piece() -> None:
    sent = Sent()
    response = responding(sent)
    response.start_response("200 OK", [("Content-Length", "2")])
    response.write(b"{}")
    response.close()
    [piece] = sent.pieces
    assert piece.startswith(b"HTTP/1.1 200 OK\r\n")
    assert piece.endswith(b"\r\n\r\n{}")


@pytest.mark.usefixtures("used")
def test_what_comes_bit_by_bit_is_sent_bit_by_bit() -> None:
    sent = Sent()
    response = responding(sent)
    response.start_response("200 OK", [])
    for row in (b"one", b"two"):
        response.write(row)
    response.close()
    assert sent.pieces[0].endswith(b"\r\n\r\n3\r\none\r\n")
    assert sent.pieces[1:] == [b"3\r\ntwo\r\n", b"0\r\n\r\n"]


@pytest.mark.usefixtures("used")
def test_an_answer_without_a_body_has_its_head() -> None:
    sent = Sent()
    response = responding(sent, b"HEAD")
    response.start_response("200 OK", [("Content-Length", "2")])
    response.close()
    assert b"".join(sent.pieces).endswith(b"\r\n\r\n")
