"""A circuit breaker: stops asking a database that does not answer, and probes it until it does.

Each process has one. While it is open, stand-in answers every request at once.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic, sleep

from authorizations.services.runtime import metrics

logger = logging.getLogger(__name__)

MISSES, WITHIN_S = 3, 5.0
"""This many misses within this time cause a probe; if the probe fails, the breaker opens."""

GOOD_PROBES = 2
PROBE_EVERY_S = 0.25


@dataclass(slots=True)
class Breaker:
    """`probe` queries the database, and raises if it does not answer.

    `recovered` is called in a background thread each time the breaker closes. `opened` counts how
    often it opened.
    """

    probe: Callable[[], None]
    recovered: Callable[[], None]
    clock: Callable[[], float] = monotonic
    pause: Callable[[float], None] = sleep
    is_open: bool = False
    opened: int = 0
    is_probing: bool = False
    _misses: deque[float] = field(default_factory=lambda: deque(maxlen=MISSES))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def miss(self) -> None:
        """Note that the database did not answer a request in time."""
        with self._lock:
            now = self.clock()
            self._misses.append(now)
            is_enough = len(self._misses) == MISSES and now - self._misses[0] <= WITHIN_S
            if self.is_open or self.is_probing or not is_enough:
                return
            self.is_probing = True
        threading.Thread(target=self._look, name="breaker", daemon=True).start()

    def _look(self) -> None:
        """Probe the database, and open if that fails too: requests may fail for other reasons."""
        is_good = self._is_good()
        with self._lock:
            self._misses.clear()
            self.is_probing = False
            if not is_good:
                self.is_open = True
                metrics.breaker(is_open=True)
                self.opened += 1
        if is_good:
            logger.warning("Requests missed their time, but the database answers.")
            return
        logger.error("The database does not answer: stand-in decides until it does.")
        good = 0
        while good < GOOD_PROBES:
            self.pause(PROBE_EVERY_S)
            good = good + 1 if self._is_good() else 0
        with self._lock:
            self.is_open = False
            metrics.breaker(is_open=False)
            self._misses.clear()
        logger.warning("The database answers again.")
        try:
            self.recovered()
        except Exception:
            logger.exception("The work after the recovery failed; it is tried again.")

    def _is_good(self) -> bool:
        try:
            self.probe()
        except Exception:  # noqa: BLE001 - any error means that it does not answer
            return False
        return True
