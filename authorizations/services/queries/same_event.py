"""Of several decisions on one event: which of them were sent."""

from authorizations.services.store import answers
from authorizations.services.store.answers import PriorDecision
from authorizations.services.store.plans import drive


def decisions_on_event_of(decision_id: str) -> list[PriorDecision]:
    """All decisions on the event of this one, in the order they were written."""
    return drive(answers.on_record(answers.event_of(decision_id)))


def sent(recorded: list[PriorDecision]) -> list[PriorDecision]:
    """Without those that another one supersedes: they were never sent."""
    return answers.not_superseded(recorded)
