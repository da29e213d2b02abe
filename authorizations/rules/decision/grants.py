"""Grants: a purchase needs at least one policy that grants it.

A restriction alone grants nothing: blocked merchants, hours or a count limit say where money may
not go. A policy grants a purchase through an amount limit that applies to it, in its currency, or
because it is marked unlimited.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum

from authorizations.rules.basics.controls import Exclusion, Interval, LimitControl
from authorizations.rules.basics.filters import Merchant, UnknownMerchant
from authorizations.rules.decision.controls import AppliedControls, SpendingControls
from authorizations.rules.decision.values import Json
from authorizations.rules.purchases.counted import cash_part
from authorizations.rules.purchases.events import AuthorizationRequest

UNLIMITED = "*"
"""Means every currency."""


def granted_currencies(controls: SpendingControls) -> frozenset[str]:
    """The currencies in which this policy alone lets a card spend anything.

    A limit of 0, or one that leaves out all it names, grants nothing. A policy with amount limits,
    even an unlimited policy, declines every currency without one.
    """
    if controls.unlimited:
        return limited_currencies(controls) or frozenset({UNLIMITED})
    return frozenset(limit.currency for limit in granting_limits(controls))


def granting_limits(controls: SpendingControls) -> list[LimitControl]:
    """The limits on amounts that grant some purchase, with funds once a pot has some."""
    limits = controls.spending_limits
    granting = (limit for limit in limits if limit.amount or limit.interval is Interval.FUNDS)
    return [limit for limit in granting if not limit.filter.all_left_out]


def limited_currencies(controls: SpendingControls) -> frozenset[str]:
    """The currencies with an amount limit; if there are any, all others are declined."""
    limits = controls.spending_limits
    return frozenset(limit.currency for limit in limits if limit.amount is not None)


def is_granted(request: AuthorizationRequest, applied: Iterable[AppliedControls]) -> bool:
    """Whether one of the policies grants the purchase, which may have an amount of 0."""
    return any(
        policy.controls.unlimited
        or any(
            limit.amount is not None
            and limit.currency == request.currency
            and all(_grants_at(limit, merchant, request) for merchant in request.merchants)
            for limit in policy.controls.spending_limits
        )
        for policy in applied
    )


def _grants_at(limit: LimitControl, merchant: Merchant, request: AuthorizationRequest) -> bool:
    """A limit on cash grants only purchases that are entirely cash: it counts nothing else.

    Funds grant no purchase that began before anything was added.
    """
    if limit.since is not None and request.created < limit.since:
        return False
    if isinstance(merchant, UnknownMerchant):
        return not limit.filter.key
    if not limit.filter.concerns(merchant) or not limit.filter.is_told_by(merchant):
        return False
    if not limit.filter.cash_only:
        return True
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
    NOT_TOLD = "not_told"
    ONE_OF_TWO_MERCHANTS = "one_of_two_merchants"
    ONE_OF_TWO_WAYS = "one_of_two_ways"
    OTHER_PURCHASES = "other_purchases"
    LEFT_OUT = "left_out"


def why_not_granted(
    request: AuthorizationRequest,
    applied: Sequence[AppliedControls],
    exclusions: Iterable[Exclusion] = (),
) -> Json:
    """Why each policy does not grant the purchase, as JSON data; None if no policy applies.

    [{"policy": "Travel", "why": "other_currencies", "currencies": ["usd"]}]; only this reason has
    the currencies of the policy's amount limits. One that `exclusions` left out has who and why.
    """
    reasons: list[Json] = []
    for policy in applied:
        controls = policy.controls
        limits = [limit for limit in controls.spending_limits if limit.amount is not None]
        in_currency = [limit for limit in limits if limit.currency == request.currency]
        if limits and not in_currency:
            currencies = sorted(limited_currencies(controls))
            why = {"why": NotGranted.OTHER_CURRENCIES, "currencies": currencies}
        else:
            why = {"why": _why_not_in_currency(in_currency, request)}
        reasons.append({"policy": controls.name, **why})
    for exclusion in exclusions:
        told = {
            "scope": exclusion.scope.kind,
            "until": exclusion.until,
            "author": exclusion.author,
            "reason": exclusion.reason,
        }
        kept = {name: value for name, value in told.items() if value}
        reasons.append({"policy": exclusion.policy, "why": NotGranted.LEFT_OUT, **kept})
    return reasons or None


def _why_not_in_currency(
    limits: Sequence[LimitControl], request: AuthorizationRequest
) -> NotGranted:
    if not limits:
        return NotGranted.NO_AMOUNT_LIMIT
    if isinstance(request.merchant, UnknownMerchant):
        return NotGranted.BEGUN_ELSEWHERE
    merchants = request.merchants
    concerned = [it.filter for it in limits if all(map(it.filter.concerns, merchants))]
    if concerned:
        is_told = any(all(map(it.is_told_by, merchants)) for it in concerned)
        return NotGranted.CASH_ONLY if is_told else NotGranted.NOT_TOLD
    if len(merchants) > 1:
        is_elsewhere = request.is_elsewhere
        return NotGranted.ONE_OF_TWO_MERCHANTS if is_elsewhere else NotGranted.ONE_OF_TWO_WAYS
    return NotGranted.OTHER_PURCHASES
