"""The latest decisions of cards, found by the index on a card's decisions."""

from heapq import nlargest
from urllib.parse import urlencode

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef, QuerySet
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.timezone import get_current_timezone, localdate

from authorizations.admin.shared.links import DASH, card_words, known_or_id, link
from authorizations.admin.shared.outcomes import amount_words, outcome, reason_words
from authorizations.admin.shared.tables import badge, table
from authorizations.admin.shared.times import exact_time
from authorizations.models import Card, Decision
from authorizations.rules.basics.clocks import midnight

SHOWN = 10
LOOKED_THROUGH = 100
"""So many decisions of a card, and so many cards of a person, are looked at on a page."""

_LONG = ("request", "trace", "usage", "standing", "policies", "answer")
_VARIANTS = {"approved": "success", "partial": "warning", "declined": "danger"}


def latest_of_card(card: Card) -> QuerySet[Decision]:
    return Decision.objects.filter(card=card).order_by("-webhook_request_id")


def declined_today(card: Card) -> Decision | None:
    """The latest decline, where it is of the reader's today and no long ago in the card's story."""
    recent = latest_of_card(card)[:LOOKED_THROUGH].values("pk")
    today = midnight(localdate(), get_current_timezone())
    declined = Decision.objects.filter(pk__in=recent, approved=False, decided_at__gte=today)
    return declined.order_by("-webhook_request_id").first()


def latest_of_cards(cards: QuerySet[Card]) -> QuerySet[Decision]:
    """The latest of a few cards together: each card's own latest, and of those the latest."""
    of_one = Decision.objects.filter(card=OuterRef("pk")).order_by("-webhook_request_id")
    requests = ArraySubquery(of_one.values("webhook_request_id")[:SHOWN])
    found = cards.annotate(requests=requests).values_list("requests", flat=True)
    latest = nlargest(SHOWN, (request for one in found[:LOOKED_THROUGH] for request in one))
    decisions = Decision.objects.filter(webhook_request__in=latest)
    return decisions.order_by("-webhook_request_id").prefetch_related("card")


def decisions_table(decisions: QuerySet[Decision], *, with_card: bool = False) -> SafeString:
    rows = [
        (
            badge(outcome(row).words, _VARIANTS[outcome(row).tone]),
            reason_words(row) or DASH,
            amount_words(row),
            row.merchant_name or "Not told",
            *([known_or_id(row, "card", card_words)] if with_card else []),
            link(row, exact_time(row.decided_at)),
        )
        for row in decisions.defer(*_LONG)[:SHOWN]
    ]
    if not rows:
        return SafeString('<p class="desk-quiet">None yet: no purchase was asked about.</p>')
    headers = ("Outcome", "Reason", "Amount", "Merchant", *(["Card"] if with_card else []), "When")
    return table(headers, rows)


def all_decisions_url(**filters: str) -> str:
    return f"{reverse('admin:authorizations_decision_changelist')}?{urlencode(filters)}"
