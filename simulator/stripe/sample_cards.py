"""Sample cards and cardholders with all fields of Stripe's schema.

Ids are drawn from the caller's random.Random: the same seed gives the same ids.
"""

import string
from random import Random
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]

_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


def identifier(prefix: str, chance: Random) -> str:
    """An id as Stripe makes them: the prefix (evt, iauth, ic, ich) and 24 base62 characters."""
    return f"{prefix}_1{''.join(chance.choices(_BASE62, k=23))}"


def cardholder(*, cardholder_id: str, name: str, created: int, livemode: bool = False) -> Json:
    first_name, _, last_name = name.partition(" ")
    return {
        "id": cardholder_id,
        "object": "issuing.cardholder",
        "billing": {"address": _address("18 rue des Tanneurs", "Lyon", "69002", "FR")},
        "company": None,
        "created": created,
        "email": f"{first_name}.{last_name}@example.com".lower().replace(" ", "."),
        "individual": {
            "card_issuing": None,
            "dob": {"day": 14, "month": 3, "year": 1988},
            "first_name": first_name,
            "last_name": last_name,
            "verification": {"document": {"back": None, "front": None}},
        },
        "livemode": livemode,
        "metadata": {},
        "name": name,
        "phone_number": "+33639981234",
        "preferred_locales": ["fr", "en"],
        "requirements": {"disabled_reason": None, "past_due": []},
        "spending_controls": _spending_controls(),
        "status": "active",
        "type": "individual",
    }


def card(
    *,
    card_id: str,
    holder: Json,
    created: int,
    currency: str = "eur",
    last4: str = "0005",
    status: str = "active",
    replacement_for: str | None = None,
) -> Json:
    """A virtual card of `holder`, a cardholder made here."""
    return {
        "id": card_id,
        "object": "issuing.card",
        "brand": "Visa",
        "cancellation_reason": None,
        "cardholder": holder,
        "created": created,
        "currency": currency,
        "exp_month": 11,
        "exp_year": 2031,
        "financial_account": None,
        "last4": last4,
        "latest_fraud_warning": {"started_at": None, "type": None},
        "lifecycle_controls": None,
        "livemode": holder["livemode"],
        "metadata": {},
        "personalization_design": None,
        "replaced_by": None,
        "replacement_for": replacement_for,
        "replacement_reason": "expired" if replacement_for else None,
        "second_line": None,
        "shipping": None,
        "spending_controls": _spending_controls(),
        "status": status,
        "type": "virtual",
        "wallets": {
            "apple_pay": {"eligible": True, "ineligible_reason": None},
            "google_pay": {"eligible": True, "ineligible_reason": None},
            "primary_account_identifier": None,
        },
    }


def _address(line1: str, city: str, postal_code: str, country: str) -> Json:
    return {
        "city": city,
        "country": country,
        "line1": line1,
        "line2": None,
        "postal_code": postal_code,
        "state": None,
    }


def _spending_controls() -> Json:
    """Stripe's own controls, all unset: ours are what a sample is to try."""
    return {
        "allowed_card_presences": None,
        "allowed_categories": None,
        "allowed_merchant_countries": None,
        "blocked_card_presences": None,
        "blocked_categories": None,
        "blocked_merchant_countries": None,
        "spending_limits": [],
        "spending_limits_currency": None,
    }
