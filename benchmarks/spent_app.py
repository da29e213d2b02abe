"""The webhook's application, with a clock at each of its parts; started by benchmarks/spent.py.

GET /begin forgets what was measured so far in this process, GET /end writes it into the directory
SPENT_DIR. Times are of the processor, of the event loop's thread alone.
"""

import functools
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from authz_project.asgi import application as served  # first: it sets Django up

# isort: split
from authorizations.services.store import pipes
from authorizations.services.webhook import together
from authorizations.web import door
from authz_project.serving import protocol

_spent: Counter[str] = Counter()
_since = [0.0]


def _function(part: str, work: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(work)
    def measured(*args: Any, **options: Any) -> Any:
        began = time.thread_time()
        try:
            return work(*args, **options)
        finally:
            _spent[part] += int((time.thread_time() - began) * 1e9)

    return measured


def _steps(part: str, work: Callable[..., Any]) -> Callable[..., Any]:
    """As `_function`, of a generator: without what happens between its steps."""

    @functools.wraps(work)
    def measured(*args: Any, **options: Any) -> Generator[Any, Any, Any]:
        steps = work(*args, **options)
        step = functools.partial(next, steps)
        while True:
            began = time.thread_time()
            try:
                asked = step()
            except StopIteration as done:
                return done.value
            finally:
                _spent[part] += int((time.thread_time() - began) * 1e9)
            try:
                step = functools.partial(steps.send, (yield asked))
            except BaseException as error:  # noqa: BLE001 - raised within the generator
                step = functools.partial(steps.throw, error)

    return measured


for _part, _owner, _name, _measured in (
    ("signature, masking, event", door, "delivery", _function),
    ("head of the request", door, "refusal", _function),
    ("response", door, "respond", _function),
    ("the question, typed", together.Desk, "_readable", _function),
    ("forming groups", together.Desk, "_start", _function),
    ("deciding, from rows to rows", together, "decide_together", _steps),
    ("sending and reading statements", pipes, "exchange", _steps),
    ("log, metrics, stand-in's ring", together.Desk, "_note", _function),
    ("reading HTTP", protocol.Protocol, "data_received", _function),
    ("writing HTTP", protocol._InOnePiece, "write", _function),  # noqa: SLF001
):
    setattr(_owner, _name, _measured(_part, getattr(_owner, _name)))


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The measured application."""
    if scope.get("path") == "/begin":
        _spent.clear()
        _since[0] = time.thread_time()
    elif scope.get("path") == "/end":
        whole = int((time.thread_time() - _since[0]) * 1e9)
        path = Path(os.environ["SPENT_DIR"]) / f"{os.getpid()}.json"
        path.write_text(json.dumps({"whole": whole, **_spent}))
    await served(scope, receive, send)
