"""What one purchase counts for against limits."""

from dataclasses import dataclass

from authorizations.rules.basics.filters import LimitFilter, Merchant


@dataclass(frozen=True, slots=True)
class CountedUsage:
    """What a purchase counts for: amounts in the smallest unit of the card's currency.

    `count` is 1 if count limits include the purchase, else 0. `cash` and `cash_count` are the same
    for limits on cash only. A difference of two states has negative figures too.
    """

    amount: int = 0
    cash: int = 0
    refunded: int = 0
    count: int = 0
    cash_count: int = 0

    def __sub__(self, other: "CountedUsage") -> "CountedUsage":
        return CountedUsage(
            self.amount - other.amount,
            self.cash - other.cash,
            self.refunded - other.refunded,
            self.count - other.count,
            self.cash_count - other.cash_count,
        )

    def __bool__(self) -> bool:
        return self != NOTHING

    def seen_by(self, concern: LimitFilter, merchant: Merchant) -> tuple[int, int, int]:
        """Return amount, refunds and count as a limit with this filter measures them."""
        if not concern.concerns(merchant):
            return 0, 0, 0
        if concern.cash_only:
            # A refund of goods does not restore cash.
            return self.cash, self.refunded if merchant.is_cash else 0, self.cash_count
        return self.amount, self.refunded, self.count


NOTHING = CountedUsage()


def cash_part(amount: int, cashback: int, merchant: Merchant) -> int:
    """How much of `amount` is cash: all of it at a cash merchant, else the cashback in it."""
    return amount if merchant.is_cash else min(amount, cashback)
