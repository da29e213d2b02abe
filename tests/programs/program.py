"""What a program is to the play: it has a policy file, and says what it would answer itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta, tzinfo
from random import Random
from typing import Any, NamedTuple, Protocol, TypeAlias

from simulator.stripe.samples import SampleMerchant

PolicyFile: TypeAlias = dict[str, Any]
"""What import_policies reads, as JSON has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """Somebody tries to buy: `amount` in cents, begun at `at` in Unix seconds.

    `untold` are the fields of merchant_data that the request has as null.
    """

    card: str
    cardholder: str
    amount: int
    merchant: SampleMerchant
    at: int
    currency: str = "eur"
    card_status: str = "active"
    untold: frozenset[str] = frozenset()

    @property
    def name(self) -> str | None:
        return None if "name" in self.untold else self.merchant.name

    @property
    def category(self) -> str | None:
        return None if "category" in self.untold else self.merchant.category

    @property
    def mcc(self) -> str | None:
        return None if "category_code" in self.untold else self.merchant.mcc

    @property
    def country(self) -> str | None:
        return None if "country" in self.untold else self.merchant.country


class Figure(NamedTuple):
    """Where something is left: a limit of a policy, and the card, cardholder or group it is of.

    With a `group`, it is of what a cardholder's cards spend in there.
    """

    policy: str
    limit: str
    kind: str
    target: str
    group: str = ""


class Program(Protocol):
    """A program with its cards and people; it changes between purchases."""

    begins: int
    """When the first purchase may begin, in Unix seconds."""

    def policy_file(self) -> PolicyFile:
        """All that is in force by now; of funds, what was added or taken since the last call.

        Each freeze and block has a reference; those whose reference is gone are over.
        """

    def next_at(self, at: int, chance: Random) -> int:
        """When the next purchase begins, if the last thing happened at `at`."""

    def attempt(self, at: int, chance: Random) -> Attempt:
        """A purchase, as a rule near what decides about it."""

    def approves(self, attempt: Attempt) -> bool:
        """What the program itself answers."""

    def spends(self, attempt: Attempt, amount: int) -> None:
        """An approved purchase takes `amount` more, in cents; less where it is negative."""

    def changes(self, chance: Random) -> None:
        """Something changes between two purchases."""

    def left(self, at: int) -> Mapping[Figure, int]:
        """What is left by now of each balance, in cents; below 0 after an over-capture."""


@dataclass
class Funds:
    """Balances of a program that are pots of ours: what is entered goes into the next file."""

    pending: list[PolicyFile] = field(default_factory=list)
    entries: int = 0

    def enter(self, figure: Figure, amount: int) -> None:
        self.entries += 1
        self.pending.append(
            {
                "policy": figure.policy,
                "limit": figure.limit,
                figure.kind: figure.target,
                **({"group": figure.group} if figure.group else {}),
                "amount": amount,
                "reference": f"entry {self.entries}",
                "reason": "As in the program's ledger",
            }
        )

    def taken(self) -> list[PolicyFile]:
        """Those that no file had yet."""
        pending, self.pending = self.pending, []
        return pending


def some_time_later(at: int, zone: tzinfo, chance: Random) -> int:
    """Within the hour; now and then some days later, where a day, week or month begins or ends."""
    if chance.randrange(20):
        return at + chance.randint(60, 3_600)
    today = datetime.fromtimestamp(at, zone).date()
    next_month = (today.replace(day=1) + timedelta(days=32)).replace(day=1)
    to_monday = 7 - today.weekday()
    days = chance.choice((1, to_monday, to_monday, to_monday + 6, (next_month - today).days))
    midnight = int(datetime.combine(today + timedelta(days=days), time(), zone).timestamp())
    return max(at + 60, midnight - chance.choice((0, 1, chance.randint(1, 4 * 3_600))))


def amount_near(left: int, chance: Random) -> int:
    """An amount in cents: what is left, a cent more or less, or any; 0 only where that is left.

    What is 0 passes our limits even when nothing is left; docs/programs.md says so.
    """
    near = [left, left, left + 1, left + 1, left - 1, left // 2, left // 10, 1]
    near += [chance.randint(1, max(2, left + left // 4)), chance.randint(1, max(2, left // 3))]
    near += [chance.randint(1, max(2, left // 5)) for _ in range(4)]
    found = chance.choice(near)
    return found if found > 0 else (0 if left >= 0 and not chance.randrange(4) else 1)
