"""The fields of Stripe's events that the desk reads, in Stripe's own names.

All other fields are skipped, so new fields and new enum values are accepted. lenient.py defines
which fields are required: those that say who pays. Fields with the default UNSET, which the books
are built from, may be missing, as in older API versions, but not unreadable: an amount taken for 0
would hide money from the limits.
"""

from typing import Annotated, Generic, TypeAlias, TypeVar

from msgspec import UNSET, Meta, Struct, UnsetType

_LAST_SECOND = 253_402_300_799
"""The end of the year 9999, the last instant a datetime can hold."""

Amount: TypeAlias = Annotated[
    int, Meta(ge=0, le=2**53 - 1, description="a whole number from 0 to 2^53-1")
]
SignedAmount: TypeAlias = Annotated[
    int,
    Meta(ge=-(2**53) + 1, le=2**53 - 1, description="a whole number from -(2^53-1) to 2^53-1"),
]
Instant: TypeAlias = Annotated[
    int, Meta(ge=0, le=_LAST_SECOND, description="whole Unix seconds up to the year 9999")
]
Id: TypeAlias = Annotated[
    str, Meta(pattern=r"\A[!-~]{1,255}\Z", description="an id of 1 to 255 visible characters")
]
CurrencyCode: TypeAlias = Annotated[
    str, Meta(pattern=r"\A[A-Za-z]{3}\Z", description="a currency code of 3 letters")
]
Label: TypeAlias = Annotated[str, Meta(pattern=r"\A[^\0]*\Z", description="text")]
"""A name that Stripe gives, of any length, in any characters that PostgreSQL can store."""
LastFour: TypeAlias = Annotated[str, Meta(max_length=4)]
Text: TypeAlias = Annotated[str, Meta(description="text")]
Flag: TypeAlias = Annotated[bool, Meta(description="true or false")]
RiskScore: TypeAlias = Annotated[int, Meta(ge=1, le=99)]
# Rules and limits compare these, so a malformed value counts as unreadable, not as a new value.
Word: TypeAlias = Annotated[str, Meta(pattern=r"\A[a-z0-9_]*\Z")]
CategoryCode: TypeAlias = Annotated[str, Meta(pattern=r"\A(?:[0-9]{4})?\Z")]
CountryCode: TypeAlias = Annotated[str, Meta(pattern=r"\A(?:[A-Za-z]{2})?\Z")]


class Expandable(Struct, frozen=True, gc=False):
    """An object that Stripe may also send as its id alone."""

    id: Id


class CardholderShape(Struct, frozen=True, gc=False):
    id: Id
    name: str | None = None
    metadata: dict[str, str] | None = None


class CardShape(Struct, frozen=True, gc=False):
    id: Id
    status: Text
    cardholder: Id | CardholderShape
    # Limits belong to the first card of a chain: an unreadable link would start new ones.
    replacement_for: Id | Expandable | UnsetType | None = UNSET
    last4: LastFour | None = None
    currency: CurrencyCode | None = None
    brand: str | None = None
    type: str | None = None
    created: Instant | None = None
    metadata: dict[str, str] | None = None


class AmountDetails(Struct, frozen=True, gc=False):
    atm_fee: Amount | UnsetType | None = UNSET
    cashback_amount: Amount | UnsetType | None = UNSET


class PendingRequest(Struct, frozen=True, gc=False):
    amount: Amount
    currency: CurrencyCode
    amount_details: AmountDetails | UnsetType | None = UNSET
    merchant_amount: Amount | None = None
    merchant_currency: str | None = None
    is_amount_controllable: bool = False
    network_risk_score: RiskScore | None = None


class HistoryEntryShape(Struct, frozen=True, gc=False):
    amount: Amount
    approved: Flag
    created: Instant
    amount_details: AmountDetails | UnsetType | None = UNSET
    merchant_amount: Amount | None = None
    reason: str | None = None
    reason_message: str | None = None


class MerchantData(Struct, frozen=True, gc=False):
    category: Word | None = None
    category_code: CategoryCode | None = None
    city: str | None = None
    country: CountryCode | None = None
    name: str | None = None
    network_id: str | None = None
    postal_code: str | None = None
    state: str | None = None
    terminal_id: str | None = None
    url: str | None = None


class ThreeDSecure(Struct, frozen=True, gc=False):
    result: Word | None = None


class VerificationData(Struct, frozen=True, gc=False):
    address_line1_check: str | None = None
    address_postal_code_check: Word | None = None
    cvc_check: Word | None = None
    expiry_check: str | None = None
    three_d_secure: ThreeDSecure | None = None


class BalanceTransaction(Struct, frozen=True, gc=False):
    amount: SignedAmount
    currency: Text
    type: Text


class TransactionShape(Struct, frozen=True, gc=False, kw_only=True):
    id: Id
    type: Text
    amount: SignedAmount
    created: Instant
    amount_details: AmountDetails | UnsetType | None = UNSET
    merchant_amount: SignedAmount | None = None
    merchant_currency: str | None = None


class AuthorizationShape(Struct, frozen=True, gc=False, kw_only=True):
    """The fields of an authorization that both requests and reports have."""

    id: Id
    created: Instant
    card: CardShape
    amount: Amount | UnsetType | None = UNSET
    amount_details: AmountDetails | UnsetType | None = UNSET
    # If these can't be read, `amount` says what is held, though less exactly.
    balance_transactions: tuple[BalanceTransaction, ...] | None = None
    merchant_amount: Amount | None = None
    merchant_currency: str | None = None
    request_history: tuple[HistoryEntryShape, ...] | UnsetType | None = UNSET
    status: str | None = None
    # An unreadable transaction would hide money from the limits.
    transactions: tuple[TransactionShape, ...] | UnsetType | None = UNSET
    merchant_data: MerchantData | None = None
    authorization_method: Word | None = None
    card_presence: Word | None = None


class RequestedAuthorization(AuthorizationShape, frozen=True, gc=False, kw_only=True):
    pending_request: PendingRequest
    token: Id | Expandable | None = None
    verification_data: VerificationData | None = None
    verified_by_fraud_challenge: bool | None = None
    wallet: Word | None = None


class BookedTransaction(TransactionShape, frozen=True, gc=False, kw_only=True):
    """A transaction in an event of its own, which names its card and authorization."""

    card: Id | Expandable
    currency: CurrencyCode
    cardholder: Id | CardholderShape | None = None
    authorization: Id | Expandable | UnsetType | None = UNSET
    merchant_data: MerchantData | None = None


class ReportedAuthorization(AuthorizationShape, frozen=True, gc=False, kw_only=True):
    currency: CurrencyCode
    verification_data: VerificationData | None = None


class Evidence(Struct, frozen=True, gc=False):
    reason: str | None = None


class DisputeShape(Struct, frozen=True, gc=False, kw_only=True):
    id: Id
    transaction: Id | Expandable
    amount: Amount
    currency: CurrencyCode
    created: Instant
    status: Text
    loss_reason: str | None = None
    evidence: Evidence | None = None


Object = TypeVar("Object")


class Data(Struct, Generic[Object], frozen=True, gc=False):
    object: Object
