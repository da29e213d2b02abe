"""A policy version as a frozen value, and what of it applies to a purchase."""

from dataclasses import dataclass

from authorizations.rules.basics.controls import (
    NO_CHOICE,
    Choice,
    LimitControl,
    OpenHours,
    Scope,
    Weekday,
)
from authorizations.rules.basics.filters import (
    MATCHING,
    NO_CATEGORIES,
    NO_MERCHANTS,
    CategorySet,
    MerchantSet,
)


@dataclass(frozen=True, slots=True)
class SpendingControls:
    """A policy version as a value. Empty and None mean: no such rule.

    `matching` is how it matches merchants: see filters.MATCHING.
    """

    name: str
    currency: str = ""
    unlimited: bool = False
    time_zone: str = "UTC"
    week_starts: Weekday = Weekday.SUNDAY
    allowed_categories: CategorySet = NO_CATEGORIES
    blocked_categories: CategorySet = NO_CATEGORIES
    merchant_countries: Choice = NO_CHOICE
    allowed_merchants: MerchantSet = NO_MERCHANTS
    blocked_merchants: MerchantSet = NO_MERCHANTS
    card_presences: Choice = NO_CHOICE
    authorization_methods: Choice = NO_CHOICE
    allowed_wallets: frozenset[str] = frozenset()
    required_verification: tuple[str, ...] = ()
    max_network_risk_score: int | None = None
    schedule: tuple[OpenHours, ...] = ()
    usable_from: int | None = None
    usable_until: int | None = None
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
    """Controls that apply to a purchase, through which scope, and whose usage they measure.

    `measured` is the scope itself, but the card for a policy of the program.
    """

    scope: Scope
    measured: Scope
    version_id: int
    number: int
    controls: SpendingControls
