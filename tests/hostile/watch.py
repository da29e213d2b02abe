"""What a hostile request may not do, looked at around it."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from authorizations.models import (
    Decision,
    LedgerEntry,
    UnappliedEvent,
    WebhookRequest,
)
from authorizations.wire.signature import SignatureCause
from tests.hostile.exchange import Answer, exchange, post
from tests.hostile.requests import purchase
from tests.settings import SECRETS
from tests.support.server import Server

REJECTED = {*SignatureCause, "not_an_event"}
SECRET = re.compile(r"Traceback|SELECT |INSERT |UPDATE |whsec_|" + "|".join(SECRETS))
ON_THE_LOOP = "waits on the event loop"
"""What patient_app.py logs of a call for which everybody else would have to wait."""

FROM_OUTSIDE = re.compile(r"v1=[0-9a-f]{9}|4242424242424242")
"""What the log may not repeat, nor an answer of ours; gunicorn's tell the sender its own words."""


def is_ours(answer: Answer) -> bool:
    """Or gunicorn's, which tells the sender its own words."""
    return answer.headers.get("content-type", "").startswith("application/json")


def outcome(answer: Answer) -> str:
    """An answer in a word: approved, received, a reason for declining, a code, else the status."""
    if not is_ours(answer):
        return str(answer.status)
    told = json.loads(answer.body)
    if "error" in told:
        return str(told["error"]["code"])
    assert answer.status == 200
    return str(told["metadata"]["reason"]) if "metadata" in told else "received"


def outcomes(answers: list[Answer]) -> str:
    return " ".join(map(outcome, answers))


def rows() -> Counter[str]:
    """How many of each there are that a request leaves at once; rejections are written later."""
    return Counter(
        requests=WebhookRequest.objects.count(),
        decisions=Decision.objects.count(),
        entries=LedgerEntry.objects.count(),
        waiting=UnappliedEvent.objects.count(),
    )


def expected_rows(told: str) -> Counter[str]:
    """What answers to purchases leave behind."""
    words = Counter(told.split())
    refused = words["malformed_request"]
    found = Counter(
        requests=words["approved"] + refused,
        decisions=words["approved"] + refused,
        entries=words["approved"],
    )
    return +found


@contextmanager
def unharmed(server: Server) -> Iterator[Counter[str]]:
    """Around a hostile request: afterwards everything works, and no secret was told.

    Yields what rows it will have left behind.
    """
    new = Counter[str]()
    before = rows()
    with watched(server):
        yield new
        new.update(rows() - before)
        body, signature = purchase()
        [answer] = exchange(server.port, post(body, signature))
        assert outcome(answer) == "approved"


@contextmanager
def watched(server: Server) -> Iterator[None]:
    """Around hostile requests: afterwards the same workers live, and the log tells no secret."""
    workers, said = server.workers(), len(server.log)
    yield
    assert server.workers() == workers
    for line in server.log[said:].splitlines():
        assert json.loads(line)["time"], "not a line of the log"
        assert not SECRET.search(line)
        assert not FROM_OUTSIDE.search(line)
        assert ON_THE_LOOP not in line


def harmless(answers: list[Answer]) -> None:
    """No answer breaks down or tells what is nobody's business."""
    for answer in answers:
        assert answer.status not in (500, 502, 504)
        told = f"{answer.headers}{answer.body.decode(errors='replace')}"
        assert not SECRET.search(told)
        assert not is_ours(answer) or not FROM_OUTSIDE.search(told)
