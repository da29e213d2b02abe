"""The page of a decision: everything its template shows."""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin.utils import quote
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from authorizations.admin.decisions.rule_groups import RuleGroup, rule_groups
from authorizations.admin.requests.deliveries import delivery
from authorizations.admin.requests.timeline import milliseconds
from authorizations.admin.shared.bodies import body
from authorizations.admin.shared.explained import explained, readable
from authorizations.admin.shared.facts import Facts, facts, money_if_any, nonempty, place_facts
from authorizations.admin.shared.links import card_words, link, link_or_id, parent
from authorizations.admin.shared.outcomes import outcome
from authorizations.admin.shared.surroundings import of_authorization, of_card, other_deliveries
from authorizations.admin.shared.times import exact_time
from authorizations.admin.stops.words import is_over
from authorizations.models import DecidedBy, Decision, Instruction
from authorizations.rules.basics.controls import Exclusion
from authorizations.rules.basics.filters import Merchant
from authorizations.rules.decision.values import DeclineReason
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.rules.wording.stop_words import left_out_words
from authorizations.services.policies.purchase_exceptions import given_from
from authorizations.services.queries import same_event
from authorizations.services.runtime import codec
from authorizations.services.verify.redecide import WITHOUT_RULES

NO_RULES_APPLIED = "No rules were applied: the purchase was declined before that step."
STRIPE_DID_NOT_ASK = "Stripe declined without asking this desk, so no rules were applied."
UNREADABLE_RULES = (
    "The rules of this decision can't be read: a different version of this program wrote them. The"
    " answer and the request below are shown as they were recorded."
)


def decision_page(row: Decision) -> dict[str, Any]:
    """The template's context. Unreadable parts of the row are named on the page, never raised."""
    if row.decided_by == DecidedBy.STRIPE:
        return _page_of_stripes_decline(row)
    received = parent(row, "webhook_request")
    words = explained(row)

    groups: list[RuleGroup] = []
    instead = ""
    if row.reason in {*WITHOUT_RULES, DeclineReason.MALFORMED_REQUEST}:
        instead = NO_RULES_APPLIED
    else:
        rules = words.rules
        groups = readable(lambda: rule_groups(row, rules)) or [] if rules is not None else []
        instead = "" if groups else UNREADABLE_RULES

    now = timezone.now()
    given = given_from(row.pk, row.card_id or "").select_related("use", "lifting__author")
    allowed = [] if row.approved else list(given.order_by("pk"))

    return {
        "explained": words,
        "outcome": outcome(row),
        "stand_in": words.stand_in,
        "allowed": [_allowed(one, now) for one in allowed],
        "may_allow": not row.approved and all(is_over(one, now) for one in allowed),
        "sent": _which_was_sent(row),
        "freezes": _freezes(row),
        "left_out": _left_out(row),
        "decided": exact_time(row.decided_at),
        "groups": groups,
        "instead_of_rules": instead,
        "facts": facts(words.request) if words.request else [],
        "card_and_person": _card_and_person(row),
        "record": [
            ("Decided", exact_time(row.decided_at)),
            ("Requested by Stripe", exact_time(row.event_created)),
            ("Decision time", milliseconds(row.duration_us)),
            ("Decision and event id", row.pk),
        ],
        "delivery": delivery(received) if received else None,
        "answer": body(row.answer.encode()),
        "block_query": _block_query(row, words.request),
        "of_card": of_card(row),
        "of_authorization": of_authorization(row),
        **other_deliveries(row.pk, row.webhook_request_id, row.answer),
    }


def _freezes(row: Decision) -> list[SafeString]:
    """The freezes of the card by limits on attempts that this attempt reached, in sentences."""
    freezes = Instruction.objects.filter(
        kind=Instruction.Kind.FREEZE,
        scope=f"card:{row.card_id}",
        terms__has_key="attempts",
        terms__decision=row.pk,
    )
    text = "This attempt reached the limit of {}: the card is {}."
    sentences = []
    for one in freezes.order_by("pk"):
        until = f"until {exact_time(one.ends_at)}" if one.ends_at else "until somebody lifts it"
        sentences.append(format_html(text, one.reason, link(one, f"frozen {until}")))
    return sentences


def _allowed(given: Instruction, now: datetime) -> SafeString:
    """An exception that was given from the decision, and what became of it.

    "Allowed once by operator until 18 Nov 2026, 14:10:00 UTC (not used yet)."
    """
    became: SafeString | str = "not used yet"
    if hasattr(given, "use"):
        url = reverse("admin:authorizations_decision_change", args=[quote(given.use.decision_id)])
        text = 'used by <a href="{}" class="text-link">the purchase of {}</a>'
        became = format_html(text, url, exact_time(given.use.used_at))
    elif hasattr(given, "lifting"):
        ended = given.lifting
        became = f"withdrawn by {ended.author or 'a command'}: {ended.reason}"
    elif is_over(given, now):
        became = "ran out unused"
    by = given.author_name or "a command"
    until = exact_time(given.ends_at) if given.ends_at else ""
    return format_html("{} ({}).", link(given, f"Allowed once by {by} until {until}"), became)


def _left_out(row: Decision) -> list[str]:
    """The policies that did not apply because the card was left out of them, in sentences.

    Without a grant the rule that failed says so already.
    """
    if row.reason == DeclineReason.NO_POLICY:
        return []
    found = readable(
        lambda: [codec.value(Exclusion, kept) for kept in row.context.get("exclusions", ())]
    )
    sentences = []
    for one in found or ():
        told = {
            "scope": one.scope.kind,
            "until": one.until,
            "author": one.author,
            "reason": one.reason,
        }
        sentences.append(f"{one.policy} {left_out_words(told)}.")
    return sentences


def _block_query(row: Decision, request: AuthorizationRequest | None) -> str:
    """The query of the page that blocks this merchant; empty if it has neither id nor name."""
    asked_at = request.asked_at if request else Merchant()
    for name in ("network_id", "name"):
        if named := getattr(asked_at, name):
            return urlencode({name: named, "decision": row.pk})
    return ""


def _page_of_stripes_decline(row: Decision) -> dict[str, Any]:
    """The context for a decline by Stripe, which has no request, rules or answer of the desk."""
    received = parent(row, "webhook_request")
    return {
        "explained": explained(row),
        "outcome": outcome(row),
        "decided": exact_time(row.decided_at),
        "instead_of_rules": STRIPE_DID_NOT_ASK,
        "facts": nonempty(
            {"Amount requested": money_if_any(row.amount or 0, row.currency)} | place_facts(row)
        ),
        "card_and_person": _card_and_person(row),
        "record": [
            ("Declined by Stripe", exact_time(row.decided_at)),
            ("Received from Stripe", exact_time(row.event_created)),
            ("Decision", row.pk),
        ],
        "delivery": delivery(received) if received else None,
        "is_stripes": True,
        "of_card": of_card(row),
        "of_authorization": of_authorization(row),
    }


def _card_and_person(row: Decision) -> Facts:
    return [
        ("Card", link_or_id(row, "card", card_words)),
        ("Cardholder", link_or_id(row, "cardholder")),
        ("Authorization", link_or_id(row, "authorization")),
        ("Message from Stripe", link_or_id(row, "webhook_request", lambda _: "As it was received")),
    ]


def _which_was_sent(row: Decision) -> str:
    """Which decision's answer Stripe received, if several are recorded for one event."""
    recorded = same_event.decisions_on_event_of(row.pk)
    rows = Decision.objects.in_bulk([other.id for other in recorded if other.id != row.pk])
    if row.supersedes:
        text = "This answer was sent to Stripe. {} was recorded first, but not sent in time."
        return format_html(text, link(rows.get(row.supersedes), "The other answer"))
    for other in recorded:
        if other.supersedes == row.pk:
            text = "This answer was not sent in time: {} was."
            return format_html(text, link(rows[other.id], "the other answer"))
    beside = [other.id for other in same_event.sent(recorded) if other.id != row.pk]
    if not beside:
        return ""
    return format_html("{} was also sent for this event.", link(rows[beside[0]], "A second answer"))
