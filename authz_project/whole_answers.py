"""Makes gunicorn send each answer in one piece.

By default gunicorn sends the head and then the body. If the process is killed in between, nginx
passes half an answer on to Stripe; without any answer, nginx would repeat the request.
deploy/gunicorn.conf.py calls `use`.
"""

from typing import Any

from gunicorn.http import wsgi


class _Pieces:
    """Collects what would be sent to a socket."""

    def __init__(self) -> None:
        self.whole = b""

    def sendall(self, piece: bytes) -> None:
        self.whole += piece


class WholeResponse(wsgi.Response):  # type: ignore[misc]
    """A response that sends its head together with the first piece of its body."""

    sock: Any

    def write(self, arg: bytes) -> None:
        if self.headers_sent:
            super().write(arg)
            return
        sock, pieces = self.sock, _Pieces()
        self.sock = pieces
        try:
            super().write(arg)
        finally:
            self.sock = sock
        sock.sendall(pieces.whole)


def use() -> None:
    """Make all responses of this process whole ones."""
    wsgi.Response = WholeResponse
