"""The real application, which answers from the spool alone where a request asks for that.

As a server does it while the database can't be reached: every purchase is approved, the answer is
spooled and then sent; and each process replays what waits.
"""

import threading
import time
from datetime import UTC, datetime
from typing import Any

from authz_project.wsgi import application as desk  # it sets Django up

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


def application(environ: dict[str, Any], start_response: Any) -> Any:
    if _replaying.acquire(blocking=False):  # in this process, once
        spool_writer.spool()._timeout_s = 60  # the machine may be busy
        threading.Thread(target=_replay, daemon=True).start()
    if "HTTP_X_STAND_IN" not in environ:
        return desk(environ, start_response)
    body = _stand_in(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    start_response("200 OK", list(answer.headers(settings.STRIPE_VERSION, body).items()))
    return [body]


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
