"""Random purchases: ordinary ones, with the usual exceptions."""

from collections.abc import Collection
from random import Random
from typing import Any

from simulator.cast import CardOf
from simulator.stripe.samples import MERCHANTS, Purchase, SampleMerchant, converted, identifier

CASH_MACHINE, MANUAL_CASH, FUEL_PUMP, BAKERY = "6011", "6010", "5542", "5462"
_GROCERIES = "5411"
RESTAURANTS = ("5812", "5813", "5814")
HOTELS_AND_RENTALS = ("3389", "3640", "7011")
ALL_KINDS = frozenset(merchant.mcc for merchant in MERCHANTS)
EVERYDAY = ALL_KINDS - {CASH_MACHINE, MANUAL_CASH, FUEL_PUMP}
"""Shops that request the amount of the purchase."""

_BY_SUBSCRIPTION = ("4816", "5734", "7311")
_RENEWAL = {"method": "online", "cvc": "not_provided", "postal_code": "not_provided"}
"""A charge without the cardholder, and so without a CVC, which shops may not store."""

_LOYALTY = 0.75
_RENEWALS = 0.8
_ATM_FEE = 250
_CASHBACK = 2_000


def purchase(
    member: CardOf, chance: Random, at: int, kinds: Collection[str] = ALL_KINDS
) -> Purchase:
    """A purchase with a card at the instant `at`, in a shop with one of these MCCs.

    Mostly in one of the holder's usual shops.
    """
    fitting = [merchant for merchant in MERCHANTS if merchant.mcc in kinds]
    own = [merchant for merchant in fitting if merchant.name in member.shops]
    merchant = chance.choice(own if own and chance.random() < _LOYALTY else fitting)
    usual = converted(merchant.usual, merchant.currency, member.currency)
    varies = merchant.mcc != FUEL_PUMP  # a pump always requests the same amount first
    amount = max(1, round(usual * chance.triangular(0.3, 2.5, 0.9))) if varies else usual
    # Drawn in this order, which a seed's purchases depend on.
    authorization_id = identifier("iauth", chance)
    risk_score = min(99, 1 + int(chance.expovariate(1 / 18)))
    manner = _manner(merchant, chance)
    cashback = converted(_CASHBACK, "eur", member.currency)
    wants_cash = merchant.mcc == _GROCERIES and chance.random() < 0.1 and cashback < amount
    atm_fee = converted(_ATM_FEE, "eur", member.currency) if merchant.mcc == CASH_MACHINE else None
    return Purchase(
        authorization_id=authorization_id,
        created=at,
        amount=amount,
        currency=member.currency,
        merchant=merchant,
        risk_score=risk_score,
        is_amount_controllable=merchant.mcc == FUEL_PUMP or chance.random() < 0.1,
        atm_fee=atm_fee,
        cashback=cashback if wants_cash else None,
        **manner,
    )


def grows(bought: Purchase) -> bool:
    """Whether shops of this kind request increments, as hotels and fuel pumps do."""
    return bought.merchant.mcc == FUEL_PUMP or bought.merchant.mcc in HOTELS_AND_RENTALS


def additional_amount(bought: Purchase, chance: Random) -> int:
    """The amount of an increment in such a shop."""
    if bought.merchant.mcc == FUEL_PUMP:
        return converted(chance.randrange(2_500, 9_500), "eur", bought.currency)
    return max(1, round(bought.amount * chance.uniform(0.1, 0.6)))


def _manner(merchant: SampleMerchant, chance: Random) -> dict[str, Any]:
    """How the purchase is paid; online, the CVC is sometimes wrong."""
    if merchant.mcc in _BY_SUBSCRIPTION and chance.random() < _RENEWALS:
        return _RENEWAL | {"three_d_secure": ""}
    if merchant.url:
        cvc = chance.choices(("match", "mismatch"), (97, 3))[0]
        return {"method": "online", "cvc": cvc}
    method = chance.choices(("chip", "contactless", "swipe", "keyed_in"), (50, 44, 4, 2))[0]
    wallets = ("apple_pay", "google_pay", None)
    wallet = chance.choices(wallets, (30, 20, 50))[0] if method == "contactless" else None
    return {"method": method, "wallet": wallet}
