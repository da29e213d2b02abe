"""The latest decisions of cards, found by the index on a card's decisions."""

from heapq import nlargest
from urllib.parse import urlencode

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef, QuerySet
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.timezone import get_current_timezone, localdate

from authorizations.admin.shared.links import DASH, UNKNOWN, card_words, link, link_or_id
from authorizations.admin.shared.outcomes import amount_words, outcome, reason_words
from authorizations.admin.shared.tables import badge, table
from authorizations.admin.shared.times import exact_time
from authorizations.models import Card, Decision
from authorizations.rules.basics.clocks import midnight

MAX_SHOWN = 10
"""Maximum decisions in a table."""

MAX_SEARCHED = 100
"""Maximum decisions of a card searched, and maximum cards of a cardholder searched."""

_LONG_COLUMNS = ("request", "trace", "usage", "context", "policies", "answer")
_VARIANTS = {"approved": "success", "partial": "warning", "declined": "danger"}


def latest_of_card(card: Card) -> QuerySet[Decision]:
    """The card's decisions, newest first."""
    return Decision.objects.filter(card=card).order_by("-webhook_request_id")


def declined_today(card: Card) -> Decision | None:
    """The latest decline of today, in the reader's zone, among the last MAX_SEARCHED decisions."""
    recent = latest_of_card(card)[:MAX_SEARCHED].values("pk")
    today = midnight(localdate(), get_current_timezone())
    declined = Decision.objects.filter(pk__in=recent, approved=False, decided_at__gte=today)
    return declined.order_by("-webhook_request_id").first()


def latest_of_cards(cards: QuerySet[Card]) -> QuerySet[Decision]:
    """The latest decisions of a few cards together, newest first.

    Reads the latest of each card and takes the latest of those.
    """
    of_one = Decision.objects.filter(card=OuterRef("pk")).order_by("-webhook_request_id")
    requests = ArraySubquery(of_one.values("webhook_request_id")[:MAX_SHOWN])
    of_each = cards.annotate(requests=requests).values_list("requests", flat=True)
    latest = nlargest(MAX_SHOWN, (request for one in of_each[:MAX_SEARCHED] for request in one))
    decisions = Decision.objects.filter(webhook_request__in=latest)
    return decisions.order_by("-webhook_request_id").prefetch_related("card")


def decisions_table(decisions: QuerySet[Decision], *, with_card: bool = False) -> SafeString:
    rows = [
        (
            badge(outcome(row).words, _VARIANTS[outcome(row).tone]),
            reason_words(row) or DASH,
            amount_words(row),
            row.merchant_name or UNKNOWN,
            *([link_or_id(row, "card", card_words)] if with_card else []),
            link(row, exact_time(row.decided_at)),
        )
        for row in decisions.defer(*_LONG_COLUMNS)[:MAX_SHOWN]
    ]
    if not rows:
        return SafeString('<p class="desk-quiet">No decisions yet.</p>')
    headers = ("Outcome", "Reason", "Amount", "Merchant", *(["Card"] if with_card else []), "When")
    return table(headers, rows)


def all_decisions_url(**filters: str) -> str:
    return f"{reverse('admin:authorizations_decision_changelist')}?{urlencode(filters)}"
