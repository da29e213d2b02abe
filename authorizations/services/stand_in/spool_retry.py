"""Retries spool writes for declines already sent.

They wait in memory and are lost if the process is killed. No approval waits here: an approval is
not sent before it is on disk.
"""

import functools
import logging
import threading
import time
from collections import deque

from authorizations.services.host import spool_writer
from authorizations.services.host.spool_writer import Spool, SpoolFailedError

logger = logging.getLogger(__name__)

MAX_WAITING = 2_000
"""Maximum records that wait in a process, each about 10 kB. Further ones are only logged."""

RETRY_AFTER_S = 1.0
_WRITE_WITHIN_S = 10.0


class RetryQueue:
    """Records that wait for one spool, oldest first; a thread writes them while there are any."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._waiting: deque[bytes] = deque()
        self._busy = threading.Lock()

    def keep(self, payload: bytes) -> None:
        """Write a record in the background, trying until the disk accepts it."""
        if len(self._waiting) >= MAX_WAITING:
            logger.critical("This answer is kept in the log alone: %s", payload)
            return
        self._waiting.append(payload)
        if self._busy.acquire(blocking=False):
            self._start()

    def _start(self) -> None:
        try:
            threading.Thread(target=self._write, name="spool-retry", daemon=True).start()
        except RuntimeError:  # no more threads; the next answer tries again
            self._busy.release()

    def _write(self) -> None:
        try:
            while self._waiting:
                try:
                    self._spool.append(self._waiting[0], _WRITE_WITHIN_S)
                except SpoolFailedError:
                    time.sleep(RETRY_AFTER_S)
                else:
                    self._waiting.popleft()
        finally:
            self._busy.release()
        if self._waiting and self._busy.acquire(blocking=False):  # added at this very moment
            self._start()


_queue_of = functools.cache(RetryQueue)


def keep(payload: bytes) -> None:
    """As `RetryQueue.keep`, for the spool of this process."""
    _queue_of(spool_writer.spool()).keep(payload)
