"""Policy documents that several tests start from."""

from typing import Any

Document = dict[str, Any]

TRAVEL: Document = {
    "name": "Travel",
    "currency": "eur",
    "unlimited": False,
    "time_zone": "Europe/Paris",
    "week_starts": "monday",
    "allowed_categories": [],
    "blocked_categories": ["betting_casino_gambling", "3000-3299"],
    "allowed_merchant_countries": ["FR", "DE"],
    "blocked_merchant_countries": [],
    "allowed_merchant_states": [],
    "blocked_merchant_states": [],
    "allowed_merchant_cities": [],
    "blocked_merchant_cities": [],
    "allowed_merchant_postal_codes": [],
    "blocked_merchant_postal_codes": [],
    "allowed_merchants": [],
    "blocked_merchants": [],
    "required_merchant_data": [],
    "card_currency_only": False,
    "any_of": [],
    "first_purchases": [],
    "first_purchase_amount": None,
    "exempt_merchants": [],
    "allowed_card_presences": [],
    "blocked_card_presences": [],
    "allowed_authorization_methods": [],
    "blocked_authorization_methods": [],
    "allowed_wallets": [],
    "blocked_wallets": [],
    "network_token": None,
    "required_verification": ["cvc"],
    "max_network_risk_score": None,
    "network_risk_despite_challenge": False,
    "schedule": [{"days": ["mon", "tue"], "from": "08:00", "to": "20:00"}],
    "usable_from": None,
    "usable_until": None,
    "minimum_card_age_days": None,
    "partial_approval": False,
    "smallest_partial_amount": None,
    "refunds_restore": True,
    "fuel_hold": None,
    "stand_in_amount": None,
    "stand_in_cap": None,
    "spending_limits": [
        {"amount": 50000, "interval": "monthly"},
        {
            "amount": 5000,
            "interval": "daily",
            "categories": ["eating_places_restaurants"],
            "countries": [],
            "merchants": [],
            "cash_only": False,
        },
        {"count": 5, "interval": "rolling", "minutes": 60},
    ],
}
"""The example of the policy file's format."""


def policy(**keys: Any) -> Document:
    return {"name": "P", "currency": "eur"} | keys


def limit(**keys: Any) -> Document:
    """A policy whose only limit has these keys; None leaves one out."""
    return policy(spending_limits=[{"amount": 100, "interval": "daily"} | keys])
