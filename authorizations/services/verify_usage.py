"""The sums limits read, against the ledger they come from: they must agree to the last cent.

Each statement reads both sides at once, so what is decided meanwhile makes no difference.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import JSONObject
from msgspec import ValidationError

from authorizations.models import Authorization, Card, CardGroup, Cardholder, LedgerEntry, Usage
from authorizations.rules.books import Books
from authorizations.rules.controls import ScopeKind
from authorizations.rules.counted import NOTHING, Counted
from authorizations.rules.document import filter_of
from authorizations.rules.filters import Merchant
from authorizations.services import codec
from authorizations.services.checking import Difference, by_key
from authorizations.services.known import scope_of
from authorizations.services.moving import merchant_of
from authorizations.services.usage import Remembered

_PARENTS: dict[str, Any] = {
    "card": Card,
    "root_card": Card,
    "cardholder": Cardholder,
    "group": CardGroup,
}
_SUMS = ("amount", "cash_amount", "refunded_amount", "count", "cash_count")

# The columns a scope's purchases are found by.
_COLUMNS = {
    ScopeKind.CARD: "root_card_id",
    ScopeKind.CARDHOLDER: "cardholder_id",
    ScopeKind.GROUP: "group_id",
}


@dataclass(frozen=True, slots=True)
class Figures:
    """What a usage row sums up."""

    amount: int
    refunded_amount: int
    count: int


_RECOUNT = """
SELECT
    usage.amount, usage.refunded_amount, usage.count,
    purchase.category, purchase.category_code, purchase.merchant_country,
    purchase.merchant_name, purchase.network_id,
    coalesce(sum(entry.amount), 0)::bigint, coalesce(sum(entry.cash_amount), 0)::bigint,
    coalesce(sum(entry.refunded_amount), 0)::bigint, coalesce(sum(entry.count), 0)::bigint,
    coalesce(sum(entry.cash_count), 0)::bigint
FROM authorizations_usage AS usage
LEFT JOIN authorizations_authorization AS purchase ON
    purchase.{column} = %(scope_id)s
    AND purchase.created >= to_timestamp(%(start)s) AND purchase.created < to_timestamp(%(end)s)
    AND %(currency)s IN ('', purchase.currency)
LEFT JOIN authorizations_ledgerentry AS entry ON entry.authorization_id = purchase.id
WHERE usage.scope = %(scope)s
    AND usage.window_start = %(start)s AND usage.window_end = %(end)s
    AND usage.filter_key = %(filter_key)s AND usage.currency = %(currency)s
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
"""


def verify_usage() -> Iterator[list[Difference]]:
    """For each ledger entry, authorization and remembered sum, what is wrong with it."""
    yield from map(_entry_differences, by_key(_entries(), size=1000))
    yield from map(_authorization_differences, by_key(_authorizations()))
    yield from map(_usage_differences, by_key(Usage.objects.all()))


def _entries() -> QuerySet[Any, Any]:
    parent = Authorization.objects.filter(
        pk=OuterRef("authorization_id"), currency=OuterRef("currency")
    )
    return LedgerEntry.objects.annotate(has_authorization=Exists(parent))


def _entry_differences(entry: Any) -> list[Difference]:
    if entry.has_authorization:
        return []
    where, what = f"ledger entry {entry.pk}", f"authorization in {entry.currency}"
    return [Difference(where, what, entry.authorization_id, "there")]


def _authorizations() -> QuerySet[Any, Any]:
    """Each with the sum of its ledger entries, and whether what it names exists."""
    entries = LedgerEntry.objects.filter(authorization=OuterRef("pk")).order_by()
    sums = JSONObject(**{name: Sum(name) for name in _SUMS})
    entered = entries.values("authorization").annotate(sums=sums).values("sums")
    exists = {
        f"has_{name}": Exists(model.objects.filter(pk=OuterRef(f"{name}_id")))
        for name, model in _PARENTS.items()
    }
    return Authorization.objects.annotate(entered=Subquery(entered), **exists)


def _authorization_differences(row: Any) -> list[Difference]:
    """The columns against the ledger and against the books; then what the row refers to."""
    where = f"authorization {row.pk}"
    kept = Counted(
        row.counted_amount, row.counted_cash, row.refunded_amount, row.count, row.cash_count
    )
    entered = Counted(*(row.entered[name] for name in _SUMS)) if row.entered else NOTHING
    found = []
    if kept != entered:
        found.append(Difference(where, "counted", kept, f"{entered} after its ledger"))
    if (booked := _booked(row)) != kept:
        found.append(Difference(where, "counted", kept, f"{booked} after its books"))
    for name in _PARENTS:
        id_ = getattr(row, f"{name}_id")
        if id_ is not None and not getattr(row, f"has_{name}"):
            found.append(Difference(where, name, id_, "there"))
    return found


def _booked(row: Authorization) -> Counted | None:
    try:
        return codec.value(Books, row.books).counted(merchant_of(row))
    except ValidationError:
        return None


def _usage_differences(row: Usage) -> list[Difference]:
    where = (
        f"usage of {row.scope}, {row.window_start} to {row.window_end}, {row.currency or 'count'}"
    )
    concern = filter_of(row.filter)
    if concern.key != row.filter_key:
        return [Difference(where, f"key of {row.filter}", row.filter_key, concern.key)]
    found = _recount(row)
    if found is None:
        return []  # forgotten meanwhile, as it may be
    kept, counted = found
    return [] if kept == counted else [Difference(where, row.filter or "everything", kept, counted)]


def _recount(row: Usage) -> tuple[Figures, Figures] | None:
    """What a row says, and what the ledger says at the same moment."""
    scope = scope_of(row.scope)
    parameters = {
        "scope": row.scope,
        "scope_id": int(scope.id) if scope.kind is ScopeKind.GROUP else scope.id,
        "start": row.window_start,
        "end": row.window_end,
        "filter_key": row.filter_key,
        "currency": row.currency,
    }
    with connection.cursor() as cursor:
        cursor.execute(_RECOUNT.format(column=_COLUMNS[scope.kind]), parameters)
        lines = cursor.fetchall()
    if not lines:
        return None
    bounds = (row.window_start, row.window_end)
    total = Remembered(row.scope, *bounds, row.filter_key, row.filter, row.currency, 0, 0, 0)
    for _, _, _, category, code, country, name, network_id, *sums in lines:
        merchant = Merchant(category or "", code or "", country or "", name or "", network_id or "")
        total = total.with_change(Counted(*sums), merchant, row.currency)
    return Figures(*lines[0][:3]), Figures(total.amount, total.refunded_amount, total.count)
