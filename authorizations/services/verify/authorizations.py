"""Checks each authorization's columns against its ledger and books, its books against transactions.

Each statement reads both sides at one moment, so what is booked meanwhile causes no difference.
"""

from collections.abc import Iterator, Mapping
from operator import itemgetter
from typing import Any, TypeAlias

import msgspec

from authorizations.models.ledger import LIMITS_READ
from authorizations.rules.purchases.books import AuthorizationState
from authorizations.rules.purchases.counted import CountedUsage
from authorizations.services.store import rows
from authorizations.services.verify.checking import (
    EXISTING,
    Checked,
    Difference,
    fetch,
    pieces,
    summaries,
)
from authorizations.services.verify.ranges import WHOLE, Range
from authorizations.services.verify.running_sums import merchant_of
from authorizations.services.verify.touched import touched

PURCHASES, TRANSACTIONS = "authorizations", "transactions"

_SIZE = 2_000

_PURCHASES = f"""
SELECT
    purchase.id, purchase.books::text,
    purchase.status, purchase.captured_amount, purchase.is_held,
    purchase.counted_amount, purchase.counted_cash, purchase.refunded_amount,
    purchase.count, purchase.cash_count,
    entered.*,
    purchase.currency,
    (
        SELECT json_agg(json_build_array(
            id, reported_at, type, amount, extract(epoch FROM created)::bigint,
            merchant_amount, merchant_currency, currency
        ))
        FROM authorizations_transaction WHERE booked_under = purchase.id
    )::text,
    CASE WHEN card.id IS NULL THEN purchase.card_id END,
    CASE WHEN cardholder.id IS NULL THEN purchase.cardholder_id END,
    CASE WHEN card_group.id IS NULL THEN purchase.group_id END,
    {", ".join(f"purchase.{column}" for column in LIMITS_READ)}
FROM ({{which}}) AS purchase
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
"""  # noqa: S608 - all of it is written here

_BY_KEY = "SELECT * FROM authorizations_authorization WHERE id > %s ORDER BY id LIMIT %s"
_NAMED = "SELECT * FROM authorizations_authorization WHERE id = ANY(%s)"

_STRAYS = """
SELECT
    max(booked.id), count(*),
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

_Transaction: TypeAlias = tuple[str, int, str, int, int, int, str, str]
"""A transaction's row as _PURCHASES reads it."""

_decode_books = msgspec.json.Decoder(AuthorizationState).decode
_decode_transactions = msgspec.json.Decoder(list[_Transaction]).decode

_counted_of = itemgetter("counted_amount", "counted_cash", "refunded_amount", "count", "cash_count")
_PARENTS = ("card", "cardholder", "group")


def verify_purchases(part: Range = WHOLE) -> Iterator[Checked]:
    """Check every authorization: its columns, books and transactions, and what it refers to.

    For a range, only those that something was written about in it.
    """
    for piece in _pieces(part):
        differences = [found for row in piece for found in _differences(*row)]
        yield Checked(PURCHASES, len(piece), differences)


def verify_transactions(part: Range = WHOLE) -> Iterator[Checked]:
    """Check that the authorization each transaction is booked under exists.

    `verify_purchases` checks the rest. For a range, only those booked under an id that its events
    are about.
    """
    if not part.is_whole:
        for ids in touched(part):
            strays = fetch(_STRAYS_OF, [ids])
            yield Checked(TRANSACTIONS, len(strays), [_stray(*stray) for stray in strays])
        return
    for _, number, strays in summaries(_STRAYS, "", _SIZE):
        yield Checked(TRANSACTIONS, number, [_stray(*stray) for stray in strays or ()])


def _stray(id_: str, booked_under: str) -> Difference:
    what = "authorization it is booked under"
    return Difference(f"transaction {id_}", what, booked_under, EXISTING)


def _pieces(part: Range) -> Iterator[list[tuple[Any, ...]]]:
    if not part.is_whole:
        for ids in touched(part):
            yield fetch(_PURCHASES.format(which=_NAMED), [ids])
        return
    yield from pieces(_PURCHASES.format(which=_BY_KEY), "", _SIZE)


def _differences(id_: str, books_text: str, *columns: Any) -> Iterator[Difference]:
    """From a row of _PURCHASES."""
    where = f"authorization {id_}"
    (status, captured, held), counted, in_ledger = columns[:3], columns[3:8], columns[8:13]
    (currency, transactions), missing, merchant = columns[13:15], columns[15:18], columns[18:]
    if counted != in_ledger:
        yield _counted_difference(where, counted, in_ledger, "its ledger")
    for name, parent in zip(_PARENTS, missing, strict=True):
        if parent is not None:
            yield Difference(where, name, parent, EXISTING)
    try:
        state = _decode_books(books_text)
    except msgspec.ValidationError as problem:
        yield Difference(where, "books", problem, "readable")
        return
    expected: Mapping[str, Any] = rows.state_columns(state, merchant_of(*merchant))
    in_books = _counted_of(expected)
    if counted != in_books:
        yield _counted_difference(where, counted, in_books, "its books")
    for name, value in (("status", status), ("captured_amount", captured), ("is_held", held)):
        if value != expected[name]:
            yield Difference(where, name, value, f"{expected[name]} after its books")
    rows_by_id = {row[0]: row for row in _decode_transactions(transactions or "[]")}
    for one in state.transactions:
        row = rows_by_id.pop(one.id, None)
        after: _Transaction = (
            *(one.id, one.at, one.type[:50], one.amount, one.created),
            *(one.merchant_amount, one.merchant_currency, currency),
        )
        if row is None:
            what = f"transaction {one.id}"
            yield Difference(where, what, "in its books only", "a row that is booked under it")
        elif row != after:
            what = "type, amounts and times"
            yield Difference(f"transaction {one.id}", what, row[1:], f"{after[1:]} after the books")
    for stray in rows_by_id:
        what = "authorization it is booked under"
        yield Difference(f"transaction {stray}", what, id_, "one with it in its books")


def _counted_difference(
    where: str, counted: tuple[int, ...], found: tuple[int, ...], source: str
) -> Difference:
    expected = f"{CountedUsage(*found)} after {source}"
    return Difference(where, "counted", CountedUsage(*counted), expected)
