"""Retries spool writes for declines already sent.

They wait in memory, so a process that is killed meanwhile takes them along. No approval ever waits
here: what costs money is not sent before it is kept.
"""

import functools
import logging
import threading
import time
from collections import deque

from authorizations.services.host import spool_writer
from authorizations.services.host.spool_writer import Spool, SpoolFailedError

logger = logging.getLogger(__name__)

MOST = 2_000
"""So many records of some 10 kB wait in a process; of more, the log is all there is."""

AGAIN_S = 1.0
_PATIENCE_S = 10.0


class KeptLater:
    """What waits for one spool, the oldest first; a thread works while anything does."""

    def __init__(self, own: Spool) -> None:
        self._spool = own
        self._waiting: deque[bytes] = deque()
        self._busy = threading.Lock()

    def keep(self, payload: bytes) -> None:
        """Put this into the spool, in the background, as soon and as often tried as it takes."""
        if len(self._waiting) >= MOST:
            logger.critical("Nothing keeps this answer but the log: %s", payload)
            return
        self._waiting.append(payload)
        if self._busy.acquire(blocking=False):
            self._start()

    def _start(self) -> None:
        try:
            threading.Thread(target=self._follow, name="kept-later", daemon=True).start()
        except RuntimeError:  # no more threads; the next answer tries again
            self._busy.release()

    def _follow(self) -> None:
        try:
            while self._waiting:
                try:
                    self._spool.append(self._waiting[0], _PATIENCE_S)
                except SpoolFailedError:
                    time.sleep(AGAIN_S)
                else:
                    self._waiting.popleft()
        finally:
            self._busy.release()
        if self._waiting and self._busy.acquire(blocking=False):  # put there in this very moment
            self._start()


@functools.cache
def _waiting_for(own: Spool) -> KeptLater:
    return KeptLater(own)


def keep(payload: bytes) -> None:
    """As `KeptLater.keep`, for the spool of this process."""
    _waiting_for(spool_writer.spool()).keep(payload)
