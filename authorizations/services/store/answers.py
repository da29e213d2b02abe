"""The answers to one event, and which of them was sent first: a repeat gets that one, to the byte.

They stand in the record, or, given by stand-in and not yet replayed, in the memory of this host.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from authorizations.rules.purchases.events import Question
from authorizations.services.host import host_answers
from authorizations.services.host.host_answers import HostAnswer
from authorizations.services.store import statements
from authorizations.services.store.statements import Plan
from authorizations.wire import events, masking

logger = logging.getLogger(__name__)

_CORRECTED = "/answered"
"""Ends the id of a decision beside the one that has the event's id; of more, a number follows."""


@dataclass(frozen=True, slots=True)
class PriorDecision(HostAnswer):
    """An answer on record: the decision `id`, of the delivery with this `body_sha256`.

    `supersedes` is the decision that was committed, but never sent.
    """

    id: str
    supersedes: str
    approved_amount: int
    body_sha256: str | None


def of_event(decision_id: str, *, is_on_record: bool) -> Plan[list[HostAnswer]]:
    """All that were sent, the first one first.

    `is_on_record`: whether the database has to be asked, under the lock of the purchase.
    """
    here = host_answers.look_up(decision_id)
    sent: list[HostAnswer] = [here] if here else []
    if is_on_record:
        # Committed too late to be sent: the delivery was answered by stand-in.
        late = here.received_at if here else None
        recorded = yield from on_record(decision_id)
        sent += [row for row in not_superseded(recorded) if row.received_at != late]
    return sorted(sent, key=lambda answer: answer.sent_at)


def to_question(answers: Iterable[HostAnswer], question: Question | None) -> HostAnswer | None:
    """The first of them that was asked this, None where all were asked something else."""
    return next((answer for answer in answers if answer.is_to(question)), None)


def on_record(decision_id: str) -> Plan[list[PriorDecision]]:
    """The decisions there are for an event, in the order they were written."""
    rows = yield from statements.ask(statements.ANSWERS, event=decision_id)
    return [_recorded(row) for row in rows]


def not_superseded(recorded: Sequence[PriorDecision]) -> list[PriorDecision]:
    """Without those that were never sent."""
    superseded = {row.supersedes for row in recorded}
    return [row for row in recorded if row.id not in superseded]


def next_id(decision_id: str, recorded: Sequence[PriorDecision]) -> str:
    """The first id for a decision on this event that is free."""
    if not recorded:
        return decision_id
    number = len(recorded)
    return decision_id + _CORRECTED + (f"/{number}" if number > 1 else "")


def event_of(decision_id: str) -> str:
    """The inverse of `next_id`: the id that the answer names."""
    event, corrected, number = decision_id.rpartition(_CORRECTED)
    is_one = corrected and (not number or number.removeprefix("/").isdecimal())
    return event if is_one else decision_id


def _recorded(row: Sequence[Any]) -> PriorDecision:
    """As statements.ANSWERS lists them."""
    id_, supersedes, text, reason, approved_amount, decided_at, received_at, sha256, body = row
    return PriorDecision(
        text=text,
        reason=reason,
        # Read as the repeat is: by what can be read and what is masked today.
        question=question_in(body) if body else None,
        received_at=received_at or decided_at,
        sent_at=decided_at,
        id=id_,
        supersedes=supersedes,
        approved_amount=approved_amount,
        body_sha256=sha256,
    )


def question_in(body: bytes) -> Question | None:
    """What a body asks; None where it can't be read, as its decline says."""
    try:
        return events.authorization_request(events.read(masking.body(bytes(body)))).question
    except (events.NotAnEventError, events.MalformedEventError):
        return None
    except Exception:  # what made the answer an internal error
        logger.exception("The question of an answered event could not be read.")
        return None
