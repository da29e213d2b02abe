"""Declines that were sent before they could be kept: their records follow once the disk lets them.

They wait in memory, so a process that is killed meanwhile takes them along. No approval ever waits
here: what costs money is not sent before it is kept.
"""

import logging
import threading
import time
from collections import deque

from authorizations.services import spool
from authorizations.services.spool import Spool, SpoolFailedError

logger = logging.getLogger(__name__)

MOST = 2_000
"""So many records of some 10 kB wait in a process; of more, the log is all there is."""

AGAIN_S = 1.0
_PATIENCE_S = 10.0

_waiting: deque[tuple[Spool, bytes]] = deque()
_busy = threading.Lock()


def keep(payload: bytes) -> None:
    """Put this into the spool, in the background, as soon and as often tried as it takes."""
    if len(_waiting) >= MOST:
        logger.critical("Nothing keeps this answer but the log: %s", payload)
        return
    _waiting.append((spool.spool(), payload))
    if _busy.acquire(blocking=False):
        _start()


def _start() -> None:
    try:
        threading.Thread(target=_follow, name="kept-later", daemon=True).start()
    except RuntimeError:  # no more threads; the next answer tries again
        _busy.release()


def _follow() -> None:
    try:
        while _waiting:
            own, payload = _waiting[0]
            try:
                own.append(payload, _PATIENCE_S)
            except SpoolFailedError:
                time.sleep(AGAIN_S)
            else:
                _waiting.popleft()
    finally:
        _busy.release()
    if _waiting and _busy.acquire(blocking=False):  # put there in this very moment
        _start()
