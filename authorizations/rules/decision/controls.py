"""A policy version as a frozen value, and a version as it applies to a purchase."""

from collections.abc import Sequence
from dataclasses import dataclass

from authorizations.rules.basics.controls import (
    LimitControl,
    Override,
    OwnBudget,
    Pot,
    Scope,
    Weekday,
    each_of,
)
from authorizations.rules.basics.copies import changed
from authorizations.rules.basics.filters import MATCHING
from authorizations.rules.decision.exemption import Exemption
from authorizations.rules.decision.rule import Rule
from authorizations.rules.decision.values import FirstOf


@dataclass(frozen=True)  # no slots: for copies.changed
class SpendingControls:
    """A policy version as a value; empty and None mean that nothing is set.

    `rules` are in order of precedence. `attempt_limits` are the limits on attempts, apart from the
    others: they count no money, and always measure the card. `first_of` is what its rules ask
    whether a purchase is the card's first one of. `matching` is how merchants are matched: see
    filters.MATCHING.
    """

    name: str
    currency: str = ""
    unlimited: bool = False
    time_zone: str = "UTC"
    week_starts: Weekday = Weekday.SUNDAY
    rules: tuple[Rule, ...] = ()
    exemption: Exemption | None = None
    partial_approval: bool = False
    smallest_partial_amount: int | None = None
    refunds_restore: bool = True
    fuel_hold: int | None = None
    stand_in_amount: int | None = None
    stand_in_cap: int | None = None
    spending_limits: tuple[LimitControl, ...] = ()
    attempt_limits: tuple[LimitControl, ...] = ()
    first_of: tuple[FirstOf, ...] = ()
    matching: int = MATCHING

    @property
    def limits(self) -> tuple[LimitControl, ...]:
        """All limits."""
        return self.spending_limits + self.attempt_limits


@dataclass(frozen=True, slots=True)
class AttemptsUsed:
    """What a limit on attempts had counted in [start, end) before an attempt; `limit` is its key.

    No more than the limit is counted. If not `is_complete`, too many attempts that don't count are
    in the window to tell. `available_at` is when a full rolling window has room again. `has_frozen`
    says whether the limit has frozen a card by one of them; None for a limit that freezes none, and
    in rows that are older than this. All times in Unix seconds.
    """

    limit: str
    used: int
    start: int
    end: int
    available_at: int | None = None
    is_complete: bool = True
    has_frozen: bool | None = None


@dataclass(frozen=True)  # no slots: for copies.changed
class AppliedControls:
    """Controls that apply to a purchase.

    `scope` is what the policy is assigned to. `measured` is whose usage its limits measure: see
    controls.measured_scope. `attempts` are what its limits on attempts that concern the purchase
    had counted: none if it is not a new attempt.
    """

    scope: Scope
    measured: Scope
    version_id: int
    number: int
    controls: SpendingControls
    overrides: tuple[Override, ...] = ()
    pots: tuple[Pot, ...] = ()
    attempts: tuple[AttemptsUsed, ...] = ()

    @property
    def each(self) -> OwnBudget | None:
        """Who each have its limits for themselves; None for one budget, and the program's cards."""
        return each_of(self.scope, self.measured)


def with_own(
    controls: SpendingControls, overrides: Sequence[Override], pots: Sequence[Pot]
) -> SpendingControls:
    """The version with a scope's own amounts for its limits, and its funds."""
    if not overrides and not pots:
        return controls
    named = {*(one.limit for one in overrides), *(pot.limit for pot in pots)}

    def own(limits: tuple[LimitControl, ...]) -> tuple[LimitControl, ...]:
        its = [
            it.with_overrides(overrides).with_pot(pots) if it.key in named else it for it in limits
        ]
        return tuple(its)

    return changed(
        controls,
        spending_limits=own(controls.spending_limits),
        attempt_limits=own(controls.attempt_limits),
    )
