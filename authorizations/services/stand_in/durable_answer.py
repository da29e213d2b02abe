"""Writes a stand-in answer to disk before sending it, within a time limit.

Nothing here raises, and no approval is sent before it is on disk. A decline is sent even if it
can't be written; its record follows (spool_retry.py).
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
from authorizations.services.stand_in.spool_record import SpoolRecord, encode

logger = logging.getLogger(__name__)

_slots = threading.BoundedSemaphore(64)
"""Maximum answers that wait for the disk at once; if it hangs, further ones don't wait for it."""


@dataclass(frozen=True, slots=True)
class DurableAnswer:
    """An answer to send, with its spool record; with `money`, only once the record is on disk.

    `is_repeat`: the event was answered before.
    """

    body: bytes
    record: SpoolRecord
    money: bool = False
    is_repeat: bool = False


def settle(
    delivery: Delivery, decide: Callable[[], DurableAnswer], fallback: DurableAnswer
) -> DurableAnswer:
    """Return the answer to send: that of `decide` with its record on disk, or `fallback`.

    `fallback` is a decline, for when deciding or writing fails or takes too long. Both happen in
    a thread of their own, so that a disk that hangs doesn't keep Stripe waiting.
    """
    budget_ms = _budget_ms(delivery)
    pending = _PendingAnswer(
        delivery.decision_id, decide, fallback, lambda: delivery.seconds_left(budget_ms)
    )
    is_started = _slots.acquire(blocking=False)
    if is_started:
        try:
            threading.Thread(target=pending.run, name="stand-in", daemon=True).start()
        except RuntimeError:  # no more threads
            _slots.release()
            is_started = False
    if is_started:
        pending.ended.wait(max(0.0, pending.seconds_left()))
    chosen = pending.choose(fallback)
    if not is_started:
        _write_later(chosen)
    if not pending.ended.is_set():
        if not chosen.is_repeat:  # the other processes read it once the disk answers again
            host_answers.note_in_process(delivery.decision_id, chosen.record.as_sent())
        logger.error("Declined, because the disk took too long: %s", chosen.body)
    return chosen


def _budget_ms(delivery: Delivery) -> int:
    least_ms = min(budget.LEAST_FOR_STAND_IN_MS, budget.STAND_IN_MS)
    return delivery.share_of(budget.STAND_IN_MS, least_ms)


@dataclass(slots=True)
class _PendingAnswer:
    """An answer that one thread decides and writes, while another waits to send it.

    Whichever thread is first chooses what is sent. If the spool already has a different answer,
    the record of the one sent follows.
    """

    decision_id: str
    decide: Callable[[], DurableAnswer]
    fallback: DurableAnswer
    seconds_left: Callable[[], float]
    chosen: DurableAnswer | None = None
    ended: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def choose(self, answer: DurableAnswer) -> DurableAnswer:
        """Send `answer`, unless one is chosen already; returns the one that is sent."""
        with self._lock:
            if self.chosen is None:
                self.chosen = answer
            return self.chosen

    def run(self) -> None:
        """Decide, write the record and choose; frees its slot at the end."""
        try:
            try:
                decided = self.decide()
            except Exception:
                logger.exception("Stand-in failed, so the purchase is declined.")
                decided = self.fallback
            if self.chosen:  # too late: the fallback was sent
                decided = self.fallback
            is_on_disk = True
            try:
                within_s = self.seconds_left() - budget.SETTLING_MS / 1000
                within_s = max(budget.LEAST_FOR_DISK_MS / 1000, within_s)
                spool_writer.append(encode(decided.record), within_s)
            except Exception:
                is_on_disk = False
                metrics.spool_failed()
                logger.critical("An answer is not on record yet: %s", decided.body, exc_info=True)
            chosen = self.choose(self.fallback if decided.money and not is_on_disk else decided)
            if not chosen.is_repeat:
                host_answers.note(self.decision_id, chosen.record.as_sent())
            if chosen is not decided or not is_on_disk:
                # The replay must take it after the record it corrects, which may be in a different
                # file and was rendered later.
                at = max(chosen.record.answered_at, decided.record.answered_at)
                record = msgspec.structs.replace(chosen.record, answered_at=at)
                _write_later(replace(chosen, record=record))
        finally:
            self.ended.set()
            _slots.release()


def _write_later(answer: DurableAnswer) -> None:
    try:
        spool_retry.keep(encode(answer.record))
    except Exception:
        logger.critical("An answer is not on record: %s", answer.body, exc_info=True)
