"""What this host's processes have answered by the database lately, for stand-in to give again.

Stand-in can't ask the record. So each process remembers its newest answers for all of them
(recent_ring.py).
"""

import logging
from datetime import datetime

import msgspec

from authorizations.rules.purchases.events import Question
from authorizations.services.host.host_answers import HostAnswer
from authorizations.services.host.recent_ring import Ring

logger = logging.getLogger(__name__)


class _KeptAnswer(msgspec.Struct, array_like=True, frozen=True):
    """An answer as the ring holds it."""

    text: str
    reason: str
    question: Question | None
    received_at: datetime
    sent_at: datetime


_ring = Ring(".answers")
_decode = msgspec.json.Decoder(_KeptAnswer).decode


def note(decision_id: str, answer: HostAnswer) -> None:
    """Remember it; where that fails it is logged, and the answer stands."""
    kept = _KeptAnswer(
        answer.text, answer.reason, answer.question, answer.received_at, answer.sent_at
    )
    try:
        _ring.note(decision_id, msgspec.json.encode(kept))
    except OSError as error:
        logger.warning("What was answered can't be remembered for stand-in: %s", error)


def look_up(decision_id: str) -> HostAnswer | None:
    """What one of the processes answered to this event; None where it is not known."""
    found = [_answer(_decode(payload)) for payload in _ring.look_up(decision_id)]
    return min(found, key=lambda answer: answer.sent_at, default=None)


def _answer(kept: _KeptAnswer) -> HostAnswer:
    return HostAnswer(kept.text, kept.reason, kept.question, kept.received_at, kept.sent_at)
