"""What an event tells of a purchase: whose it is, where, and, in a request, what is asked.

Amounts are integers in the smallest unit of their currency, instants are whole Unix seconds,
currencies are lower-case, countries upper-case. Names are Stripe's own wherever it has one.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from authorizations.rules.basics.filters import Merchant, UnknownMerchant
from authorizations.rules.purchases.counted import cash_part
from authorizations.rules.purchases.snapshots import Snapshot, TransactionSnapshot


@dataclass(frozen=True, slots=True)
class CardDetails:
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
class PurchaseEvent:
    """What every event about a purchase tells: whose it is, when it began, in what, and where.

    `created` is the authorization's, the same in every event of its life.
    """

    event_id: str
    event_created: int
    authorization_id: str
    created: int
    card: CardDetails
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
        """Whether both ask the same; what one of them is not told of the merchant may be so."""
        told = len(self) - len(_OF_THE_MERCHANT)
        if self[:told] != other[:told]:
            return False
        pairs = zip(self[told:], other[told:], strict=True)
        return all(mine == theirs for mine, theirs in pairs if mine and theirs)


_OF_THE_MERCHANT = tuple(Question._field_defaults)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequest(PurchaseEvent):
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
    def request_index(self) -> int:
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
