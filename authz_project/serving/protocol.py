"""uvicorn's HTTP protocol with limits on a request's head, and without answers that get lost.

uvicorn limits neither the size of a head nor the time that it takes. Here it does. An answer leaves
in one piece: if the process is killed between head and body, nginx passes half an answer on to
Stripe, while without any it would repeat the request. A client that has closed its side after its
request gets its answer, and at a reload a connection ends with an answer that says so, never
between two requests of a client that is sending.

This uses inner names of uvicorn, so uvicorn is pinned.
"""

from asyncio import Transport
from asyncio.events import TimerHandle
from typing import Any

from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

MAX_LINE_BYTES = 8_190
"""Of a request's address, and of one header: the limits of nginx (deploy/nginx/desk.conf)."""

MAX_HEADERS = 64
MAX_HEAD_BYTES = 64 * 1024
HEAD_S = 5.0
"""Maximum time for a head, from its first byte or the beginning of the connection."""

LAST_REQUEST_S = 1.0
"""How long an idle connection stays open while the server stops: a request may be on its way."""


_HOST = b"host"


class _RefusedError(Exception):
    """Raised within the parser, which stops."""


class _InOnePiece:
    """Stands before a connection's transport and keeps an answer's head until its body comes."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._head = b""

    def write(self, piece: bytes) -> None:
        if self._head or piece.startswith(b"HTTP/1.1 100 "):
            self._transport.write(self._head + piece)
            self._head = b""
        else:
            self._head = piece

    def flush(self) -> None:
        """Send a head without a body."""
        if self._head:
            self._transport.write(self._head)
            self._head = b""

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()


class Protocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, is_draining: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._is_draining = is_draining
        self._head_timer: TimerHandle | None = None
        self._head_bytes = 0
        self._refusal = 400

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._answers = _InOnePiece(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_of_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._head_timer is not None:
            self._head_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._head_timer is None:
            if self._is_idle:  # what came is not a request yet, such as an empty line
                self._await_head()
        elif self._head_bytes > MAX_HEAD_BYTES:
            self._refusal = 431
            self.send_400_response("The head of the request is too large.")

    def eof_received(self) -> bool:  # type: ignore[override]
        """The client sends no more, but may still read."""
        if self._is_idle:
            return False
        self.cycle.keep_alive = False
        if self.cycle.more_body:  # what is missing never comes
            self.cycle.more_body = False
            self.cycle.message_event.set()
        return True

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._head_timer is None:
            self._await_head()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > MAX_LINE_BYTES:
            self._refusal = 414
            raise _RefusedError

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value.rstrip(b" \t"))
        if len(name) + len(value) > MAX_LINE_BYTES or len(self.headers) > MAX_HEADERS:
            self._refusal = 431
            raise _RefusedError

    def on_headers_complete(self) -> None:
        self._end_of_head()
        hosts = sum(name == _HOST for name, _ in self.headers)
        if hosts > 1 or self.parser.get_http_version() not in ("1.0", "1.1"):
            raise _RefusedError
        super().on_headers_complete()
        self.cycle.transport = self._answers  # type: ignore[assignment]
        if self._is_draining:
            self.cycle.keep_alive = False

    def on_response_complete(self) -> None:
        self._answers.flush()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request; if the head is too large, with the status that says so.

        If it comes behind a request, that one is answered first, and then nothing more is.
        """
        if not self._is_idle:
            self.cycle.keep_alive = False
            self.flow.pause_reading()
            return
        body = msg.encode()
        if self._refusal != 400:
            body = b"The head of the request is too large."
        self.transport.write(
            b"%bcontent-type: text/plain\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
            % (STATUS_LINE[self._refusal], len(body), body)
        )
        self.transport.close()

    def _unsupported_upgrade_warning(self) -> None:
        """To a different protocol: the parser stops, so a body can't be read."""
        self.eof_received()

    def shutdown(self) -> None:
        """End this connection with the answer to its current request or, if idle, soon."""
        self._is_draining = True
        if self._is_idle:
            self.loop.call_later(LAST_REQUEST_S, self._close_if_idle)
        else:
            self.cycle.keep_alive = False

    @property
    def _is_idle(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request
        return cycle is None or cycle.response_complete

    def _close_if_idle(self) -> None:
        if self._is_idle and not self.transport.is_closing():
            self.transport.close()

    def _await_head(self) -> None:
        self._head_bytes = 0
        self._head_timer = self.loop.call_later(HEAD_S, self._close_if_idle)

    def _end_of_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
