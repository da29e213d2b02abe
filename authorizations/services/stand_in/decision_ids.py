"""Chooses the decision id when two answers exist for one event.

The answer sent to Stripe wins.
"""

from dataclasses import dataclass

from authorizations.rules.decision.values import DeclineReason
from authorizations.services.runtime.delivery import Delivery
from authorizations.services.stand_in.spool_record import Spooled
from authorizations.services.store import answers
from authorizations.services.store.answers import PriorDecision
from authorizations.services.store.statements import Plan


@dataclass(frozen=True, slots=True)
class Place:
    """Under which id a decision is written.

    `supersedes` is the one it corrects, which was committed too late to be sent; `problem` says
    what is wrong where another answer to the same event was sent as well.
    """

    id: str
    supersedes: str = ""
    problem: str = ""


_ANOTHER_QUESTION = "Another question was answered under this event id: {id}."
_ANOTHER_ANSWER = "Another answer was sent to this event as well: {id}."


def place_of(spooled: Spooled, delivery: Delivery) -> Plan[Place | None]:
    """Where the decision of a spooled answer goes; None where it is on record already.

    Read under the locks of the purchase.
    """
    recorded = yield from answers.on_record(delivery.decision_id)
    free = answers.next_id(delivery.decision_id, recorded)
    if not recorded:
        return Place(free)
    sent = answers.not_superseded(recorded)
    question = spooled.question()
    same = [row for row in sent if row.is_to(question)]
    if not same:
        is_refused = spooled.reason == DeclineReason.CONFLICTING_EVENT
        return None if is_refused else Place(free, problem=_ANOTHER_QUESTION.format(id=sent[0].id))
    if any(_is_the_same(spooled, row) for row in same):
        return None
    if unsent := next((row for row in same if _is_of(delivery, row)), None):
        return Place(free, supersedes=unsent.id)
    return Place(free, problem=_ANOTHER_ANSWER.format(id=same[0].id))


def _is_the_same(spooled: Spooled, row: PriorDecision) -> bool:
    # An approval in whole names no amount.
    return (spooled.answer, spooled.amount) == (row.text, row.approved_amount)


def _is_of(delivery: Delivery, row: PriorDecision) -> bool:
    """Whether the decision answered this very delivery, which got another answer meanwhile."""
    mine = (delivery.received_at, delivery.body_sha256)
    return mine == (row.received_at, row.body_sha256)
