"""Purchases at a steady rate, signed, over TLS connections that stay open, as from Stripe.

    python -m tests.prove.buyers RATE    with the webhook's secret in STRIPE_WEBHOOK_SECRET

It asks 127.0.0.1:443, RATE times a second however slow the answers are, until its input ends, and
prints a line of JSON for each purchase: see Bought. Nobody here gives up early: how long it took is
for the reader to judge.
"""

import json
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from http.client import HTTPException, HTTPSConnection
from queue import Empty, LifoQueue
from random import SystemRandom

from authorizations.wire.signature import sign
from simulator.stripe import samples
from tests.deploy.serving import HOST, PATIENCE_SECONDS, tls

CARDS = 50
AMOUNT = 100

_chance = SystemRandom()
_printing = threading.Lock()
_trusting = tls()
_idle: "LifoQueue[tuple[float, HTTPSConnection]]" = LifoQueue()
"""Connections that nobody uses, and since when."""
_LONGEST_IDLE_S = 20
"""Less than nginx's patience: one that it is just closing would look like a purchase lost."""


@dataclass(frozen=True, slots=True)
class Bought:
    """What became of one purchase."""

    event_id: str
    began: float
    """Seconds since 1970."""
    took_ms: float
    status: int
    """0: there was no answer."""
    approved: bool
    stand_in: str
    """Why stand-in answered; "" where it was the usual answer."""
    problem: str
    """What kept the answer away, or what it was instead."""


def main() -> None:
    rate = float(sys.argv[1])
    secret = os.environ["STRIPE_WEBHOOK_SECRET"]
    over = threading.Event()
    threading.Thread(target=_wait_for_end, args=(over,), daemon=True).start()
    with ThreadPoolExecutor(1_000) as threads:
        due = time.monotonic()
        while not over.wait(max(0.0, due - time.monotonic())):
            due += 1 / rate
            threads.submit(_buy, secret)


def _wait_for_end(over: threading.Event) -> None:
    sys.stdin.read()
    over.set()


def _buy(secret: str) -> None:
    line = json.dumps(asdict(_bought(secret)))
    with _printing:
        print(line, flush=True)


def _bought(secret: str) -> Bought:
    now = int(time.time())
    number = _chance.randrange(CARDS)
    holder = samples.cardholder(
        cardholder_id=f"ich_prove{number}", name="Grace Hopper", created=now
    )
    event_id = samples.identifier("evt", _chance)
    event = samples.request_event(
        samples.Purchase(
            authorization_id=samples.identifier("iauth", _chance), created=now, amount=AMOUNT
        ),
        event_id=event_id,
        created=now,
        card=samples.card(card_id=f"ic_prove{number}", holder=holder, created=now),
    )
    body = samples.to_bytes(event)
    headers = {
        "Host": HOST,
        "Content-Type": "application/json",
        "Stripe-Signature": sign(body, secret, now),
    }
    began, clock = time.time(), time.monotonic()
    status, approved, stand_in, problem = 0, False, "", ""
    try:
        status, answer = _answered(body, headers)
        told = json.loads(answer)
        approved, stand_in = told["approved"], told["metadata"].get("stand_in", "")
    except (HTTPException, OSError, ValueError, KeyError) as wrong:
        problem = repr(wrong)
    took_ms = (time.monotonic() - clock) * 1_000
    return Bought(event_id, began, took_ms, status, approved, stand_in, problem)


def _answered(body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    connection = _connection()
    try:
        connection.request("POST", "/webhook", body, headers)
        answer = connection.getresponse()
        found = answer.status, answer.read()
    except BaseException:
        connection.close()
        raise
    _idle.put((time.monotonic(), connection))
    return found


def _connection() -> HTTPSConnection:
    """The one used last, or a new one."""
    try:
        since, connection = _idle.get_nowait()
    except Empty:
        return HTTPSConnection("127.0.0.1", timeout=PATIENCE_SECONDS, context=_trusting)
    if time.monotonic() - since > _LONGEST_IDLE_S:
        connection.close()  # opened again when it is asked something
    return connection


if __name__ == "__main__":
    main()
