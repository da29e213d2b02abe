"""Checks each remembered sum against the authorizations it adds up.

Their counted columns are checked against the ledger in `authorizations`. Each statement reads both
sides at one moment, so what is booked meanwhile causes no difference.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from authorizations.models.ledger import LIMITS_READ
from authorizations.rules.basics.clocks import FOREVER
from authorizations.rules.basics.filters import Merchant
from authorizations.rules.policy.document import filter_of
from authorizations.rules.purchases.counted import CountedUsage
from authorizations.services.store import sum_statements
from authorizations.services.store.statements import MERCHANT
from authorizations.services.store.window_totals import NOTHING_USED, plus
from authorizations.services.verify.checking import Checked, Difference, fetch
from authorizations.services.verify.ranges import WHOLE, Range
from authorizations.services.verify.running_sums import LedgerChange, merchant_of, used_words

REMEMBERED = "remembered sums"

_SIZE = 2_000

_ANYWHERE = Merchant()

_KEY = "scope, piece_seconds, window_end, window_start, filter_key, currency"

# What the purchases count for that a window measures, in its currency.
_SUMMED = f"""
        sum(purchase.counted_amount)::bigint, sum(purchase.counted_cash)::bigint,
        sum(purchase.refunded_amount)::bigint, sum(purchase.count)::bigint,
        sum(purchase.cash_count)::bigint
    FROM {sum_statements.WITHIN} AS purchase
    WHERE needed.currency IN ('', purchase.currency)
"""

# By merchant only if there is a filter: most windows have none, and are added up in one go.
_RECOUNT = f"""
SELECT
    scope, piece_seconds, window_end, window_start, filter_key, needed.currency,
    filter, needed.amount, needed.refunded_amount, needed.count, summed.*
FROM (
    SELECT
        *, split_part(scope, ':', 1) AS kind, substr(scope, strpos(scope, ':') + 1) AS id,
        window_start AS start, window_end AS "end"
    FROM authorizations_usage
    WHERE ({_KEY}) > (%s, %s, %s, %s, %s, %s) AND window_end > %s AND window_start < %s
    ORDER BY {_KEY} LIMIT %s
) AS needed
LEFT JOIN LATERAL (
    SELECT {", ".join(["NULL"] * len(LIMITS_READ))}, {_SUMMED} AND filter_key = ''
    UNION ALL
    SELECT {MERCHANT}, {_SUMMED} AND filter_key <> ''
    GROUP BY {MERCHANT}
) AS summed ON TRUE
ORDER BY 1, 2, 3, 4, 5, 6
"""  # noqa: S608 - all of it is written here


def verify_remembered(part: Range = WHOLE) -> Iterator[Checked]:
    """Check every row of the usage table.

    For a range, only the windows that overlap it: nothing is added to a window that is over.
    """
    since = int(part.since.timestamp()) if part.since else -1
    until = int(part.until.timestamp()) if part.until else FOREVER
    key: tuple[Any, ...] = ("", 0, 0, 0, "", "")
    while True:
        rows = fetch(_RECOUNT, [*key, since, until, _SIZE])
        if not rows:
            return
        found = [_differences(list(lines)) for _, lines in groupby(rows, key=lambda row: row[:6])]
        yield Checked(REMEMBERED, len(found), [one for window in found for one in window])
        key = rows[-1][:6]


def _differences(lines: Sequence[tuple[Any, ...]]) -> list[Difference]:
    """From the rows of _RECOUNT for one window: one row, or one for each merchant."""
    scope, _, end, start, filter_key, currency, filter_text, *figures = lines[0][:10]
    concern = filter_of(filter_text)
    kept, counted = tuple(figures), NOTHING_USED
    for line in lines:
        if line[-1] is not None:
            facts, sums = line[10 : 10 + len(LIMITS_READ)], line[10 + len(LIMITS_READ) :]
            merchant = merchant_of(*facts) if filter_key else _ANYWHERE
            change = LedgerChange(start, currency, merchant, CountedUsage(*sums))
            counted = plus(counted, change.seen_in(currency, concern))
    if kept == counted and concern.key == filter_key:
        return []
    where = f"usage of {scope}, {start} to {end}, {currency or 'count'}"
    if concern.key != filter_key:
        return [Difference(where, f"key of {filter_text}", filter_key, concern.key)]
    return [Difference(where, filter_text or "everything", used_words(kept), used_words(counted))]
