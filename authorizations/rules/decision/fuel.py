"""Fuel pumps (automated fuel dispensers): they request a token amount before fuel flows.

The network then holds far more than the token, and the real amount arrives later in an update.
Limits must therefore have the whole hold available.

Source: https://docs.stripe.com/issuing/purchases/authorizations, automated fuel dispensers.
"""

from collections.abc import Iterable

from authorizations.rules.basics.money import MAX_AMOUNT, exponent
from authorizations.rules.decision.controls import AppliedControls
from authorizations.rules.purchases.events import AuthorizationRequest

PUMP = "5542"
"""The MCC of pumps without a cashier; service stations (5541) request the real amount."""

_TOKEN, _USUAL_HOLD = 1, 100  # whole units of the merchant's currency


def is_token_request(request: AuthorizationRequest) -> bool:
    """Whether this is a pump's pre-authorization request for a token amount."""
    if request.asked_at.category_code != PUMP or request.request_index or not request.amount:
        return False
    amount, currency = _charged(request)
    return amount <= _whole(_TOKEN, currency)


def fuel_hold(request: AuthorizationRequest, applied: Iterable[AppliedControls]) -> int | None:
    """What a token request reserves, in the card's smallest unit; None for any other request.

    This is the largest hold that a policy sets in the card's currency, else 100.00 of the
    merchant's currency at the request's own exchange rate.
    """
    if not is_token_request(request):
        return None
    set_by_policies = (
        policy.controls.fuel_hold or 0
        for policy in applied
        if policy.controls.currency == request.currency
    )
    hold = max(set_by_policies, default=0)
    if not hold:
        amount, currency = _charged(request)
        hold = -(-_whole(_USUAL_HOLD, currency) * request.amount // amount)  # rounded up
    return min(max(hold, request.amount), MAX_AMOUNT)


def _whole(units: int, currency: str) -> int:
    """Whole units of a currency, in its smallest unit."""
    return int(units * 10 ** exponent(currency))


def _charged(request: AuthorizationRequest) -> tuple[int, str]:
    """What the merchant requests, in its currency, or in the card's if that is unknown."""
    if request.merchant_amount and request.merchant_currency:
        return request.merchant_amount, request.merchant_currency
    return request.amount, request.currency
