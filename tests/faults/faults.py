"""The faults by name, in the order in which they are played."""

import signal
from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.breaking import (
    Stage,
    backends_ended,
    clock_steps,
    commit_dropped,
    commit_reply_cut,
    disk,
    disk_full,
    frozen,
    frozen_for_moments,
    killed,
    nothing,
    overload,
    postmaster_killed,
    reloaded,
    restarted,
    stopped,
    swizzle,
    wire,
    wire_refuses,
    wire_resets,
    workers_killed,
    workers_replaced,
)
from tests.faults.flags import HANGS


@dataclass(frozen=True)
class Fault:
    """`play` ends when the fault is over, or earlier; `rate` is purchases a second.

    `answers_may_be_missing` as in counts.py. `is_quick`: played by the tests as well,
    one of each kind.
    """

    name: str
    play: Callable[[Stage], None]
    rate: float = 30.0
    answers_may_be_missing: bool = False
    is_quick: bool = True


FAULTS = (
    Fault("nothing at all", nothing, is_quick=False),
    Fault("database stopped: smart", stopped(signal.SIGTERM), is_quick=False),
    Fault("database stopped: fast", stopped(signal.SIGINT)),
    Fault("database stopped: immediate", stopped(signal.SIGQUIT), is_quick=False),
    Fault("database restarted", restarted),
    Fault("database frozen", frozen),
    Fault("database frozen for moments", frozen_for_moments, is_quick=False),
    Fault("database killed", killed),
    Fault("postmaster killed", postmaster_killed, is_quick=False),
    Fault("backends ended", backends_ended(signal.SIGTERM, 10), is_quick=False),
    Fault("backends killed", backends_ended(signal.SIGKILL, 3)),
    Fault("wire slow: 40 ms a way", wire(latency_s=0.04)),
    Fault("wire slow: 300 ms a way", wire(latency_s=0.3), is_quick=False),
    Fault("wire held open", wire(is_holding=True)),
    Fault("wire resets", wire_resets),
    Fault("wire refuses", wire_refuses, is_quick=False),
    Fault("wire one byte at a time", wire(piece=1), rate=5.0),
    Fault("reply to COMMIT cut at every byte", commit_reply_cut),
    Fault("COMMIT never arrives", commit_dropped, is_quick=False),
    Fault("spool's disk full", disk_full),
    Fault("spool read-only", disk("EROFS", database="away")),
    Fault("spool's disk fails (EIO)", disk("EIO", database="away")),
    Fault("spool's disk hangs", disk(HANGS, database="away"), is_quick=False),
    Fault("database frozen, spool fails", disk("EIO", database="frozen")),
    Fault("database frozen, spool hangs", disk(HANGS, database="frozen"), is_quick=False),
    Fault("clock steps", clock_steps("here")),
    Fault("clock steps, database away", clock_steps("away"), is_quick=False),
    Fault("three times the load", overload(3)),
    Fault("SIGHUP", reloaded),
    Fault("workers replaced", workers_replaced),
    Fault("workers killed", workers_killed, answers_may_be_missing=True, is_quick=False),
    Fault("swizzle", swizzle),
)
