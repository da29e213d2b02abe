"""From Stripe's events to our words.

`read` takes the envelope apart, `authorization_request` the question in it. Both decode with types
first, which is fast, and start again leniently where that fails: unknown fields and values are
welcome, unreadable ones fail only where they are needed.
"""

from typing import TypeVar

import msgspec

from authorizations.rules.books import HistoryEntry, Snapshot
from authorizations.rules.filters import Merchant
from authorizations.rules.values import AuthorizationRequest, Card, Verification
from authorizations.wire import lenient, shapes

AUTHORIZATION_REQUEST = "issuing_authorization.request"
"""The type of the one event that wants a decision."""

MAX_TEXT_CHARS = 500
MAX_TYPE_CHARS = 255

_PRESENT_METHODS = frozenset({"chip", "contactless", "swipe"})

Needed = TypeVar("Needed")


class NotAnEvent(ValueError):  # noqa: N818 - a sentence about the body, not about the program
    """The body is not a JSON object with a type; `sentence` says so to the sender."""

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence
        super().__init__(sentence)


class MalformedRequest(ValueError):  # noqa: N818
    """A needed part of the request is missing or unreadable; `problem` names its path."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(problem)


class Event(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """An event's envelope; None for what is missing or unreadable. `data` is raw JSON."""

    type: str
    id: shapes.Id | None = None
    created: shapes.Instant | None = None
    livemode: bool | None = None
    account: shapes.Id | None = None
    api_version: shapes.Id | None = None
    data: msgspec.Raw = msgspec.Raw(b"null")


_REFUSED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_decode_event = msgspec.json.Decoder(Event).decode
_decode_data = msgspec.json.Decoder(shapes.Data).decode


def read(body: bytes) -> Event:
    """Read the envelope of a signed body. Raises NotAnEvent."""
    try:
        event = _decode_event(body)
    except _REFUSED:
        event = _read_leniently(body)
    if len(event.type) <= MAX_TYPE_CHARS and "\0" not in event.type:
        return event
    return msgspec.structs.replace(event, type=_text(event.type)[:MAX_TYPE_CHARS])


def authorization_request(event: Event) -> AuthorizationRequest:
    """What an event of the type AUTHORIZATION_REQUEST asks. Raises MalformedRequest."""
    event_id = _needed(event.id, "id: expected an id of 1 to 255 visible characters")
    at = _needed(event.created, "created: expected whole Unix seconds up to the year 9999")
    livemode = _needed(event.livemode, "livemode: expected true or false")
    found = _authorization(event.data)
    pending = found.pending_request
    details = pending.amount_details or shapes.AmountDetails()
    return AuthorizationRequest(
        event_id=event_id,
        event_created=at,
        livemode=livemode,
        authorization_id=found.id,
        created=found.created,
        card=_card(found.card),
        amount=pending.amount,
        currency=pending.currency.lower(),
        merchant=_merchant(found.merchant_data),
        snapshot=_snapshot(found, at),
        account=event.account,
        merchant_amount=pending.merchant_amount,
        merchant_currency=_text(pending.merchant_currency).lower() or None,
        is_amount_controllable=pending.is_amount_controllable,
        cashback_amount=details.cashback_amount or 0,
        atm_fee=details.atm_fee or 0,
        network_risk_score=pending.network_risk_score,
        authorization_method=_text(found.authorization_method),
        card_presence=_card_presence(found),
        wallet=_text(found.wallet) or None,
        verification=_verification(found.verification_data),
    )


def _read_leniently(body: bytes) -> Event:
    try:
        tree = lenient.loads(body)
        event = lenient.build(Event, tree, "")
    except lenient.UnreadableError:
        raise NotAnEvent(
            "The body is not a JSON object with a type, as Stripe's events are."
        ) from None
    data = msgspec.Raw(lenient.dumps(tree.get("data")))
    return msgspec.structs.replace(event, data=data)


def _authorization(data: msgspec.Raw) -> shapes.Authorization:
    try:
        return _decode_data(data).object
    except _REFUSED:
        pass
    try:
        return lenient.build(shapes.Data, lenient.loads(bytes(data)), "data").object
    except lenient.UnreadableError as unreadable:
        raise MalformedRequest(str(unreadable)) from None


def _needed(value: Needed | None, problem: str) -> Needed:
    if value is None:
        raise MalformedRequest(problem)
    return value


def _text(value: str | None) -> str:
    """Text from outside as the database can hold it: without NUL, and not endless."""
    if value is None:
        return ""
    return value[:MAX_TEXT_CHARS].replace("\0", "\N{REPLACEMENT CHARACTER}")


def _card(card: shapes.Card) -> Card:
    holder, replaced = card.cardholder, card.replacement_for
    replaced_id = replaced.id if isinstance(replaced, shapes.Expandable) else replaced or None
    return Card(
        id=card.id,
        status=_text(card.status),
        last4=_text(card.last4),
        currency=_text(card.currency).lower(),
        cardholder_id=holder if isinstance(holder, str) else holder.id,
        cardholder_name="" if isinstance(holder, str) else _text(holder.name),
        brand=_text(card.brand),
        type=_text(card.type),
        replacement_for=replaced_id,
    )


def _merchant(found: shapes.MerchantData | None) -> Merchant:
    if found is None:
        return Merchant()
    return Merchant(
        category=_text(found.category),
        category_code=_text(found.category_code),
        country=_text(found.country).upper(),
        name=_text(found.name),
        network_id=_text(found.network_id),
        city=_text(found.city),
        state=_text(found.state),
        postal_code=_text(found.postal_code),
        terminal_id=_text(found.terminal_id),
        url=_text(found.url),
    )


def _card_presence(found: shapes.Authorization) -> str | None:
    """Stripe's word, else what the method proves: API versions before the field don't tell it.

    A typed-in number proves nothing: the shop may hold the card or hear it on the telephone.
    """
    if found.card_presence:
        return _text(found.card_presence)
    if found.authorization_method in _PRESENT_METHODS:
        return "present"
    return "not_present" if found.authorization_method == "online" else None


def _verification(found: shapes.VerificationData | None) -> Verification:
    if found is None:
        return Verification()
    secure = found.three_d_secure
    return Verification(
        cvc=_text(found.cvc_check),
        expiry=_text(found.expiry_check),
        address_line1=_text(found.address_line1_check),
        postal_code=_text(found.address_postal_code_check),
        three_d_secure=_text(secure.result) or None if secure else None,
    )


def _snapshot(found: shapes.Authorization, at: int) -> Snapshot:
    entries = sorted(found.request_history or (), key=lambda entry: entry.created)
    return Snapshot(
        at=at,
        # Stripe asks only about authorizations that are open.
        status=_text(found.status) or "pending",
        amount=found.amount or 0,
        history=tuple(map(_history_entry, entries)),
        transactions=len(found.transactions),
    )


def _history_entry(entry: shapes.HistoryEntry) -> HistoryEntry:
    details = entry.amount_details or shapes.AmountDetails()
    return HistoryEntry(
        amount=entry.amount,
        approved=entry.approved,
        created=entry.created,
        reason=_text(entry.reason),
        cashback=details.cashback_amount or 0,
    )
