"""Stripe's side of HTTP: signs events, sends them over one connection, and reads the answers."""

import json
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from time import perf_counter, time
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from authorizations.wire.signature import SignatureCause, sign

_TIMEOUT_SECONDS = 10
_CONNECTIONS = {"http": HTTPConnection, "https": HTTPSConnection}


class UnansweredError(Exception):
    """There was no answer that Stripe could use; the text says what to do."""


class Reply(NamedTuple):
    """The response to an event."""

    status: int
    body: bytes

    @property
    def is_refusal(self) -> bool:
        return self.status != 200


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to an authorization request; `amount` is None if it names none."""

    body: bytes
    approved: bool
    amount: int | None
    reason: str
    decision: str
    elapsed_ms: float

    @classmethod
    def of(cls, body: bytes, elapsed_ms: float = 0.0) -> "Answer":
        """Read the body of an answer. Raises ValueError if it neither approves nor declines."""
        data = _object(body)
        if not isinstance(data.get("approved"), bool):
            raise ValueError("This does not answer an authorization request.")
        metadata = data.get("metadata") or {}
        reason, decision = metadata.get("reason") or "", metadata.get("decision") or ""
        return cls(body, data["approved"], data.get("amount"), reason, decision, elapsed_ms)


class Door:
    """The webhook of a running server."""

    def __init__(self, url: str, secret: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in _CONNECTIONS or not parts.hostname:
            raise UnansweredError(
                f"{url} is not an address: write it like http://127.0.0.1:4242/webhook."
            )
        self.path = parts.path if parts.path.strip("/") else "/webhook"
        self.base = f"{parts.scheme}://{parts.netloc}"
        self._secret = secret
        kind = _CONNECTIONS[parts.scheme]
        self._connection = kind(parts.hostname, parts.port, timeout=_TIMEOUT_SECONDS)

    def ask(self, body: bytes) -> Answer:
        """Send an authorization request. Raises UnansweredError."""
        started = perf_counter()
        reply = self.deliver(body)
        elapsed_ms = (perf_counter() - started) * 1000
        try:
            if not reply.is_refusal:
                return Answer.of(reply.body, elapsed_ms)
        except ValueError:
            pass
        raise UnansweredError(self.refusal(reply))

    def deliver(self, body: bytes) -> Reply:
        """Send any event. Raises UnansweredError if there is no response."""
        is_reused = self._connection.sock is not None
        try:
            try:
                return self._send(body)
            except (HTTPException, ConnectionError):
                self._connection.close()
                if not is_reused:
                    raise
            # The server may close an idle connection at any time; an event may be sent twice.
            return self._send(body)
        except (OSError, HTTPException) as problem:
            self._connection.close()
            if isinstance(problem, TimeoutError):
                sentence = f"{self.base} did not answer within {_TIMEOUT_SECONDS} seconds."
            else:
                cause = getattr(problem, "strerror", None) or problem
                sentence = (
                    f"No server answers at {self.base} ({cause}). Start one in another window with "
                    "`make run` or `python manage.py runserver`, or name a different one with "
                    "--url."
                )
            raise UnansweredError(sentence) from None

    def refusal(self, reply: Reply) -> str:
        """What a response that Stripe does not expect means, and what to do."""
        status, error = reply.status, _object(reply.body).get("error")
        error = error if isinstance(error, dict) else {}
        if error.get("code") == SignatureCause.MISMATCH:
            return (
                "The server does not know the secret this purchase was signed with. Give both the "
                "same STRIPE_WEBHOOK_SECRET: the .env beside manage.py, or the server's own."
            )
        if error.get("message"):
            return f"The server refused the event ({status}): {error['message']}"
        return (
            f"{self.base}{self.path} answered {status}, and not as a webhook of this program "
            "does. Name the right one with --url."
        )

    def close(self) -> None:
        self._connection.close()

    def _send(self, body: bytes) -> Reply:
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": sign(body, self._secret, int(time())),
            "User-Agent": "simulate (stands in for Stripe)",
        }
        self._connection.request("POST", self.path, body, headers)
        response = self._connection.getresponse()
        return Reply(response.status, response.read())


def _object(text: bytes) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except ValueError:
        data = None
    return data if isinstance(data, dict) else {}
