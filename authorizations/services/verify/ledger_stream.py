"""Reads the ledger once, forward, in pieces, each entry with its purchase."""

from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from authorizations.models.ledger import LIMITS_READ
from authorizations.rules.purchases.counted import CountedUsage
from authorizations.services.verify.checking import EXISTING, Difference, pieces
from authorizations.services.verify.running_sums import LedgerChange, merchant_of
from authorizations.services.verify.windows_as_of import ScopeKey

_SIZE = 2_000

_ENTRIES = f"""
SELECT
    entry.id,
    -- Transactions named in a request are moved to its purchase before it is decided.
    CASE WHEN entry.cause = 'moved' THEN '' ELSE entry.event_id END,
    entry.authorization_id, entry.currency,
    purchase.currency, extract(epoch FROM purchase.created)::bigint,
    coalesce(card.root_id, purchase.card_id), purchase.cardholder_id, purchase.group_id::text,
    {", ".join(f"purchase.{column}" for column in LIMITS_READ)},
    entry.amount, entry.cash_amount, entry.refunded_amount, entry.count, entry.cash_count
FROM authorizations_ledgerentry AS entry
LEFT JOIN authorizations_authorization AS purchase ON purchase.id = entry.authorization_id
LEFT JOIN authorizations_card AS card ON card.id = purchase.card_id
WHERE entry.id > %s
ORDER BY entry.id
LIMIT %s
"""  # noqa: S608 - all of it is written here


class Entry(NamedTuple):
    """A ledger entry. `change` is None if there is no purchase in its currency: see `difference`.

    `event_id` is "" for what was moved in from elsewhere.
    """

    id: int
    event_id: str
    scopes: tuple[ScopeKey, ...]
    change: LedgerChange | None
    difference: Difference | None


class LedgerStream:
    """Entries in the order of their ids; `before` is the lowest id not read yet."""

    def __init__(self, begin: int) -> None:
        self.before = begin
        self._ahead: deque[Entry] = deque()
        self._pieces = pieces(_ENTRIES, begin - 1, _SIZE)

    def up_to(self, position: int) -> Iterator[Entry]:
        """The entries below this id that were not read yet."""
        while True:
            if not self._ahead:
                self._ahead.extend(map(_entry, next(self._pieces, ())))
            if not self._ahead or self._ahead[0].id >= position:
                break
            yield self._ahead.popleft()
        self.before = max(self.before, position)


def _entry(row: tuple[Any, ...]) -> Entry:
    """From a row of _ENTRIES."""
    id_, event_id, authorization_id, entered_in, currency, created = row[:6]
    if currency != entered_in:
        what = f"authorization in {entered_in}"
        missing = Difference(f"ledger entry {id_}", what, authorization_id, EXISTING)
        return Entry(id_, event_id, (), None, missing)
    root_id, cardholder_id, group_id = row[6:9]
    scopes: tuple[ScopeKey, ...] = (("card", root_id), ("cardholder", cardholder_id))
    if group_id is not None:
        scopes = (*scopes, ("group", group_id), ("member", f"{group_id}:{cardholder_id}"))
    merchant, counted = row[9 : 9 + len(LIMITS_READ)], row[9 + len(LIMITS_READ) :]
    change = LedgerChange(created, currency, merchant_of(*merchant), CountedUsage(*counted))
    return Entry(id_, event_id, scopes, change, None)
