"""The page of a decision: what its template shows, put together."""

from typing import Any

from authorizations.admin.base import card_words, known_or_id, parent
from authorizations.admin.outcomes import outcome
from authorizations.admin.record.bodies import body
from authorizations.admin.record.deliveries import delivery
from authorizations.admin.record.explained import Explained, explained, readable
from authorizations.admin.record.facts import Facts, facts
from authorizations.admin.record.rule_groups import Group, groups
from authorizations.admin.record.surroundings import of_authorization, of_card, repeats
from authorizations.admin.record.timeline import milliseconds
from authorizations.admin.times import exact_time
from authorizations.models import Decision
from authorizations.rules.values import DeclineReason
from authorizations.services.redecide import WITHOUT_RULES

NOT_ASKED = "No rule was asked: the purchase was declined before it came to that."
UNREAD = (
    "The rules of this decision can't be read: another version of this program wrote them. The"
    " answer and the request below are as they were kept."
)


def decision_page(row: Decision) -> dict[str, Any]:
    """Never fails, whatever the row holds."""
    received = parent(row, "webhook_request")
    told = explained(row)
    shown, instead = _groups(row, told)
    return {
        "explained": told,
        "outcome": outcome(row),
        "decided": exact_time(row.decided_at),
        "groups": shown,
        "instead_of_rules": instead,
        "facts": facts(told.request) if told.request else [],
        "concerning": _concerning(row),
        "kept": _kept(row),
        "delivery": delivery(received) if received else None,
        "answer": body(row.answer.encode()),
        "of_card": of_card(row),
        "of_authorization": of_authorization(row),
        "repeats": repeats(row.pk, row.webhook_request_id, row.answer),
    }


def _groups(row: Decision, told: Explained) -> tuple[list[Group], str]:
    """The rules, or the sentence that stands in their place."""
    if row.reason in {*WITHOUT_RULES, DeclineReason.MALFORMED_REQUEST}:
        return [], NOT_ASKED
    rules = told.rules
    shown = None if rules is None else readable(lambda: groups(row, rules))
    return (shown, "") if shown else ([], UNREAD)


def _concerning(row: Decision) -> Facts:
    links = {
        "Card": known_or_id(row, "card", card_words),
        "Cardholder": known_or_id(row, "cardholder"),
        "Authorization": known_or_id(row, "authorization"),
        "Webhook request": known_or_id(row, "webhook_request", lambda _: "As it came in"),
    }
    return list(links.items())


def _kept(row: Decision) -> Facts:
    return [
        ("Decided", exact_time(row.decided_at)),
        ("Asked by Stripe", exact_time(row.event_created)),
        ("Decided within", milliseconds(row.duration_us)),
        ("Decision and event id", row.pk),
    ]
