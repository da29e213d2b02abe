"""Processes that begin at the same moment, as those of a desk that serves from several of them."""

import logging
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from itertools import count
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import NamedTuple, TypeVar

import pytest
from django.conf import settings
from django.db import connection

from authorizations.services.webhook import background
from tests.support import database, database_roles, desk, timeouts
from tests.support.timeouts import PATIENCE_S

T = TypeVar("T")

NUMBER = 16

_barrier: Barrier | None = None
"""Of a process: where it waits for all others."""


class Processes(NamedTuple):
    """As many as the barrier is for, each begun and with Django set up."""

    pool: ProcessPoolExecutor

    def play(self, part: Callable[[int], T]) -> list[T]:
        """What a part returns in each of the processes, by their places; all begin it together.

        A part is a function of a module that `many` names.
        """
        found = list(self.pool.map(_play, [part] * NUMBER, range(NUMBER), timeout=PATIENCE_S))
        assert len({process for process, _ in found}) == NUMBER
        return [result for _, result in found]


@contextmanager
def many(parts: str) -> Iterator[Processes]:
    """Processes beside this one, on its database; `parts` is the module of what they will play."""
    context = get_context("forkserver")
    # Imported once, and each process is a fork of that.
    context.set_forkserver_preload(["tests.load.ready", __name__, parts])
    given = (database.url(), settings.SPOOL_DIR, context.Barrier(NUMBER))
    with (
        pytest.MonkeyPatch.context() as patched,
        ProcessPoolExecutor(NUMBER, context, _begin, given) as pool,
    ):
        patched.setenv("DATABASE_URL", given[0])
        yield Processes(pool)


def _begin(url: str, directory: Path, barrier: Barrier) -> None:
    global _barrier  # noqa: PLW0603 - one of each process
    _barrier = barrier
    logging.disable(logging.INFO)  # a line for each decision
    database.use(url.rsplit("/", 1)[-1])
    settings.SPOOL_DIR = directory
    patched = pytest.MonkeyPatch()
    patched.setattr(background, "start", lambda: None)
    # No two processes give the same.
    patched.setattr(desk, "_numbers", (f"{os.getpid()}_{number:06}" for number in count(1)))
    database_roles.serve_requests_under_roles()
    timeouts.be_patient(patched)


def _play(part: Callable[[int], T], place: int) -> tuple[int, T]:
    assert _barrier
    _barrier.wait(PATIENCE_S)
    try:
        return os.getpid(), part(place)
    finally:
        connection.close()
