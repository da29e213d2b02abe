"""What `stripe listen` connects to, on a port of this machine: a session, then a WebSocket.

Stands in for api.stripe.com as far as the CLI's `listen` asks it (POST /v1/stripecli/sessions; its
source: stripe/stripe-cli, pkg/stripeauth, pkg/websocket, pkg/proxy). Events go to the CLI as
webhook_event messages, and what the desk answered comes back as webhook_response.
"""

import base64
import hashlib
import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from threading import Thread
from time import time
from typing import Any, ClassVar

from authorizations.wire.signature import sign
from simulator.stripe.samples import Json, to_bytes

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10
PATIENCE_S = 60


class Service:
    """`base` is what --api-base names; sessions get the signing `secret`."""

    def __init__(self, secret: str) -> None:
        self.base = ""
        self.secret = secret
        self.connected: Queue[_Handler] = Queue()
        self.messages: Queue[Json] = Queue()
        self._sent = 0

    def forwarded(self, cli: "_Handler", event: Json) -> Json:
        """Let the CLI forward an event; returns its webhook_response. Raises queue.Empty."""
        body = to_bytes(event)
        self._sent += 1
        signature = sign(body, self.secret, int(time()))
        headers = {"Content-Type": "application/json; charset=utf-8", "Stripe-Signature": signature}
        conversation = f"wc_{self._sent}"
        cli.send(
            {
                "type": "webhook_event",
                "endpoint": {"api_version": None},  # the account's own, which --latest is not
                "event_payload": body.decode(),
                "http_headers": headers | {"User-Agent": "Stripe/1.0"},
                "webhook_conversation_id": conversation,
                "webhook_id": "we_of_the_cli",
            }
        )
        while True:
            told = self.messages.get(timeout=PATIENCE_S)
            is_answer = told["type"] == "webhook_response"
            if is_answer and told["webhook_conversation_id"] == conversation:
                return told


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    service: ClassVar[Service]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != "/v1/stripecli/sessions":
            self.send_error(404)
            return
        session = {
            "display_connect_filter_warning": False,
            "reconnect_delay": 300,
            "secret": self.service.secret,
            "websocket_authorized_feature": "webhooks",
            "websocket_id": "cliws_1",
            "websocket_url": f"{self.service.base.replace('http', 'ws', 1)}/subscribe",
            "default_version": "2026-10-28.endive",
            "latest_version": "2026-10-28.endive",
            "device_token": "",
        }
        body = json.dumps(session).encode()
        self.send_response_only(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        if self.headers.get("Upgrade", "").lower() != "websocket":
            self.send_error(404)
            return
        key = f"{self.headers['Sec-WebSocket-Key']}{_GUID}".encode()
        accepted = base64.b64encode(hashlib.sha1(key, usedforsecurity=False).digest()).decode()
        self.send_response_only(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", accepted)
        self.end_headers()
        self.close_connection = True
        self.service.connected.put(self)
        with suppress(ConnectionError):
            self._listen()

    def _listen(self) -> None:
        while (frame := self._frame()) is not None:
            kind, payload = frame
            if kind == _TEXT:
                self.service.messages.put(json.loads(payload))
            elif kind == _PING:
                self._write(_PONG, payload)
            elif kind == _CLOSE:
                return

    def send(self, message: Json) -> None:
        self._write(_TEXT, json.dumps(message).encode())

    def _write(self, kind: int, payload: bytes) -> None:
        """One whole frame, as a server sends it: without a mask."""
        size = len(payload)
        if size < 126:
            head = bytes((0x80 | kind, size))
        elif size < 1 << 16:
            head = struct.pack("!BBH", 0x80 | kind, 126, size)
        else:
            head = struct.pack("!BBQ", 0x80 | kind, 127, size)
        self.wfile.write(head + payload)

    def _frame(self) -> tuple[int, bytes] | None:
        """The next message; None where the connection is over."""
        kind, message = 0, b""
        while len(head := self.rfile.read(2)) == 2:
            opcode, size = head[0] & 0x0F, head[1] & 0x7F
            if size == 126:
                [size] = struct.unpack("!H", self.rfile.read(2))
            elif size == 127:
                [size] = struct.unpack("!Q", self.rfile.read(8))
            mask = self.rfile.read(4)  # a client's frames are masked, always
            data = self.rfile.read(size)
            data = bytes(byte ^ mask[place % 4] for place, byte in enumerate(data))
            if opcode >= _CLOSE:  # may come between the parts of a message
                return opcode, data
            kind, message = opcode or kind, message + data
            if head[0] & 0x80:
                return kind, message
        return None

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the base names it
        """Nothing."""


@contextmanager
def service(secret: str) -> Iterator[Service]:
    """At `base`, for as long as the context lasts."""
    found = Service(secret)
    handler = type("Handler", (_Handler,), {"service": found})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        found.base = f"http://127.0.0.1:{server.server_port}"
        yield found
        server.shutdown()
