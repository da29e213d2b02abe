"""What Stripe's events report of an authorization: snapshots of it, and its transactions.

Events arrive late, repeated and out of order. `progress` says which of two snapshots is further
along.
"""

from dataclasses import dataclass

STATUS_ORDER = {"pending": 0, "expired": 1, "reversed": 2, "closed": 3}
"""Of snapshots with equal history and time, the higher status wins; unknown ones are highest."""

OVER = STATUS_ORDER.keys() - {"pending"}
"""Statuses in which the hold is released; an unknown status may still hold money."""

KNOWN_TYPES = frozenset({"capture", "refund"})
"""The transaction types we know."""

LAPSED = frozenset({"expired", "reversed"})
"""Ended without a capture; one that arrives later is late."""


@dataclass(frozen=True, slots=True, order=True)
class RequestHistoryEntry:
    """One request of the authorization, with the outcome at Stripe.

    `message` is Stripe's reason_message: why it could not read our response.
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
    """An authorization as one event shows it; `at` is the event's `created`.

    `merchant_amount` is the hold in `merchant_currency`, 0 if unknown. `captured` is the sum of
    the captures listed in the event, None if it lists none. `held` is the hold according to the
    balance transactions, None if there are none. `cashback` is that of the whole authorization.
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
        """A sort key: how far along its life a snapshot shows the authorization.

        It includes every field, so that of two different snapshots the same one always wins.
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
        """The cashback of the approved requests, else that of the whole authorization.

        Before the first approval, the latter may be what is requested.
        """
        approved = [entry.cashback for entry in self.history if entry.approved]
        return sum(approved) or (self.cashback if approved else 0)

    @property
    def is_declined(self) -> bool:
        """Whether no request was approved; `amount` is then what was declined."""
        return bool(self.history) and not any(entry.approved for entry in self.history)

    @property
    def held_amount(self) -> int:
        return 0 if self.is_declined else self.amount


@dataclass(frozen=True, slots=True, order=True)
class TransactionSnapshot:
    """Money that moved; `amount` has Stripe's sign, negative for a capture.

    `at` is the `created` of the event with this version, `created` that of the transaction.
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
        """Unknown types that take money count as captures: Stripe's list of types is open."""
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
