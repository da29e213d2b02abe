"""Chooses the decision id when two answers exist for one event.

The answer sent to Stripe wins.
"""

from dataclasses import dataclass

from authorizations.rules.decision.values import DeclineReason
from authorizations.services.runtime.delivery import Delivery
from authorizations.services.stand_in.spool_record import SpoolRecord
from authorizations.services.store import answers
from authorizations.services.store.plans import Plan


@dataclass(frozen=True, slots=True)
class AssignedId:
    """The id under which a decision is written.

    `supersedes` is the id of a decision that was committed too late to be sent. `problem` is set
    if a different answer to the same event was sent as well.
    """

    id: str
    supersedes: str = ""
    problem: str = ""


def assign_id(record: SpoolRecord, delivery: Delivery) -> Plan[AssignedId | None]:
    """The id for the decision of a spooled answer; None if the answer is on record already.

    Runs under the locks of the purchase.
    """
    recorded = yield from answers.on_record(delivery.decision_id)
    new_id = answers.next_id(delivery.decision_id, recorded)
    if not recorded:
        return AssignedId(new_id)
    sent = answers.not_superseded(recorded)
    question = record.question()
    same_question = [row for row in sent if row.is_to(question)]
    if not same_question:
        if record.reason == DeclineReason.CONFLICTING_EVENT:
            return None
        return AssignedId(
            new_id,
            problem=f"A different question was answered under this event id: {sent[0].id}.",
        )
    # An approval in full names no amount in its text, so the amounts are compared as well.
    same_answer = (record.answer, record.amount)
    if any((row.text, row.approved_amount) == same_answer for row in same_question):
        return None
    # Of this very delivery, which then got its answer from stand-in.
    same_delivery = (delivery.received_at, delivery.body_sha256)
    for row in same_question:
        if (row.received_at, row.body_sha256) == same_delivery:
            return AssignedId(new_id, supersedes=row.id)
    return AssignedId(
        new_id,
        problem=f"A different answer to this event was sent as well: {same_question[0].id}.",
    )
