"""Which of several answers to one event is on record as what: what was sent is the truth."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from authorizations.models import Decision, WebhookRequest
from authorizations.services.delivery import Delivery
from authorizations.services.spooled import Spooled


@dataclass(frozen=True, slots=True)
class Place:
    """Under which id a decision is written, and which one it corrects, if any."""

    id: str
    supersedes: str = ""


def place_of(spooled: Spooled, delivery: Delivery) -> Place | None:
    """Where the decision of a spooled answer goes; None where the record stands as it is.

    Read under the locks of the purchase.
    """
    *taken, (free, _) = _ids_and_rows(delivery.decision_id)
    given = [row for _, row in taken if row]
    if not given:
        return Place(free)
    # An approval in whole names no amount: the text alone does not tell two questions apart.
    known = {(row.answer, row.approved_amount) for row in given}
    if (spooled.answer, _amount(spooled)) in known or not _counts(spooled, given):
        return None
    return Place(free, supersedes=delivery.decision_id)


def _ids_and_rows(decision_id: str) -> Iterator[tuple[str, Decision | None]]:
    """The decisions there are for an event, and last the first id that is free."""
    for key in _ids(decision_id):
        row = Decision.objects.filter(pk=key).first()
        yield key, row
        if row is None:
            return


def _ids(decision_id: str) -> Iterator[str]:
    yield decision_id
    yield f"{decision_id}/answered"
    for number in count(2):
        yield f"{decision_id}/answered/{number}"


def _counts(spooled: Spooled, given: list[Decision]) -> bool:
    """Whether this answer goes before those on record.

    It does where it answers the same delivery, whose decision was committed too late to be sent,
    or an earlier one. The answer to a repetition does where it approves more: until Stripe has
    told, nobody knows which of the two arrived.
    """
    first = WebhookRequest.objects.filter(pk=given[0].webhook_request_id)
    received_at = first.values_list("received_at", flat=True).first()
    is_first = received_at is None or spooled.received_at <= received_at
    return is_first or _amount(spooled) > max(row.approved_amount for row in given)


def _amount(spooled: Spooled) -> int:
    return spooled.decision.amount if spooled.decision else 0
