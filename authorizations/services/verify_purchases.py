"""Each purchase's columns against its ledger and its books; its books against its transactions.

Each statement reads both sides at once, so what is booked meanwhile makes no difference.
"""

from collections.abc import Iterator
from operator import itemgetter
from typing import Any

import msgspec

from authorizations.rules import snapshots
from authorizations.rules.books import Books
from authorizations.rules.counted import Counted
from authorizations.services import rows
from authorizations.services.checking import Checked, Difference, fetch
from authorizations.services.running_sums import merchant_of

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
    ARRAY(
        SELECT (
            SELECT id FROM authorizations_transaction
            WHERE id = named #>> '{}' AND booked_under = purchase.id
        )
        FROM jsonb_path_query(purchase.books, '$.transactions[*].id') AS named
    ),
    CASE WHEN card.id IS NULL THEN purchase.card_id END,
    CASE WHEN root.id IS NULL THEN purchase.root_card_id END,
    CASE WHEN cardholder.id IS NULL THEN purchase.cardholder_id END,
    CASE WHEN card_group.id IS NULL THEN purchase.group_id END
FROM (
    SELECT * FROM authorizations_authorization WHERE id > %s ORDER BY id LIMIT %s
) AS purchase
CROSS JOIN LATERAL (
    SELECT
        coalesce(sum(amount), 0)::bigint, coalesce(sum(cash_amount), 0)::bigint,
        coalesce(sum(refunded_amount), 0)::bigint, coalesce(sum(count), 0)::bigint,
        coalesce(sum(cash_count), 0)::bigint
    FROM authorizations_ledgerentry WHERE authorization_id = purchase.id
) AS entered
LEFT JOIN authorizations_card AS card ON card.id = purchase.card_id
LEFT JOIN authorizations_card AS root ON root.id = purchase.root_card_id
LEFT JOIN authorizations_cardholder AS cardholder ON cardholder.id = purchase.cardholder_id
LEFT JOIN authorizations_cardgroup AS card_group ON card_group.id = purchase.group_id
ORDER BY purchase.id
"""

_TRANSACTIONS = """
SELECT
    booked.id, booked.booked_under, booked.type, booked.amount,
    extract(epoch FROM booked.created)::bigint, booked.told_at,
    booked.merchant_amount, booked.merchant_currency, booked.currency, purchase.currency,
    (
        SELECT kept::text FROM jsonb_path_query(purchase.books, '$.transactions[*]') AS kept
        WHERE kept ->> 'id' = booked.id
    )
FROM (
    SELECT * FROM authorizations_transaction WHERE id > %s ORDER BY id LIMIT %s
) AS booked
LEFT JOIN authorizations_authorization AS purchase ON purchase.id = booked.booked_under
ORDER BY booked.id
"""

_decode_books = msgspec.json.Decoder(Books).decode
_decode_transaction = msgspec.json.Decoder(snapshots.Transaction).decode


_counted_of = itemgetter("counted_amount", "counted_cash", "refunded_amount", "count", "cash_count")
_PARENTS = ("card", "root_card", "cardholder", "group")


def verify_purchases() -> Iterator[Checked]:
    """Every authorization: its columns, its books, its transactions, and what it refers to."""
    for piece in _pieces(_PURCHASES):
        differences = [found for row in piece for found in _purchase_differences(*row)]
        yield Checked(PURCHASES, len(piece), differences)


def verify_transactions() -> Iterator[Checked]:
    """Every transaction against the books it is booked in."""
    for piece in _pieces(_TRANSACTIONS):
        differences = [found for row in piece for found in _transaction_differences(*row)]
        yield Checked(TRANSACTIONS, len(piece), differences)


def _pieces(statement: str) -> Iterator[list[tuple[Any, ...]]]:
    """By key, each piece a short transaction of its own."""
    last = ""
    while True:
        piece = fetch(statement, [last, _SIZE])
        if not piece:
            return
        yield piece
        last = piece[-1][0]


def _purchase_differences(id_: str, books_text: str, *columns: Any) -> Iterator[Difference]:
    where = f"authorization {id_}"
    place, (status, captured, held), kept = columns[:5], columns[5:8], columns[8:13]
    entered, booked, missing = columns[13:18], columns[18], columns[19:]
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
    for transaction in books.transactions:
        if transaction.id not in booked:
            what = f"transaction {transaction.id}"
            yield Difference(where, what, "in its books only", "a row that is booked under it")


def _counted_otherwise(
    where: str, kept: tuple[int, ...], found: tuple[int, ...], after: str
) -> Difference:
    return Difference(where, "counted", Counted(*kept), f"{Counted(*found)} after {after}")


def _transaction_differences(id_: str, booked_under: str, *columns: Any) -> Iterator[Difference]:
    where = f"transaction {id_}"
    type_, amount, created, told_at, merchant_amount, merchant_currency, *rest = columns
    currency, currency_there, kept = rest
    if currency_there is None:
        yield Difference(where, "authorization it is booked under", booked_under, "there")
        return
    if kept is None:
        yield Difference(where, "booked under", booked_under, "in the books of that one")
        return
    try:
        booked = _decode_transaction(kept)
    except msgspec.ValidationError:
        return  # told with the books
    row = (type_, amount, created, told_at, merchant_amount, merchant_currency, currency)
    found = (
        *(booked.type[:50], booked.amount, booked.created, booked.at, booked.merchant_amount),
        *(booked.merchant_currency, currency_there),
    )
    if row != found:
        yield Difference(where, "type, amounts and times", row, f"{found} after the books")
