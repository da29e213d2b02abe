"""Stops asking a database that answers no probe, and finds out in the background when it does.

One for each process. While it is open every request is answered by stand-in at once.
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
"""So many misses within so long have the database probed at once; it opens where that fails."""

GOOD_PROBES = 2
PROBE_EVERY_S = 0.25


@dataclass(slots=True)
class Breaker:
    """`probe` asks the database and raises where it does not answer.

    `recovered` is called, in the background, each time it closes.
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
        """The database did not answer a request in time."""
        with self._lock:
            now = self.clock()
            self._misses.append(now)
            is_enough = len(self._misses) == MISSES and now - self._misses[0] <= WITHIN_S
            if self.is_open or self.is_probing or not is_enough:
                return
            self.is_probing = True
        threading.Thread(target=self._look, name="breaker", daemon=True).start()

    def _look(self) -> None:
        """Open where the probe fails too: three requests may have failed for their own reasons."""
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
        self._watch()

    def _watch(self) -> None:
        good = 0
        while good < GOOD_PROBES:
            self.pause(PROBE_EVERY_S)
            good = good + 1 if self._is_good() else 0
        with self._lock:
            self.is_open = False
            metrics.breaker(is_open=False)
            self._misses.clear()
        logger.warning("The database answers again.")
        self._recover()

    def _is_good(self) -> bool:
        try:
            self.probe()
        except Exception:  # noqa: BLE001 - whatever it is, it is no answer
            return False
        return True

    def _recover(self) -> None:
        try:
            self.recovered()
        except Exception:
            logger.exception("What was to be done after the recovery failed; it is tried again.")
