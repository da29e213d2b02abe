"""What controls are made of: scopes, intervals and limits, as frozen values.

Amounts are integers in the smallest unit of their currency, instants are whole Unix seconds,
currencies are lower-case, countries upper-case. Empty and None mean: no such rule.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from authorizations.rules.basics.filters import (
    EVERYTHING,
    LimitFilter,
)


class Interval(StrEnum):
    PER_AUTHORIZATION = "per_authorization"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    YEARLY = "yearly"
    ALL_TIME = "all_time"
    ROLLING = "rolling"


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
    """What a policy is assigned to; of several equal failures the first kind names the reason."""

    CARD = "card"
    CARDHOLDER = "cardholder"
    GROUP = "group"
    PROGRAM = "program"


class Scope(NamedTuple):
    """One thing a policy is assigned to; `id` is empty for the program."""

    kind: ScopeKind
    id: str


def scope_key(scope: Scope) -> str:
    """A scope as rows name it: "card:ic_1"."""
    return f"{scope.kind}:{scope.id}"


def scope_of(key: str) -> Scope:
    """The inverse of `scope_key`."""
    kind, _, id_ = key.partition(":")
    return Scope(ScopeKind(kind), id_)


@dataclass(frozen=True, slots=True)
class LimitControl:
    """Either `amount` (in `currency`) or `count` may be used in each window of `interval`."""

    interval: Interval
    amount: int | None = None
    count: int | None = None
    currency: str = ""
    rolling_seconds: int = 0
    filter: LimitFilter = EVERYTHING

    @property
    def limit_value(self) -> int:
        """The amount or the count that may be used."""
        return (self.count if self.amount is None else self.amount) or 0
