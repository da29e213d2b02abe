"""Counts open work items in one query, up to a cap."""

from collections import Counter
from datetime import datetime
from typing import Any

from django.db import OperationalError, connection, transaction
from django.db.models import CharField, QuerySet, Value

from authorizations.models import Card, Finding
from authorizations.services.cards.grants import without_grant
from authorizations.services.lifecycle.intake import needs_somebody
from authorizations.services.lifecycle.stale_holds import oldest_past

FINDINGS, HOLDS, EVENTS = "findings", "holds", "events"

_PATIENCE_MS = 1_000


def cards_without_grant(at_most: int) -> int | None:
    """How many they are, up to `at_most`; None where finding out would keep a page waiting."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {_PATIENCE_MS}")
            found = Card.objects.filter(without_grant()).order_by()[:at_most].count()
            cursor.execute("SET LOCAL statement_timeout TO DEFAULT")
            return found
    except OperationalError:
        return None


def waiting(now: datetime, at_most: int) -> Counter[str]:
    """Open findings, overdue holds, and messages not processed; each up to `at_most`."""
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
    }
