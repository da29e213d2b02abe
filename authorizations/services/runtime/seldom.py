"""Rate-limits warnings."""

import logging
import threading
from collections import Counter
from collections.abc import Callable
from time import monotonic

EVERY_S = 10.0


class Seldom:
    """Logs at most one line of a kind every EVERY_S seconds; the next says how many were left out.

    Kinds are kept in memory, so they must be few, and never come from a request.
    """

    def __init__(self, logger: logging.Logger, clock: Callable[[], float] = monotonic) -> None:
        self._logger = logger
        self._clock = clock
        self._lock = threading.Lock()
        self._due: dict[str, float] = {}
        self._left_out: Counter[str] = Counter()

    def warn(self, kind: str, message: str, *values: object) -> None:
        """As logger.warning, if a line of this kind is due."""
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
