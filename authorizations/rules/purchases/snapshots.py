"""What Stripe's events tell of an authorization's life: snapshots of it, and its transactions.

They come late, twice and out of order; `progress` says which of two is further along.
"""

from dataclasses import dataclass

STATUS_ORDER = {"pending": 0, "expired": 1, "reversed": 2, "closed": 3}
"""Of two snapshots alike in history and time the later status wins; an unknown one is furthest."""

OVER = STATUS_ORDER.keys() - {"pending"}
"""What is held then is given back; a status we don't know may still hold it."""

KNOWN_TYPES = frozenset({"capture", "refund"})
"""Of transactions."""

LAPSED = frozenset({"expired", "reversed"})
"""Over without money: a capture can still come, and is then late."""


@dataclass(frozen=True, slots=True, order=True)
class RequestHistoryEntry:
    """One request of the authorization as Stripe settled it.

    `message` is Stripe's reason_message: what was wrong with an answer it could not read.
    """

    amount: int
    approved: bool
    created: int
    reason: str = ""
    cashback: int = 0
    merchant_amount: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An authorization as one event showed it; `at` is the event's `created`.

    `merchant_amount` is what is held in `merchant_currency`, 0 where it is not told. `captured` is
    the sum of the captures that the event itself lists, None where it lists none. `held` is what
    its balance transactions hold, None where they don't tell. `cashback` is the cash-back told of
    the authorization as a whole.
    """

    at: int
    status: str
    amount: int
    history: tuple[RequestHistoryEntry, ...] = ()
    transactions: int = 0
    merchant_amount: int = 0
    merchant_currency: str = ""
    captured: int | None = None
    held: int | None = None
    cashback: int = 0

    @property
    def progress(self) -> tuple[object, ...]:
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
            self.merchant_amount,
            self.merchant_currency,
            self.captured is not None,
            self.captured or 0,
            self.held is not None,
            self.held or 0,
            self.cashback,
        )

    @property
    def is_over(self) -> bool:
        return self.status in OVER

    @property
    def approved_amount(self) -> int:
        return sum(entry.amount for entry in self.history if entry.approved)

    @property
    def approved_cashback(self) -> int:
        """By its requests; where none of them tells any, by the authorization as a whole.

        Before an approval that may be what is asked for.
        """
        approved = [entry.cashback for entry in self.history if entry.approved]
        return sum(approved) or (self.cashback if approved else 0)

    @property
    def is_declined(self) -> bool:
        """Whether nothing was ever approved: `amount` is then what Stripe rejected."""
        return bool(self.history) and not any(entry.approved for entry in self.history)

    @property
    def held_amount(self) -> int:
        return 0 if self.is_declined else self.amount


@dataclass(frozen=True, slots=True, order=True)
class TransactionSnapshot:
    """Money that moved: `amount` as Stripe signs it, negative for a capture.

    `at` is the `created` of the event that told this version, `created` the transaction's own.
    """

    id: str
    at: int
    type: str
    amount: int
    created: int
    cashback: int = 0
    merchant_amount: int = 0
    merchant_currency: str = ""

    @property
    def is_capture(self) -> bool:
        """Also money out of a kind we don't know: Stripe's list of types is open."""
        return self.type == "capture" or (self.is_of_unknown_type and self.amount < 0)

    @property
    def is_of_unknown_type(self) -> bool:
        return self.type not in KNOWN_TYPES

    @property
    def captured(self) -> int:
        return -self.amount if self.is_capture else 0

    @property
    def refunded(self) -> int:
        return self.amount if self.type == "refund" else 0
