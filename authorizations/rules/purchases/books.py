"""The state of one authorization, and what it counts for against limits.

AuthorizationState joins Stripe's snapshots and transactions with our own responses. Events may
arrive late, repeated or out of order: the joined state is the same. Adjustments by operators are
kept separately.
"""

from bisect import insort
from collections.abc import Container, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

from authorizations.rules.basics.copies import changed
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
    """Our response to one request of the authorization.

    `request_index` is the position of the request in the authorization, from 0. `event_id` is the
    id of the decision: the id of the event, except for a second response to the same event. `at`
    is the `created` of the request's event. `amount` is what an approval reserves, in the card's
    smallest unit. It exceeds `asked` only at a fuel pump, which requests a token amount. A
    response that an operator has `released` reserves nothing.
    """

    request_index: int
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
    """When the latest snapshot showed the authorization over, and with which status."""

    at: int
    status: str


NO_END = End(-1, "")


@dataclass(frozen=True)  # no slots: `totals` is cached in __dict__
class AuthorizationState:
    """The state of one authorization.

    `furthest` is the snapshot with the greatest progress, and `uncaptured` the furthest one that
    lists no capture (None if `furthest` lists none). `end` is the latest time the authorization
    was over. `highest` is the largest amount held in any snapshot, and `lapsed` is whether any
    snapshot shows it expired or reversed. `answers` are our responses, unique by request and
    event; `transactions` are unique by id. An operator's release applies until a snapshot goes
    beyond `released_at`. `adjusted` is what operators added to the counted amount, negative if
    they took something off.
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

    def _with(self, **changes: Any) -> "AuthorizationState":
        copy = changed(self, **changes)
        vars(copy).pop("totals", None)
        vars(copy).pop("_counted", None)
        return copy

    # --- what is received

    def joined(self, snapshot: Snapshot) -> "AuthorizationState":
        """Add a snapshot. Idempotent and independent of order."""
        furthest = _further(self.furthest, snapshot)
        uncaptured = self._before_captures
        if snapshot.captured is None:
            uncaptured = _further(uncaptured, snapshot)
        end = self.end
        # A declined authorization holds nothing that could end.
        if snapshot.is_over and not snapshot.is_declined:
            end = max(End(snapshot.at, snapshot.status), end or NO_END)
        return self._with(
            furthest=furthest,
            uncaptured=None if furthest.captured is None else uncaptured,
            end=end,
            highest=max(self.highest, snapshot.held_amount),
            lapsed=self.lapsed or snapshot.status in LAPSED,
        )

    def requesting(
        self, request_index: int, amount: int = 0, cashback: int = 0
    ) -> "AuthorizationState":
        """Return the state against which a request for `amount` is decided.

        An approval would add all of `amount`. An earlier approval of the same request therefore
        counts only for what exceeds `amount`, and the hold of a fuel pump not at all: the new
        approval replaces it.
        """
        if self.is_confirmed_by_stripe(request_index):
            return self
        before = [a for a in self._reserving if a.request_index == request_index]
        beyond = OurResponse(
            request_index,
            event_id="",
            at=self.end.at if self.end else 0,
            approved=True,
            amount=max([0, *(a.amount - amount for a in before)]),
            asked=amount,
            cashback=max([0, *(a.cashback - cashback for a in before)]),
        )
        others = (a for a in self.answers if a.request_index != request_index)
        return self._with(answers=_in_order(*others, beyond))

    def with_response(self, response: OurResponse) -> "AuthorizationState":
        """Add a response of ours; a corrected one replaces that of the same event.

        If several events ask the same request, each gets a response, and we don't know which one
        Stripe used. Until Stripe reports the outcome, the largest approval counts.
        """
        key = (response.request_index, response.event_id)
        others = (a for a in self.answers if (a.request_index, a.event_id) != key)
        return self._with(answers=_in_order(*others, response))

    def with_transaction(self, transaction: TransactionSnapshot) -> "AuthorizationState":
        """Add a version of a transaction; the newest version of each transaction counts."""
        newest = max([transaction, *(t for t in self.transactions if t.id == transaction.id)])
        kept = [t for t in self.transactions if t.id != transaction.id]
        insort(kept, newest)  # they are sorted: an authorization can have a thousand
        return self._with(transactions=tuple(kept))

    def with_transactions(
        self, transactions: Iterable[TransactionSnapshot]
    ) -> "AuthorizationState":
        """Add several, as `with_transaction` does for one."""
        newest = {t.id: t for t in self.transactions}
        for transaction in transactions:
            newest[transaction.id] = max(transaction, newest.get(transaction.id, transaction))
        return self._with(transactions=tuple(sorted(newest.values())))

    def without_transactions(self, ids: Container[str]) -> "AuthorizationState":
        """Remove transactions that turned out to belong to a different authorization."""
        kept = tuple(t for t in self.transactions if t.id not in ids)
        return self._with(transactions=kept)

    # --- what operators adjust

    def released(self) -> "AuthorizationState":
        """Release everything that is held and not captured."""
        answers = tuple(replace(a, released=True) for a in self.answers)
        return self._with(answers=answers, released_at=self.furthest)

    def adjusted_by(self, amount: int) -> "AuthorizationState":
        """Count `amount` more, or less if it is negative."""
        return self._with(adjusted=self.adjusted + amount)

    # --- what follows from it

    @property
    def history(self) -> tuple[RequestHistoryEntry, ...]:
        return self.furthest.history if self.furthest else ()

    @property
    def status(self) -> str:
        """Stripe's status; "" before the first snapshot."""
        if self.furthest is None:
            return ""
        if self.end and self.is_over and not self.furthest.is_over:
            return self.end.status
        return self.furthest.status

    @property
    def is_over(self) -> bool:
        """Whether everything that is not captured is released.

        The snapshot that ends the authorization may have a shorter history than an earlier one:
        it ends all that was reported and requested before it. A request of the same second still
        counts.
        """
        furthest = self.furthest
        if furthest is None:
            return False
        return furthest.is_over or (self.end is not None and furthest.at < self.end.at)

    def is_ended(self, response: OurResponse) -> bool:
        """Whether the authorization ended after this request."""
        return self.end is not None and response.at < self.end.at

    def is_confirmed_by_stripe(self, request_index: int) -> bool:
        """Whether Stripe has reported the outcome of this request."""
        return request_index < len(self.history)

    def answers_to(self, request_index: int) -> tuple[OurResponse, ...]:
        return tuple(a for a in self.answers if a.request_index == request_index)

    def answer_to(self, request_index: int) -> OurResponse | None:
        """The response that counts: of several, the largest approval."""
        answers = self.answers_to(request_index)
        return max(answers, key=lambda a: (a.approved, a.amount, a.event_id), default=None)

    def approved_for(self, request_index: int) -> int:
        """What our approvals of this request reserve until Stripe reports its outcome."""
        reserving = (a.amount for a in self._reserving if a.request_index == request_index)
        return max(reserving, default=0)

    @property
    def unconfirmed(self) -> int:
        """What our approvals reserve whose outcome Stripe has not reported yet."""
        return self.totals.unconfirmed

    @property
    def captured(self) -> int:
        return self.totals.captured

    @property
    def refunded(self) -> int:
        """At most what was captured: the rest belongs to a different authorization."""
        return self.totals.refunded

    @property
    def cashback(self) -> int:
        """The cashback in everything approved or captured."""
        return self.totals.cashback

    @property
    def ceiling(self) -> int:
        """The largest amount Stripe ever held: an upper bound for a pending authorization."""
        approved = self.furthest.approved_amount if self.furthest else 0
        return max(approved, self.highest)

    @property
    def amount(self) -> int:
        """What limits count, before refunds."""
        return self.totals.amount

    @property
    def held(self) -> int:
        """What is counted beyond what was captured: the money on hold."""
        return self.totals.held

    def counted(self, merchant: Merchant) -> CountedUsage:
        """What limits count for a purchase at this merchant; computed once, as `totals` are."""
        known: tuple[Merchant, CountedUsage] | None = vars(self).get("_counted")
        if known is None or known[0] is not merchant:
            known = merchant, self.totals.counted(merchant)
            vars(self)["_counted"] = known
        return known[1]

    @cached_property
    def totals(self) -> "StateTotals":
        """All figures at once, computed once per state.

        The cache is not part of the value: it is neither compared nor stored, and a changed copy
        computes its own.
        """
        return self._totals_of_answers if self._is_unreported else self.all_totals

    @property
    def _is_unreported(self) -> bool:
        """Whether there is nothing but our answers, as before Stripe's first report."""
        furthest = self.furthest
        return not (
            self.transactions
            or self.end
            or self.highest
            or self.uncaptured
            or self.released_at
            or self.adjusted
        ) and (
            furthest is None
            or not (
                furthest.history
                or furthest.amount
                or furthest.held
                or furthest.cashback
                or furthest.captured is not None
                or furthest.is_over
            )
        )

    @property
    def _totals_of_answers(self) -> "StateTotals":
        """The figures of an unreported authorization: as `all_totals`, in less time."""
        reserving = [a for a in self.answers if a.is_reserving]
        unconfirmed = _largest_each((a.request_index, a.amount) for a in reserving)
        return StateTotals(
            captured=0,
            unconfirmed=unconfirmed,
            refunded=0,
            held=unconfirmed,
            amount=unconfirmed,
            cashback=_largest_each((a.request_index, a.cashback) for a in reserving),
            is_counted=any(a.approved and a.amount for a in self.answers),
        )

    @property
    def all_totals(self) -> "StateTotals":
        """The figures of any authorization; `totals` are the same, kept and sooner had."""
        captured = max(0, sum([t.captured for t in self.transactions]))
        reserving = self._reserving
        unconfirmed = _largest_each((a.request_index, a.amount) for a in reserving)
        furthest = self.furthest
        if furthest is None:
            held_or_captured = max(captured, unconfirmed)
        elif self.is_over or furthest == self.released_at:
            held_or_captured = captured + unconfirmed
        else:
            fuel = 0 if captured else self._fuel_held
            reported = max(self._reported_by(furthest), fuel)
            held_or_captured = max(captured, reported + unconfirmed)
        amount = max(0, held_or_captured + self.adjusted)
        refunds = max(0, sum([t.refunded for t in self.transactions]))
        cashback = furthest.approved_cashback if furthest else 0
        cashback += _largest_each((a.request_index, a.cashback) for a in reserving)
        # Whether we approved money for a request whose outcome Stripe has not reported.
        awaits_outcome = any(
            a.approved and a.amount and not self.is_confirmed_by_stripe(a.request_index)
            for a in self.answers
        )
        return StateTotals(
            captured=captured,
            unconfirmed=unconfirmed,
            refunded=min(refunds, captured, amount),
            held=max(0, held_or_captured - captured),
            amount=amount,
            # Cash taken by a force capture counts too.
            cashback=max(cashback, sum([t.cashback for t in self.transactions if t.is_capture])),
            is_counted=bool(held_or_captured or self.ceiling or awaits_outcome or self._pump),
        )

    def _reported_by(self, furthest: Snapshot) -> int:
        """What is held or captured according to the furthest snapshot alone.

        Balance transactions say what is held. Without them, `amount` does: according to Stripe's
        beta migration guide it does not fall at a capture. In case it does fall, what was held
        before any capture is the upper bound.
        """
        listed = max(0, furthest.captured or 0)
        if furthest.held is not None:
            return listed + furthest.held
        highest = self.ceiling
        if before := self._before_captures:
            later = self.history[len(before.history) :]
            highest = before.held_amount + sum(entry.amount for entry in later if entry.approved)
        return max(listed, min(furthest.held_amount + listed, highest))

    @property
    def _before_captures(self) -> Snapshot | None:
        """The furthest snapshot that lists no capture."""
        if self.furthest and self.furthest.captured is None:
            return self.furthest
        return self.uncaptured

    @property
    def _reserving(self) -> list[OurResponse]:
        """Our approvals, requested since the end if any, whose outcome is not reported yet."""
        return [
            a
            for a in self.answers
            if a.is_reserving
            and not self.is_confirmed_by_stripe(a.request_index)
            and not self.is_ended(a)
        ]

    @property
    def _fuel_held(self) -> int:
        """What a fuel pump may still take, until Stripe reports more than its token amount.

        A declined request for more changes nothing: the pump may still be running.
        """
        holding = [a for a in self._pump if a.is_reserving]
        if self.furthest is None or not holding:
            return 0
        reported = max(self.furthest.amount, self.furthest.held or 0)
        more = [entry.approved for entry in self.history[1:]]
        more += [a.approved for a in self.answers if a.request_index >= max(1, len(self.history))]
        if reported > max(a.asked for a in holding) or any(more):
            return 0
        return max(a.amount for a in holding)

    @property
    def _pump(self) -> list[OurResponse]:
        """Approvals of more than a fuel pump requested, once Stripe reports it approved."""
        if not self.history[:1] or not self.history[0].approved:
            return []
        return [a for a in self.answers_to(0) if a.amount > a.asked]


class StateTotals(NamedTuple):
    """The figures of an AuthorizationState, each explained at its property of the same name.

    `is_counted` is whether count limits include the purchase: from its first approval on, even if
    everything is released later.
    """

    captured: int
    unconfirmed: int
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
    return tuple(sorted(answers, key=lambda a: (a.request_index, a.event_id)))


def _largest_each(amounts: Iterable[tuple[int, int]]) -> int:
    """The sum of the largest amount of each request, given (request index, amount) pairs."""
    largest: dict[int, int] = {}
    for request_index, amount in amounts:
        largest[request_index] = max(amount, largest.get(request_index, 0))
    return sum(largest.values())
