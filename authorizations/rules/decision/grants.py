"""What lets a card spend: a purchase needs an applied policy that grants it.

What only forbids opens nothing: blocked merchants, hours or a number of purchases say where money
may not go, not that it may. A policy grants a purchase by an amount limit that concerns it, in its
currency, or by saying outright that it is unlimited.
"""

from collections.abc import Iterable, Sequence

from authorizations.rules.basics.controls import LimitControl
from authorizations.rules.basics.filters import Merchant, UnknownMerchant
from authorizations.rules.decision.controls import AppliedControls, SpendingControls
from authorizations.rules.purchases.counted import cash_part
from authorizations.rules.purchases.events import AuthorizationRequest

UNLIMITED = "*"
"""Stands for every currency."""

_NAMED = 4
"""So many policies are named where none of them grants a purchase."""


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


def why_not_granted(
    request: AuthorizationRequest, applied: Sequence[AppliedControls]
) -> str | None:
    """Of each policy why it does not grant the purchase; None where no policy applies."""
    if not applied:
        return None
    told = [f"{policy.controls.name} {_why_not(policy.controls, request)}" for policy in applied]
    more = f"; and {len(told) - _NAMED} more" if len(told) > _NAMED else ""
    return "; ".join(told[:_NAMED]) + more


def _why_not(controls: SpendingControls, request: AuthorizationRequest) -> str:
    limits = [limit for limit in controls.spending_limits if limit.amount is not None]
    if not limits:
        return "has no amount limit"
    in_currency = [limit for limit in limits if limit.currency == request.currency]
    if not in_currency:
        currencies = {limit.currency.upper() for limit in limits}
        return f"has amount limits in {', '.join(sorted(currencies))} only"
    if isinstance(request.merchant, UnknownMerchant):
        where = "earlier, at a merchant that this server does not know"
        return f"has amount limits on certain purchases only, and this one began {where}"
    if any(
        all(limit.filter.concerns(merchant) for merchant in request.merchants)
        for limit in in_currency
    ):
        return "has an amount limit on cash only"
    if len(request.merchants) > 1:
        return "has no amount limit that concerns both merchants of the purchase"
    return "has amount limits on other purchases only"
