"""The words of the core: what goes into a decision and what comes out of it.

Amounts are integers in the smallest unit of their currency, instants are whole Unix seconds,
currencies are lower-case, countries upper-case. Names are Stripe's own wherever it has one.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, TypeAlias

from authorizations.rules.basics.controls import Interval, Scope

Json: TypeAlias = Any
"""What JSON can hold: null, true and false, numbers, text, lists and objects of these."""

TRACE_VERSION = 1
"""What the fields of a Check mean, kept with each decision: its trace is never rewritten.

It rises together with the version of the spool's records, which hold traces too.
"""


class DeclineReason(StrEnum):
    """Why a purchase was declined, in order of precedence: the first failing rule is the reason."""

    MALFORMED_REQUEST = "malformed_request"
    WRONG_MODE = "wrong_mode"
    CONFLICTING_EVENT = "conflicting_event"
    INTERNAL_ERROR = "internal_error"
    STAND_IN = "stand_in"
    CARD_FROZEN = "card_frozen"
    CARD_NOT_ACTIVE = "card_not_active"
    FIELD_UNREADABLE = "field_unreadable"
    NO_POLICY = "no_policy"
    NOT_YET_USABLE = "not_yet_usable"
    NO_LONGER_USABLE = "no_longer_usable"
    CURRENCY_NOT_ALLOWED = "currency_not_allowed"
    MERCHANT_COUNTRY_NOT_ALLOWED = "merchant_country_not_allowed"
    MERCHANT_STATE_NOT_ALLOWED = "merchant_state_not_allowed"
    CATEGORY_NOT_ALLOWED = "category_not_allowed"
    MERCHANT_NOT_ALLOWED = "merchant_not_allowed"
    CARD_PRESENCE_NOT_ALLOWED = "card_presence_not_allowed"
    AUTHORIZATION_METHOD_NOT_ALLOWED = "authorization_method_not_allowed"
    WALLET_NOT_ALLOWED = "wallet_not_allowed"
    CVC_REQUIRED = "cvc_required"
    POSTAL_CODE_REQUIRED = "postal_code_required"
    THREE_D_SECURE_REQUIRED = "three_d_secure_required"
    NETWORK_RISK_TOO_HIGH = "network_risk_too_high"
    OUTSIDE_SCHEDULE = "outside_schedule"
    AMOUNT_LIMIT_EXCEEDED = "amount_limit_exceeded"
    COUNT_LIMIT_EXCEEDED = "count_limit_exceeded"
    LIMIT_NOT_COUNTED_YET = "limit_not_counted_yet"


class Window(NamedTuple):
    """A stretch of time [start, end) in which a limit measures usage.

    `scope` is whose usage is measured, never the program's. `currency` is
    empty where purchases are counted, not money. A rolling window has no upper end.
    """

    scope: Scope
    start: int
    end: int
    filter_key: str
    currency: str
    rolling: bool = False


@dataclass(frozen=True, slots=True)
class WindowUsage:
    """What counts in a window.

    `rooms` says for a full rolling window, limit by limit, when the purchase will fit next. Where
    not `is_complete` there is too much in the window to add it up while a purchase waits, and the
    figures say nothing.
    """

    amount: int = 0
    refunded: int = 0
    count: int = 0
    rooms: tuple[tuple[int, int], ...] = ()
    is_complete: bool = True

    def room_at(self, limit: int) -> int | None:
        return dict(self.rooms).get(limit)


NO_USAGE = WindowUsage()
NOT_COUNTED = WindowUsage(is_complete=False)


@dataclass(frozen=True, slots=True)
class PurchaseContext:
    """How card and authorization stood, under the lock, just before this request.

    `counted`, `cashback` and `is_counted` are this authorization's own: the amount held for it,
    the cash-back among its approvals, and whether count limits have it already. `approved_before`
    is the largest amount that this very request was approved for under another event id: as it
    counts until Stripe tells, `counted` holds only what of it goes beyond the request.
    """

    card_frozen: bool = False
    counted: int = 0
    cashback: int = 0
    is_counted: bool = False
    approved_before: int = 0


class LimitFigures(NamedTuple):
    """The arithmetic of one limit: `limit` against `used` + `asked`.

    `start` and `end` bound the window (both 0 for per_authorization); `filter` is the canonical
    text of what the limit concerns, empty for everything.
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
    room_at: int | None = None

    @property
    def room(self) -> int:
        """What is left before this request; below zero when a limit was lowered under it."""
        return self.limit - self.used

    @property
    def over(self) -> int:
        """By how much the request goes over the limit; zero or less when it fits."""
        return self.used + self.asked - self.limit


class Check(NamedTuple):
    """One rule as it was applied: `rule` is the reason it gives when it fails.

    `version_id`, `policy` and `scope` are None for rules about the card itself. `found` is what
    the request had, `limit` what the rule asks for: data, whose words the rule knows.
    """

    rule: DeclineReason
    passed: bool
    version_id: int | None = None
    policy: str | None = None
    scope: Scope | None = None
    found: Json = None
    limit: Json = None
    figures: LimitFigures | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer and every rule behind it.

    `amount` is what an approval reserves: what was asked for, at a fuel pump more; less of either
    where it `is_partial`, 0 when declined. `named_amount` is what the answer tells Stripe to hold,
    None where it leaves that to Stripe.
    """

    approved: bool
    amount: int
    reason: DeclineReason | None = None
    trace: tuple[Check, ...] = ()
    is_partial: bool = False
    named_amount: int | None = None
