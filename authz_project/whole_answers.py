"""An answer leaves gunicorn in one piece, or not at all.

By itself gunicorn sends the head and then the body. A process that is killed in between leaves
nginx with half an answer, which Stripe gets; of none at all, nginx asks once more.
deploy/gunicorn.conf.py has it used.
"""

from typing import Any

from gunicorn.http import wsgi


class _Pieces:
    """Takes what a socket would be sent."""

    def __init__(self) -> None:
        self.whole = b""

    def sendall(self, piece: bytes) -> None:
        self.whole += piece


class WholeResponse(wsgi.Response):  # type: ignore[misc]
    """Sends its head with the first piece of its body."""

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
    """Have all answers of this process sent so."""
    wsgi.Response = WholeResponse
