"""Counts open work items in one query, up to a cap."""

from collections import Counter
from datetime import datetime
from typing import Any

from django.db.models import CharField, QuerySet, Value

from authorizations.models import Card, Finding
from authorizations.services.cards.grants import ids_without_grant
from authorizations.services.lifecycle.intake import needing_attention
from authorizations.services.lifecycle.stale_holds import oldest_overdue

FINDINGS, HOLDS, EVENTS = "findings", "holds", "events"

_PATIENCE_MS = 1_000


def cards_without_grant(at_most: int) -> int | None:
    """The number of cards without a grant, up to `at_most`; None if counting takes too long."""
    cards = Card.objects.order_by()
    found = ids_without_grant(cards, 0, at_most, timeout_ms=_PATIENCE_MS)
    return None if found is None else len(found)


def waiting(now: datetime, at_most: int) -> Counter[str]:
    """The numbers of open findings, overdue holds and unapplied events, each up to `at_most`."""
    items: dict[str, QuerySet[Any]] = {
        FINDINGS: Finding.objects.filter(state=Finding.State.OPEN),
        HOLDS: oldest_overdue(now),
        EVENTS: needing_attention(now),
    }
    findings, *others = (
        rows.order_by().annotate(what=Value(what, CharField())).values_list("what")[:at_most]
        for what, rows in items.items()
    )
    return Counter(what for [what] in findings.union(*others, all=True))
