"""Whether what Stripe tells is new: so that reading its whole list writes only what was missed."""

from collections.abc import Iterable
from dataclasses import replace

from authorizations.rules.purchases.books import AuthorizationState
from authorizations.rules.purchases.snapshots import Snapshot, TransactionSnapshot


def is_news(
    books: AuthorizationState,
    snapshot: Snapshot | None,
    transactions: Iterable[TransactionSnapshot],
) -> bool:
    """Whether the books would say more than before; being told the same again is no news.

    So a release stands until Stripe tells something else than when the hold was released.
    """
    after = books
    for transaction in transactions:
        after = after.with_transaction(transaction)
    if snapshot:
        after = after.joined(snapshot)
    return _whenever_told(after) != _whenever_told(books)


def _whenever_told(books: AuthorizationState) -> tuple[AuthorizationState, bool, int]:
    """With what is over: the same end told later may end what was asked meanwhile."""
    same = replace(
        books,
        furthest=_without_time(books.furthest),
        uncaptured=_without_time(books.uncaptured),
        end=books.end and books.end._replace(at=0),
        transactions=tuple(replace(transaction, at=0) for transaction in books.transactions),
    )
    return same, books.is_over, sum(map(books.is_ended, books.answers))


def _without_time(snapshot: Snapshot | None) -> Snapshot | None:
    # How many transactions a snapshot had only helps to sort it; they are compared themselves.
    return snapshot and replace(snapshot, at=0, transactions=0)
