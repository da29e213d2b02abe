"""The types of a decision: what goes in and what comes out.

Amounts are integers in the smallest unit of their currency, instants are whole Unix seconds,
currencies are lower-case, countries upper-case. Names are Stripe's own where it has one.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, TypeAlias

from authorizations.rules.basics.controls import (
    JANUARY_1,
    DayOfYear,
    Exclusion,
    Interval,
    OwnBudget,
    Scope,
    ScopeKind,
)
from authorizations.rules.basics.purchase_exceptions import PurchaseException
from authorizations.rules.basics.stops import Stop

Json: TypeAlias = Any
"""A JSON value: null, a boolean, a number, a string, a list or an object."""

TRACE_VERSION = 1
"""The version of Check's fields, stored with each decision: a stored trace is never rewritten.

Raise it together with the version of spool records, which contain traces too.
"""


class DeclineReason(StrEnum):
    """Why a purchase was declined, in order of precedence.

    If several rules fail, the first of them in this order is the reason.
    """

    MALFORMED_REQUEST = "malformed_request"
    WRONG_MODE = "wrong_mode"
    CONFLICTING_EVENT = "conflicting_event"
    INTERNAL_ERROR = "internal_error"
    STAND_IN = "stand_in"
    CARD_FROZEN = "card_frozen"
    CARD_NOT_ACTIVE = "card_not_active"
    BLOCKED = "blocked"
    FIELD_UNREADABLE = "field_unreadable"
    NO_POLICY = "no_policy"
    NOT_YET_USABLE = "not_yet_usable"
    NO_LONGER_USABLE = "no_longer_usable"
    CARD_TOO_NEW = "card_too_new"
    CURRENCY_NOT_ALLOWED = "currency_not_allowed"
    MERCHANT_CURRENCY_NOT_ALLOWED = "merchant_currency_not_allowed"
    MERCHANT_COUNTRY_REQUIRED = "merchant_country_required"
    MERCHANT_COUNTRY_NOT_ALLOWED = "merchant_country_not_allowed"
    MERCHANT_STATE_NOT_ALLOWED = "merchant_state_not_allowed"
    MERCHANT_CITY_NOT_ALLOWED = "merchant_city_not_allowed"
    MERCHANT_POSTAL_CODE_NOT_ALLOWED = "merchant_postal_code_not_allowed"
    CATEGORY_REQUIRED = "category_required"
    CATEGORY_NOT_ALLOWED = "category_not_allowed"
    MERCHANT_NOT_ALLOWED = "merchant_not_allowed"
    NO_CONDITION_MET = "no_condition_met"
    FIRST_PURCHASE_NOT_ALLOWED = "first_purchase_not_allowed"
    CARD_PRESENCE_NOT_ALLOWED = "card_presence_not_allowed"
    AUTHORIZATION_METHOD_NOT_ALLOWED = "authorization_method_not_allowed"
    WALLET_NOT_ALLOWED = "wallet_not_allowed"
    NETWORK_TOKEN_MISMATCH = "network_token_mismatch"  # noqa: S105
    CVC_REQUIRED = "cvc_required"
    POSTAL_CODE_REQUIRED = "postal_code_required"
    THREE_D_SECURE_REQUIRED = "three_d_secure_required"
    NETWORK_RISK_TOO_HIGH = "network_risk_too_high"
    OUTSIDE_SCHEDULE = "outside_schedule"
    ATTEMPT_LIMIT_EXCEEDED = "attempt_limit_exceeded"
    AMOUNT_LIMIT_EXCEEDED = "amount_limit_exceeded"
    FUNDS_EXCEEDED = "funds_exceeded"
    COUNT_LIMIT_EXCEEDED = "count_limit_exceeded"
    LIMIT_NOT_COUNTED_YET = "limit_not_counted_yet"


class FirstOf(StrEnum):
    """What a purchase can be a card's first one of."""

    MERCHANT = "merchant"
    CATEGORY = "category"
    COUNTRY = "country"


class Window(NamedTuple):
    """A time interval [start, end) in which a limit measures usage, in Unix seconds.

    `scope` is whose usage is measured; it is never the program. `currency` is empty for windows
    that count purchases. A rolling window has no upper end.
    """

    scope: Scope
    start: int
    end: int
    filter_key: str
    currency: str
    rolling: bool = False


@dataclass(frozen=True, slots=True)
class WindowUsage:
    """What limits count in a window: amounts in the smallest unit of the window's currency.

    `next_available` has pairs (limit, instant): when the purchase will fit a limit of this size,
    for full rolling windows only. If not `is_complete`, the window holds more purchases than can
    be added up while a request waits, and the figures mean nothing.
    """

    amount: int = 0
    refunded: int = 0
    count: int = 0
    next_available: tuple[tuple[int, int], ...] = ()
    is_complete: bool = True

    def available_at(self, limit: int) -> int | None:
        """When the purchase will fit a limit of this size; None if that was not computed."""
        return dict(self.next_available).get(limit)


NO_USAGE = WindowUsage()
NOT_COUNTED = WindowUsage(is_complete=False)


@dataclass(frozen=True, slots=True)
class PurchaseContext:
    """The state of card and authorization just before a request, read under the lock.

    `counted`, `cashback` and `is_counted` are this authorization's own: the amount it counts for,
    the cashback among its approvals, and whether count limits already include it.
    `approved_before` is the largest approval of this same request under a different event id.
    That approval counts until Stripe reports the outcome, so `counted` includes only what it has
    beyond the amount requested now. `stops` are the freezes and blocks in the card's present
    scopes that stop this request, `exceptions` those that were in force and unused and concern it,
    `exclusions` those that left out a policy. `first_of` says what this would be the card's first
    purchase of, among what policies ask for.
    """

    card_frozen: bool = False
    counted: int = 0
    cashback: int = 0
    is_counted: bool = False
    approved_before: int = 0
    stops: tuple[Stop, ...] = ()
    exceptions: tuple[PurchaseException, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    first_of: tuple[FirstOf, ...] = ()


@dataclass(frozen=True, slots=True)
class OwnAmount:
    """Why a limit differs from its policy's, for the trace: see controls.Override."""

    override: int
    scope: ScopeKind
    amount: int | None
    raise_by: int | None
    until: int | None
    author: str
    reason: str


class LimitFigures(NamedTuple):
    """The arithmetic of one limit: `limit` against `used` + `asked`.

    `start` and `end` bound the window (both 0 for per_authorization). `filter` is the canonical
    text of the limit's filter, empty for a limit on every purchase. `available_at` is when the
    purchase will fit a full rolling window, None if that was not computed. `begins` is that of the
    limit. Where `limit` is a scope's own, `policy_limit` is the policy's, and `own` says whose and
    until when. A limit `of_attempts` counts these instead of purchases, or `declined_only`.
    """

    interval: Interval
    limit: int
    used: int
    asked: int
    currency: str
    start: int = 0
    end: int = 0
    time_zone: str = "UTC"
    rolling_seconds: int = 0
    filter: str = ""
    cash_only: bool = False
    available_at: int | None = None
    begins: DayOfYear = JANUARY_1
    policy_limit: int | None = None
    own: tuple[OwnAmount, ...] = ()
    of_attempts: bool = False
    declined_only: bool = False

    @property
    def available(self) -> int:
        """What remains before this request; negative if the limit was lowered below its usage."""
        return self.limit - self.used

    @property
    def exceeded_by(self) -> int:
        """By how much the request would exceed the limit; zero or negative if it fits."""
        return self.used + self.asked - self.limit


class Check(NamedTuple):
    """One evaluated rule. `rule` is the decline reason if it fails.

    `version_id`, `policy` and `scope` are None for checks of the card itself. `found` is what the
    request has and `limit` what the rule requires, as JSON data; the rule turns both into words.
    `each` is that of the policy, for checks of limits.
    """

    rule: DeclineReason
    passed: bool
    version_id: int | None = None
    policy: str | None = None
    scope: Scope | None = None
    found: Json = None
    limit: Json = None
    figures: LimitFigures | None = None
    each: OwnBudget | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision, with every rule that was evaluated for it.

    `amount` is what an approval reserves: the requested amount, or the hold of a fuel pump; less
    if `is_partial`, 0 if declined. `named_amount` is the amount that the response asks Stripe to
    hold, None if the response names none. `exception` is the id of the exception that it used: then
    it is approved although checks of the trace failed.
    """

    approved: bool
    amount: int
    reason: DeclineReason | None = None
    trace: tuple[Check, ...] = ()
    is_partial: bool = False
    named_amount: int | None = None
    exception: int | None = None
