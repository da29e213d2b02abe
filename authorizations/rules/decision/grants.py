"""What lets a card spend: a purchase needs an applied policy that grants it.

What only forbids opens nothing: blocked merchants, hours or a number of purchases say where money
may not go, not that it may. A policy grants a purchase by an amount limit that concerns it, in its
currency, or by saying outright that it is unlimited.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum

from authorizations.rules.basics.controls import LimitControl
from authorizations.rules.basics.filters import Merchant, UnknownMerchant
from authorizations.rules.decision.controls import AppliedControls, SpendingControls
from authorizations.rules.decision.values import Json
from authorizations.rules.purchases.counted import cash_part
from authorizations.rules.purchases.events import AuthorizationRequest

UNLIMITED = "*"
"""Stands for every currency."""


def granted_currencies(controls: SpendingControls) -> frozenset[str]:
    """The currencies in which a card may spend anything at all by this policy alone.

    A limit of 0 lets nothing be spent, so a card under it alone has no grant. A policy with amount
    limits declines every currency in which it has none, an unlimited one as well.
    """
    if controls.unlimited:
        return limited_currencies(controls) or frozenset({UNLIMITED})
    return frozenset(limit.currency for limit in controls.spending_limits if limit.amount)


def limited_currencies(controls: SpendingControls) -> frozenset[str]:
    """The currencies with an amount limit: where there are any, all others are declined."""
    limits = controls.spending_limits
    return frozenset(limit.currency for limit in limits if limit.amount is not None)


def is_granted(request: AuthorizationRequest, applied: Iterable[AppliedControls]) -> bool:
    """Whether one of the policies grants the purchase; of 0 as well."""
    return any(_grants(policy.controls, request) for policy in applied)


def _grants(controls: SpendingControls, request: AuthorizationRequest) -> bool:
    return controls.unlimited or any(
        limit.amount is not None
        and limit.currency == request.currency
        and all(_grants_at(limit, merchant, request) for merchant in request.merchants)
        for limit in controls.spending_limits
    )


def _grants_at(limit: LimitControl, merchant: Merchant, request: AuthorizationRequest) -> bool:
    """A limit on cash grants only what is all cash: it counts nothing else."""
    if isinstance(merchant, UnknownMerchant):
        return not limit.filter.key
    if not limit.filter.concerns(merchant):
        return False
    return not limit.filter.cash_only or _is_all_cash(merchant, request)


def _is_all_cash(merchant: Merchant, request: AuthorizationRequest) -> bool:
    amount = request.amount
    if not amount:
        return merchant.is_cash
    return cash_part(amount, request.cashback_amount, merchant) == amount


class NotGranted(StrEnum):
    """Why a policy does not grant a purchase."""

    NO_AMOUNT_LIMIT = "no_amount_limit"
    OTHER_CURRENCIES = "other_currencies"
    BEGUN_ELSEWHERE = "begun_elsewhere"
    CASH_ONLY = "cash_only"
    ONE_OF_TWO_MERCHANTS = "one_of_two_merchants"
    OTHER_PURCHASES = "other_purchases"


def why_not_granted(request: AuthorizationRequest, applied: Sequence[AppliedControls]) -> Json:
    """Of each policy why it does not grant the purchase, as data; None where no policy applies.

    [{"policy": "Travel", "why": "other_currencies", "currencies": ["usd"]}]: the currencies, in
    which it has amount limits, only there.
    """
    return [_why_not(policy.controls, request) for policy in applied] or None


def _why_not(controls: SpendingControls, request: AuthorizationRequest) -> Json:
    limits = [limit for limit in controls.spending_limits if limit.amount is not None]
    in_currency = [limit for limit in limits if limit.currency == request.currency]
    if limits and not in_currency:
        currencies = sorted(limited_currencies(controls))
        why = NotGranted.OTHER_CURRENCIES
        return {"policy": controls.name, "why": why, "currencies": currencies}
    return {"policy": controls.name, "why": _why_not_in_currency(in_currency, request)}


def _why_not_in_currency(
    limits: Sequence[LimitControl], request: AuthorizationRequest
) -> NotGranted:
    if not limits:
        return NotGranted.NO_AMOUNT_LIMIT
    if isinstance(request.merchant, UnknownMerchant):
        return NotGranted.BEGUN_ELSEWHERE
    if any(
        all(limit.filter.concerns(merchant) for merchant in request.merchants) for limit in limits
    ):
        return NotGranted.CASH_ONLY
    if len(request.merchants) > 1:
        return NotGranted.ONE_OF_TWO_MERCHANTS
    return NotGranted.OTHER_PURCHASES
