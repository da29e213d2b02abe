"""The real application, which answers from the spool alone where a request asks for that.

As a server does it while the database can't be reached: every purchase is approved, the answer is
spooled and then sent; and each process replays what waits.
"""

import asyncio
import threading
import time
from datetime import UTC, datetime
from typing import Any

from authz_project.asgi import application as desk  # it sets Django up

# isort: split

from django.conf import settings
from django.db import connections

from authorizations.rules.decision.values import Verdict
from authorizations.services.host import spool_writer
from authorizations.services.runtime.delivery import Delivery, Stopwatch
from authorizations.services.stand_in import replay
from authorizations.services.stand_in.spool_record import encode, spool_record
from authorizations.wire import answer, events

_replaying = threading.Lock()


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await desk(scope, receive, send)
        return
    if _replaying.acquire(blocking=False):  # in this process, once
        spool_writer.spool()._timeout_s = 60  # the machine may be busy
        threading.Thread(target=_replay, daemon=True).start()
    if not any(name == b"x-stand-in" for name, _ in scope["headers"]):
        await desk(scope, receive, send)
        return
    body, is_open = b"", True
    while is_open:
        message = await receive()
        body += message.get("body", b"")
        is_open = message.get("more_body", False)
    body = await asyncio.to_thread(_stand_in, body)
    named = answer.headers(settings.STRIPE_VERSION, body)
    headers = [(name.encode(), value.encode()) for name, value in named.items()]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _stand_in(body: bytes) -> bytes:
    delivery = Delivery(
        datetime.now(UTC), "127.0.0.1", {}, body, "test", events.read(body), Stopwatch()
    )
    request = events.authorization_request(delivery.event)
    decision = Verdict(approved=True, amount=request.amount)
    sent = answer.render(
        approved=True, amount=None, decision=delivery.decision_id, reason="approved"
    )
    spool_writer.append(encode(spool_record(delivery, "switched_on", sent, decision)))
    return sent


def _replay() -> None:
    while True:
        replay.run_for(0.05)
        connections.close_all()
        time.sleep(0.02)
