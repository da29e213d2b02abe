"""What is remembered of two cards that turn out to be one chain: one sum of both, not none.

Under the lock of both, before their purchases come together. A busy card keeps its sums: to each
is added what the other, with fewer purchases, spent in that time.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace

from authorizations.models import Authorization, UncountedWindow
from authorizations.models import Usage as UsageRow
from authorizations.rules.counted import Counted
from authorizations.rules.document import filter_of
from authorizations.services import codec, sql, window_sums
from authorizations.services.running_sums import Change, merchant_of, total
from authorizations.services.usage import Remembered, remembered_around

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
    forgotten = [f"card:{few}"]
    if len(spent) > window_sums.AT_ONCE:
        forgotten, spent = [f"card:{few}", f"card:{many}"], []
    for model in (UsageRow, UncountedWindow):
        model.objects.filter(scope__in=forgotten).delete()
        model.objects.filter(scope=f"card:{many}").update(scope=f"card:{root_id}")
    if not spent:
        return
    times = [change.created for change in spent]
    around = remembered_around((times[0], times[-1]), [f"card:{root_id}"])
    changed = [new for row in around if (new := _with(row, times, spent)) != row]
    sql.run(sql.WRITE_BOOKS, purchases="[]", entries="[]", usage=codec.to_json(changed))


def _spent(root_id: str) -> list[Change]:
    """What a card's purchases count for, the earliest first; of too many only so many as tell."""
    rows = Authorization.objects.filter(card__root=root_id).order_by("created")
    return [
        Change(int(created.timestamp()), currency, merchant_of(*told[:5]), Counted(*told[5:]))
        for created, currency, *told in rows.values_list(*_COLUMNS)[: window_sums.AT_ONCE + 1]
    ]


def _with(row: Remembered, times: Sequence[int], spent: Sequence[Change]) -> Remembered:
    """With what was spent in its time, `times` being when."""
    first, end = bisect_left(times, row.window_start), bisect_left(times, row.window_end)
    concern = filter_of(row.filter)
    amount, refunded, count = total(
        change.seen_in(row.currency, concern) for change in spent[first:end]
    )
    return replace(
        row,
        amount=row.amount + amount,
        refunded_amount=row.refunded_amount + refunded,
        count=row.count + count,
    )
