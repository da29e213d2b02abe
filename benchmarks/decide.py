"""Measures decide() alone, with ten rules and five limits."""

import timeit
from typing import Any

from authorizations.rules.basics.controls import Scope, ScopeKind
from authorizations.rules.basics.filters import Merchant
from authorizations.rules.decision.controls import AppliedControls
from authorizations.rules.decision.decide import decide
from authorizations.rules.decision.values import PurchaseContext, WindowUsage
from authorizations.rules.decision.windows import windows_for
from authorizations.rules.policy.document import controls, normalize
from authorizations.rules.purchases.events import AuthorizationRequest, CardDetails
from authorizations.rules.purchases.snapshots import Snapshot

NOON = 1_795_003_200
POLICY: dict[str, Any] = {
    "name": "Travel",
    "currency": "eur",
    "time_zone": "Europe/Paris",
    "blocked_categories": ["betting_casino_gambling", "7800-7802"],
    "blocked_merchant_countries": ["RU", "KP"],
    "blocked_merchants": ["crypto"],
    "allowed_card_presences": ["present", "not_present"],
    "blocked_authorization_methods": ["swipe"],
    "required_verification": ["cvc"],
    "max_network_risk_score": 90,
    "schedule": [
        {"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "from": "00:00", "to": "24:00"}
    ],
    "usable_from": "2020-01-01",
    "spending_limits": [
        {"amount": 50_000, "interval": "per_authorization"},
        {"amount": 9_000_000_000, "interval": "daily"},
        {"amount": 90_000_000_000, "interval": "monthly"},
        {
            "amount": 5_000_000_000,
            "interval": "weekly",
            "categories": ["eating_places_restaurants"],
        },
        {"count": 1_000_000, "interval": "daily"},
    ],
}


def seconds() -> float:
    """What one decision takes: the best of seven runs of 2,000."""
    return _best_of(7, 2_000)


def _best_of(repeat: int, number: int) -> float:
    scope = Scope(ScopeKind.CARD, "ic_1")
    applied = (AppliedControls(scope, scope, 1, 1, controls(normalize(POLICY))),)
    merchant = Merchant("eating_places_restaurants", "5812", "FR", "Chez Nous", "1234567890")
    request = AuthorizationRequest(
        event_id="evt_1",
        event_created=NOON,
        livemode=False,
        authorization_id="iauth_1",
        created=NOON,
        card=CardDetails("ic_1", "active", "4242", "eur", "ich_1", "Grace Hopper"),
        amount=4_500,
        currency="eur",
        merchant=merchant,
        snapshot=Snapshot(NOON, "pending", 0),
        card_presence="present",
        authorization_method="chip",
        network_risk_score=5,
    )
    usage = {window: WindowUsage(100, 0, 1) for window in windows_for(request, applied)}
    timer = timeit.Timer(lambda: decide(request, PurchaseContext(), applied, usage))
    return min(timer.repeat(repeat, number)) / number
