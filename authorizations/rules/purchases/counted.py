"""What limits see of one purchase."""

from dataclasses import dataclass

from authorizations.rules.basics.filters import LimitFilter, Merchant


@dataclass(frozen=True, slots=True)
class CountedUsage:
    """What limits see of a purchase: amount, the cash in it, refunds, and whether it is one.

    `cash_count` is what limits on cash alone count it for.
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
        """Amount, refunds and count that a limit with this filter measures of the purchase."""
        if not concern.concerns(merchant):
            return 0, 0, 0
        if concern.cash_only:
            # Goods sent back restore no cash.
            return self.cash, self.refunded if merchant.is_cash else 0, self.cash_count
        return self.amount, self.refunded, self.count


NOTHING = CountedUsage()


def cash_part(amount: int, cashback: int, merchant: Merchant) -> int:
    """How much of `amount` is cash: all of it, or at most the cash-back approved with it."""
    return amount if merchant.is_cash else min(amount, cashback)
