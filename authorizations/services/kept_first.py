"""First kept, then sent: an answer of stand-in waits for its record in the spool, but not for ever.

Nothing here raises, and no approval is sent that is not on the disk.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from authorizations.services import metrics, spool
from authorizations.services.delivery import Delivery
from authorizations.services.spooled import Spooled, encode

logger = logging.getLogger(__name__)

ANSWER_BUDGET_MS = 880
"""From the arrival of a request; the rest of 900 is for sending."""

_slots = threading.BoundedSemaphore(64)
"""So many answers wait for the disk at once; where it hangs, further ones don't wait for it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What may be sent, with its record; `money` where it may only be sent once that is kept."""

    body: bytes
    record: Spooled
    money: bool = False


def sent(delivery: Delivery, decide: Callable[[], Answer], decline: Callable[[], Answer]) -> Answer:
    """What `decide` says, once it is kept; what `decline` says where that takes too long or fails.

    A thread of its own waits for the disk.
    """
    way = _Way(decide, decline())
    if _slots.acquire(blocking=False):
        try:
            threading.Thread(target=way.go, name="stand-in", daemon=True).start()
        except RuntimeError:  # no more threads
            _slots.release()
        else:
            way.ended.wait(max(0.0, delivery.seconds_left(ANSWER_BUDGET_MS)))
    settled = way.settle(way.instead)
    if not way.ended.is_set():
        logger.error("Declined, because the disk took too long: %s", settled.body)
    return settled


@dataclass(slots=True)
class _Way:
    """One answer on its way to the spool, while Stripe waits in another thread.

    `sent` is settled once, by whichever thread comes first; what was sent is the truth, and where
    the spool has something else already, the truth follows.
    """

    decide: Callable[[], Answer]
    instead: Answer
    sent: Answer | None = None
    ended: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def settle(self, answer: Answer) -> Answer:
        with self._lock:
            if self.sent is None:
                self.sent = answer
            return self.sent

    def go(self) -> None:
        try:
            kept = self._kept(self._decided())
            if self.settle(kept) is not kept:
                self._kept(self.instead)
        finally:
            self.ended.set()
            _slots.release()

    def _decided(self) -> Answer:
        try:
            decided = self.decide()
        except Exception:
            logger.exception("Stand-in failed, so the purchase is declined.")
            return self.instead
        return self.instead if self.sent else decided

    def _kept(self, answer: Answer) -> Answer:
        """The answer that can be given: what costs money only with its record on the disk."""
        try:
            spool.append(encode(answer.record))
        except Exception:
            metrics.spool_failed()
            logger.critical("An answer is not on record: %s", answer.body, exc_info=True)
            return self.instead if answer.money else answer
        return answer
