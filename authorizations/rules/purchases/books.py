"""What one authorization counts for, whatever arrived of it and in which order.

Books is a join of Stripe's snapshots and transactions with our own answers: any order and any
repetition gives the same. What operators book by hand stands beside it.
"""

from bisect import insort
from collections.abc import Container, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from authorizations.rules.basics.filters import Merchant
from authorizations.rules.purchases.counted import CountedUsage, cash_part
from authorizations.rules.purchases.snapshots import (
    LAPSED,
    RequestHistoryEntry,
    Snapshot,
    TransactionSnapshot,
)


@dataclass(frozen=True, slots=True)
class OurResponse:
    """What we answered the request with this ordinal.

    `event_id` is the id of the decision: that of its event, but for a second answer to the same
    event. `at` is the `created` of the event that asked. `amount` is what an approval reserves:
    more than `asked` only at a fuel pump, which asks for a token amount before the network holds
    the real one. `released` by an operator: it reserves nothing any more.
    """

    ordinal: int
    event_id: str
    at: int
    approved: bool
    amount: int = 0
    asked: int = 0
    cashback: int = 0
    released: bool = False

    @property
    def is_reserving(self) -> bool:
        return self.approved and not self.released


class End(NamedTuple):
    """The latest snapshot that showed the authorization over: when that was, and how it ended."""

    at: int
    status: str


NO_END = End(-1, "")


@dataclass(frozen=True)  # no slots: `totals` are kept beside the fields
class AuthorizationState:
    """The state of one authorization.

    `furthest` is the furthest snapshot seen, `uncaptured` the furthest of those that list no
    capture, None where that is the same one. `end` is the latest that showed it over, `highest`
    the largest amount held in any, `lapsed` whether any showed it over without money. `answers`
    are ours, a set by ordinal and event, and `transactions` a set by id. An operator's release
    holds until a snapshot goes beyond `released_at`; `adjusted` is the room operators took (or,
    below zero, gave back).
    """

    furthest: Snapshot | None = None
    uncaptured: Snapshot | None = None
    end: End | None = None
    highest: int = 0
    lapsed: bool = False
    answers: tuple[OurResponse, ...] = ()
    transactions: tuple[TransactionSnapshot, ...] = ()
    released_at: Snapshot | None = None
    adjusted: int = 0

    # --- what arrives

    def joined(self, snapshot: Snapshot) -> "AuthorizationState":
        """With one more snapshot: idempotent, and the same in any order."""
        furthest = _further(self.furthest, snapshot)
        uncaptured = self._before_captures
        if snapshot.captured is None:
            uncaptured = _further(uncaptured, snapshot)
        end = self.end
        # A decline ends nothing: there is nothing yet that could end.
        if snapshot.is_over and not snapshot.is_declined:
            end = max(End(snapshot.at, snapshot.status), end or NO_END)
        return replace(
            self,
            furthest=furthest,
            uncaptured=None if furthest.captured is None else uncaptured,
            end=end,
            highest=max(self.highest, snapshot.held_amount),
            lapsed=self.lapsed or snapshot.status in LAPSED,
        )

    def asking(self, ordinal: int, amount: int = 0, cashback: int = 0) -> "AuthorizationState":
        """While a request for so much is decided, all of which an approval would add.

        An earlier approval of the same request counts only by what it goes beyond that, and a
        fuel pump's hold not at all: a new approval takes its place.
        """
        if self.covers(ordinal):
            return self
        before = [a for a in self._reserving if a.ordinal == ordinal]
        beyond = OurResponse(
            ordinal,
            event_id="",
            at=self.end.at if self.end else 0,
            approved=True,
            amount=max([0, *(a.amount - amount for a in before)]),
            asked=amount,
            cashback=max([0, *(a.cashback - cashback for a in before)]),
        )
        others = (a for a in self.answers if a.ordinal != ordinal)
        return replace(self, answers=_in_order(*others, beyond))

    def answered(self, answer: OurResponse) -> "AuthorizationState":
        """With an answer of ours; a corrected one replaces that of the same event.

        Several events may ask one request. All answers were sent, and nobody knows which one
        arrived: until Stripe tells, the largest approval counts.
        """
        key = (answer.ordinal, answer.event_id)
        others = (a for a in self.answers if (a.ordinal, a.event_id) != key)
        return replace(self, answers=_in_order(*others, answer))

    def with_transaction(self, transaction: TransactionSnapshot) -> "AuthorizationState":
        """With one more version of a transaction: of two the newest counts."""
        newest = max([transaction, *(t for t in self.transactions if t.id == transaction.id)])
        kept = [t for t in self.transactions if t.id != transaction.id]
        insort(kept, newest)  # they are in order: a purchase can have a thousand
        return replace(self, transactions=tuple(kept))

    def with_transactions(
        self, transactions: Iterable[TransactionSnapshot]
    ) -> "AuthorizationState":
        """With all of these."""
        newest = {t.id: t for t in self.transactions}
        for transaction in transactions:
            newest[transaction.id] = max(transaction, newest.get(transaction.id, transaction))
        return replace(self, transactions=tuple(sorted(newest.values())))

    def without_transactions(self, ids: Container[str]) -> "AuthorizationState":
        """Without those that belong to another purchase after all."""
        kept = tuple(t for t in self.transactions if t.id not in ids)
        return replace(self, transactions=kept)

    # --- what operators book

    def released(self) -> "AuthorizationState":
        """With everything given back that is held and not captured."""
        answers = tuple(replace(a, released=True) for a in self.answers)
        return replace(self, answers=answers, released_at=self.furthest)

    def adjusted_by(self, amount: int) -> "AuthorizationState":
        """With so much more counted; below zero: with so much room given back."""
        return replace(self, adjusted=self.adjusted + amount)

    # --- what follows

    @property
    def history(self) -> tuple[RequestHistoryEntry, ...]:
        return self.furthest.history if self.furthest else ()

    @property
    def status(self) -> str:
        """Stripe's; "" where nothing was told yet."""
        if self.furthest is None:
            return ""
        if self.end and self.is_over and not self.furthest.is_over:
            return self.end.status
        return self.furthest.status

    @property
    def is_over(self) -> bool:
        """Whether what is not captured is given back.

        An end with a shorter history than was known before is no less an end: it ends all that
        was told and asked before it. Of the same second the request still counts.
        """
        furthest = self.furthest
        if furthest is None:
            return False
        return furthest.is_over or (self.end is not None and furthest.at < self.end.at)

    def is_ended(self, answer: OurResponse) -> bool:
        """Whether the authorization was over after this had been asked."""
        return self.end is not None and answer.at < self.end.at

    def covers(self, ordinal: int) -> bool:
        """Whether Stripe has already told how the request with this ordinal ended."""
        return ordinal < len(self.history)

    def answers_to(self, ordinal: int) -> tuple[OurResponse, ...]:
        return tuple(a for a in self.answers if a.ordinal == ordinal)

    def answer_to(self, ordinal: int) -> OurResponse | None:
        """Of several the largest approval: the one that counts."""
        answers = self.answers_to(ordinal)
        return max(answers, key=lambda a: (a.approved, a.amount, a.event_id), default=None)

    def approved_for(self, ordinal: int) -> int:
        """What our approvals of this request reserve until Stripe tells how it ended."""
        return max((a.amount for a in self._reserving if a.ordinal == ordinal), default=0)

    @property
    def uncovered(self) -> int:
        """What our approvals reserve that no snapshot covers yet."""
        return self.totals.uncovered

    @property
    def captured(self) -> int:
        return self.totals.captured

    @property
    def refunded(self) -> int:
        """Never more than was captured: what goes beyond belongs to another purchase."""
        return self.totals.refunded

    @property
    def cashback(self) -> int:
        """The cash-back among all that is approved, or captured."""
        return self.totals.cashback

    @property
    def ceiling(self) -> int:
        """The most that Stripe ever held: bounds what a pending authorization can count for."""
        approved = self.furthest.approved_amount if self.furthest else 0
        return max(approved, self.highest)

    @property
    def amount(self) -> int:
        """What limits count, before refunds."""
        return self.totals.amount

    @property
    def held(self) -> int:
        """What is counted beyond what was captured: it can still go away by itself."""
        return self.totals.held

    def counted(self, merchant: Merchant) -> CountedUsage:
        """What limits see of a purchase at this merchant."""
        return self.totals.counted(merchant)

    @cached_property
    def totals(self) -> "StateTotals":
        """All of it at once, and once for each state: most of it follows from the same few parts.

        No part of the value: it is neither compared nor written, and a changed copy adds up anew.
        """
        captured = max(0, sum([t.captured for t in self.transactions]))
        reserving = self._reserving
        uncovered = _largest_each((a.ordinal, a.amount) for a in reserving)
        held_or_captured = self._held_or_captured(captured, uncovered)
        amount = max(0, held_or_captured + self.adjusted)
        refunds = max(0, sum([t.refunded for t in self.transactions]))
        cashback = self.furthest.approved_cashback if self.furthest else 0
        cashback += _largest_each((a.ordinal, a.cashback) for a in reserving)
        return StateTotals(
            captured=captured,
            uncovered=uncovered,
            refunded=min(refunds, captured, amount),
            held=max(0, held_or_captured - captured),
            amount=amount,
            # Forced or not: cash that was taken is cash.
            cashback=max(cashback, sum([t.cashback for t in self.transactions if t.is_capture])),
            is_counted=bool(held_or_captured or self.ceiling or self._unsettled or self._pump),
        )

    def _held_or_captured(self, captured: int, uncovered: int) -> int:
        if self.furthest is None:
            return max(captured, uncovered)
        if self.is_over or self.furthest == self.released_at:
            return captured + uncovered
        fuel = 0 if captured else self._fuel_held
        return max(captured, max(self._told(self.furthest), fuel) + uncovered)

    def _told(self, furthest: Snapshot) -> int:
        """What the furthest snapshot by itself says is held or was captured of it.

        Its balance transactions tell what is held. Without them `amount` does: as Stripe's beta
        migration guide has it, it stays at a capture, but should it fall after all, what was held
        before any capture bounds it.
        """
        listed = max(0, furthest.captured or 0)
        if furthest.held is not None:
            return listed + furthest.held
        return max(listed, min(furthest.held_amount + listed, self._most_held))

    @property
    def _most_held(self) -> int:
        """What was held before any capture, and what was approved since."""
        before = self._before_captures
        if before is None:
            return self.ceiling
        later = self.history[len(before.history) :]
        return before.held_amount + sum(entry.amount for entry in later if entry.approved)

    @property
    def _before_captures(self) -> Snapshot | None:
        """The furthest snapshot that lists no capture."""
        if self.furthest and self.furthest.captured is None:
            return self.furthest
        return self.uncaptured

    @property
    def _reserving(self) -> list[OurResponse]:
        """Our approvals of which Stripe has told nothing, asked since the end if there was one."""
        return [
            a
            for a in self.answers
            if a.is_reserving and not self.covers(a.ordinal) and not self.is_ended(a)
        ]

    @property
    def _unsettled(self) -> bool:
        """Whether we approved money of which Stripe has not told whether it did."""
        return any(a.approved and a.amount and not self.covers(a.ordinal) for a in self.answers)

    @property
    def _fuel_held(self) -> int:
        """What a fuel pump may still take: until more than its token amount is told of.

        A declined request for more changes nothing: the pump may still be running.
        """
        holding = [a for a in self._pump if a.is_reserving]
        if self.furthest is None or not holding:
            return 0
        told = max(self.furthest.amount, self.furthest.held or 0)
        is_told = told > max(a.asked for a in holding)
        more = [entry.approved for entry in self.history[1:]]
        more += [a.approved for a in self.answers if a.ordinal >= max(1, len(self.history))]
        return 0 if is_told or any(more) else max(a.amount for a in holding)

    @property
    def _pump(self) -> list[OurResponse]:
        """Our approvals of more than a fuel pump asked for, once Stripe tells that it counts."""
        if not self.history[:1] or not self.history[0].approved:
            return []
        return [a for a in self.answers_to(0) if a.amount > a.asked]


class StateTotals(NamedTuple):
    """What an AuthorizationState comes to; each as its property with the same name.

    `is_counted`: whether it is a purchase; from its first approval, also once that is given back.
    """

    captured: int
    uncovered: int
    refunded: int
    held: int
    amount: int
    cashback: int
    is_counted: bool

    def counted(self, merchant: Merchant) -> CountedUsage:
        count = int(self.is_counted)
        return CountedUsage(
            amount=self.amount,
            cash=cash_part(self.amount, self.cashback, merchant),
            refunded=self.refunded,
            count=count,
            cash_count=count if merchant.is_cash or self.cashback else 0,
        )


def _further(one: Snapshot | None, other: Snapshot) -> Snapshot:
    return other if one is None or other.progress > one.progress else one


def _in_order(*answers: OurResponse) -> tuple[OurResponse, ...]:
    return tuple(sorted(answers, key=lambda a: (a.ordinal, a.event_id)))


def _largest_each(amounts: Iterable[tuple[int, int]]) -> int:
    """The sum over all ordinals of the largest amount of each."""
    largest: dict[int, int] = {}
    for ordinal, amount in amounts:
        largest[ordinal] = max(amount, largest.get(ordinal, 0))
    return sum(largest.values())
