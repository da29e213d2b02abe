"""Turns Stripe's later events into reports: authorizations, transactions, cards and disputes."""

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from authorizations.rules.purchases.events import CardDetails
from authorizations.rules.purchases.reports import (
    AuthorizationReport,
    CardholderReport,
    CardReport,
    DisputeReport,
    Report,
    TransactionReport,
)
from authorizations.wire import shapes
from authorizations.wire.convert import (
    REFUSED,
    card,
    card_presence,
    merchant,
    metadata,
    name,
    reader,
    snapshot,
    text,
    transaction,
    transactions,
    verification,
    word,
)
from authorizations.wire.events import READ, Event, identity

_authorization = reader(shapes.ReportedAuthorization)
_transaction = reader(shapes.BookedTransaction)
_card = reader(shapes.CardShape)
_cardholder = reader(shapes.CardholderShape)
_dispute = reader(shapes.DisputeShape)


def report(event: Event) -> Report | None:
    """The report in an event; None for types that change nothing here.

    Raises MalformedEventError.
    """
    read = _READERS.get(event.type)
    return read(event.data, *identity(event)) if read else None


def about(event: Event) -> str:
    """The id of the authorization that a later event is about, or else of the transaction.

    For a dispute, that of the disputed transaction; "" for events about neither. Never fails:
    events that can't be applied are found by it, too.
    """
    if event.type not in _OF_PURCHASES:
        return ""
    try:
        found = _named(event.data).object
    except REFUSED:
        return ""
    return _id(found.authorization) or _id(found.transaction) or found.id


def _authorization_report(data: msgspec.Raw, event_id: str, at: int) -> AuthorizationReport:
    found = _authorization(data)
    currency, moved = found.currency.lower(), transactions(found, at)
    return AuthorizationReport(
        event_id=event_id,
        event_created=at,
        authorization_id=found.id,
        created=found.created,
        card=card(found.card),
        currency=currency,
        merchant=merchant(
            found.merchant_data, card_presence(found) or "", text(found.authorization_method)
        ),
        snapshot=snapshot(found, at, currency, moved),
        transactions=moved,
        verification=verification(found.verification_data),
    )


def _transaction_report(data: msgspec.Raw, event_id: str, at: int) -> TransactionReport:
    found = _transaction(data)
    holder = found.cardholder
    return TransactionReport(
        event_id=event_id,
        event_created=at,
        authorization_id=found.id,
        created=found.created,
        # A transaction names its card and says no more about it.
        card=CardDetails(
            id=_id(found.card) or "",
            status="",
            last4="",
            currency="",
            cardholder_id=_id(holder) or "",
            cardholder_name=name(holder.name) if isinstance(holder, shapes.CardholderShape) else "",
        ),
        currency=found.currency.lower(),
        merchant=merchant(found.merchant_data),
        transaction=transaction(found, at),
        linked=_id(found.authorization),
    )


def _id(found: Any) -> str | None:
    """The id of what Stripe may send as an id or as a whole object."""
    if isinstance(found, msgspec.Struct):
        return str(found.id)  # type: ignore[attr-defined]
    return found if isinstance(found, str) else None


def _card_report(data: msgspec.Raw, event_id: str, at: int) -> CardReport:
    return CardReport(event_id=event_id, event_created=at, card=card(_card(data)))


def _cardholder_report(data: msgspec.Raw, event_id: str, at: int) -> CardholderReport:
    found = _cardholder(data)
    return CardholderReport(
        event_id=event_id,
        event_created=at,
        id=found.id,
        name=name(found.name),
        metadata=metadata(found.metadata),
    )


def _dispute_report(data: msgspec.Raw, event_id: str, at: int, *, funds: str = "") -> DisputeReport:
    found = _dispute(data)
    return DisputeReport(
        event_id=event_id,
        event_created=at,
        id=found.id,
        transaction_id=_id(found.transaction) or "",
        amount=found.amount,
        currency=found.currency.lower(),
        created=found.created,
        status=word(found.status),
        reason=word(found.evidence.reason) if found.evidence else "",
        loss_reason=text(found.loss_reason, 100),
        funds=funds,
    )


class _Named(msgspec.Struct, frozen=True, gc=False):
    id: shapes.Id
    authorization: shapes.Id | shapes.Expandable | None = None
    transaction: shapes.Id | shapes.Expandable | None = None


class _Data(msgspec.Struct, frozen=True, gc=False):
    object: _Named


_named = msgspec.json.Decoder(_Data).decode
_READERS: dict[str, Callable[[msgspec.Raw, str, int], Report]] = {
    "issuing_authorization.created": _authorization_report,
    "issuing_authorization.updated": _authorization_report,
    f"{READ}issuing_authorization": _authorization_report,
    "issuing_transaction.created": _transaction_report,
    "issuing_transaction.updated": _transaction_report,
    f"{READ}issuing_transaction": _transaction_report,
    "issuing_card.created": _card_report,
    "issuing_card.updated": _card_report,
    "issuing_cardholder.created": _cardholder_report,
    "issuing_cardholder.updated": _cardholder_report,
    "issuing_dispute.created": _dispute_report,
    "issuing_dispute.submitted": _dispute_report,
    "issuing_dispute.updated": _dispute_report,
    "issuing_dispute.closed": _dispute_report,
    "issuing_dispute.funds_reinstated": partial(_dispute_report, funds="reinstated"),
    "issuing_dispute.funds_rescinded": partial(_dispute_report, funds="rescinded"),
}

AFTERWARDS = tuple(name for name in _READERS if not name.startswith(READ))
"""The types of Stripe's events that change something here; others are only recorded."""

_OF_PURCHASES = {
    name for name in _READERS if not name.startswith(("issuing_card.", "issuing_cardholder."))
}
