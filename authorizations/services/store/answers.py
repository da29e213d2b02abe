"""The answers to an event, in the order they were sent. A repeat gets the first one, byte for byte.

They are in the database, or, for stand-in's answers that are not replayed yet, on this host.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from authorizations.rules.purchases.events import Question
from authorizations.services.host import host_answers
from authorizations.services.host.host_answers import HostAnswer
from authorizations.services.store import plans, statements
from authorizations.services.store.plans import Plan
from authorizations.wire import events, masking

logger = logging.getLogger(__name__)

_CORRECTED = "/answered"
"""Ends the id of an event's second decision; from the third on a number follows."""


@dataclass(frozen=True, slots=True)
class PriorDecision(HostAnswer):
    """A recorded answer: the decision `id`, for the delivery with this `body_sha256`.

    `supersedes` is the id of a decision that was committed but never sent.
    """

    id: str
    supersedes: str
    approved_amount: int
    body_sha256: str | None


def of_event(decision_id: str, *, is_on_record: bool) -> Plan[list[HostAnswer]]:
    """The answers sent to an event, in order.

    `is_on_record`: query the database as well, under the lock of the purchase.
    """
    here = host_answers.look_up(decision_id)
    sent: list[HostAnswer] = [here] if here else []
    if is_on_record:
        recorded = yield from on_record(decision_id)
        # A row of the delivery that stand-in answered was committed too late to be sent.
        answered_here = here.received_at if here else None
        sent += [row for row in not_superseded(recorded) if row.received_at != answered_here]
    return sorted(sent, key=lambda answer: answer.sent_at)


def to_question(answers: Iterable[HostAnswer], question: Question | None) -> HostAnswer | None:
    """The first answer to this question; None if all answer different ones."""
    return next((answer for answer in answers if answer.is_to(question)), None)


def on_record(decision_id: str) -> Plan[list[PriorDecision]]:
    """The recorded decisions on an event, in the order they were written."""
    rows = yield from plans.ask(statements.ANSWERS, event=decision_id)
    decisions = []
    for id_, supersedes, text, reason, amount, decided_at, received_at, sha256, body in rows:
        decisions.append(
            PriorDecision(
                text=text,
                reason=reason,
                # Read and masked by today's rules, as the repeat is.
                question=question_in(body) if body else None,
                received_at=received_at or decided_at,
                sent_at=decided_at,
                id=id_,
                supersedes=supersedes,
                approved_amount=amount,
                body_sha256=sha256,
            )
        )
    return decisions


def not_superseded(recorded: Sequence[PriorDecision]) -> list[PriorDecision]:
    """The decisions that were sent."""
    superseded = {row.supersedes for row in recorded}
    return [row for row in recorded if row.id not in superseded]


def next_id(decision_id: str, recorded: Sequence[PriorDecision]) -> str:
    """The next free id for a decision on this event."""
    if not recorded:
        return decision_id
    number = len(recorded)
    return decision_id + _CORRECTED + (f"/{number}" if number > 1 else "")


def event_of(decision_id: str) -> str:
    """The inverse of `next_id`: the id of the event's first decision."""
    event, corrected, number = decision_id.rpartition(_CORRECTED)
    is_one = corrected and (not number or number.removeprefix("/").isdecimal())
    return event if is_one else decision_id


def question_in(body: bytes) -> Question | None:
    """The question of a request's body; None if it can't be read."""
    try:
        return events.authorization_request(events.read(masking.body(bytes(body)))).question
    except (events.NotAnEventError, events.MalformedEventError):
        return None
    except Exception:  # the same failure made the answer an internal error
        logger.exception("The question of an answered event could not be read.")
        return None
