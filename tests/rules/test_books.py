"""What one authorization counts for: any order and any repetition of what arrives."""

from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authorizations.rules.books import (
    Books,
    Counted,
    HistoryEntry,
    Reservation,
    Snapshot,
    cash_part,
)
from authorizations.rules.filters import Merchant
from tests.builders import merchant
from tests.rules.deciding import THOROUGHLY

SHOP = merchant()
CASH_MACHINE = merchant(category_code="6011")

few = st.integers(0, 3)
statuses = st.sampled_from(["pending", "expired", "reversed", "closed", "a_word_of_next_year"])
entries = st.builds(
    HistoryEntry, amount=few, approved=st.booleans(), created=few, cashback=st.integers(0, 1)
)
snapshots = st.builds(
    Snapshot,
    at=few,
    status=statuses,
    amount=few,
    history=st.lists(entries, max_size=3).map(tuple),
    transactions=st.integers(0, 1),
)
reservations = st.builds(
    Reservation,
    event_id=st.sampled_from(["evt_1", "evt_2"]),
    ordinal=few,
    amount=st.integers(1, 9),
    cashback=st.integers(0, 1),
)


def told(*snapshots: Snapshot, **known: Any) -> Books:
    """Books after these snapshots; `known` is what they begin with."""
    books = Books(**known)
    for snapshot in snapshots:
        books = books.joined(snapshot)
    return books


def alike(books: Books) -> Books:
    """Without the order in which reservations were made, which nothing depends on."""
    return replace(books, reservations=tuple(sorted(books.reservations, key=lambda r: r.ordinal)))


# --- any order, any repetition


@THOROUGHLY
@given(st.lists(snapshots, max_size=4), st.data())
def test_any_order_and_any_repetition_of_snapshots_ends_in_the_same_books(
    heard: list[Snapshot], data: st.DataObject
) -> None:
    again = data.draw(st.lists(st.sampled_from(heard), max_size=4)) if heard else []
    shuffled = data.draw(st.permutations(heard + again))
    assert told(*shuffled) == told(*heard)


@THOROUGHLY
@given(
    st.lists(snapshots, max_size=3),
    st.lists(reservations, max_size=3, unique_by=lambda r: r.ordinal),
    st.data(),
)
def test_it_makes_no_difference_whether_an_approval_or_what_covers_it_is_written_first(
    heard: list[Snapshot], approvals: list[Reservation], data: st.DataObject
) -> None:
    def after(steps: list[Snapshot | Reservation]) -> Books:
        books = Books()
        for step in steps:
            is_told = isinstance(step, Snapshot)
            books = books.joined(step) if is_told else books.reserved(step)  # type: ignore[arg-type]
        return alike(books)

    steps: list[Snapshot | Reservation] = [*heard, *approvals]
    assert after(data.draw(st.permutations(steps))) == after(steps)


@THOROUGHLY
@given(
    st.lists(snapshots, max_size=3),
    st.lists(reservations, max_size=3),
    st.sampled_from([SHOP, CASH_MACHINE]),
)
def test_whatever_arrives_what_is_counted_makes_sense(
    heard: list[Snapshot], approvals: list[Reservation], place: Merchant
) -> None:
    books = told(*heard)
    for approval in approvals:
        books = books.reserved(approval)
    counted = books.counted(place)
    assert 0 <= counted.cash <= counted.amount
    assert 0 <= counted.cash_count <= counted.count <= 1
    # What is held is held by an authorization that counts.
    assert counted.count or not counted.amount
    assert {r.ordinal for r in books.reservations} == {
        a.ordinal for a in approvals if not books.covers(a.ordinal)
    }


@pytest.mark.parametrize(
    ("furthest", "behind"),
    [
        ({"history": (HistoryEntry(1, approved=False, created=0),)}, {"at": 9, "amount": 9}),
        ({"at": 2}, {"status": "closed", "amount": 9}),
        ({"status": "expired"}, {"status": "pending", "amount": 9}),
        ({"status": "reversed"}, {"status": "expired", "amount": 9}),
        ({"status": "closed"}, {"status": "reversed", "amount": 9}),
        ({"transactions": 2}, {"transactions": 1, "amount": 9}),
        ({"amount": 9}, {"amount": 8}),
    ],
)
def test_the_furthest_snapshot_is_by_history_then_time_then_status_then_transactions_then_amount(
    furthest: dict[str, Any], behind: dict[str, Any]
) -> None:
    usual: dict[str, Any] = {"at": 1, "status": "pending", "amount": 0}
    ahead, back = Snapshot(**(usual | furthest)), Snapshot(**(usual | behind))
    for order in permutations([ahead, back]):
        assert told(*order).furthest == ahead


def test_of_two_snapshots_that_differ_only_inside_their_history_one_is_always_the_furthest() -> (
    None
):
    both = [
        Snapshot(1, "pending", 500, (HistoryEntry(500, approved=approved, created=1),))
        for approved in (True, False)
    ]
    assert told(*both) == told(*reversed(both))


# --- reservations: approvals of ours that Stripe has not yet told of


def history(*amounts: int) -> tuple[HistoryEntry, ...]:
    """Requests as Stripe settled them; a negative amount was not approved."""
    return tuple(
        HistoryEntry(abs(amount), approved=amount > 0, created=place)
        for place, amount in enumerate(amounts)
    )


def pending(amount: int, *settled: int, at: int = 1) -> Snapshot:
    return Snapshot(at, "pending", amount, history(*settled))


def approval(amount: int, ordinal: int = 0, **facts: Any) -> Reservation:
    return Reservation(facts.pop("event_id", f"evt_{ordinal}"), ordinal, amount, **facts)


def test_an_approval_is_covered_once_a_longer_history_tells_how_it_ended() -> None:
    books = told(pending(0)).reserved(approval(500))
    assert (books.covers(0), books.amount) == (False, 500)
    after = books.joined(pending(500, 500))
    assert (after.covers(0), after.reservations, after.amount) == (True, (), 500)
    assert not after.covers(1)


def test_a_later_approval_is_not_covered_by_the_history_before_it() -> None:
    books = told(pending(500, 500)).reserved(approval(300, ordinal=1))
    assert books.joined(pending(500, 500, at=9)).amount == 800


def test_an_approval_written_late_whose_ordinal_is_covered_takes_nothing() -> None:
    books = told(pending(500, 500))
    assert books.reserved(approval(500)) == books


def test_a_new_approval_for_an_ordinal_replaces_the_one_before() -> None:
    books = told(pending(0)).reserved(approval(500)).reserved(approval(200, event_id="evt_new"))
    assert [(r.event_id, r.amount) for r in books.reservations] == [("evt_new", 200)]


def test_asking_again_releases_the_approval_for_this_ordinal_and_no_other() -> None:
    books = told(pending(0)).reserved(approval(500)).reserved(approval(300, ordinal=1))
    assert books.released(0).amount == 300
    assert books.released(1).amount == 500
    assert books.released(2) == books


# --- what is counted, case by case


@dataclass(frozen=True)
class Case:
    """`counts` is the amount, and whether the authorization is one for count limits."""

    what: str
    books: Books
    counts: tuple[int, int]


def ended(status: str, amount: int, *settled: int) -> Snapshot:
    return Snapshot(9, status, amount, history(*settled))


ONE = (approval(1_000),)

CASES = [
    Case("nothing is known", Books(), (0, 0)),
    # No snapshot yet: max(captured, our approvals).
    Case("we approved €10, Stripe has not told", Books(reservations=ONE), (1_000, 1)),
    Case("a capture came before anything else", Books(captured=400), (400, 1)),
    Case("€10 approved, €4 of it captured", Books(reservations=ONE, captured=400), (1_000, 1)),
    Case("€10 approved, €12 captured", Books(reservations=ONE, captured=1_200), (1_200, 1)),
    # Pending: max(captured, min(amount + captured, highest held) + our approvals).
    Case("we declined, nothing else happened", told(pending(0)), (0, 0)),
    Case("we approved €10 just now", told(pending(0), reservations=ONE), (1_000, 1)),
    Case("Stripe holds the €10 we approved", told(
        pending(1_000, 1_000), reservations=ONE), (1_000, 1)),
    Case("Stripe approved €10 without us", told(pending(1_000, 1_000)), (1_000, 1)),
    Case("our answer came too late, Stripe declined", told(
        pending(0, -1_000), reservations=ONE), (0, 0)),
    Case("€10 held, we approved €3 more", told(
        pending(1_000, 1_000), reservations=(approval(300, 1),)), (1_300, 1)),
    Case("€10 declined by timeout, then €3 approved", told(
        pending(0, -1_000), reservations=(approval(300, 1),)), (300, 1)),
    Case("the merchant lowered €10 to €6", told(
        pending(1_000, 1_000), pending(600, 1_000, at=2)), (600, 1)),
    Case("lowered to 0, but still open", told(
        pending(1_000, 1_000), pending(0, 1_000, at=2)), (0, 1)),
    Case("lowered to 0 and raised by €2 of ours", told(
        pending(0, 1_000), reservations=(approval(200, 1),)), (200, 1)),
    Case("€4 of €10 captured, the amount not lowered", told(
        pending(1_000, 1_000), captured=400), (1_000, 1)),
    Case("€4 of €10 captured, the amount lowered", told(
        pending(1_000, 1_000), pending(600, 1_000, at=2), captured=400), (1_000, 1)),
    Case("all €10 captured, still called pending", told(
        pending(1_000, 1_000), captured=1_000), (1_000, 1)),
    Case("€12 captured of €10 held, a tip", told(
        pending(1_000, 1_000), captured=1_200), (1_200, 1)),
    Case("a status nobody knows may still hold the €10", told(
        ended("a_word_of_next_year", 1_000, 1_000)), (1_000, 1)),
    # Closed, reversed, expired: captured + our approvals.
    Case("closed with its capture", told(
        ended("closed", 1_000, 1_000), captured=1_000), (1_000, 1)),
    Case("closed, captured for less", told(ended("closed", 1_000, 1_000), captured=700), (700, 1)),
    Case("closed, the transaction still to come", told(ended("closed", 1_000, 1_000)), (0, 1)),
    Case("declined by Stripe", told(ended("closed", 0, -1_000)), (0, 0)),
    Case("declined, but the merchant forced it", told(
        ended("closed", 0, -1_000), captured=1_000), (1_000, 1)),
    Case("voided: the count is kept", told(
        pending(1_000, 1_000), ended("reversed", 0, 1_000)), (0, 1)),
    Case("expired", told(pending(1_000, 1_000), ended("expired", 0, 1_000)), (0, 1)),
    Case("expired, then captured late", told(
        ended("expired", 0, 1_000), captured=1_000), (1_000, 1)),
    Case("voided, and a new request approved since", told(
        ended("reversed", 0, 1_000), reservations=(approval(200, 1),)), (200, 1)),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_counted_is(case: Case) -> None:
    counted = case.books.counted(SHOP)
    assert (counted.amount, counted.count) == case.counts
    assert (counted.cash, counted.cash_count, counted.refunded) == (0, 0, 0)


def test_a_highest_amount_seen_once_is_held_though_a_late_snapshot_told_it() -> None:
    lowered = told(pending(600, 1_000, at=5), captured=700)
    assert lowered.amount == 1_000
    # Stripe held €15 for a while, whatever the history adds up to.
    assert lowered.joined(pending(1_500, 1_000, at=2)).amount == 1_300


def test_refunds_stand_beside_what_is_counted() -> None:
    books = told(ended("closed", 1_000, 1_000), captured=1_000, refunded=400)
    assert books.counted(SHOP) == Counted(amount=1_000, refunded=400, count=1)


# --- cash


@pytest.mark.parametrize(
    ("amount", "cashback", "place", "cash"),
    [
        (1_000, 0, SHOP, 0),
        (1_000, 300, SHOP, 300),
        (1_000, 1_000, SHOP, 1_000),
        (200, 300, SHOP, 200),
        (1_000, 0, CASH_MACHINE, 1_000),
        (1_000, 300, CASH_MACHINE, 1_000),
        (1_000, 0, merchant(category_code="6010"), 1_000),
        (1_000, 0, merchant(category_code="6012"), 0),
    ],
)
def test_the_cash_in_an_amount_is_its_cash_back_or_at_a_cash_machine_all_of_it(
    amount: int, cashback: int, place: Merchant, cash: int
) -> None:
    assert cash_part(amount, cashback, place) == cash


def with_cash(amount: int, cashback: int, approved: bool = True) -> HistoryEntry:
    return HistoryEntry(amount, approved=approved, created=0, cashback=cashback)


@pytest.mark.parametrize(
    ("books", "place", "counted"),
    [
        (Books(reservations=(approval(1_000, cashback=300),)), SHOP, (1_000, 300, 1, 1)),
        (Books(reservations=(approval(1_000),)), CASH_MACHINE, (1_000, 1_000, 1, 1)),
        (told(Snapshot(1, "pending", 1_000, (with_cash(1_000, 300),))), SHOP, (1_000, 300, 1, 1)),
        # Not approved: no cash was paid out.
        (told(Snapshot(1, "closed", 0, (with_cash(1_000, 300, False),))), SHOP, (0, 0, 0, 0)),
        # Goods first, then goods with cash-back.
        (
            told(
                Snapshot(1, "pending", 1_000, (with_cash(1_000, 0),)),
                reservations=(approval(500, 1, cashback=200),),
            ),
            SHOP,
            (1_500, 200, 1, 1),
        ),
        # Lowered below its cash-back: what is left is cash.
        (told(Snapshot(1, "pending", 100, (with_cash(1_000, 300),))), SHOP, (100, 100, 1, 1)),
        # Voided: no cash any more, but it was a purchase with cash.
        (told(Snapshot(1, "reversed", 0, (with_cash(1_000, 300),))), SHOP, (0, 0, 1, 1)),
    ],
)
def test_limits_on_cash_see(books: Books, place: Merchant, counted: tuple[int, ...]) -> None:
    found = books.counted(place)
    assert (found.amount, found.cash, found.count, found.cash_count) == counted
