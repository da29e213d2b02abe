"""Complete sample events as Stripe sends them, for the simulator and for tests.

Every object has all fields of Stripe's schema (API 2026-10-28.endive). Cards and merchants of the
samples can be imported from here, too.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from authorizations.wire.events import AUTHORIZATION_REQUEST
from simulator.stripe.sample_cards import Json, card, cardholder, identifier
from simulator.stripe.sample_merchants import MERCHANTS, SampleMerchant, converted

__all__ = [
    "API_VERSION",
    "MERCHANTS",
    "Json",
    "Purchase",
    "SampleMerchant",
    "authorization",
    "card",
    "cardholder",
    "converted",
    "event",
    "history_entry",
    "identifier",
    "pending_request",
    "request_event",
    "to_bytes",
]

API_VERSION = "2026-10-28.endive"

_PRESENCES = {"online": "not_present", "keyed_in": "not_present"}
"""By method; for others the card is present. In samples, a keyed-in number is a telephone order."""


@dataclass(frozen=True, kw_only=True)
class Purchase:
    """What a shopper does: `amount` is asked for now, in `currency`, the card's.

    `approved_amount` and `history` are of the same authorization's earlier requests; `method` is
    Stripe's authorization_method. `merchant_amount` defaults to `amount` in what the merchant
    charges in; `cvc`, `postal_code` and `three_d_secure` (empty for none) to what is usual for the
    method.
    """

    authorization_id: str
    created: int
    amount: int
    currency: str = "eur"
    merchant: SampleMerchant = MERCHANTS[0]
    merchant_amount: int | None = None
    merchant_currency: str | None = None
    method: str = "chip"
    card_presence: str | None = None
    wallet: str | None = None
    cashback: int | None = None
    atm_fee: int | None = None
    is_amount_controllable: bool = False
    risk_score: int | None = None
    cvc: str | None = None
    postal_code: str | None = None
    three_d_secure: str | None = None
    approved_amount: int = 0
    history: tuple[Json, ...] = ()

    @property
    def charged_in(self) -> str:
        return self.merchant_currency or self.merchant.currency

    def increment(self, amount: int, *, approved: int, at: int) -> "Purchase":
        """The next request of this authorization: `amount` more.

        `approved` is what the request before was answered at `at` with, 0 for a decline.
        """
        reason = "webhook_approved" if approved else "webhook_declined"
        answered = replace(self, amount=approved or self.amount)
        entry = history_entry(answered, approved=approved > 0, at=at, reason=reason)
        return replace(
            self,
            amount=amount,
            merchant_amount=None,
            approved_amount=self.approved_amount + approved,
            history=(*self.history, entry),
        )


def event(
    type: str,  # noqa: A002 - Stripe's word
    found: Json,
    *,
    event_id: str,
    created: int,
    previous: Json | None = None,
    account: str | None = None,
    api_version: str = API_VERSION,
) -> Json:
    """An event about the object `found`, whose fields in `previous` were different before.

    `created` is the event's, `account` the connected account's id on Connect.
    """
    about = {"object": found} | ({} if previous is None else {"previous_attributes": previous})
    envelope = {
        "id": event_id,
        "object": "event",
        "api_version": api_version,
        "created": created,
        "data": about,
        "livemode": found["livemode"],
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": type,
    }
    return envelope | ({"account": account} if account else {})


def request_event(
    purchase: Purchase, *, event_id: str, created: int, card: Json, account: str | None = None
) -> Json:
    """The event in which Stripe asks whether `card` may pay for `purchase`."""
    found = authorization(purchase, card)
    return event(AUTHORIZATION_REQUEST, found, event_id=event_id, created=created, account=account)


def authorization(purchase: Purchase, card: Json) -> Json:
    """The authorization as it stands while Stripe asks: earlier approvals on top, no money yet."""
    return {
        "id": purchase.authorization_id,
        "object": "issuing.authorization",
        "amount": purchase.approved_amount,
        "amount_details": {"atm_fee": None, "cashback_amount": None},
        "approved": purchase.approved_amount > 0,
        "authorization_method": purchase.method,
        "balance_transactions": [],
        "card": card,
        "card_presence": purchase.card_presence or _PRESENCES.get(purchase.method, "present"),
        "cardholder": card["cardholder"]["id"],
        "created": purchase.created,
        "currency": purchase.currency,
        "fleet": None,
        "fraud_challenges": None,
        "fuel": None,
        "livemode": card["livemode"],
        "merchant_amount": converted(
            purchase.approved_amount, purchase.currency, purchase.charged_in
        ),
        "merchant_currency": purchase.charged_in,
        "merchant_data": _merchant_data(purchase.merchant),
        "metadata": {},
        "network_data": {
            "acquiring_institution_id": purchase.merchant.network_id[:6],
            "system_trace_audit_number": f"{purchase.created % 1_000_000:06}",
            "transaction_id": None,
        },
        "pending_request": pending_request(purchase),
        "request_history": list(purchase.history),
        "status": "pending",
        "token": None,
        "transactions": [],
        "verification_data": _verification_data(purchase),
        "verified_by_fraud_challenge": None,
        "wallet": purchase.wallet,
    }


def to_bytes(event: Mapping[str, Any]) -> bytes:
    """The body Stripe would send: it indents its JSON."""
    return json.dumps(event, indent=2).encode()


def _asked(purchase: Purchase) -> Json:
    """The amounts, in the form of both pending_request and request_history."""
    merchant_amount = purchase.merchant_amount
    if merchant_amount is None:
        merchant_amount = converted(purchase.amount, purchase.currency, purchase.charged_in)
    return {
        "amount": purchase.amount,
        "amount_details": {"atm_fee": purchase.atm_fee, "cashback_amount": purchase.cashback},
        "currency": purchase.currency,
        "merchant_amount": merchant_amount,
        "merchant_currency": purchase.charged_in,
        "network_risk_score": purchase.risk_score,
    }


def pending_request(purchase: Purchase) -> Json:
    return _asked(purchase) | {"is_amount_controllable": purchase.is_amount_controllable}


def history_entry(
    purchase: Purchase,
    *,
    approved: bool,
    at: int,
    reason: str,
    reason_message: str | None = None,
) -> Json:
    """How a request for `purchase` ended at `at`: its amount is what was approved or declined."""
    return _asked(purchase) | {
        "approved": approved,
        "authorization_code": f"S{at % 1_000_000:06}" if approved else None,
        "created": at,
        "reason": reason,
        "reason_message": reason_message,
        "requested_at": at - 1,
    }


def _merchant_data(merchant: SampleMerchant) -> Json:
    return {
        "category": merchant.category,
        "category_code": merchant.mcc,
        "city": merchant.city,
        "country": merchant.country,
        "name": merchant.name,
        "network_id": merchant.network_id,
        "postal_code": merchant.postal_code,
        "state": merchant.state,
        "tax_id": None,
        "terminal_id": None if merchant.url else merchant.network_id[-8:],
        "url": merchant.url,
    }


def _verification_data(purchase: Purchase) -> Json:
    """Online, shops ask for everything; at a terminal the chip stands for it."""
    online = purchase.method == "online"
    usual = "match" if online else "not_provided"
    secure = purchase.three_d_secure
    if secure is None and online:
        secure = "authenticated"
    return {
        "address_line1_check": "not_provided",
        "address_postal_code_check": purchase.postal_code or usual,
        "authentication_exemption": None,
        "cvc_check": purchase.cvc or usual,
        "expiry_check": "match",
        "postal_code": None,
        "three_d_secure": {"result": secure} if secure else None,
    }
