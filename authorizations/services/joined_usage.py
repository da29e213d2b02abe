"""What is remembered of two cards that turn out to be one chain: one sum of both, not none.

Under the lock of both, before their purchases come together. A busy card keeps its sums: to each
is added what the other, with fewer purchases, spent in that time.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

from authorizations.models import Authorization, UncountedWindow
from authorizations.models import Usage as UsageRow
from authorizations.rules.counted import Counted
from authorizations.rules.document import filter_of
from authorizations.services import window_sums
from authorizations.services.running_sums import Change, merchant_of, total
from authorizations.services.usage import Remembered, remembered_of

_COLUMNS = (
    *("created", "currency"),
    *("category", "category_code", "merchant_country", "merchant_name", "network_id"),
    *("counted_amount", "counted_cash", "refunded_amount", "count", "cash_count"),
)


def join(old_root_id: str, root_id: str) -> None:
    """Bring together what is remembered of two cards; their purchases are still apart.

    Where both have too many purchases to add up now, both forget: what limits need is counted in
    the background.
    """
    few, many = old_root_id, root_id
    spent = _spent(few)
    if len(spent) > window_sums.AT_ONCE:
        few, many = many, few
        spent = _spent(few)
    rows: Sequence[Remembered] = ()
    if len(spent) <= window_sums.AT_ONCE:
        rows = [_with(row, spent, f"card:{root_id}") for row in remembered_of(f"card:{many}")]
    scopes = [f"card:{old_root_id}", f"card:{root_id}"]
    UsageRow.objects.filter(scope__in=scopes).delete()
    UsageRow.objects.bulk_create([row.as_row() for row in rows])
    notes = UncountedWindow.objects.filter(scope__in=scopes)
    kept = list(notes.filter(scope=f"card:{many}")) if rows else []
    notes.delete()
    for note in kept:
        note.scope = f"card:{root_id}"
    UncountedWindow.objects.bulk_create(kept)


def _spent(root_id: str) -> list[Change]:
    """What a card's purchases count for, the earliest first; of too many only so many as tell."""
    rows = Authorization.objects.filter(root_card=root_id).order_by("created")
    found = rows.values_list(*_COLUMNS).iterator(chunk_size=1_000)
    return [
        Change(int(created.timestamp()), currency, merchant_of(*told[:5]), Counted(*told[5:]))
        for created, currency, *told in islice(found, window_sums.AT_ONCE + 1)
    ]


def _with(row: Remembered, spent: Sequence[Change], scope: str) -> Remembered:
    first = bisect_left(spent, row.window_start, key=lambda change: change.created)
    end = bisect_left(spent, row.window_end, key=lambda change: change.created)
    concern = filter_of(row.filter)
    amount, refunded, count = total(
        change.seen_in(row.currency, concern) for change in spent[first:end]
    )
    return replace(
        row,
        scope=scope,
        amount=row.amount + amount,
        refunded_amount=row.refunded_amount + refunded,
        count=row.count + count,
    )
