"""Values as rows of the tables they are kept in; statements.WRITE takes them as JSON."""

from datetime import UTC, datetime
from typing import Any, TypeAlias

from authorizations.models import LedgerCause
from authorizations.rules.basics.filters import Merchant
from authorizations.rules.purchases.books import AuthorizationState
from authorizations.rules.purchases.counted import CountedUsage
from authorizations.rules.purchases.events import PurchaseEvent
from authorizations.services.store.lookup import LockedScopes

Row: TypeAlias = dict[str, Any]


def purchase(told: PurchaseEvent, held: LockedScopes, books: AuthorizationState) -> Row:
    """An authorization; of one that is known already only what the books say is written."""
    return (
        {
            "id": told.authorization_id,
            "card_id": told.card.id,
            "cardholder_id": held.cardholder_id,
            "group_id": held.group_id,
            "created": instant(told.created),
            "currency": told.currency,
            "network_id": told.merchant.network_id,
        }
        | merchant(told.merchant)
        | standing(books, told.merchant)
    )


def standing(books: AuthorizationState, at: Merchant) -> Row:
    """The columns of an authorization that change in its life."""
    counted = books.counted(at)
    return {
        "status": books.status[:50],
        "books": books,
        "captured_amount": books.captured,
        "is_held": books.held > 0,
        "counted_amount": counted.amount,
        "counted_cash": counted.cash,
        "refunded_amount": counted.refunded,
        "count": counted.count,
        "cash_count": counted.cash_count,
    }


def entry(
    authorization_id: str,
    currency: str,
    cause: LedgerCause,
    change: CountedUsage,
    now: datetime,
    *,
    event_id: str = "",
    author: str = "",
    reason: str = "",
) -> Row:
    """One change of what an authorization counts for: by an event, or by hand."""
    return {
        "authorization_id": authorization_id,
        "event_id": event_id,
        "cause": cause,
        "amount": change.amount,
        "cash_amount": change.cash,
        "refunded_amount": change.refunded,
        "count": change.count,
        "cash_count": change.cash_count,
        "currency": currency,
        "entered_at": now,
        "author": author,
        "reason": reason,
    }


def merchant(found: Merchant) -> Row:
    return {
        "category": found.category,
        "category_code": found.category_code,
        "merchant_country": found.country,
        "merchant_name": found.name,
    }


def instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
