"""What one authorization counts for: any order and any repetition of what arrives."""

import pickle
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authorizations.rules.basics.filters import Merchant
from authorizations.rules.purchases.books import AuthorizationState, OurResponse
from authorizations.rules.purchases.counted import CountedUsage, cash_part
from authorizations.rules.purchases.snapshots import (
    RequestHistoryEntry,
    Snapshot,
    TransactionSnapshot,
)
from authorizations.services.runtime import codec
from tests.rules.deciding import THOROUGHLY
from tests.support.builders import merchant

NOTHING_YET = AuthorizationState()
SHOP = merchant()
CASH_MACHINE = merchant(category_code="6011")

few = st.integers(0, 3)
statuses = st.sampled_from(["pending", "expired", "reversed", "closed", "a_word_of_next_year"])
entries = st.builds(
    RequestHistoryEntry, amount=few, approved=st.booleans(), created=few, cashback=st.integers(0, 1)
)
snapshots = st.builds(
    Snapshot,
    at=few,
    status=statuses,
    amount=few,
    history=st.lists(entries, max_size=3).map(tuple),
    transactions=st.integers(0, 1),
    captured=st.none() | st.integers(-1, 4),
    held=st.none() | st.none() | few,
    cashback=st.integers(0, 1),
)
answers = st.builds(
    OurResponse,
    event_id=st.sampled_from(["evt_1", "evt_2"]),
    request_index=few,
    at=few,
    approved=st.just(True),
    amount=st.integers(1, 9),
    asked=st.integers(0, 9),
    cashback=st.integers(0, 1),
) | st.builds(
    OurResponse, event_id=st.just("evt_3"), request_index=few, at=few, approved=st.just(False)
)
transactions = st.builds(
    TransactionSnapshot,
    id=st.sampled_from(["ipi_1", "ipi_2", "ipi_3"]),
    at=few,
    type=st.sampled_from(["capture", "refund", "a_type_of_next_year"]),
    amount=st.integers(-4, 4),
    created=few,
    cashback=st.integers(0, 1),
)

Step = Snapshot | OurResponse | TransactionSnapshot


def told(
    *snapshots: Snapshot, captured: int = 0, refunded: int = 0, **known: Any
) -> AuthorizationState:
    """Books after these snapshots; `known` is what they begin with."""
    books = AuthorizationState(**known)
    if captured:
        books = books.with_transaction(moved("capture", -captured))
    if refunded:
        books = books.with_transaction(moved("refund", refunded))
    return after(snapshots, books)


def moved(type_: str, amount: int) -> TransactionSnapshot:
    return TransactionSnapshot(f"ipi_{type_}", at=1, type=type_, amount=amount, created=1)


def after(steps: Iterable[Step], books: AuthorizationState = NOTHING_YET) -> AuthorizationState:
    for step in steps:
        match step:
            case Snapshot():
                books = books.joined(step)
            case OurResponse():
                books = books.with_response(step)
            case TransactionSnapshot():
                books = books.with_transaction(step)
    return books


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
    st.lists(answers, max_size=5, unique_by=lambda answer: (answer.request_index, answer.event_id)),
    st.lists(transactions, max_size=4),
    st.data(),
)
def test_any_order_and_repetition_of_all_that_arrives_ends_in_the_same_books(
    heard: list[Snapshot],
    given: list[OurResponse],
    money: list[TransactionSnapshot],
    data: st.DataObject,
) -> None:
    steps: list[Step] = [*heard, *given, *money]
    again = data.draw(st.lists(st.sampled_from(steps), max_size=4)) if steps else []
    assert after(data.draw(st.permutations(steps + again))) == after(steps)


nothing_reported = st.builds(
    Snapshot,
    at=few,
    status=statuses,
    amount=st.integers(0, 1),
    held=st.none() | st.integers(0, 1),
    cashback=st.integers(0, 1),
)
any_answers = answers | st.builds(
    OurResponse,
    event_id=st.just("evt_4"),
    request_index=few,
    at=few,
    approved=st.booleans(),
    amount=few,
    asked=few,
    cashback=few,
    released=st.booleans(),
)


@THOROUGHLY
@given(
    st.lists(nothing_reported | snapshots, max_size=1),
    st.lists(any_answers, max_size=3),
    st.lists(transactions, max_size=1),
    st.sampled_from([0, 0, 0, 2]),
)
def test_what_only_answers_make_is_added_up_in_short_to_the_same(
    heard: list[Snapshot],
    given: list[OurResponse],
    money: list[TransactionSnapshot],
    adjusted: int,
) -> None:
    books = after([*heard, *given, *money]).adjusted_by(adjusted)
    assert books.totals == books.all_totals
    assert books.released().totals == books.released().all_totals


@THOROUGHLY
@given(
    st.lists(snapshots, max_size=3),
    st.lists(answers, max_size=3),
    st.lists(transactions, max_size=4),
    st.sampled_from([SHOP, CASH_MACHINE]),
)
def test_whatever_arrives_what_is_counted_makes_sense(
    heard: list[Snapshot],
    given: list[OurResponse],
    money: list[TransactionSnapshot],
    place: Merchant,
) -> None:
    books = after([*heard, *given, *money])
    counted = books.counted(place)
    assert 0 <= counted.cash <= counted.amount
    assert 0 <= counted.refunded <= counted.amount
    assert books.captured <= counted.amount == books.captured + books.held
    assert 0 <= counted.cash_count <= counted.count <= 1
    # What is held is held by an authorization that counts.
    assert counted.count or not counted.amount


@pytest.mark.parametrize(
    ("furthest", "behind"),
    [
        ({"history": (RequestHistoryEntry(1, approved=False, created=0),)}, {"at": 9, "amount": 9}),
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
        Snapshot(1, "pending", 500, (RequestHistoryEntry(500, approved=approved, created=1),))
        for approved in (True, False)
    ]
    assert told(*both) == told(*reversed(both))


# --- reservations: approvals of ours that Stripe has not yet told of


def history(*amounts: int) -> tuple[RequestHistoryEntry, ...]:
    """Requests as Stripe settled them; a negative amount was not approved."""
    return tuple(
        RequestHistoryEntry(abs(amount), approved=amount > 0, created=place)
        for place, amount in enumerate(amounts)
    )


def pending(amount: int, *settled: int, at: int = 1, **told: Any) -> Snapshot:
    return Snapshot(at, "pending", amount, history(*settled), **told)


def ended(status: str, amount: int, *settled: int) -> Snapshot:
    return Snapshot(9, status, amount, history(*settled))


def approval(amount: int, request_index: int = 0, **facts: Any) -> OurResponse:
    facts = dict[str, Any]({"event_id": f"evt_{request_index}", "at": 0, "asked": amount}) | facts
    return OurResponse(request_index=request_index, approved=True, amount=amount, **facts)


def test_totals_that_were_added_up_are_no_part_of_a_state() -> None:
    state = NOTHING_YET.with_response(approval(500))
    fresh = NOTHING_YET.with_response(approval(500))
    assert state.totals is state.totals
    assert state.counted(SHOP) is state.counted(SHOP)
    assert state.counted(SHOP).cash == 0
    assert state.counted(CASH_MACHINE).cash == 500
    assert (state, hash(state), repr(state)) == (fresh, hash(fresh), repr(fresh))
    assert codec.to_json(state) == codec.to_json(fresh)
    assert codec.value(AuthorizationState, codec.plain(state)) == state
    assert pickle.loads(pickle.dumps(state)) == state  # noqa: S301 - written here
    assert state.adjusted_by(100).amount == state.adjusted_by(100).counted(SHOP).amount == 600


def decline(request_index: int) -> OurResponse:
    return OurResponse(request_index, f"evt_{request_index}", 0, approved=False)


def test_an_approval_is_covered_once_a_longer_history_tells_how_it_ended() -> None:
    books = told(pending(0)).with_response(approval(500))
    assert (books.is_confirmed_by_stripe(0), books.unconfirmed, books.amount) == (False, 500, 500)
    covered = books.joined(pending(500, 500))
    assert (covered.is_confirmed_by_stripe(0), covered.unconfirmed, covered.amount) == (
        True,
        0,
        500,
    )
    assert not covered.is_confirmed_by_stripe(1)


def test_a_later_approval_is_not_covered_by_the_history_before_it() -> None:
    books = told(pending(500, 500)).with_response(approval(300, request_index=1))
    assert books.joined(pending(500, 500, at=9)).amount == 800


def test_an_approval_written_late_whose_ordinal_is_covered_is_kept_and_takes_nothing() -> None:
    books = told(pending(500, 500)).with_response(approval(700))
    assert (books.answer_to(0), books.amount) == (approval(700), 500)


@pytest.mark.parametrize(
    ("given", "amount", "cash"),
    [
        ([approval(500, event_id="evt_1"), approval(200, event_id="evt_2")], 500, 0),
        ([approval(500, event_id="evt_1"), decline(0)], 500, 0),
        ([approval(500, event_id="evt_1"), approval(700, event_id="evt_2"), decline(0)], 700, 0),
        # Each figure by itself: 500 may be taken, and 100 of it in cash.
        ([approval(500, event_id="evt_1", cashback=20),
          approval(300, event_id="evt_2", cashback=100)], 500, 100),
        # Another request is another question.
        ([approval(500, event_id="evt_1"), approval(200, 1, event_id="evt_2")], 700, 0),
    ],
)  # fmt: skip
def test_of_several_answers_to_one_request_the_largest_approval_counts_until_stripe_tells(
    given: list[OurResponse], amount: int, cash: int
) -> None:
    for order in permutations(given):
        books = after(order, told(pending(0)))
        assert (books.amount, books.cashback) == (amount, cash)
    settled = [abs(amount)] * len({answer.request_index for answer in given})
    assert books.joined(pending(0, *(-amount for amount in settled), at=9)).amount == 0


def test_a_corrected_answer_takes_the_place_of_that_to_the_same_event() -> None:
    books = told(pending(0)).with_response(approval(500)).with_response(approval(200))
    assert (len(books.answers), books.amount) == (1, 200)


def test_an_answer_after_stripe_has_told_takes_nothing_and_is_kept() -> None:
    books = told(pending(0)).with_response(approval(500)).joined(pending(500, 500))
    late = books.with_response(approval(900, event_id="evt_new"))
    assert (late.amount, len(late.answers)) == (500, 2)


def test_a_released_approval_stays_released_whatever_is_answered_besides() -> None:
    released = told(pending(0)).with_response(approval(500)).released()
    assert released.with_response(OurResponse(0, "evt_new", 0, approved=False)).amount == 0
    assert released.with_response(approval(200, event_id="evt_new")).amount == 200


@pytest.mark.parametrize(
    ("request_index", "asked", "amount"),
    [(0, 500, 300), (0, 900, 300), (0, 200, 600), (0, 0, 800), (1, 300, 500), (2, 900, 800)],
)
def test_asking_again_leaves_of_an_approval_of_this_request_what_goes_beyond_it(
    request_index: int, asked: int, amount: int
) -> None:
    books = (
        told(pending(0)).with_response(approval(500)).with_response(approval(300, request_index=1))
    )
    assert books.requesting(request_index, asked).amount == amount


def test_asking_again_what_stripe_has_told_of_changes_nothing() -> None:
    books = told(pending(500, 500)).with_response(approval(500))
    assert (books.requesting(0, 500), books.approved_for(0)) == (books, 0)


# --- an end that tells less of the history than was asked


@pytest.mark.parametrize("status", ["closed", "reversed", "expired"])
@pytest.mark.parametrize(
    ("asked_at", "ended_at", "amount"), [(100, 101, 0), (100, 100, 500), (101, 100, 500)]
)
def test_an_end_without_a_history_ends_what_was_asked_before_it(
    status: str, asked_at: int, ended_at: int, amount: int
) -> None:
    """In the same second nobody knows which was first, so the approval still counts."""
    asked, end = Snapshot(asked_at, "pending", 0), Snapshot(ended_at, status, 0)
    ours = approval(500, at=asked_at)
    happened: list[Step] = [asked, end, ours]
    for order in permutations(happened):
        books = after(order)
        assert (books.amount, books.totals.is_counted) == (amount, True)


@pytest.mark.parametrize("status", ["closed", "reversed", "expired"])
def test_an_end_with_a_shorter_history_ends_what_is_held_and_asked_all_the_same(
    status: str,
) -> None:
    asked = Snapshot(100, "pending", 500, history(500))
    end = Snapshot(200, status, 0)
    more, later = approval(300, 1, at=100), approval(700, 1, at=300, event_id="evt_later")
    happened: list[Step] = [asked, end, more, moved("capture", -400)]
    for order in permutations(happened):
        books = after(order)
        assert (books.amount, books.status) == (400, status)
        assert books.with_response(later).amount == 1_100
    reopened = Snapshot(250, "pending", 600, history(500, 100))
    assert told(asked, end, reopened).amount == 600


def test_a_decline_ends_nothing_that_was_asked_besides() -> None:
    """Stripe tells of the decline after it asks again: that request is still open."""
    declined = Snapshot(103, "closed", 500, history(-500))
    assert told(declined).with_response(approval(500, 1, at=102)).amount == 500


# --- a fuel pump asks for a token amount; the network holds the real one


def pump(hold: int = 10_000) -> OurResponse:
    return approval(hold, asked=100)


FUEL = (pump(),)


@pytest.mark.parametrize(
    ("what", "books", "amount"),
    [
        ("we approved the pump", told(pending(0), answers=FUEL), 10_000),
        ("Stripe tells of the token alone", told(pending(100, 100), answers=FUEL), 10_000),
        ("Stripe tells of the real amount", told(
            pending(100, 100), pending(4_321, 100, at=2), answers=FUEL), 4_321),
        ("the network holds the real amount", told(
            pending(100, 100, held=10_000), answers=FUEL), 10_000),
        ("balance transactions tell of the token alone", told(
            pending(100, 100, held=100), answers=FUEL), 10_000),
        ("42.30 flowed and is captured", told(
            pending(100, 100), pending(4_230, 100, at=2),
            pending(4_230, 100, at=3, captured=4_230), captured=4_230, answers=FUEL), 4_230),
        ("Stripe held what we said", told(pending(10_000, 10_000), answers=FUEL), 10_000),
        ("it was not approved", told(pending(0, -100), answers=FUEL), 0),
        ("it asks for more", told(pending(100, 100), answers=FUEL).requesting(1), 100),
        ("more was declined", told(pending(100, 100, -500), answers=(*FUEL, decline(1))), 10_000),
        ("its question was asked twice", told(
            pending(100, 100), answers=(*FUEL, approval(9_000, event_id="evt_2", asked=100))),
            10_000),
        ("more was approved after Stripe had declined it", told(
            pending(100, 100, -500), answers=(*FUEL, approval(500, 1))), 10_000),
        ("more was approved", told(
            pending(100, 100), answers=(*FUEL, approval(4_000, 1))), 4_100),
        ("Stripe tells of more", told(
            pending(4_100, 100, 4_000), answers=(*FUEL, approval(4_000, 1))), 4_100),
        ("the fuel was captured", told(pending(100, 100), captured=4_321, answers=FUEL), 4_321),
        ("nobody took fuel", told(ended("reversed", 0, 100), answers=FUEL), 0),
    ],
)  # fmt: skip
def test_at_a_fuel_pump_the_hold_counts_until_the_real_amount_is_told(
    what: str, books: AuthorizationState, amount: int
) -> None:
    assert books.amount == amount, what


def test_an_approved_pump_is_a_purchase_even_where_stripe_tells_of_nothing_held() -> None:
    books = told(
        Snapshot(1, "pending", 0, (RequestHistoryEntry(0, approved=True, created=0),)), answers=FUEL
    )
    assert (books.amount, books.totals.is_counted) == (10_000, True)
    released = books.released()
    assert (released.amount, released.totals.is_counted) == (0, True)


# --- what operators book


def test_a_release_gives_back_what_is_held_until_a_later_snapshot_tells_otherwise() -> None:
    books = told(pending(1_000, 1_000), captured=300)
    released = books.released()
    assert (books.held, released.held, released.amount) == (700, 0, 300)
    assert released.joined(pending(1_000, 1_000)).amount == 300  # the same once more
    assert released.joined(pending(900, 1_000, at=0)).amount == 300  # an older one
    assert released.joined(pending(700, 1_000, at=2)).amount == 700
    assert released.joined(pending(700, 1_000, at=2, captured=300)).amount == 1_000


def test_a_release_also_gives_back_an_approval_stripe_never_told_of() -> None:
    released = told(pending(0), answers=(approval(500),)).released()
    assert (released.amount, released.totals.is_counted) == (0, True)
    assert released.joined(pending(0, at=2)).amount == 0
    assert released.joined(pending(500, 500, at=2)).amount == 500


def test_room_given_or_taken_stays_whatever_is_told_later() -> None:
    books = told(pending(1_000, 1_000)).adjusted_by(-200)
    assert books.amount == 800
    assert books.joined(ended("closed", 1_000, 1_000)).amount == 0
    assert (
        books.joined(ended("closed", 1_000, 1_000))
        .with_transaction(moved("capture", -1_000))
        .amount
        == 800
    )


# --- what is counted, case by case


@dataclass(frozen=True)
class Case:
    """`counts` is the amount, and whether the authorization is one for count limits."""

    what: str
    books: AuthorizationState
    counts: tuple[int, int]


ONE = (approval(1_000),)

CASES = [
    Case("nothing is known", AuthorizationState(), (0, 0)),
    # No snapshot yet: max(captured, our approvals).
    Case("we approved €10, Stripe has not told", AuthorizationState(answers=ONE), (1_000, 1)),
    Case("a capture came before anything else", told(captured=400), (400, 1)),
    Case("€10 approved, €4 of it captured", told(answers=ONE, captured=400), (1_000, 1)),
    Case("€10 approved, €12 captured", told(answers=ONE, captured=1_200), (1_200, 1)),
    # Pending: max(captured, what Stripe tells of by itself + our approvals).
    Case("we declined, nothing else happened", told(pending(0)), (0, 0)),
    Case("we approved €10 just now", told(pending(0), answers=ONE), (1_000, 1)),
    Case("Stripe holds the €10 we approved", told(
        pending(1_000, 1_000), answers=ONE), (1_000, 1)),
    Case("Stripe approved €10 without us", told(pending(1_000, 1_000)), (1_000, 1)),
    Case("our answer came too late, Stripe declined", told(
        pending(0, -1_000), answers=ONE), (0, 0)),
    Case("€10 held, we approved €3 more", told(
        pending(1_000, 1_000), answers=(approval(300, 1),)), (1_300, 1)),
    Case("€10 declined by timeout, then €3 approved", told(
        pending(0, -1_000), answers=(approval(300, 1),)), (300, 1)),
    Case("the merchant lowered €10 to €6", told(
        pending(1_000, 1_000), pending(600, 1_000, at=2)), (600, 1)),
    Case("lowered to 0, but still open", told(
        pending(1_000, 1_000), pending(0, 1_000, at=2)), (0, 1)),
    Case("lowered to 0 and raised by €2 of ours", told(
        pending(0, 1_000), answers=(approval(200, 1),)), (200, 1)),
    Case("€4 of €10 captured, the amount not lowered", told(
        pending(1_000, 1_000), captured=400), (1_000, 1)),
    Case("€4 of €10 captured, the amount lowered", told(
        pending(1_000, 1_000), pending(600, 1_000, at=2, captured=400), captured=400),
        (1_000, 1)),
    Case("all €10 captured, still called pending", told(
        pending(1_000, 1_000), captured=1_000), (1_000, 1)),
    Case("€12 captured of €10 held, a tip", told(
        pending(1_000, 1_000), captured=1_200), (1_200, 1)),
    Case("declined by Stripe, which tells what it declined", told(
        ended("closed", 1_000, -1_000)), (0, 0)),
    # With balance transactions it is they that tell what is held.
    Case("€4 of €10 captured, €6 on hold", told(
        pending(1_000, 1_000, captured=400, held=600), captured=400), (1_000, 1)),
    Case("€4 of €10 captured, €1 on hold, whatever the amount says", told(
        pending(1_000, 1_000, captured=400, held=100), captured=400), (500, 1)),
    Case("€10 on hold and €3 more approved by us", told(
        pending(1_000, 1_000, held=1_000), answers=(approval(300, 1),)), (1_300, 1)),
    Case("nothing on hold, all €10 captured", told(
        pending(1_000, 1_000, captured=1_000, held=0), captured=1_000), (1_000, 1)),
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
        ended("reversed", 0, 1_000), answers=(approval(200, 1, at=9),)), (200, 1)),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_counted_is(case: Case) -> None:
    counted = case.books.counted(SHOP)
    assert (counted.amount, counted.count) == case.counts
    assert (counted.cash, counted.cash_count, counted.refunded) == (0, 0, 0)


def test_where_only_captured_snapshots_are_known_the_highest_amount_bounds_the_hold() -> None:
    """All that is known: 7.00 captured, and 6.00 left of it or of 13.00, approved for 10.00."""
    captured = told(pending(600, 1_000, at=5, captured=700), captured=700)
    assert captured.amount == 1_000
    # Stripe held €15 for a while, whatever the history adds up to.
    assert captured.joined(pending(1_500, 1_000, at=4, captured=100)).amount == 1_300


def test_refunds_stand_beside_what_is_counted() -> None:
    books = told(ended("closed", 1_000, 1_000), captured=1_000, refunded=400)
    assert books.counted(SHOP) == CountedUsage(amount=1_000, refunded=400, count=1)


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


def with_cash(amount: int, cashback: int, approved: bool = True) -> RequestHistoryEntry:
    return RequestHistoryEntry(amount, approved=approved, created=0, cashback=cashback)


@pytest.mark.parametrize(
    ("books", "place", "counted"),
    [
        (AuthorizationState(answers=(approval(1_000, cashback=300),)), SHOP, (1_000, 300, 1, 1)),
        (AuthorizationState(answers=(approval(1_000),)), CASH_MACHINE, (1_000, 1_000, 1, 1)),
        (told(Snapshot(1, "pending", 1_000, (with_cash(1_000, 300),))), SHOP, (1_000, 300, 1, 1)),
        # Not approved: no cash was paid out.
        (told(Snapshot(1, "closed", 0, (with_cash(1_000, 300, False),))), SHOP, (0, 0, 0, 0)),
        # Goods first, then goods with cash-back.
        (
            told(
                Snapshot(1, "pending", 1_000, (with_cash(1_000, 0),)),
                answers=(approval(500, 1, cashback=200),),
            ),
            SHOP,
            (1_500, 200, 1, 1),
        ),
        # Told of the authorization, not of its requests: as older API versions do.
        (
            told(Snapshot(1, "pending", 1_000, history(1_000), cashback=300)),
            SHOP,
            (1_000, 300, 1, 1),
        ),
        # Of both: it is the same cash.
        (
            told(Snapshot(1, "pending", 1_000, (with_cash(1_000, 300),), cashback=300)),
            SHOP,
            (1_000, 300, 1, 1),
        ),
        # Before an approval it is what is asked for, and not paid out yet.
        (told(Snapshot(1, "pending", 0, cashback=300)), SHOP, (0, 0, 0, 0)),
        (told(Snapshot(1, "closed", 1_000, history(-1_000), cashback=300)), SHOP, (0, 0, 0, 0)),
        # Captured with cash: by force, and of a purchase that was approved with it.
        (
            after([TransactionSnapshot("ipi_1", 1, "capture", -1_000, 1, cashback=300)]),
            SHOP,
            (1_000, 300, 1, 1),
        ),
        (
            after(
                [
                    approval(1_000, cashback=300),
                    TransactionSnapshot("ipi_1", 1, "capture", -1_000, 1, cashback=300),
                ]
            ),
            SHOP,
            (1_000, 300, 1, 1),
        ),
        # Lowered below its cash-back: what is left is cash.
        (told(Snapshot(1, "pending", 100, (with_cash(1_000, 300),))), SHOP, (100, 100, 1, 1)),
        # Voided: no cash any more, but it was a purchase with cash.
        (told(Snapshot(1, "reversed", 0, (with_cash(1_000, 300),))), SHOP, (0, 0, 1, 1)),
    ],
)
def test_limits_on_cash_see(
    books: AuthorizationState, place: Merchant, counted: tuple[int, ...]
) -> None:
    found = books.counted(place)
    assert (found.amount, found.cash, found.count, found.cash_count) == counted
