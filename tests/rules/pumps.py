"""Requests of fuel pumps, as the rules see them."""

from dataclasses import replace
from typing import Any

from authorizations.rules.purchases.events import AuthorizationRequest
from tests.support.builders import authorization_request, card, merchant

PUMP = merchant(category="automated_fuel_dispensers", category_code="5542", name="Pump & Go")
CASHIER = replace(PUMP, category="service_stations", category_code="5541")


def asked(amount: int = 100, currency: str = "usd", **facts: Any) -> AuthorizationRequest:
    """A pump asks a card in `currency` for a token; by default in that currency."""
    usual = {"merchant": PUMP, "card": card(currency=currency)}
    return authorization_request(amount=amount, currency=currency, **(usual | facts))
