"""The words of the core: what goes into a decision and what comes out of it.

Amounts are integers in the smallest unit of their currency, instants are whole Unix seconds,
currencies are lower-case, countries upper-case. Names are Stripe's own wherever it has one.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple, Protocol

from authorizations.rules.controls import Interval, Scope
from authorizations.rules.counted import cash_part
from authorizations.rules.filters import Merchant, UnknownMerchant
from authorizations.rules.snapshots import Snapshot, Transaction


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


@dataclass(frozen=True, slots=True)
class Card:
    """The card as it stands inside its own event; transactions only name it."""

    id: str
    status: str
    last4: str
    currency: str
    cardholder_id: str
    cardholder_name: str
    brand: str = ""
    type: str = ""
    replacement_for: str | None = None

    @property
    def is_only_named(self) -> bool:
        """Whether the event tells no more of it than its id, and perhaps whose it is."""
        return not self.status


@dataclass(frozen=True, slots=True)
class Verification:
    """Results of the network's checks: match, mismatch or not_provided (empty: not told)."""

    cvc: str = ""
    expiry: str = ""
    address_line1: str = ""
    postal_code: str = ""
    three_d_secure: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What every event about a purchase tells: whose it is, when it began, in what, and where.

    `created` is the authorization's, the same in every event of its life.
    """

    event_id: str
    event_created: int
    authorization_id: str
    created: int
    card: Card
    currency: str
    merchant: Merchant


class Question(NamedTuple):
    """What makes two requests the same: all that says who pays how much, where, and since when.

    Deliveries of one event may come in two API versions, which render the rest otherwise.
    `created` is the authorization's.
    """

    livemode: bool
    authorization_id: str
    created: int
    ordinal: int
    card_id: str
    currency: str
    amount: int
    cash_amount: int
    category_code: str = ""
    country: str = ""
    merchant_name: str = ""
    network_id: str = ""

    def is_same(self, other: "Question") -> bool:
        """Whether both ask the same; what one of them is not told of the merchant may be so."""
        told = len(self) - len(_OF_THE_MERCHANT)
        if self[:told] != other[:told]:
            return False
        pairs = zip(self[told:], other[told:], strict=True)
        return all(mine == theirs for mine, theirs in pairs if mine and theirs)


_OF_THE_MERCHANT = tuple(Question._field_defaults)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequest(Told):
    """One question of Stripe's: may this card pay `amount` more?

    `amount` is what is asked for now; what was approved earlier on the same authorization stands
    in `snapshot`, and what was captured of it in `transactions`. `merchant` is where the purchase
    began: limits keep that for its life. `named_merchant` is the one this request names, where it
    is another: rules look at that. `unreadable` names fields that it has in a form that can't be
    read, as unreadable.py calls them; here they are empty.
    """

    livemode: bool
    amount: int
    snapshot: Snapshot
    transactions: tuple[Transaction, ...] = ()
    account: str | None = None
    merchant_amount: int | None = None
    merchant_currency: str | None = None
    is_amount_controllable: bool = False
    cashback_amount: int = 0
    atm_fee: int = 0
    network_risk_score: int | None = None
    authorization_method: str = ""
    card_presence: str | None = None
    wallet: str | None = None
    verification: Verification = Verification()
    named_merchant: Merchant | None = None
    unreadable: tuple[str, ...] = ()

    def begun_at(self, first: Merchant) -> "AuthorizationRequest":
        """The request as part of a purchase that began there: with where it asks now beside it."""
        if isinstance(first, UnknownMerchant):
            return replace(self, merchant=first, named_merchant=self.merchant)
        named = self.merchant if self.merchant.names_another_than(first) else None
        return replace(self, merchant=self.merchant.begun_at(first), named_merchant=named)

    @property
    def merchants(self) -> tuple[Merchant, ...]:
        """Where the purchase began, and the merchant this request names where it is another."""
        if self.named_merchant is None:
            return (self.merchant,)
        return (self.merchant, self.named_merchant)

    @property
    def asked_at(self) -> Merchant:
        """The merchant this request names."""
        return self.named_merchant or self.merchant

    @property
    def ordinal(self) -> int:
        """Which request of its authorization this is, from 0."""
        return len(self.snapshot.history)

    @property
    def cash_amount(self) -> int:
        """The part of what is asked that is cash, at either of its merchants."""
        return max(cash_part(self.amount, self.cashback_amount, at) for at in self.merchants)

    @property
    def question(self) -> Question:
        """What is compared where an event comes again."""
        return Question(
            livemode=self.livemode,
            authorization_id=self.authorization_id,
            created=self.created,
            ordinal=self.ordinal,
            card_id=self.card.id,
            currency=self.currency,
            amount=self.amount,
            cash_amount=cash_part(self.amount, self.cashback_amount, self.asked_at),
            category_code=self.asked_at.category_code,
            country=self.asked_at.country,
            merchant_name=self.asked_at.name,
            network_id=self.asked_at.network_id,
        )


class Placed(Protocol):
    """What tells which limits concern a purchase; part of every Told."""

    @property
    def currency(self) -> str: ...
    @property
    def merchant(self) -> Merchant: ...


class Asking(Placed, Protocol):
    """What limits measure of a request; part of every AuthorizationRequest."""

    @property
    def created(self) -> int: ...
    @property
    def amount(self) -> int: ...
    @property
    def cashback_amount(self) -> int: ...


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
class Usage:
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


NO_USAGE = Usage()
NOT_COUNTED = Usage(is_complete=False)


@dataclass(frozen=True, slots=True)
class Standing:
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
    the request had, `wanted` what the rule asks for, both in plain words or codes.
    """

    rule: DeclineReason
    passed: bool
    version_id: int | None = None
    policy: str | None = None
    scope: Scope | None = None
    found: str | None = None
    wanted: str | None = None
    figures: LimitFigures | None = None


@dataclass(frozen=True, slots=True)
class Decision:
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
