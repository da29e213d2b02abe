"""The real application on a machine with other things to do: what has milliseconds in a shop has a
minute, as in the tests' own process (patience.py).
"""

import asyncio
import logging
import os
import sqlite3
import time
from collections.abc import Callable
from typing import Any

from authorizations.services.runtime import budget
from authz_project.deadline import DeadlineConnection


def off_the_loop(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """As `call`, with a line of the log where everybody else would have to wait for it."""

    def called(*args: Any, **kwargs: Any) -> Any:
        if asyncio._get_running_loop() is not None:
            logging.getLogger(__name__).critical("%s waits on the event loop", name)
        return call(*args, **kwargs)

    return called


# Before the program is imported: it takes some of them by name.
for owner, name in (
    *((os, "fsync"), (os, "fdatasync"), (time, "sleep"), (sqlite3, "connect")),
    (DeadlineConnection, "wait"),
):
    setattr(owner, name, off_the_loop(name, getattr(owner, name)))

# Before the program is imported: it takes some of them by value.
budget.STAND_IN_MS = budget.LOCK_TIMEOUT_MS = 60_000
budget.CAP_WAIT_MS = budget.HOST_ANSWERS_WAIT_MS = budget.SPOOL_WAIT_MS = 60_000
# What finds no time to be applied is kept; where the database stands still, the tests wait so long.
budget.REPORT_KEPT_MS = budget.KEEPING_TURN_MS = 10_000
# An event that is not kept for want of a connection is answered 503, as is every event while the
# breaker is open. Without a database everything waits so long for one, so it is not a minute.
budget.POOL_WAIT_MS, budget.PROBE_MS = 2_000, 10_000
# In the background each attempt that takes too long doubles the wait for the next one.
budget.BACKGROUND_LOCK_MS = budget.BRIEF_LOCK_WAIT_MS = 10_000
budget.BODY_MS = 60_000

from authz_project.asgi import application  # noqa: E402 - sets up Django

__all__ = ["application"]
