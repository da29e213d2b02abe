"""Converts parts of Stripe's objects to values of the rules, for requests and reports alike."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from authorizations.rules.basics.filters import Merchant
from authorizations.rules.basics.money import MAX_AMOUNT
from authorizations.rules.purchases.events import CardDetails, Verification
from authorizations.rules.purchases.snapshots import (
    RequestHistoryEntry,
    Snapshot,
    TransactionSnapshot,
)
from authorizations.wire import lenient, shapes

MAX_TEXT_CHARS = 500
"""The length of the database's column, as with the limits below; longer text is cut."""

REFUSED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Errors of the fast decoders, after which the lenient one is tried."""

_PRESENT_METHODS = frozenset({"chip", "contactless", "swipe"})
_HOLDS = frozenset({"issuing_authorization_hold", "issuing_authorization_release"})

Needed = TypeVar("Needed")
Shape = TypeVar("Shape", bound=msgspec.Struct)
Found_co = TypeVar("Found_co", bound=msgspec.Struct, covariant=True)


class MalformedEventError(ValueError):
    """A required part of the event is missing or unreadable; `problem` names its path."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(problem)


class Reader(Protocol[Found_co]):
    """Reads the object in an event's data. Raises MalformedEventError.

    Adds the paths of optional fields that are present but unreadable to `unreadable`.
    """

    def __call__(self, data: msgspec.Raw, unreadable: list[str] | None = None, /) -> Found_co: ...


def reader(shape: type[Shape]) -> Reader[Shape]:
    """A reader of objects of this shape."""
    data_shape: Any = shapes.Data[shape]  # type: ignore[valid-type]
    decode = msgspec.json.Decoder(data_shape).decode

    def read(data: msgspec.Raw, unreadable: list[str] | None = None, /) -> Shape:
        try:
            found: Shape = decode(data).object
        except REFUSED:
            try:
                tree = lenient.loads(bytes(data))
                found = lenient.build(data_shape, tree, "data", unreadable).object
            except lenient.UnreadableFieldError as problem:
                raise MalformedEventError(str(problem)) from None
        return found

    return read


def needed(value: Needed | None, problem: str) -> Needed:
    """The value, if there is one; else raises MalformedEventError with this problem."""
    if value is None:
        raise MalformedEventError(problem)
    return value


def text(value: str | None, max_chars: int = MAX_TEXT_CHARS) -> str:
    """Text that the database can store: without NUL, and cut to its column."""
    if value is None:
        return ""
    return value[:max_chars].replace("\0", "\N{REPLACEMENT CHARACTER}")


def word(value: str | None) -> str:
    """A value of one of Stripe's enums, which may get new ones: active, capture, Visa."""
    return text(value, 50)


def name(value: str | None) -> str:
    """The name of a person or company."""
    return text(value, 255)


def lower(value: str | None) -> str:
    """A code in lower case, cut afterwards: some letters are longer in lower case."""
    return text((value or "").lower())


def card(found: shapes.CardShape) -> CardDetails:
    holder = found.cardholder
    return CardDetails(
        id=found.id,
        status=word(found.status),
        last4=text(found.last4),
        currency=lower(found.currency),
        cardholder_id=holder if isinstance(holder, str) else holder.id,
        cardholder_name="" if isinstance(holder, str) else name(holder.name),
        brand=word(found.brand),
        type=word(found.type),
        replacement_for=id_of(found.replacement_for),
        created=found.created,
        metadata=metadata(found.metadata),
        cardholder_metadata=None if isinstance(holder, str) else metadata(holder.metadata),
    )


def metadata(found: dict[str, str] | None) -> dict[str, str] | None:
    """What the program has written on an object, as the database can store it."""
    return {text(key): text(value) for key, value in found.items()} if found else found


def id_of(found: shapes.Expandable | str | msgspec.UnsetType | None) -> str | None:
    """The id of an object that Stripe sends whole or as its id alone; None if there is none."""
    return found.id if isinstance(found, shapes.Expandable) else found or None


def merchant(found: shapes.MerchantData | None, presence: str = "", method: str = "") -> Merchant:
    """A merchant, with the card's presence there and the authorization's method."""
    if found is None:
        return Merchant(card_presence=presence, authorization_method=method)
    return Merchant(
        category=text(found.category),
        category_code=text(found.category_code),
        country=text((found.country or "").upper()),
        name=text(found.name),
        network_id=text(found.network_id),
        card_presence=presence,
        authorization_method=method,
        city=text(found.city),
        state=text(found.state),
        postal_code=text(found.postal_code),
        terminal_id=text(found.terminal_id),
        url=text(found.url),
    )


def card_presence(found: shapes.AuthorizationShape) -> str | None:
    """Stripe's value or, in API versions without the field, what the method proves.

    A typed-in number proves nothing: the merchant may hold the card or be given it by telephone.
    """
    if found.card_presence:
        return text(found.card_presence)
    if found.authorization_method in _PRESENT_METHODS:
        return "present"
    return "not_present" if found.authorization_method == "online" else None


def verification(found: shapes.VerificationData | None) -> Verification:
    if found is None:
        return Verification()
    secure = found.three_d_secure
    return Verification(
        cvc=text(found.cvc_check),
        expiry=text(found.expiry_check),
        address_line1=text(found.address_line1_check),
        postal_code=text(found.address_postal_code_check),
        three_d_secure=text(secure.result) or None if secure else None,
    )


def snapshot(
    found: shapes.AuthorizationShape,
    at: int,
    currency: str,
    transactions: tuple[TransactionSnapshot, ...],
) -> Snapshot:
    """An authorization as of `at`: the event's `created`, or when the API was read.

    `currency` is the card's.
    """
    entries = sorted(found.request_history or (), key=lambda entry: entry.created)
    history = tuple(
        RequestHistoryEntry(
            amount=entry.amount,
            approved=entry.approved,
            created=entry.created,
            reason=text(entry.reason),
            cashback=(entry.amount_details or shapes.AmountDetails()).cashback_amount or 0,
            merchant_amount=entry.merchant_amount or 0,
            message=text(entry.reason_message),
        )
        for entry in entries
    )
    details = found.amount_details or shapes.AmountDetails()
    captures = [transaction.captured for transaction in transactions if transaction.is_capture]
    return Snapshot(
        at=at,
        # Stripe requests decisions only on open authorizations.
        status=word(found.status) or "pending",
        amount=found.amount or 0,
        history=history,
        transactions=len(transactions),
        merchant_amount=found.merchant_amount or 0,
        merchant_currency=lower(found.merchant_currency),
        captured=sum(captures) if captures else None,
        held=_held(found.balance_transactions or (), currency),
        cashback=details.cashback_amount or 0,
    )


def transactions(found: shapes.AuthorizationShape, at: int) -> tuple[TransactionSnapshot, ...]:
    """The transactions that an authorization lists."""
    return tuple(transaction(one, at) for one in found.transactions or ())


def transaction(found: shapes.TransactionShape, at: int) -> TransactionSnapshot:
    """A transaction as of `at`, the `created` of the event that reports it."""
    details = found.amount_details or shapes.AmountDetails()
    return TransactionSnapshot(
        id=found.id,
        at=at,
        type=word(found.type),
        amount=found.amount,
        created=found.created,
        cashback=details.cashback_amount or 0,
        merchant_amount=found.merchant_amount or 0,
        merchant_currency=lower(found.merchant_currency),
    )


def _held(rows: Sequence[shapes.BalanceTransaction], currency: str) -> int | None:
    """What balance transactions leave on hold: a hold is negative, its release positive.

    None if that is unknown: there are none, or there are others among them.
    """
    if not rows or any(row.type not in _HOLDS or lower(row.currency) != currency for row in rows):
        return None
    held = max(0, -sum(row.amount for row in rows))
    return held if held <= MAX_AMOUNT else None
