"""Cards that were hung under another root: their purchases moved along, so the past changed.

Stripe may tell only late that a card replaces another one. What the scopes of both held before
that moment can't be told from the ledger any more.
"""

from datetime import UTC, datetime, timedelta

from django.db.models import F

from authorizations.models import Card, HistoryEntry
from authorizations.models.history import Kind

_CLOCKS_APART = timedelta(minutes=1)
"""The change history has the database's time, decisions that of their own machine."""


def was_rehung_since(scope: tuple[str, str], at: float) -> bool:
    """Whether purchases left or joined a card's scope after this moment, in Unix seconds."""
    kind, id_ = scope
    if kind != "card":
        return False
    chain = Card.objects.filter(root=id_).values_list("pk", flat=True)
    names = [f"card:{card}" for card in {id_, *chain}]
    changes = HistoryEntry.objects.filter(
        names__has_any_keys=names,
        kind=Kind.CARD,
        pgh_label="update",
        pgh_created_at__gte=datetime.fromtimestamp(at, UTC) - _CLOCKS_APART,
    )
    return changes.exclude(before__root_id=F("after__root_id")).exists()
