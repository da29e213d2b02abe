"""Scopes, intervals and limits as frozen values: the parts of spending controls.

Amounts are integers in the smallest unit of their currency, instants are whole Unix seconds,
currencies are lower-case, countries upper-case. Empty and None mean that nothing is set.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from authorizations.rules.basics.copies import changed
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
    FUNDS = "funds"
    """What was added to a pot, since its first entry."""


MONTHS = {Interval.MONTHLY: 1, Interval.QUARTERLY: 3, Interval.YEARLY: 12}
"""The intervals that last a number of months."""

DayOfYear: TypeAlias = tuple[int, int]
"""A month and a day of it; never 29 February, which few years have."""

JANUARY_1: DayOfYear = (1, 1)


MAX_ATTEMPTS = 1_000
"""The most that a limit on attempts allows: they are read for every decision."""


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
    """What a policy is assigned to, narrowest first; of equal failures the first one decides.

    A member is a cardholder in a group, with the id "3:ich_1": what their cards spend there. It is
    only measured; nothing is assigned to it.
    """

    CARD = "card"
    MEMBER = "member"
    CARDHOLDER = "cardholder"
    GROUP = "group"
    PROGRAM = "program"


TARGET_KINDS = tuple(kind for kind in ScopeKind if kind is not ScopeKind.MEMBER)
"""What a policy can be assigned to, narrowest first."""


class OwnBudget(StrEnum):
    """Who each have the limits of an assignment for themselves, not as one shared budget."""

    CARD = "card"
    CARDHOLDER = "cardholder"


class Scope(NamedTuple):
    """Something a policy is assigned to or its limits measure; `id` is empty for the program."""

    kind: ScopeKind
    id: str


def scope_key(scope: Scope) -> str:
    """A scope as rows store it: "card:ic_1"."""
    return f"{scope.kind}:{scope.id}"


def scope_of(key: str) -> Scope:
    """The inverse of `scope_key`."""
    kind, _, id_ = key.partition(":")
    return Scope(ScopeKind(kind), id_)


def member_scope(group_id: object, cardholder_id: str) -> Scope:
    """What the cards of a cardholder spend in a group."""
    return Scope(ScopeKind.MEMBER, f"{group_id}:{cardholder_id}")


def member_of(scope: Scope) -> tuple[str, str]:
    """The ids of group and cardholder of a member's scope."""
    group_id, _, cardholder_id = scope.id.partition(":")
    return group_id, cardholder_id


def measured_scope(scope: Scope, each: str, card: Scope, cardholder_id: str) -> Scope:
    """Whose usage the limits of a policy measure that is assigned to `scope`.

    `each` is an OwnBudget, or "" for one shared budget; but the program's is each card's then.
    `card` is the root of the card's chain.
    """
    if scope.kind is ScopeKind.PROGRAM:
        is_of_cards = each != OwnBudget.CARDHOLDER
        return card if is_of_cards else Scope(ScopeKind.CARDHOLDER, cardholder_id)
    if each == OwnBudget.CARDHOLDER:
        return member_scope(scope.id, cardholder_id)
    return card if each == OwnBudget.CARD else scope


def each_of(scope: Scope, measured: Scope) -> OwnBudget | None:
    """Whose own limits are that measure this; None for one budget, and the program's cards'."""
    kinds = (scope.kind, measured.kind)
    if kinds == (ScopeKind.GROUP, ScopeKind.CARD):
        return OwnBudget.CARD
    of_holders = {
        (ScopeKind.GROUP, ScopeKind.MEMBER),
        (ScopeKind.PROGRAM, ScopeKind.CARDHOLDER),
    }
    return OwnBudget.CARDHOLDER if kinds in of_holders else None


SCOPE_ORDER = {kind: place for place, kind in enumerate(ScopeKind)}
"""Narrowest first."""


def reaches(scope: ScopeKind, measured: ScopeKind) -> bool:
    """Whether a scope's own amounts hold for a limit that measures this kind: its or a narrower."""
    if measured is ScopeKind.MEMBER:
        return scope in (ScopeKind.CARDHOLDER, ScopeKind.GROUP)
    return measured in (scope, ScopeKind.CARD)


@dataclass(frozen=True, slots=True)
class Override:
    """What a limit allows in a scope: an `amount` in place of the policy's, or `raise_by` more.

    `id` is that of its row, `limit` the limit's key. Both figures are in the limit's unit: the
    smallest of `currency`, or purchases if that is empty, or `of_attempts`. `interval` is that of
    the limit when the override was made: it sleeps while the limit has another unit, currency or
    interval. `until` in Unix seconds, None for good.
    """

    id: int
    scope: Scope
    limit: str
    interval: str
    amount: int | None = None
    raise_by: int | None = None
    currency: str = ""
    until: int | None = None
    author: str = ""
    reason: str = ""
    of_attempts: bool = False

    def reaches(self, measured: Scope) -> bool:
        """Whether it holds for a limit that measures this scope: its own, or a narrower one."""
        return reaches(self.scope.kind, measured.kind)


def own_figure(figure: int, overrides: Iterable[Override]) -> int:
    """What a limit of `figure` allows with these overrides.

    The narrowest amount replaces the policy's, the newest of equally narrow ones; what is raised
    adds up on top, whatever its scope.
    """
    found = list(overrides)
    amounts = [
        (SCOPE_ORDER[one.scope.kind], -one.id, one.amount)
        for one in found
        if one.amount is not None
    ]
    base = min(amounts)[-1] if amounts else figure
    return base + sum(one.raise_by or 0 for one in found)


@dataclass(frozen=True, slots=True, order=True)
class Pot:
    """The funds of a scope for one limit: `amount` is what was added less what was taken out.

    `limit` is the limit's key, and `amount` in the smallest unit of `currency`. Purchases count
    that began at `since` or later, the second of the first entry, in Unix seconds.
    """

    limit: str
    currency: str
    amount: int
    since: int


@dataclass(frozen=True)  # no slots: for copies.changed
class Exclusion:
    """A card, cardholder or group to which a policy does not apply, though it is assigned there.

    `id` is that of its row, `scope` who is left out, `assigned` the key of the scope that the
    policy is assigned to, `policy` its name where it would have applied. `until` in Unix seconds,
    None for good.
    """

    id: int
    scope: Scope
    assigned: str
    policy: str = ""
    until: int | None = None
    author: str = ""
    reason: str = ""


@dataclass(frozen=True)  # no slots: for copies.changed
class LimitControl:
    """A limit per `interval`: an `amount` in `currency`, or a `count` of purchases or `attempts`.

    `begins` is the day on which its year, and with it a quarter, begins; of monthly limits only
    the day of the month matters. A quarter that would begin on a day that its month lacks begins
    on the month's last day. `key` names it within its policy. Where a scope has its own figure,
    `overrides` say whose, and `policy_figure` is the policy's. A limit of funds has the amount of
    its pot, and `since` when it counts; without a pot nothing fits it. One of attempts may be about
    declined ones only. The attempt that reaches it freezes the card for `then_freeze` minutes,
    until somebody lifts that if 0, not at all if None.
    """

    interval: Interval
    amount: int | None = None
    count: int | None = None
    currency: str = ""
    rolling_seconds: int = 0
    filter: LimitFilter = EVERYTHING
    begins: DayOfYear = JANUARY_1
    key: str = field(default="", compare=False)
    overrides: tuple[Override, ...] = ()
    policy_figure: int | None = None
    since: int | None = None
    attempts: int | None = None
    declined_only: bool = False
    then_freeze: int | None = None

    @property
    def has_window(self) -> bool:
        """Whether it counts purchases beside the one that asks."""
        if self.interval is Interval.FUNDS:
            return self.since is not None
        return self.interval is not Interval.PER_AUTHORIZATION

    @property
    def limit_value(self) -> int:
        """The limit's amount, or its count of purchases or attempts."""
        return self.amount or self.count or self.attempts or 0

    @property
    def about(self) -> tuple[str, str, str, bool]:
        """What an override has to share with it: key, currency, interval, whether of attempts."""
        return self.key, self.currency, self.interval.value, self.attempts is not None

    @property
    def measure(self) -> str:
        """The key that has the limit's value."""
        if self.attempts is not None:
            return "attempts"
        return "count" if self.amount is None else "amount"

    def with_pot(self, pots: Iterable[Pot]) -> "LimitControl":
        """The limit with its pot, if it is one of funds that has one of these."""
        if self.interval is not Interval.FUNDS:
            return self
        for pot in pots:
            if (pot.limit, pot.currency) == (self.key, self.currency):
                return changed(self, amount=pot.amount, since=pot.since)
        return self

    def with_overrides(self, given: Iterable[Override]) -> "LimitControl":
        """The limit with those of these overrides that are about it, in its unit and interval."""
        about = self.about
        mine = tuple(
            one
            for one in given
            if (one.limit, one.currency, one.interval, one.of_attempts) == about
        )
        if not mine:
            return self
        own = own_figure(self.limit_value, mine)
        return changed(
            self,
            amount=None if self.amount is None else own,
            count=None if self.count is None else own,
            attempts=None if self.attempts is None else min(own, MAX_ATTEMPTS),
            overrides=mine,
            policy_figure=self.limit_value,
        )
