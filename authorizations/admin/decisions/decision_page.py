"""The page of a decision: what its template shows, put together."""

from typing import Any

from django.utils.html import format_html

from authorizations.admin.decisions.rule_groups import Group, groups
from authorizations.admin.requests.deliveries import delivery
from authorizations.admin.requests.timeline import milliseconds
from authorizations.admin.shared.bodies import body
from authorizations.admin.shared.explained import Explained, explained, readable
from authorizations.admin.shared.facts import Facts, facts, money_if_any, place_facts, told
from authorizations.admin.shared.links import card_words, known_or_id, link, parent
from authorizations.admin.shared.outcomes import outcome
from authorizations.admin.shared.surroundings import of_authorization, of_card, other_deliveries
from authorizations.admin.shared.times import exact_time
from authorizations.models import DecidedBy, Decision
from authorizations.rules.decision.values import DeclineReason
from authorizations.services.queries import same_event
from authorizations.services.verify.redecide import WITHOUT_RULES

NOT_ASKED = "No rule was asked: the purchase was declined before it came to that."
NEVER_ASKED = "Stripe declined by itself and did not ask this desk, so no rule was applied."
UNREAD = (
    "The rules of this decision can't be read: another version of this program wrote them. The"
    " answer and the request below are as they were kept."
)


def decision_page(row: Decision) -> dict[str, Any]:
    """Never fails, whatever the row holds."""
    if row.decided_by == DecidedBy.STRIPE:
        return stripes_page(row)
    received = parent(row, "webhook_request")
    words = explained(row)
    shown, instead = _groups(row, words)
    return {
        "explained": words,
        "outcome": outcome(row),
        "stand_in": words.stand_in,
        "sent": _sent(row),
        "decided": exact_time(row.decided_at),
        "groups": shown,
        "instead_of_rules": instead,
        "facts": facts(words.request) if words.request else [],
        "concerning": _concerning(row),
        "kept": _kept(row),
        "delivery": delivery(received) if received else None,
        "answer": body(row.answer.encode()),
        "of_card": of_card(row),
        "of_authorization": of_authorization(row),
        **other_deliveries(row.pk, row.webhook_request_id, row.answer),
    }


def stripes_page(row: Decision) -> dict[str, Any]:
    """Of a decline of Stripe's own: nothing was asked here, no rule applied, nothing answered."""
    received = parent(row, "webhook_request")
    return {
        "explained": explained(row),
        "outcome": outcome(row),
        "decided": exact_time(row.decided_at),
        "instead_of_rules": NEVER_ASKED,
        "facts": told(
            {"Amount asked": money_if_any(row.amount or 0, row.currency)} | place_facts(row)
        ),
        "concerning": _concerning(row),
        "kept": [
            ("Declined by Stripe", exact_time(row.decided_at)),
            ("Told by Stripe", exact_time(row.event_created)),
            ("Decision", row.pk),
        ],
        "delivery": delivery(received) if received else None,
        "is_stripes": True,
        "of_card": of_card(row),
        "of_authorization": of_authorization(row),
    }


def _groups(row: Decision, words: Explained) -> tuple[list[Group], str]:
    """The rules, or the sentence that stands in their place."""
    if row.reason in {*WITHOUT_RULES, DeclineReason.MALFORMED_REQUEST}:
        return [], NOT_ASKED
    rules = words.rules
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


def _sent(row: Decision) -> str:
    """Where several decisions of one event are on record: which of them Stripe was told."""
    recorded = same_event.decisions_on_event_of(row.pk)
    rows = Decision.objects.in_bulk([other.id for other in recorded if other.id != row.pk])
    if row.supersedes:
        text = "This is the answer that was sent. {} was recorded before, but came too late."
        return format_html(text, link(rows.get(row.supersedes), "Another one"))
    for other in recorded:
        if other.supersedes == row.pk:
            text = "This was not sent in time: {} was."
            return format_html(text, link(rows[other.id], "another answer"))
    beside = [other.id for other in same_event.sent(recorded) if other.id != row.pk]
    if not beside:
        return ""
    return format_html("{} was sent to this event, too.", link(rows[beside[0]], "Another answer"))


def _kept(row: Decision) -> Facts:
    return [
        ("Decided", exact_time(row.decided_at)),
        ("Asked by Stripe", exact_time(row.event_created)),
        ("Decided within", milliseconds(row.duration_us)),
        ("Decision and event id", row.pk),
    ]
