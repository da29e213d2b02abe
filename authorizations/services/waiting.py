"""How much waits for somebody to look at it: one statement, counted no further than is told."""

from collections import Counter
from datetime import datetime
from typing import Any

from django.db.models import CharField, QuerySet, Value

from authorizations.models import Card, Finding
from authorizations.services.grants import without_grant
from authorizations.services.holds import oldest_past
from authorizations.services.later import needs_somebody

FINDINGS, HOLDS, EVENTS, CARDS = "findings", "holds", "events", "cards"


def waiting(now: datetime, at_most: int) -> Counter[str]:
    """Open findings, holds past their time, events not applied, and cards without a grant.

    Each up to `at_most`.
    """
    findings, *others = (
        rows.order_by().annotate(what=Value(what, CharField())).values_list("what")[:at_most]
        for what, rows in _all(now).items()
    )
    return Counter(what for [what] in findings.union(*others, all=True))


def _all(now: datetime) -> dict[str, QuerySet[Any]]:
    return {
        FINDINGS: Finding.objects.filter(state=Finding.State.OPEN),
        HOLDS: oldest_past(now),
        EVENTS: needs_somebody(now),
        CARDS: Card.objects.filter(without_grant()),
    }
