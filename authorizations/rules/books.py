"""What one authorization counts for, whatever arrived of it and in which order.

Stripe tells an authorization's life in snapshots that come late, twice and out of order. Books
is a join of all of them with our own approvals: any order and any repetition gives the same.
"""

from dataclasses import dataclass, replace

from authorizations.rules.filters import LimitFilter, Merchant

STATUS_ORDER = {"pending": 0, "expired": 1, "reversed": 2, "closed": 3}
"""Of two snapshots alike in history and time the later status wins; an unknown one is furthest."""

_OVER = STATUS_ORDER.keys() - {"pending"}
"""What is held then is given back; a status we don't know may still hold it."""


@dataclass(frozen=True, slots=True, order=True)
class HistoryEntry:
    """One request of the authorization as Stripe settled it."""

    amount: int
    approved: bool
    created: int
    reason: str = ""
    cashback: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An authorization as one event showed it; `at` is the event's `created`."""

    at: int
    status: str
    amount: int
    history: tuple[HistoryEntry, ...] = ()
    transactions: int = 0

    @property
    def progress(self) -> tuple[int, int, int, str, int, int, tuple[HistoryEntry, ...]]:
        """Sorts snapshots of one authorization by how far along its life they are.

        Down to the last detail, so that of two different ones the same is always the furthest.
        """
        rank = STATUS_ORDER.get(self.status, len(STATUS_ORDER))
        return (
            len(self.history),
            self.at,
            rank,
            self.status,
            self.transactions,
            self.amount,
            self.history,
        )

    @property
    def approved_amount(self) -> int:
        return sum(entry.amount for entry in self.history if entry.approved)


@dataclass(frozen=True, slots=True)
class Reservation:
    """An approval of ours for the request with this ordinal, not yet seen in any snapshot."""

    event_id: str
    ordinal: int
    amount: int
    cashback: int = 0


@dataclass(frozen=True, slots=True)
class Counted:
    """What limits see of a purchase: amount, the cash in it, refunds, and whether it is one.

    `cash_count` is what limits on cash alone count it for.
    """

    amount: int = 0
    cash: int = 0
    refunded: int = 0
    count: int = 0
    cash_count: int = 0

    def __sub__(self, other: "Counted") -> "Counted":
        return Counted(
            self.amount - other.amount,
            self.cash - other.cash,
            self.refunded - other.refunded,
            self.count - other.count,
            self.cash_count - other.cash_count,
        )

    def __bool__(self) -> bool:
        return self != NOTHING

    def seen_by(self, concern: LimitFilter, merchant: Merchant) -> tuple[int, int, int]:
        """Amount, refunds and count that a limit with this filter measures of the purchase."""
        if not concern.concerns(merchant):
            return 0, 0, 0
        if concern.cash_only:
            # Goods sent back restore no cash.
            return self.cash, self.refunded if merchant.is_cash else 0, self.cash_count
        return self.amount, self.refunded, self.count


NOTHING = Counted()


def cash_part(amount: int, cashback: int, merchant: Merchant) -> int:
    """How much of `amount` is cash: all of it, or at most the cash-back approved with it."""
    return amount if merchant.is_cash else min(amount, cashback)


@dataclass(frozen=True, slots=True)
class Books:
    """The state of one authorization.

    `furthest` is the furthest snapshot seen, `highest` the largest amount in any snapshot;
    `captured` and `refunded` are sums of its transactions.
    """

    furthest: Snapshot | None = None
    highest: int = 0
    reservations: tuple[Reservation, ...] = ()
    captured: int = 0
    refunded: int = 0

    def covers(self, ordinal: int) -> bool:
        """Whether Stripe has already told how the request with this ordinal ended."""
        return self.furthest is not None and ordinal < len(self.furthest.history)

    def joined(self, snapshot: Snapshot) -> "Books":
        """With one more snapshot: idempotent, and the same in any order."""
        furthest = self.furthest
        if furthest is None or snapshot.progress > furthest.progress:
            furthest = snapshot
        covered = len(furthest.history)
        return replace(
            self,
            furthest=furthest,
            highest=max(self.highest, snapshot.amount),
            reservations=tuple(r for r in self.reservations if r.ordinal >= covered),
        )

    def released(self, ordinal: int) -> "Books":
        """Without the reservation for this ordinal: Stripe asks the same question anew."""
        kept = tuple(r for r in self.reservations if r.ordinal != ordinal)
        return replace(self, reservations=kept)

    def reserved(self, reservation: Reservation) -> "Books":
        """With one more approval of ours; one whose ordinal is covered takes nothing."""
        if self.covers(reservation.ordinal):
            return self
        kept = self.released(reservation.ordinal).reservations
        return replace(self, reservations=(*kept, reservation))

    @property
    def uncovered(self) -> int:
        return sum(r.amount for r in self.reservations)

    @property
    def cashback(self) -> int:
        """The cash-back among all that is approved."""
        history = self.furthest.history if self.furthest else ()
        settled = sum(entry.cashback for entry in history if entry.approved)
        return settled + sum(r.cashback for r in self.reservations)

    @property
    def ceiling(self) -> int:
        """The most that Stripe ever held: bounds what a pending authorization can count for."""
        approved = self.furthest.approved_amount if self.furthest else 0
        return max(approved, self.highest)

    @property
    def amount(self) -> int:
        """What limits count, before refunds."""
        if self.furthest is None:
            return max(self.captured, self.uncovered)
        if self.furthest.status in _OVER:
            return self.captured + self.uncovered
        # Stripe's object may or may not lower `amount` at a partial capture, and a closing
        # update may come after its transaction: the ceiling holds either way.
        held = min(self.furthest.amount + self.captured, self.ceiling) + self.uncovered
        return max(self.captured, held)

    def counted(self, merchant: Merchant) -> Counted:
        """What limits see of a purchase at this merchant."""
        amount = self.amount
        count = int(bool(self.ceiling or self.uncovered or self.captured))
        return Counted(
            amount=amount,
            cash=cash_part(amount, self.cashback, merchant),
            refunded=self.refunded,
            count=count,
            cash_count=count if merchant.is_cash or self.cashback else 0,
        )
