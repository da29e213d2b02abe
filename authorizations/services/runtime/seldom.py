"""Warnings that come no oftener than somebody needs to read them, however often they are due."""

import logging
import threading
from collections import Counter
from collections.abc import Callable
from time import monotonic

EVERY_S = 10.0


class Seldom:
    """Writes one line of a kind in EVERY_S seconds; the next one says how many it left out.

    The kinds are few, and are never what somebody else made up: each is remembered.
    """

    def __init__(self, logger: logging.Logger, clock: Callable[[], float] = monotonic) -> None:
        self._logger = logger
        self._clock = clock
        self._lock = threading.Lock()
        self._due: dict[str, float] = {}
        self._left_out: Counter[str] = Counter()

    def warn(self, kind: str, message: str, *values: object) -> None:
        """As logger.warning, where a line of this kind is due."""
        now = self._clock()
        with self._lock:
            if now < self._due.get(kind, now):
                self._left_out[kind] += 1
                return
            self._due[kind] = now + EVERY_S
            left_out = self._left_out.pop(kind, 0)
        if left_out:
            message, values = f"{message} (%d more since the last such line.)", (*values, left_out)
        self._logger.warning(message, *values)
