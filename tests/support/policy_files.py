"""A policy file that uses everything, and all that a file can change, row by row."""

import json
from typing import Any

from authorizations.models import (
    Assignment,
    Card,
    CardGroup,
    Cardholder,
    Policy,
    PolicyVersion,
)
from authorizations.services.policies.changes import Changes
from authorizations.services.policies.files import import_policies

WHOLE: dict[str, Any] = {
    "policies": [
        {
            "name": "Travel",
            "currency": "eur",
            "time_zone": "Europe/Paris",
            "week_starts": "monday",
            "blocked_categories": ["betting_casino_gambling", "3000-3299"],
            "allowed_merchant_countries": ["FR", "DE"],
            "blocked_merchant_countries": ["RU"],
            "any_of": [
                {"categories": ["5542"], "countries": ["FR"]},
                {"merchants": [{"contains": "total energies"}]},
            ],
            "exempt_merchants": [{"network_id": "1234567890"}, {"begins_with": "SNCF"}],
            "blocked_merchant_postal_codes": ["13*"],
            "required_merchant_data": ["country"],
            "card_currency_only": True,
            "first_purchases": ["merchant", "country"],
            "first_purchase_amount": 5_000,
            "network_token": "forbidden",
            "required_verification": ["cvc"],
            "max_network_risk_score": 90,
            "network_risk_despite_challenge": True,
            "minimum_card_age_days": 30,
            "schedule": [{"days": ["mon", "tue"], "from": "08:00", "to": "20:00"}],
            "usable_until": "2027-12-31",
            "partial_approval": True,
            "smallest_partial_amount": 500,
            "fuel_hold": 15_000,
            "stand_in_amount": 5_000,
            "stand_in_cap": 20_000,
            "spending_limits": [
                {"amount": 50_000, "interval": "monthly"},
                {
                    "amount": 5_000,
                    "interval": "daily",
                    "categories": ["eating_places_restaurants"],
                    "currency": "usd",
                },
                {"count": 5, "interval": "rolling", "minutes": 60},
                {"count": 90, "interval": "monthly", "month_starts": 16},
                {"count": 400, "interval": "quarterly", "year_starts": "04-06"},
                {
                    "count": 900,
                    "interval": "yearly",
                    "except_categories": ["airlines_air_carriers"],
                    "except_countries": ["DE"],
                    "except_merchants": [{"is": "Uber"}],
                },
                {
                    "count": 30,
                    "interval": "weekly",
                    "card_presences": ["not_present"],
                    "authorization_methods": ["keyed_in", "online"],
                },
                {"attempts": 9, "interval": "daily", "then_freeze": True},
                {
                    "key": "tries",
                    "attempts": 5,
                    "interval": "rolling",
                    "minutes": 60,
                    "declined_only": True,
                    "then_freeze_minutes": 1_440,
                },
            ],
        },
        {"name": "Baseline", "max_network_risk_score": 80},
        {
            "name": "Team",
            "currency": "eur",
            "spending_limits": [{"amount": 1, "interval": "daily"}],
        },
    ],
    "groups": [
        {"name": "Field team", "cards": ["ic_1", "ic_2"]},
        {"name": "Visitors", "cards": [], "metadata": {"team": "visitors"}},
    ],
    "assignments": [
        {"policy": "Travel", "card": "ic_1"},
        {"policy": "Baseline", "program": True},
        {"policy": "Team", "group": "Field team", "each": "cardholder"},
        {"policy": "Team", "cardholder": "ich_1"},
    ],
}


def load(file: Any, **options: Any) -> Changes:
    return import_policies(json.dumps(file), **{"allow_new_spending": True} | options)


def everything() -> list[Any]:
    models = (Policy, PolicyVersion, Assignment, Card, CardGroup, Cardholder)
    return [list(model._default_manager.order_by("pk").values()) for model in models]
