"""Scopes, intervals and limits as frozen values: the parts of spending controls.

Amounts are integers in the smallest unit of their currency, instants are whole Unix seconds,
currencies are lower-case, countries upper-case. Empty and None mean that nothing is set.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from authorizations.rules.basics.filters import EVERYTHING, LimitFilter


class Interval(StrEnum):
    PER_AUTHORIZATION = "per_authorization"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    YEARLY = "yearly"
    ALL_TIME = "all_time"
    ROLLING = "rolling"


MONTHS = {Interval.MONTHLY: 1, Interval.QUARTERLY: 3, Interval.YEARLY: 12}
"""The intervals that last a number of months."""

DayOfYear: TypeAlias = tuple[int, int]
"""A month and a day of it; never 29 February, which few years have."""

JANUARY_1: DayOfYear = (1, 1)


class Weekday(StrEnum):
    """In the order of datetime.weekday()."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


class ScopeKind(StrEnum):
    """What a policy is assigned to, narrowest first; of equal failures the first one decides."""

    CARD = "card"
    CARDHOLDER = "cardholder"
    GROUP = "group"
    PROGRAM = "program"


class Scope(NamedTuple):
    """Something a policy is assigned to; `id` is empty for the program."""

    kind: ScopeKind
    id: str


def scope_key(scope: Scope) -> str:
    """A scope as rows store it: "card:ic_1"."""
    return f"{scope.kind}:{scope.id}"


def scope_of(key: str) -> Scope:
    """The inverse of `scope_key`."""
    kind, _, id_ = key.partition(":")
    return Scope(ScopeKind(kind), id_)


@dataclass(frozen=True, slots=True)
class LimitControl:
    """A limit on an `amount` in `currency`, or on a `count` of purchases, per `interval`.

    `begins` is the day on which its year, and with it a quarter, begins; of monthly limits only
    the day of the month matters. A quarter that would begin on a day that its month lacks begins
    on the month's last day.
    """

    interval: Interval
    amount: int | None = None
    count: int | None = None
    currency: str = ""
    rolling_seconds: int = 0
    filter: LimitFilter = EVERYTHING
    begins: DayOfYear = JANUARY_1

    @property
    def limit_value(self) -> int:
        """The limit's amount or count."""
        return (self.count if self.amount is None else self.amount) or 0
