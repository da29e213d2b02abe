"""Each purchase's columns against its ledger and its books; its books against its transactions.

Each statement reads both sides at once, so what is booked meanwhile makes no difference.
"""

from collections.abc import Iterator
from operator import itemgetter
from typing import Any, TypeAlias

import msgspec

from authorizations.rules.purchases.books import AuthorizationState
from authorizations.rules.purchases.counted import CountedUsage
from authorizations.services.store import rows
from authorizations.services.store.running_sums import merchant_of
from authorizations.services.verify.checking import Checked, Difference, fetch
from authorizations.services.verify.ranges import WHOLE, Range
from authorizations.services.verify.touched import touched

PURCHASES, TRANSACTIONS = "authorizations", "transactions"

_SIZE = 2_000

_PURCHASES = """
SELECT
    purchase.id, purchase.books::text,
    purchase.category, purchase.category_code, purchase.merchant_country,
    purchase.merchant_name, purchase.network_id,
    purchase.status, purchase.captured_amount, purchase.is_held,
    purchase.counted_amount, purchase.counted_cash, purchase.refunded_amount,
    purchase.count, purchase.cash_count,
    entered.*,
    purchase.currency,
    (
        SELECT json_agg(json_build_array(
            id, told_at, type, amount, extract(epoch FROM created)::bigint,
            merchant_amount, merchant_currency, currency
        ))
        FROM authorizations_transaction WHERE booked_under = purchase.id
    )::text,
    CASE WHEN card.id IS NULL THEN purchase.card_id END,
    CASE WHEN cardholder.id IS NULL THEN purchase.cardholder_id END,
    CASE WHEN card_group.id IS NULL THEN purchase.group_id END
FROM ({which}) AS purchase
CROSS JOIN LATERAL (
    SELECT
        coalesce(sum(amount), 0)::bigint, coalesce(sum(cash_amount), 0)::bigint,
        coalesce(sum(refunded_amount), 0)::bigint, coalesce(sum(count), 0)::bigint,
        coalesce(sum(cash_count), 0)::bigint
    FROM authorizations_ledgerentry WHERE authorization_id = purchase.id
) AS entered
LEFT JOIN authorizations_card AS card ON card.id = purchase.card_id
LEFT JOIN authorizations_cardholder AS cardholder ON cardholder.id = purchase.cardholder_id
LEFT JOIN authorizations_cardgroup AS card_group ON card_group.id = purchase.group_id
ORDER BY purchase.id
"""

_BY_KEY = "SELECT * FROM authorizations_authorization WHERE id > %s ORDER BY id LIMIT %s"
_NAMED = "SELECT * FROM authorizations_authorization WHERE id = ANY(%s)"

_STRAYS = """
SELECT
    count(*), max(booked.id),
    array_agg(ARRAY[booked.id, booked_under] ORDER BY booked.id) FILTER (WHERE purchase.id IS NULL)
FROM (
    SELECT id, booked_under FROM authorizations_transaction WHERE id > %s ORDER BY id LIMIT %s
) AS booked
LEFT JOIN authorizations_authorization AS purchase ON purchase.id = booked.booked_under
"""

_STRAYS_OF = """
SELECT id, booked_under FROM authorizations_transaction
WHERE booked_under = ANY(%s) AND NOT EXISTS (
    SELECT FROM authorizations_authorization AS purchase WHERE purchase.id = booked_under
)
"""

_Booked: TypeAlias = tuple[str, int, str, int, int, int, str, str]
"""A row of a transaction as _PURCHASES reads it."""

_decode_books = msgspec.json.Decoder(AuthorizationState).decode
_decode_booked = msgspec.json.Decoder(list[_Booked]).decode

_counted_of = itemgetter("counted_amount", "counted_cash", "refunded_amount", "count", "cash_count")
_PARENTS = ("card", "cardholder", "group")


def verify_purchases(part: Range = WHOLE) -> Iterator[Checked]:
    """Every authorization: its columns, its books, its transactions, and what it refers to.

    Of a range those that something was written of in it.
    """
    for piece in _all() if part.is_whole else _touched(part):
        differences = [found for row in piece for found in _purchase_differences(*row)]
        yield Checked(PURCHASES, len(piece), differences)


def verify_transactions(part: Range = WHOLE) -> Iterator[Checked]:
    """Every transaction: whether what it is booked under is there. Its purchase tells the rest."""
    if not part.is_whole:
        yield from _strays_of(part)
        return
    last = ""
    while True:
        [(number, last, strays)] = fetch(_STRAYS, [last, _SIZE])
        if not number:
            return
        yield Checked(TRANSACTIONS, number, [_stray(*stray) for stray in strays or ()])


def _strays_of(part: Range) -> Iterator[Checked]:
    """Of the range, those booked under what its events tell of."""
    for ids in touched(part):
        strays = fetch(_STRAYS_OF, [ids])
        yield Checked(TRANSACTIONS, len(strays), [_stray(*stray) for stray in strays])


def _stray(id_: str, booked_under: str) -> Difference:
    return Difference(
        f"transaction {id_}", "authorization it is booked under", booked_under, "there"
    )


def _all() -> Iterator[list[tuple[Any, ...]]]:
    """By key, each piece a short transaction of its own."""
    last = ""
    while piece := fetch(_PURCHASES.format(which=_BY_KEY), [last, _SIZE]):
        yield piece
        last = piece[-1][0]


def _touched(part: Range) -> Iterator[list[tuple[Any, ...]]]:
    for ids in touched(part):
        yield fetch(_PURCHASES.format(which=_NAMED), [ids])


def _purchase_differences(id_: str, books_text: str, *columns: Any) -> Iterator[Difference]:
    where = f"authorization {id_}"
    place, (status, captured, held), kept = columns[:5], columns[5:8], columns[8:13]
    entered, (currency, booked), missing = columns[13:18], columns[18:20], columns[20:]
    if kept != entered:
        yield _counted_otherwise(where, kept, entered, "its ledger")
    for name, parent in zip(_PARENTS, missing, strict=True):
        if parent is not None:
            yield Difference(where, name, parent, "there")
    try:
        books = _decode_books(books_text)
    except msgspec.ValidationError as problem:
        yield Difference(where, "books", problem, "readable")
        return
    standing = rows.standing(books, merchant_of(*place))
    counted = _counted_of(standing)
    if kept != counted:
        yield _counted_otherwise(where, kept, counted, "its books")
    for name, value in (("status", status), ("captured_amount", captured), ("is_held", held)):
        if value != standing[name]:
            yield Difference(where, name, value, f"{standing[name]} after its books")
    if booked or books.transactions:
        yield from _transaction_differences(id_, books, currency, booked)


def _counted_otherwise(
    where: str, kept: tuple[int, ...], found: tuple[int, ...], after: str
) -> Difference:
    return Difference(
        where, "counted", CountedUsage(*kept), f"{CountedUsage(*found)} after {after}"
    )


def _transaction_differences(
    id_: str, books: AuthorizationState, currency: str, booked: str | None
) -> Iterator[Difference]:
    rows_by_id = {row[0]: row for row in _decode_booked(booked or "[]")}
    for one in books.transactions:
        where = f"transaction {one.id}"
        row = rows_by_id.pop(one.id, None)
        told = (one.id, one.at, one.type[:50], one.amount, one.created)
        after: _Booked = (*told, one.merchant_amount, one.merchant_currency, currency)
        if row is None:
            what = "in its books only"
            yield Difference(f"authorization {id_}", where, what, "a row that is booked under it")
        elif row != after:
            what = "type, amounts and times"
            yield Difference(where, what, row[1:], f"{after[1:]} after the books")
    for stray in rows_by_id:
        yield Difference(f"transaction {stray}", "booked under", id_, "in the books of that one")
