"""How much waits for somebody to look at it: one statement, counted no further than is told."""

from collections import Counter
from datetime import datetime
from typing import Any

from django.db.models import CharField, QuerySet, Value

from authorizations.models import Finding, UnappliedEvent
from authorizations.services.holds import oldest_past

FINDINGS, HOLDS, EVENTS = "findings", "holds", "events"


def waiting(now: datetime, at_most: int) -> Counter[str]:
    """Open findings, holds past their time, and events not applied: each up to `at_most`."""
    findings, *others = (
        rows.order_by().annotate(what=Value(what, CharField())).values_list("what")[:at_most]
        for what, rows in _all(now).items()
    )
    return Counter(what for [what] in findings.union(*others, all=True))


def _all(now: datetime) -> dict[str, QuerySet[Any]]:
    return {
        FINDINGS: Finding.objects.filter(state=Finding.State.OPEN),
        HOLDS: oldest_past(now),
        EVENTS: UnappliedEvent.objects.filter(applied_at=None),
    }
