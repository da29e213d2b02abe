"""A policy version as a frozen value, and a version as it applies to a purchase."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from authorizations.rules.basics.controls import (
    LimitControl,
    Override,
    OwnBudget,
    Pot,
    Scope,
    Weekday,
    each_of,
)
from authorizations.rules.basics.filters import MATCHING
from authorizations.rules.decision.exemption import Exemption
from authorizations.rules.decision.rule import Rule


@dataclass(frozen=True, slots=True)
class SpendingControls:
    """A policy version as a value; empty and None mean that nothing is set.

    `rules` are in order of precedence. `matching` is how merchants are matched: see
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
    matching: int = MATCHING


@dataclass(frozen=True, slots=True)
class AppliedControls:
    """Controls that apply to a purchase.

    `scope` is what the policy is assigned to. `measured` is whose usage its limits measure: see
    controls.measured_scope.
    """

    scope: Scope
    measured: Scope
    version_id: int
    number: int
    controls: SpendingControls
    overrides: tuple[Override, ...] = ()
    pots: tuple[Pot, ...] = ()

    @property
    def each(self) -> OwnBudget | None:
        """Who each have its limits for themselves; None for one budget, and the program's cards."""
        return each_of(self.scope, self.measured)


def with_pots(policy: AppliedControls, pots: Sequence[Pot]) -> AppliedControls:
    """The policy with the funds of the scope that its limits measure."""
    if not pots:
        return policy
    limits = tuple(limit.with_pot(pots) for limit in policy.controls.spending_limits)
    controls = replace(policy.controls, spending_limits=limits)
    return replace(policy, controls=controls, pots=tuple(pots))


def with_overrides(policy: AppliedControls, overrides: Sequence[Override]) -> AppliedControls:
    """The policy with a scope's own amounts for its limits."""
    if not overrides:
        return policy
    limits = tuple(limit.with_overrides(overrides) for limit in policy.controls.spending_limits)
    controls = replace(policy.controls, spending_limits=limits)
    return replace(policy, controls=controls, overrides=tuple(overrides))
