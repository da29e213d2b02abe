"""Whole lives, told step by step: what counts is what was captured and what still may be.

Each is played under both readings of Stripe's `amount` (it stays at a capture, or falls), with and
without balance transactions, and with each capture told before or after the snapshot that lists it.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authorizations.rules.purchases.books import AuthorizationState, OurResponse
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.rules.purchases.reports import AuthorizationReport, TransactionReport
from authorizations.wire import events, reports
from simulator.stripe import samples
from tests.rules.deciding import THOROUGHLY
from tests.support import lives
from tests.support.builders import CREATED

NOTHING_YET = AuthorizationState()

Heard: TypeAlias = samples.Json | OurResponse


def hear(books: AuthorizationState, heard: Heard) -> AuthorizationState:
    """The books with one event more, or one answer of ours."""
    if isinstance(heard, OurResponse):
        return books.with_response(heard)
    event = events.read(samples.to_bytes(heard))
    told = (
        events.authorization_request(event)
        if event.type == events.AUTHORIZATION_REQUEST
        else reports.report(event)
    )
    if isinstance(told, TransactionReport):
        return books.with_transaction(told.transaction)
    assert isinstance(told, AuthorizationRequest | AuthorizationReport)
    for transaction in told.transactions:
        books = books.with_transaction(transaction)
    return books.joined(told.snapshot)


def all_of(heard: Iterable[Heard], books: AuthorizationState = NOTHING_YET) -> AuthorizationState:
    for one in heard:
        books = hear(books, one)
    return books


class Way(NamedTuple):
    """Which of the ways Stripe may tell a life."""

    falls: bool
    balances: bool
    snapshot_first: bool


ways = st.builds(Way, *(st.booleans() for _ in Way._fields))
EVERY_WAY = [
    Way(falls, balances, snapshot_first)
    for falls in (True, False)
    for balances in (True, False)
    for snapshot_first in (True, False)
]


class Played:
    """A life step by step; each step gives what is heard of it, in the order it is heard."""

    def __init__(self, amount: int, way: Way) -> None:
        self.way = way
        self.life = lives.life(amount, balances=way.balances)
        self.at = CREATED
        self.captured = 0
        self.beyond = 0  # what was captured beyond what was open
        self.forgotten = 0  # so much of it, once more is approved
        self.is_lowered_since = False  # since a capture

    @property
    def is_open(self) -> bool:
        return bool(self.life.kept["status"] == "pending")

    @property
    def counts(self) -> int:
        """What is gone, and what still may go."""
        return self.captured + self.life.open

    def tick(self) -> int:
        self.at += 60
        return self.at

    def asks(self, amount: int, granted: int) -> Iterator[Heard]:
        """A request of which so much is granted."""
        yield self.life.ask(amount, at=self.tick())
        request_index = len(self.life.kept["request_history"])
        yield OurResponse(
            request_index, f"evt_{request_index}", self.at, granted > 0, granted, amount
        )
        self.forgotten = self.beyond if granted else self.forgotten
        named = granted or amount
        yield self.life.answered(approved=granted > 0, amount=named, at=self.tick())

    def holds(self, amount: int) -> Iterator[Heard]:
        """The merchant lowers or raises the hold to so much."""
        self.is_lowered_since |= bool(self.captured) and amount < self.life.open
        change = amount - self.life.open
        yield self.life.set_amount(max(0, self.life.amount + change), at=self.tick())

    def captures(self, amount: int, *, close: bool) -> Iterator[Heard]:
        self.captured += amount
        self.beyond += max(0, amount - self.life.open)
        told = self.life.capture(amount, at=self.tick(), close=close, lowers_amount=self.way.falls)
        yield from reversed(told) if self.way.snapshot_first else told

    def ends(self, how: str) -> Iterator[Heard]:
        yield (
            self.life.expire(at=self.tick())
            if how == "expire"
            else self.life.reverse(at=self.tick())
        )


steps = st.one_of(
    st.tuples(st.just("ask"), st.integers(1, 50), st.integers(0, 50)),
    st.tuples(st.just("lower"), st.integers(0, 99), st.just(0)),
    st.tuples(st.just("raise"), st.integers(1, 40), st.just(0)),
    st.tuples(st.just("capture"), st.integers(1, 130), st.just(0)),
    st.tuples(st.just("capture and close"), st.integers(1, 130), st.just(0)),
    st.tuples(st.sampled_from(["expire", "void"]), st.just(0), st.just(0)),
)


def step_of(played: Played, name: str, figure: int, granted: int) -> Iterator[Heard]:
    if name == "ask" and (played.is_open or not played.captured):
        return played.asks(figure, min(figure, granted))
    if name.startswith("capture"):
        amount = max(1, played.life.open * figure // 100)
        return played.captures(amount, close=name != "capture" or not played.is_open)
    if not played.is_open:
        return iter(())
    if name == "lower":
        return played.holds(played.life.open * figure // 100)
    # Raised without a request after a capture, only balance transactions tell it apart.
    if name == "raise":
        can_be_told = not played.captured or played.way.balances
        return played.holds(played.life.open + figure) if can_be_told else iter(())
    return played.ends(name)


@THOROUGHLY
@given(st.integers(1, 100), ways, st.lists(steps, max_size=7), st.data())
def test_what_counts_is_what_was_captured_and_what_still_may_be(
    first: int, way: Way, drawn: list[tuple[str, int, int]], data: st.DataObject
) -> None:
    played = Played(first, way)
    books, heard = AuthorizationState(), list[Heard]()
    for name, figure, granted in [("ask", first, first), *drawn]:
        for one in step_of(played, name, figure, granted):
            heard.append(one)
            books = hear(books, one)
        least = most = played.counts
        if not way.balances:
            # What was captured beyond the hold is not in the amount, nor in what was approved.
            least = max(played.captured, least - played.forgotten)
            # Where the amount stays, nothing tells what was lowered from what was captured.
            most += played.life.amount if played.is_lowered_since and not way.falls else 0
        assert least <= books.amount <= most, (name, books)
        assert books.held == books.amount - played.captured
    again = data.draw(st.lists(st.sampled_from(heard), max_size=4), label="again")
    assert all_of(data.draw(st.permutations(heard + again), label="told")) == books


# --- as an accountant reads them


def play(way: Way, first: int, *told: str | int) -> list[int]:
    """Approve `first`, then step by step; what counts after each, in cents.

    "hold", n: the merchant holds so much now. "ask", n: n more are approved. "take", n: so much
    is captured and the authorization stays open. "close", n: captured, and closed.
    """
    played, books, counts = Played(first, way), AuthorizationState(), list[int]()
    words = iter(("ask", first, *told))
    for name in words:
        amount = int(next(words))
        if name == "ask":
            happened = played.asks(amount, amount)
        elif name == "hold":
            happened = played.holds(amount)
        else:
            happened = played.captures(amount, close=name == "close")
        books = all_of(happened, books)
        counts.append(books.amount)
    return counts


@pytest.mark.parametrize("way", EVERY_WAY, ids=str)
@pytest.mark.parametrize(
    ("told", "counts"),
    [
        # 100.00 held, lowered to 60.00; 40.00 of it captured: 60.00 is gone or can go.
        ((10_000, "hold", 6_000, "take", 4_000), [10_000, 6_000, 6_000]),
        # A pump holds 100.00, then the 42.30 that flowed, which are captured.
        ((10_000, "hold", 4_230, "take", 4_230), [10_000, 4_230, 4_230]),
        # A hotel: 500.00, 200.00 and 100.00 more, lowered to 640.00 and captured.
        (
            (50_000, "ask", 20_000, "ask", 10_000, "hold", 64_000, "take", 64_000),
            [50_000, 70_000, 80_000, 64_000, 64_000],
        ),
        # Undone, held again at 25.00, captured.
        ((5_000, "hold", 0, "hold", 2_500, "take", 2_500), [5_000, 0, 2_500, 2_500]),
        # Three parcels of an order of 90.00 that was lowered to 80.00: open for weeks.
        (
            (9_000, "hold", 8_000, "take", 3_000, "take", 2_000, "close", 2_500),
            [9_000, 8_000, 8_000, 8_000, 7_500],
        ),
        # Captured in part, more approved since, and that captured too.
        (
            (6_000, "take", 2_000, "ask", 1_500, "take", 5_500),
            [6_000, 6_000, 7_500, 7_500],
        ),
        # A tip of 10.00 on 50.00, told before the authorization is closed.
        ((5_000, "take", 6_000), [5_000, 6_000]),
    ],
)
def test_what_counts_step_by_step(
    way: Way, told: tuple[int, *tuple[str | int, ...]], counts: list[int]
) -> None:
    assert play(way, *told) == counts


def test_a_hold_lowered_after_a_capture_is_never_counted_short() -> None:
    """100.00 held, 40.00 captured, the rest lowered to 10.00: 50.00 is gone or can go.

    Where `amount` stays at a capture, 50.00 might as well be what is left of 90.00.
    """
    for way in EVERY_WAY:
        counts = play(way, 10_000, "take", 4_000, "hold", 1_000, "close", 1_000)
        known = way.balances or way.falls
        assert counts == [10_000, 10_000, 5_000 if known else 9_000, 5_000], way
