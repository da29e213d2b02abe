"""Checks ledger entries against the events and decisions they name."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from authorizations.models.ledger import AFTER_DECIDING, LedgerCause
from authorizations.services.verify.checking import EXISTING, Checked, Difference, pieces
from authorizations.services.verify.ranges import Ids

ENTRIES = "ledger entries"

_SIZE = 2_000

_ENTRIES = """
SELECT
    entry.id, entry.authorization_id, entry.event_id, entry.cause, entry.entered_at,
    decision.authorization_id, decision.decided_at, coalesce(decision.position, 0),
    EXISTS (
        SELECT FROM authorizations_webhookrequest AS request
        WHERE request.event_id = entry.event_id
    )
FROM (
    SELECT * FROM authorizations_ledgerentry WHERE id > %s AND id <= %s ORDER BY id LIMIT %s
) AS entry
LEFT JOIN LATERAL (
    -- One event id may have two decisions: of two requests, each on a purchase of its own; or of
    -- one request, where replay adds the second decision and its entries.
    SELECT * FROM authorizations_decision
    WHERE decided_by = 'desk' AND id IN (
        entry.event_id, entry.event_id || '/answered',
        entry.event_id || '/answered/2', entry.event_id || '/answered/3'
    )
    ORDER BY authorization_id IS NOT DISTINCT FROM entry.authorization_id DESC, position, id
    LIMIT 1
) AS decision ON TRUE
ORDER BY entry.id
"""

_BY_DECISION = {cause.value for cause in (*AFTER_DECIDING, LedgerCause.REASKED)}


class _Entry(NamedTuple):
    """A row of _ENTRIES."""

    id: int
    purchase_id: str
    event_id: str
    cause: str
    entered_at: datetime
    decided_about: str | None
    decided_at: datetime | None
    position: int
    is_received: bool


def verify_entries(ids: Ids) -> Iterator[Checked]:
    """Check every entry of these ids, except its amounts: see `replayed_lives`."""
    for rows in pieces(_ENTRIES, ids.above, ids.up_to, _SIZE):
        found = []
        for entry in map(_Entry._make, rows):
            where = f"ledger entry {entry.id}"
            if not entry.event_id:
                continue  # entered by hand: the database requires author and reason
            if not entry.is_received:
                found.append(Difference(where, "event", entry.event_id, "among the requests"))
            if entry.cause not in _BY_DECISION:
                continue
            kept, decided = entry.purchase_id, entry.decided_about
            if decided is None:
                found.append(Difference(where, "decision", entry.event_id, EXISTING))
            elif decided != kept:
                found.append(Difference(where, "authorization", kept, decided))
            elif entry.position and entry.entered_at != entry.decided_at:
                at = entry.decided_at
                found.append(Difference(where, "entered_at", entry.entered_at, at))
        yield Checked(ENTRIES, len(rows), found)
