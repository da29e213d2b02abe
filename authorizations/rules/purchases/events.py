"""Purchases as Stripe's events describe them, and authorization requests.

Amounts are integers in the smallest unit of their currency, instants are whole Unix seconds,
currencies are lower-case, countries upper-case. Names are Stripe's own where it has one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

from authorizations.rules.basics.filters import Merchant, UnknownMerchant
from authorizations.rules.purchases.counted import cash_part
from authorizations.rules.purchases.snapshots import Snapshot, TransactionSnapshot


@dataclass(frozen=True, slots=True)
class CardDetails:
    """The card as an event describes it; transactions have only its id.

    `created` is None if it is not reported, and in requests recorded before it was read. `metadata`
    is what the program has written on the card in Stripe, and `cardholder_metadata` on its
    cardholder; None if the event does not say.
    """

    id: str
    status: str
    last4: str
    currency: str
    cardholder_id: str
    cardholder_name: str
    brand: str = ""
    type: str = ""
    replacement_for: str | None = None
    created: int | None = None
    metadata: Mapping[str, str] | None = field(default=None, hash=False)
    cardholder_metadata: Mapping[str, str] | None = field(default=None, hash=False)

    @property
    def is_only_named(self) -> bool:
        """Whether the event has only the card's id, and perhaps its cardholder."""
        return not self.status


@dataclass(frozen=True, slots=True)
class Verification:
    """Results of the network's checks: match, mismatch or not_provided; empty if not reported."""

    cvc: str = ""
    expiry: str = ""
    address_line1: str = ""
    postal_code: str = ""
    three_d_secure: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchaseEvent:
    """What every event about a purchase has: the card, the currency, the merchant and times.

    `created` is the authorization's, the same in all its events.
    """

    event_id: str
    event_created: int
    authorization_id: str
    created: int
    card: CardDetails
    currency: str
    merchant: Merchant


class Question(NamedTuple):
    """What a request asks: who pays how much, where and since when. Equal for repeated requests.

    Two deliveries of an event can have two API versions, which render everything else differently.
    `created` is the authorization's.
    """

    livemode: bool
    authorization_id: str
    created: int
    request_index: int
    card_id: str
    currency: str
    amount: int
    cash_amount: int
    category_code: str = ""
    country: str = ""
    merchant_name: str = ""
    network_id: str = ""

    def is_same(self, other: "Question") -> bool:
        """Whether both ask the same; a merchant field missing in one of them matches any value."""
        required = len(self) - len(_OF_THE_MERCHANT)
        if self[:required] != other[:required]:
            return False
        pairs = zip(self[required:], other[required:], strict=True)
        return all(mine == theirs for mine, theirs in pairs if mine and theirs)


_OF_THE_MERCHANT = tuple(Question._field_defaults)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequest(PurchaseEvent):
    """Stripe's request to approve `amount` more on a card.

    What was approved earlier on the same authorization is in `snapshot`, and what was captured of
    it in `transactions`. `merchant` is the one the purchase began with: limits use it for the
    whole authorization. `named_merchant` is the one this request names, if it is a different one or
    the card is used there in another way: rules use it. `token` is the id of the network token that
    stands for the card's number. `verified_by_fraud_challenge` says whether the cardholder
    confirmed a similar purchase at this merchant before. Requests that were recorded before these
    two were read have None. `unreadable` names the fields that arrived in an unreadable form, as
    unreadable.py calls them; their values here are empty.
    """

    livemode: bool
    amount: int
    snapshot: Snapshot
    transactions: tuple[TransactionSnapshot, ...] = ()
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
    token: str | None = None
    verification: Verification = Verification()
    verified_by_fraud_challenge: bool | None = None
    named_merchant: Merchant | None = None
    unreadable: tuple[str, ...] = ()

    def begun_at(self, first: Merchant) -> "AuthorizationRequest":
        """The request as part of a purchase that began at the merchant `first`."""
        if isinstance(first, UnknownMerchant):
            return replace(self, merchant=first, named_merchant=self.merchant)
        named = self.merchant if self.merchant.differs_from(first) else None
        return replace(self, merchant=self.merchant.begun_at(first), named_merchant=named)

    @property
    def merchants(self) -> tuple[Merchant, ...]:
        """Where the purchase began, and the different merchant that this request names, if any."""
        if self.named_merchant is None:
            return (self.merchant,)
        return (self.merchant, self.named_merchant)

    @property
    def is_elsewhere(self) -> bool:
        """Whether this request names another merchant than the purchase began at."""
        return self.named_merchant is not None and (
            isinstance(self.merchant, UnknownMerchant)
            or self.named_merchant.is_elsewhere(self.merchant)
        )

    @property
    def asked_at(self) -> Merchant:
        """The merchant this request names."""
        return self.named_merchant or self.merchant

    @property
    def request_index(self) -> int:
        """Which request of its authorization this is, from 0."""
        return len(self.snapshot.history)

    @property
    def cash_amount(self) -> int:
        """How much of the requested amount is cash, at either of its merchants."""
        return max(cash_part(self.amount, self.cashback_amount, at) for at in self.merchants)

    @property
    def question(self) -> Question:
        """What is compared when an event is delivered again."""
        return Question(
            livemode=self.livemode,
            authorization_id=self.authorization_id,
            created=self.created,
            request_index=self.request_index,
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
    """What decides which limits apply to a purchase; part of every PurchaseEvent."""

    @property
    def created(self) -> int: ...
    @property
    def currency(self) -> str: ...
    @property
    def merchant(self) -> Merchant: ...


class Asking(Placed, Protocol):
    """The part of a request that limits measure; part of every AuthorizationRequest."""

    @property
    def amount(self) -> int: ...
    @property
    def cashback_amount(self) -> int: ...
