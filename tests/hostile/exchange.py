"""Bytes to a server and what comes back, with nothing in between that would put them right."""

import json
import socket
from collections import Counter
from http.client import parse_headers
from io import BytesIO
from typing import NamedTuple

PATIENCE_SECONDS = 60
"""For a machine that has other things to do; no test waits for it to pass."""


answered: Counter[str] = Counter()
"""The code of each error that `exchange` was answered with; to be cleared with a new server."""


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


def exchange(port: int, *parts: bytes) -> list[Answer]:
    """Send `parts`, then no more; all answers until the server has nothing more to say."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for part in parts:
                client.sendall(part)
            client.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the server has heard enough, and perhaps said so before
        answers = read_answers(received(client))
    answered.update(code for answer in answers if (code := _error_code(answer)))
    return answers


def _error_code(answer: Answer) -> str:
    if not answer.headers.get("content-type", "").startswith("application/json"):
        return ""
    return str(json.loads(answer.body).get("error", {}).get("code", ""))


def received(client: socket.socket) -> bytes:
    """Everything until the other side closes, politely or not."""
    found = bytearray()
    try:
        while piece := client.recv(65536):
            found += piece
    except ConnectionResetError:
        pass
    return bytes(found)


def read_answers(found: bytes) -> list[Answer]:
    answers, place = [], BytesIO(found)
    while status := place.readline():
        headers = parse_headers(place)
        body = _chunks(place) if headers["Transfer-Encoding"] else b""
        body += place.read(int(headers["Content-Length"] or 0))
        named = {name.lower(): value for name, value in headers.items()}
        answers.append(Answer(int(status.split()[1]), named, body))
    return answers


def _chunks(place: BytesIO) -> bytes:
    found = b""
    while size := int(place.readline(), 16):
        found += place.read(size)
        place.readline()
    place.readline()
    return found


def post(body: bytes, *headers: str, path: str = "/webhook") -> bytes:
    """A request with these headers besides the usual ones."""
    lines = (
        f"POST {path} HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/json; charset=utf-8",
        f"Content-Length: {len(body)}",
        *headers,
    )
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
