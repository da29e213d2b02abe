"""Writes a stand-in answer to disk before sending it, within a time limit.

Nothing here raises, and no approval is sent that is not on the disk. A decline is sent all the
same, and its record follows (spool_retry.py).
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import msgspec

from authorizations.services.host import host_answers, spool_writer
from authorizations.services.runtime import budget, metrics
from authorizations.services.runtime.delivery import Delivery
from authorizations.services.stand_in import spool_retry
from authorizations.services.stand_in.spool_record import Spooled, encode

logger = logging.getLogger(__name__)

_slots = threading.BoundedSemaphore(64)
"""So many answers wait for the disk at once; where it hangs, further ones don't wait for it."""


@dataclass(frozen=True, slots=True)
class DurableAnswer:
    """What may be sent, with its record; `money` where it may only be sent once that is kept.

    `is_repeat`: its event was answered before.
    """

    body: bytes
    record: Spooled
    money: bool = False
    is_repeat: bool = False


def sent(
    delivery: Delivery, decide: Callable[[], DurableAnswer], decline: Callable[[], DurableAnswer]
) -> DurableAnswer:
    """What `decide` says, once it is kept; what `decline` says where that takes too long or fails.

    A thread of its own waits for the disk.
    """
    budget_ms = _budget_ms(delivery)
    way = _Way(delivery.decision_id, decide, decline(), lambda: delivery.seconds_left(budget_ms))
    is_begun = _begun(way)
    if is_begun:
        way.ended.wait(max(0.0, way.seconds_left()))
    settled = way.settle(way.instead)
    if not is_begun:
        way.keep_later(settled)
    if not way.ended.is_set():
        if not settled.is_repeat:  # other processes hear of it once the disk goes on
            host_answers.note_in_process(delivery.decision_id, settled.record.as_sent())
        logger.error("Declined, because the disk took too long: %s", settled.body)
    return settled


def _budget_ms(delivery: Delivery) -> int:
    least_ms = min(budget.LEAST_FOR_STAND_IN_MS, budget.STAND_IN_MS)
    return delivery.share_of(budget.STAND_IN_MS, least_ms)


def _after(sent: DurableAnswer, decided: DurableAnswer) -> DurableAnswer:
    """Replayed after what it corrects, also from another file: it was rendered before that."""
    at = max(sent.record.answered_at, decided.record.answered_at)
    return replace(sent, record=msgspec.structs.replace(sent.record, answered_at=at))


def _begun(way: "_Way") -> bool:
    if not _slots.acquire(blocking=False):
        return False
    try:
        threading.Thread(target=way.go, name="stand-in", daemon=True).start()
    except RuntimeError:  # no more threads
        _slots.release()
        return False
    return True


@dataclass(slots=True)
class _Way:
    """One answer on its way to the spool, while Stripe waits in another thread.

    `sent` is settled once, by whichever thread comes first; what was sent is the truth, and where
    the spool has something else already, the truth follows.
    """

    decision_id: str
    decide: Callable[[], DurableAnswer]
    instead: DurableAnswer
    seconds_left: Callable[[], float]
    sent: DurableAnswer | None = None
    ended: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def settle(self, answer: DurableAnswer) -> DurableAnswer:
        with self._lock:
            if self.sent is None:
                self.sent = answer
            return self.sent

    def go(self) -> None:
        try:
            decided = self._decided()
            is_kept = self._is_kept(decided)
            answer = self.instead if decided.money and not is_kept else decided
            sent = self.settle(answer)
            if not sent.is_repeat:
                host_answers.note(self.decision_id, sent.record.as_sent())
            if sent is not decided or not is_kept:
                self.keep_later(_after(sent, decided))
        finally:
            self.ended.set()
            _slots.release()

    def keep_later(self, answer: DurableAnswer) -> None:
        try:
            spool_retry.keep(encode(answer.record))
        except Exception:
            logger.critical("An answer is not on record: %s", answer.body, exc_info=True)

    def _decided(self) -> DurableAnswer:
        try:
            decided = self.decide()
        except Exception:
            logger.exception("Stand-in failed, so the purchase is declined.")
            return self.instead
        return self.instead if self.sent else decided

    def _is_kept(self, answer: DurableAnswer) -> bool:
        """Whether its record is on the disk, in time."""
        try:
            within_s = self.seconds_left() - budget.SETTLING_MS / 1000
            within_s = max(budget.LEAST_FOR_DISK_MS / 1000, within_s)
            spool_writer.append(encode(answer.record), within_s)
        except Exception:
            metrics.spool_failed()
            logger.critical("An answer is not on record yet: %s", answer.body, exc_info=True)
            return False
        return True
