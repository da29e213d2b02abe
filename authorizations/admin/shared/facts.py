"""What a request asked, in plain words; what was not told is left out."""

from authorizations.models import Authorization, Decision
from authorizations.rules.basics.filters import Merchant, known_categories
from authorizations.rules.basics.money import format_money
from authorizations.rules.basics.words import category_words, code_words, country_words, listed
from authorizations.rules.kinds import ASKED_FIELDS
from authorizations.rules.purchases.events import AuthorizationRequest

Facts = list[tuple[str, str]]


def facts(request: AuthorizationRequest) -> Facts:
    """Name and value, in the order in which people ask."""
    merchant = _merchant(request.asked_at) | _began(request)
    return told(_money(request) | merchant | _way(request) | _card(request))


def told(named: dict[str, str]) -> Facts:
    """Without those of which nothing is known."""
    return [(name, value) for name, value in named.items() if value]


def _money(request: AuthorizationRequest) -> dict[str, str]:
    currency = request.currency
    return {
        "Amount asked": format_money(request.amount, currency),
        "In the merchant's currency": _merchant_amount(request),
        "Approved before": money_if_any(request.snapshot.amount, currency),
        "Of it cash": money_if_any(request.cash_amount, currency),
        "Fee of the cash machine": money_if_any(request.atm_fee, currency),
        "A part may be approved": "Yes" if request.is_amount_controllable else "No",
    }


def money_if_any(amount: int, currency: str) -> str:
    return format_money(amount, currency) if amount else ""


def _merchant_amount(request: AuthorizationRequest) -> str:
    currency = request.merchant_currency
    if request.merchant_amount is None or not currency or currency == request.currency:
        return ""
    return format_money(request.merchant_amount, currency)


def _merchant(merchant: Merchant) -> dict[str, str]:
    town = " ".join(filter(None, (merchant.postal_code, merchant.city, merchant.state)))
    country = country_words(merchant.country)
    return {
        "Merchant": merchant.name,
        "Place": ", ".join(filter(None, (town, country))),
        "Website": merchant.url,
        "Category": category_and_code(merchant.category, merchant.category_code),
        "Network id": merchant.network_id,
        "Terminal": merchant.terminal_id,
    }


def _began(request: AuthorizationRequest) -> dict[str, str]:
    """Where the purchase began, where that is elsewhere: limits know it by that."""
    if request.named_merchant is None:
        return {}
    at = request.merchant
    kind = category_and_code(at.category, at.category_code)
    told = (at.name, kind, country_words(at.country), at.network_id)
    return {"Purchase began at": ", ".join(filter(None, told)) or "A merchant that was not told"}


def category_and_code(category: str, code: str) -> str:
    """ "Fast Food Restaurants (5814)"."""
    known = known_categories().get(category)
    words = known.label if known else category_words(category).capitalize()
    return f"{words} ({code})" if words and code else words or code


def place_facts(row: Authorization | Decision) -> dict[str, str]:
    """Where, as rows keep it."""
    return {
        "Merchant": row.merchant_name,
        "Category": category_and_code(row.category, row.category_code),
        "Country": country_words(row.merchant_country),
    }


def _way(request: AuthorizationRequest) -> dict[str, str]:
    checks, score = request.verification, request.network_risk_score
    return {
        "Method": _code(request.authorization_method),
        "Card presence": _code(request.card_presence),
        "Wallet": _code(request.wallet),
        "CVC": _code(checks.cvc),
        "Expiry date": _code(checks.expiry),
        "Address": _code(checks.address_line1),
        "Postal code": _code(checks.postal_code),
        "3-D Secure": _code(checks.three_d_secure),
        "Network risk score": "" if score is None else str(score),
        "Not readable": listed([ASKED_FIELDS.get(name, name) for name in request.unreadable]),
    }


def _code(code: str | None) -> str:
    words = code_words(code or "")
    return words[:1].upper() + words[1:]


def _card(request: AuthorizationRequest) -> dict[str, str]:
    card = request.card
    return {
        "Card at Stripe": _code(card.status),
        "Replaces": card.replacement_for or "",
        "Mode": "Live" if request.livemode else "Test",
        "Account": request.account or "",
    }
