"""Parts of Stripe's objects in our words, shared by questions and reports."""

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
"""Here and below: what the database has room for, since no long text may decide a purchase."""

REFUSED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What the fast decoders raise where the lenient way is to be tried."""

_HOLDS = frozenset({"issuing_authorization_hold", "issuing_authorization_release"})

Needed = TypeVar("Needed")
Shape = TypeVar("Shape", bound=msgspec.Struct)
Found_co = TypeVar("Found_co", bound=msgspec.Struct, covariant=True)


class MalformedEventError(ValueError):
    """A needed part of the event is missing or unreadable; `problem` names its path."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(problem)


class Reader(Protocol[Found_co]):
    """Reads the object of a shape that an event is about. Raises MalformedEventError.

    The paths of optional fields that are there and can't be read are added to `unreadable`.
    """

    def __call__(self, data: msgspec.Raw, unreadable: list[str] | None = None, /) -> Found_co: ...


def reader(shape: type[Shape]) -> Reader[Shape]:
    data_of: Any = shapes.Data[shape]  # type: ignore[valid-type]
    decode = msgspec.json.Decoder(data_of).decode

    def read(data: msgspec.Raw, unreadable: list[str] | None = None, /) -> Shape:
        try:
            found: Shape = decode(data).object
        except REFUSED:
            return _read_leniently(data_of, data, shape, unreadable)
        return found

    return read


def _read_leniently(
    data_of: Any, data: msgspec.Raw, _: type[Shape], unreadable: list[str] | None
) -> Shape:
    try:
        tree = lenient.loads(bytes(data))
        found: Shape = lenient.build(data_of, tree, "data", unreadable).object
    except lenient.UnreadableFieldError as problem:
        raise MalformedEventError(str(problem)) from None
    return found


def needed(value: Needed | None, problem: str) -> Needed:
    if value is None:
        raise MalformedEventError(problem)
    return value


def text(value: str | None, most: int = MAX_TEXT_CHARS) -> str:
    """Text from outside as the database can hold it: without NUL, and not endless."""
    if value is None:
        return ""
    return value[:most].replace("\0", "\N{REPLACEMENT CHARACTER}")


def word(value: str | None) -> str:
    """A word of Stripe's, of which more may come: active, capture, Visa."""
    return text(value, 50)


def name(value: str | None) -> str:
    """Of a person or company."""
    return text(value, 255)


def lower(value: str | None) -> str:
    """A code in small letters; of some letters these are longer."""
    return text((value or "").lower())


def card(found: shapes.CardShape) -> CardDetails:
    holder, replaced = found.cardholder, found.replacement_for
    replaced_id = replaced.id if isinstance(replaced, shapes.Expandable) else replaced or None
    return CardDetails(
        id=found.id,
        status=word(found.status),
        last4=text(found.last4),
        currency=lower(found.currency),
        cardholder_id=holder if isinstance(holder, str) else holder.id,
        cardholder_name="" if isinstance(holder, str) else name(holder.name),
        brand=word(found.brand),
        type=word(found.type),
        replacement_for=replaced_id,
    )


def merchant(found: shapes.MerchantData | None) -> Merchant:
    if found is None:
        return Merchant()
    return Merchant(
        category=text(found.category),
        category_code=text(found.category_code),
        country=text((found.country or "").upper()),
        name=text(found.name),
        network_id=text(found.network_id),
        city=text(found.city),
        state=text(found.state),
        postal_code=text(found.postal_code),
        terminal_id=text(found.terminal_id),
        url=text(found.url),
    )


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
    """`at` is the `created` of the event, or when the API was read; `currency` the card's."""
    entries = sorted(found.request_history or (), key=lambda entry: entry.created)
    details = found.amount_details or shapes.AmountDetails()
    captures = [transaction.captured for transaction in transactions if transaction.is_capture]
    return Snapshot(
        at=at,
        # Stripe asks only about authorizations that are open.
        status=word(found.status) or "pending",
        amount=found.amount or 0,
        history=tuple(map(_history_entry, entries)),
        transactions=len(transactions),
        merchant_amount=found.merchant_amount or 0,
        merchant_currency=lower(found.merchant_currency),
        captured=sum(captures) if captures else None,
        held=_held(found.balance_transactions or (), currency),
        cashback=details.cashback_amount or 0,
    )


def transactions(found: shapes.AuthorizationShape, at: int) -> tuple[TransactionSnapshot, ...]:
    """Those that an authorization lists itself."""
    return tuple(transaction(one, at) for one in found.transactions or ())


def transaction(found: shapes.TransactionShape, at: int) -> TransactionSnapshot:
    """`at` is the `created` of the event that tells this version."""
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

    None where they don't tell: there are none, or others among them.
    """
    if not rows or any(row.type not in _HOLDS or lower(row.currency) != currency for row in rows):
        return None
    held = max(0, -sum(row.amount for row in rows))
    return held if held <= MAX_AMOUNT else None


def _history_entry(entry: shapes.HistoryEntryShape) -> RequestHistoryEntry:
    details = entry.amount_details or shapes.AmountDetails()
    return RequestHistoryEntry(
        amount=entry.amount,
        approved=entry.approved,
        created=entry.created,
        reason=text(entry.reason),
        cashback=details.cashback_amount or 0,
        merchant_amount=entry.merchant_amount or 0,
        message=text(entry.reason_message),
    )
