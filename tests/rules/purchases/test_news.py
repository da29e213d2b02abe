"""Told the same again is no news, whenever it is told; anything else is."""

from dataclasses import replace

import pytest

from authorizations.rules.purchases.books import AuthorizationState
from authorizations.rules.purchases.news import is_news
from authorizations.rules.purchases.snapshots import (
    RequestHistoryEntry,
    Snapshot,
    TransactionSnapshot,
)

APPROVED = RequestHistoryEntry(amount=5_000, approved=True, created=10)
HELD = Snapshot(at=11, status="pending", amount=5_000, history=(APPROVED,))
CAPTURED = TransactionSnapshot(id="ipi_1", at=20, type="capture", amount=-5_000, created=20)
CLOSED = replace(HELD, at=21, status="closed", transactions=1)
KNOWN = AuthorizationState().joined(HELD).with_transaction(CAPTURED).joined(CLOSED)


@pytest.mark.parametrize(
    ("snapshot", "transactions", "expected"),
    [
        (CLOSED, [CAPTURED], False),
        (replace(CLOSED, at=99), [replace(CAPTURED, at=99)], False),
        (replace(CLOSED, at=99, transactions=2), [], False),
        (HELD, [], False),
        (None, [CAPTURED], False),
        (replace(CLOSED, at=99, amount=4_000), [], True),
        (replace(CLOSED, at=99, status="reversed"), [], True),
        (replace(CLOSED, at=99, history=(APPROVED, APPROVED)), [], True),
        (replace(HELD, at=1, amount=9_000), [], True),
        (replace(HELD, at=1, status="expired"), [], True),
        (None, [replace(CAPTURED, at=99, amount=-6_000)], True),
        (None, [replace(CAPTURED, at=1, amount=-6_000)], False),
        (None, [replace(CAPTURED, id="ipi_2")], True),
    ],
    ids=[
        "the same",
        "the same, read later",
        "the state alone, read later",
        "an earlier state",
        "a transaction that is known",
        "another amount",
        "another end",
        "one more request",
        "it once held more",
        "it once had ended",
        "another version of a transaction",
        "an older version of a transaction",
        "another transaction",
    ],
)
def test_news_is_what_the_books_do_not_say_yet(
    snapshot: Snapshot | None, transactions: list[TransactionSnapshot], expected: bool
) -> None:
    assert is_news(KNOWN, snapshot, transactions) is expected


def test_everything_is_news_to_empty_books() -> None:
    assert is_news(AuthorizationState(), HELD, [])
    assert is_news(AuthorizationState(), None, [CAPTURED])


def test_a_release_stands_until_stripe_tells_something_else() -> None:
    released = AuthorizationState().joined(HELD).released()
    assert not is_news(released, replace(HELD, at=99), [])
    assert is_news(released, replace(HELD, at=99, amount=4_000), [])
