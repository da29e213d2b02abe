"""Hostile requests as a table: what is sent, and what becomes of it."""

import time
from dataclasses import dataclass
from typing import TypeAlias

from authorizations.wire.signature import sign
from simulator.stripe import samples
from tests.settings import SECRETS
from tests.support.builders import request_event

Outcomes: TypeAlias = str
"""Of each answer, in order, what watch.outcome makes of it; "" where there is none."""

POST = "POST /webhook HTTP/1.1"
LENGTH = "Content-Length: {length}"
BODY = b"%(body)b"


@dataclass(frozen=True)
class Request:
    """A purchase, rightly signed, in wrong wrapping. `headers` know {length}, `body` %(body)b,
    %(size)x and %(again)b, which is a second purchase, rightly wrapped.
    """

    name: str
    outcomes: Outcomes
    headers: tuple[str, ...] = (LENGTH,)
    line: str = POST
    body: bytes = BODY
    host: str = "Host: localhost"
    end: str = "\r\n"

    def __str__(self) -> str:
        return self.name

    def made(self) -> bytes:
        body, signature = purchase()
        lines = [self.line, *filter(None, [self.host]), signature]
        lines += [header.replace("{length}", str(len(body))) for header in self.headers]
        again = b""
        if b"%(again)b" in self.body:
            again = Request("again", "approved").made()
        sent = self.body % {b"body": body, b"size": len(body), b"again": again}
        return (self.end.join(lines) + 2 * self.end).encode("latin-1") + sent


def purchase() -> tuple[bytes, str]:
    """The body of a new purchase and the header that signs it, now."""
    body = samples.to_bytes(request_event(amount=100))
    return body, signed(body)


def signed(body: bytes) -> str:
    return f"Stripe-Signature: {sign(body, SECRETS[0], int(time.time()))}"
