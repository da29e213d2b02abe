"""The newest answers that this host's processes got from the database, for stand-in to repeat.

Stand-in can't read them from the database, so each process keeps its newest ones where all can
read them (recent_ring.py).
"""

import logging
from datetime import datetime

import msgspec

from authorizations.rules.purchases.events import Question
from authorizations.services.host.host_answers import HostAnswer
from authorizations.services.host.recent_ring import Ring

logger = logging.getLogger(__name__)


class _RingAnswer(msgspec.Struct, array_like=True, frozen=True):
    """An answer as stored in the ring."""

    text: str
    reason: str
    question: Question | None
    received_at: datetime
    sent_at: datetime


_ring = Ring(".answers")
_decode = msgspec.json.Decoder(_RingAnswer).decode


def note(decision_id: str, answer: HostAnswer) -> None:
    """Store an answer; a failure is logged and changes nothing else."""
    stored = _RingAnswer(
        answer.text, answer.reason, answer.question, answer.received_at, answer.sent_at
    )
    try:
        _ring.note(decision_id, msgspec.json.encode(stored))
    except OSError as error:
        logger.warning("An answer can't be remembered for stand-in: %s", error)


def look_up(decision_id: str) -> HostAnswer | None:
    """The first answer that a process gave to this event; None if none is stored."""
    stored = [_decode(payload) for payload in _ring.look_up(decision_id)]
    first = min(stored, key=lambda answer: answer.sent_at, default=None)
    if first is None:
        return None
    return HostAnswer(first.text, first.reason, first.question, first.received_at, first.sent_at)
