"""The details of a request in plain words, as name and value pairs."""

from authorizations.models import Authorization, Decision
from authorizations.rules.basics.clocks import local_time
from authorizations.rules.basics.filters import known_categories
from authorizations.rules.basics.money import format_money
from authorizations.rules.basics.words import (
    category_words,
    code_words,
    country_words,
    day_words,
    listed,
)
from authorizations.rules.kinds import ASKED_FIELDS
from authorizations.rules.purchases.events import AuthorizationRequest

Facts = list[tuple[str, str]]
"""Pairs of name and value, in the order of the page."""


def facts(request: AuthorizationRequest) -> Facts:
    """The details that Stripe sent; those it did not send are left out."""
    currency = request.currency
    has_other_currency = request.merchant_currency not in {None, "", currency}
    merchant_amount = ""
    if has_other_currency and request.merchant_amount is not None:
        merchant_amount = format_money(request.merchant_amount, request.merchant_currency or "")
    money = {
        "Amount requested": format_money(request.amount, currency),
        "In the merchant's currency": merchant_amount,
        "Approved before": money_if_any(request.snapshot.amount, currency),
        "Of this, cash": money_if_any(request.cash_amount, currency),
        "Fee of the cash machine": money_if_any(request.atm_fee, currency),
        "Shop takes part payment": "Yes" if request.is_amount_controllable else "No",
    }

    shop = request.asked_at
    town = " ".join(filter(None, (shop.postal_code, shop.city, shop.state)))
    merchant = {
        "Merchant": shop.name,
        "Place": ", ".join(filter(None, (town, country_words(shop.country)))),
        "Website": shop.url,
        "Category": category_and_code(shop.category, shop.category_code),
        "Network id": shop.network_id,
        "Terminal": shop.terminal_id,
    }
    # What the first request said, which limits measure the purchase by.
    first = request.merchant
    if request.is_elsewhere:
        kind = category_and_code(first.category, first.category_code)
        words = (first.name, kind, country_words(first.country), first.network_id)
        merchant["Purchase began at"] = ", ".join(filter(None, words)) or "Unknown merchant"

    now, before = ((it.authorization_method, it.card_presence) for it in (request.asked_at, first))
    used_first = listed([code_words(code) for code in before if code]) if now != before else ""

    checks, score = request.verification, request.network_risk_score
    way = {
        "Method": _code(request.authorization_method),
        "Card presence": _code(request.card_presence),
        "When the purchase began": _code(used_first),
        "Wallet": _code(request.wallet),
        "Network token": request.token or "",
        "CVC": _code(checks.cvc),
        "Expiry date": _code(checks.expiry),
        "Address": _code(checks.address_line1),
        "Postal code": _code(checks.postal_code),
        "3-D Secure": _code(checks.three_d_secure),
        "Network risk score": "" if score is None else str(score),
        "Fraud challenge": "Confirmed" if request.verified_by_fraud_challenge else "",
        "Not readable": listed([ASKED_FIELDS.get(name, name) for name in request.unreadable]),
    }
    created = request.card.created
    card = {
        "Card at Stripe": _code(request.card.status),
        "Card created": day_words(local_time("UTC", created)) if created is not None else "",
        "Replaces": request.card.replacement_for or "",
        "Mode": "Live" if request.livemode else "Test",
        "Account": request.account or "",
    }
    return nonempty(money | merchant | way | card)


def nonempty(values: dict[str, str]) -> Facts:
    """The pairs that have a value."""
    return [(name, value) for name, value in values.items() if value]


def money_if_any(amount: int, currency: str) -> str:
    """The amount as money; empty for 0."""
    return format_money(amount, currency) if amount else ""


def category_and_code(category: str, code: str) -> str:
    """ "Fast Food Restaurants (5814)"."""
    known = known_categories().get(category)
    words = known.label if known else category_words(category).capitalize()
    return f"{words} ({code})" if words and code else words or code


def use_facts(row: Authorization) -> dict[str, str]:
    """How the card was used when the purchase began."""
    return {
        "Method": _code(row.authorization_method),
        "Card presence": _code(row.card_presence),
    }


def place_facts(row: Authorization | Decision) -> dict[str, str]:
    """The merchant as rows store it."""
    return {
        "Merchant": row.merchant_name,
        "Category": category_and_code(row.category, row.category_code),
        "Country": country_words(row.merchant_country),
    }


def _code(code: str | None) -> str:
    words = code_words(code or "")
    return words[:1].upper() + words[1:]
