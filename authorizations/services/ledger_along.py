"""The ledger read once from its beginning, in pieces, each entry with the purchase it is of."""

from collections import deque
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from authorizations.rules.counted import Counted
from authorizations.rules.filters import Merchant
from authorizations.services.checking import Difference, ahead, fetch
from authorizations.services.running_sums import Change
from authorizations.services.windows_as_of import ScopeKey

_SIZE = 2_000

_ENTRIES = """
SELECT
    entry.id, entry.event_id, entry.authorization_id, entry.currency,
    purchase.currency, extract(epoch FROM purchase.created)::bigint,
    purchase.root_card_id, purchase.cardholder_id, purchase.group_id::text,
    purchase.category, purchase.category_code, purchase.merchant_country,
    purchase.merchant_name, purchase.network_id,
    entry.amount, entry.cash_amount, entry.refunded_amount, entry.count, entry.cash_count
FROM authorizations_ledgerentry AS entry
LEFT JOIN authorizations_authorization AS purchase ON purchase.id = entry.authorization_id
WHERE entry.id > %s
ORDER BY entry.id
LIMIT %s
"""


class Entry(NamedTuple):
    """A ledger entry; without `change` where it is of no purchase in its currency."""

    id: int
    event_id: str
    scopes: tuple[ScopeKey, ...]
    change: Change | None
    difference: Difference | None


class LedgerAlong:
    """Goes forward only; `before` is the lowest id that was not yet read."""

    def __init__(self, begin: int, *, reads_ahead: bool = False) -> None:
        self.before = begin
        self._ahead: deque[Entry] = deque()
        self._pieces = ahead(_pieces(begin)) if reads_ahead else _pieces(begin)

    def up_to(self, position: int) -> Iterator[Entry]:
        """The entries below this id that were not read yet."""
        while (self._ahead or self._fetch()) and self._ahead[0].id < position:
            yield self._ahead.popleft()
        self.before = max(self.before, position)

    def _fetch(self) -> bool:
        self._ahead.extend(_entry(*row) for row in next(self._pieces, ()))
        return bool(self._ahead)


def _pieces(begin: int) -> Iterator[list[tuple[Any, ...]]]:
    fetched = begin - 1
    while rows := fetch(_ENTRIES, [fetched, _SIZE]):
        yield rows
        fetched = rows[-1][0]


def _entry(  # noqa: PLR0913, PLR0917 - column by column
    id_: int,
    event_id: str,
    authorization_id: str,
    entered_in: str,
    currency: str | None,
    created: int,
    root_card_id: str,
    cardholder_id: str,
    group_id: str | None,
    *facts: str | int,
) -> Entry:
    if currency != entered_in:
        what = f"authorization in {entered_in}"
        missing = Difference(f"ledger entry {id_}", what, authorization_id, "there")
        return Entry(id_, event_id, (), None, missing)
    scopes: tuple[ScopeKey, ...] = (("card", root_card_id), ("cardholder", cardholder_id))
    if group_id is not None:
        scopes = (*scopes, ("group", group_id))
    change = Change(created, currency, _merchant(*facts[:5]), Counted(*facts[5:]))  # type: ignore[arg-type]
    return Entry(id_, event_id, scopes, change, None)


@lru_cache(maxsize=4096)
def _merchant(*facts: str) -> Merchant:
    return Merchant(*facts)
