"""Fuel pumps: they ask for a token amount before anybody knows how much will flow.

Meanwhile the network holds far more, and the real amount comes later by an update. So what a pump
may still take is what limits must have room for.

Source: https://docs.stripe.com/issuing/purchases/authorizations, automated fuel dispensers.
"""

from collections.abc import Iterable

from authorizations.rules.basics.money import MAX_AMOUNT, exponent
from authorizations.rules.decision.controls import AppliedControls
from authorizations.rules.purchases.events import AuthorizationRequest

PUMP = "5542"
"""The MCC of pumps without a cashier; where somebody cashes (5541) the real amount is asked."""

_TOKEN, _USUAL_HOLD = 1, 100  # whole units of the merchant's currency


def is_token_request(request: AuthorizationRequest) -> bool:
    """Whether a pump asks for the token that stands for an amount nobody knows yet."""
    if request.asked_at.category_code != PUMP or request.request_index or not request.amount:
        return False
    amount, currency = _charged(request)
    return amount <= _whole(_TOKEN, currency)


def fuel_hold(request: AuthorizationRequest, applied: Iterable[AppliedControls]) -> int | None:
    """What a token request reserves, in the card's smallest unit; None for any other request.

    The largest hold that a policy sets in the card's currency, else 100.00 of the merchant's at
    the request's own rate.
    """
    if not is_token_request(request):
        return None
    set_by_policies = (
        policy.controls.fuel_hold or 0
        for policy in applied
        if policy.controls.currency == request.currency
    )
    hold = max(set_by_policies, default=0) or _usual_hold(request)
    return min(max(hold, request.amount), MAX_AMOUNT)


def _usual_hold(request: AuthorizationRequest) -> int:
    amount, currency = _charged(request)
    usual = _whole(_USUAL_HOLD, currency)
    return -(-usual * request.amount // amount)  # rounded up


def _whole(units: int, currency: str) -> int:
    """So many whole units of a currency, in its smallest."""
    return int(units * 10 ** exponent(currency))


def _charged(request: AuthorizationRequest) -> tuple[int, str]:
    """What the merchant asks for, in its currency; the card's where that is not told."""
    if request.merchant_amount and request.merchant_currency:
        return request.merchant_amount, request.merchant_currency
    return request.amount, request.currency
