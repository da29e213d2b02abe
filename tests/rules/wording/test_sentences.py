"""One rule in a sentence for staff, exactly."""

from collections import defaultdict
from dataclasses import replace
from typing import Any

import pytest

from authorizations.rules.basics.clocks import FOREVER
from authorizations.rules.basics.controls import Interval, Scope, ScopeKind
from authorizations.rules.basics.stops import Stop
from authorizations.rules.basics.words import duration_words
from authorizations.rules.decision.controls import AppliedControls, AttemptsUsed
from authorizations.rules.decision.decide import decide
from authorizations.rules.decision.values import (
    DeclineReason,
    FirstOf,
    Json,
    LimitFigures,
    PurchaseContext,
    WindowUsage,
)
from authorizations.rules.policy.document import controls, normalize
from authorizations.rules.purchases.events import Verification
from authorizations.rules.wording.explain import staff
from authorizations.rules.wording.reasons import TEXTS
from tests.rules.checks import (
    CARD,
    GROUP,
    NOVEMBER,
    amount_check,
    at,
    hourly,
    monthly,
    request,
    rule_check,
)
from tests.support.builders import card, merchant

PARIS_RESET = "Resets on 1 Dec 00:00 Europe/Paris."


@pytest.mark.parametrize(
    ("figures", "sentence"),
    [
        (
            monthly(),
            "Monthly limit of €500.00: €480.00 used + €45.00 = €525.00, €25.00 over. "
            + PARIS_RESET,
        ),
        (
            monthly(used=0, asked=2500),
            "Monthly limit of €500.00: €0.00 used + €25.00 = €25.00, €475.00 left after it. "
            + PARIS_RESET,
        ),
        (
            monthly(used=45500),
            "Monthly limit of €500.00: €455.00 used + €45.00 = €500.00, €0.00 left after it. "
            + PARIS_RESET,
        ),
        (
            monthly(
                interval=Interval.DAILY,
                limit=5000,
                used=1000,
                end=at(11, 24, 23),
                filter='{"categories":["fast_food_restaurants"]}',
            ),
            (
                "Daily limit of €50.00 on fast food restaurants: €10.00 used + €45.00 = €55.00, "
                "€5.00 over. Resets on 25 Nov 00:00 Europe/Paris."
            ),
        ),
        (
            monthly(
                filter='{"cash_only":true,"categories":["6011","3000-3299"],'
                '"countries":["DE","FR"],"merchants":["Uber"]}'
            ),
            "Monthly limit of €500.00 in cash on automated cash disburse, MCC 3000-3299 at Uber "
            "in DE, FR: €480.00 used + €45.00 = €525.00, €25.00 over. " + PARIS_RESET,
        ),
        (
            monthly(interval=Interval.YEARLY, end=at(12, 31, 23)),
            (
                "Yearly limit of €500.00: €480.00 used + €45.00 = €525.00, €25.00 over. "
                "Resets on 1 Jan 2027 00:00 Europe/Paris."
            ),
        ),
        (
            monthly(interval=Interval.ALL_TIME, end=FOREVER),
            (
                "All-time limit of €500.00: €480.00 used + €45.00 = €525.00, €25.00 over. "
                "It never resets."
            ),
        ),
        (
            monthly(interval=Interval.PER_AUTHORIZATION, limit=4000, used=0, start=0, end=0),
            "Limit of €40.00 per purchase: €45.00 asked, €5.00 over.",
        ),
        (
            monthly(interval=Interval.PER_AUTHORIZATION, limit=4000, used=1000, start=0, end=0),
            "Limit of €40.00 per purchase: €10.00 approved before + €45.00 = €55.00, €15.00 over.",
        ),
        (
            monthly(currency="jpy", limit=500, used=480, asked=45, time_zone="UTC"),
            (
                "Monthly limit of ¥500: ¥480 used + ¥45 = ¥525, ¥25 over. "
                "Resets on 30 Nov 23:00 UTC."
            ),
        ),
        (
            monthly(begins=(1, 16), end=at(12, 15, 23), filter='{"countries":["FR"]}'),
            (
                "Monthly limit of €500.00 (from the 16th) in FR: €480.00 used + €45.00 = €525.00, "
                "€25.00 over. Resets on 16 Dec 00:00 Europe/Paris."
            ),
        ),
        (
            monthly(interval=Interval.YEARLY, begins=(4, 6), end=at(12, 15, 23)),
            (
                "Yearly limit of €500.00 (from 6 Apr): €480.00 used + €45.00 = €525.00, "
                "€25.00 over. Resets on 16 Dec 00:00 Europe/Paris."
            ),
        ),
        (
            hourly(),
            (
                "At most 5 purchases in 60 minutes: 5 made + this one = 6, 1 over. "
                "Available again at 24 Nov 11:31 Europe/Paris."
            ),
        ),
        (
            hourly(used=2, available_at=None),
            "At most 5 purchases in 60 minutes: 2 made + this one = 3, 2 left after it.",
        ),
        (
            hourly(limit=1, used=1, rolling_seconds=7 * 86_400, available_at=at(12, 1)),
            (
                "At most 1 purchase in 7 days: 1 made + this one = 2, 1 over. "
                "Available again at 1 Dec 01:00 Europe/Paris."
            ),
        ),
        (
            hourly(currency="eur", limit=50000, used=48000, asked=4500, rolling_seconds=86_400),
            (
                "At most €500.00 in 24 hours: €480.00 used + €45.00 = €525.00, €25.00 over. "
                "Available again at 24 Nov 11:31 Europe/Paris."
            ),
        ),
        (
            monthly(currency="", interval=Interval.WEEKLY, limit=20, used=20, asked=1),
            "Weekly limit of 20 purchases: 20 made + this one = 21, 1 over. " + PARIS_RESET,
        ),
    ],
)
def test_a_limit_shows_its_arithmetic_and_when_it_has_room_again(
    figures: LimitFigures, sentence: str
) -> None:
    assert staff(amount_check(figures), request()) == sentence


# --- other rules, for staff

RULES: list[tuple[DeclineReason, bool, Json, Json, str]] = [
    (
        DeclineReason.CARD_FROZEN,
        False,
        None,
        None,
        "A freeze holds for the card. Lift it to let the card pay again.",
    ),
    (
        DeclineReason.CARD_NOT_ACTIVE,
        False,
        "canceled",
        "active",
        "The card is canceled; only active cards may pay.",
    ),
    (
        DeclineReason.NOT_YET_USABLE,
        False,
        NOVEMBER,
        {"at": at(12, 31, 23), "time_zone": "Europe/Paris"},
        (
            "Usable from 1 Jan 2027 00:00 Europe/Paris; the purchase was on 24 Nov 11:00 "
            "Europe/Paris, too early."
        ),
    ),
    (
        DeclineReason.NO_LONGER_USABLE,
        True,
        NOVEMBER,
        {"at": at(12, 1), "time_zone": "UTC"},
        "Usable until 1 Dec 00:00 UTC; the purchase was on 24 Nov 10:00 UTC.",
    ),
    (
        DeclineReason.NO_LONGER_USABLE,
        False,
        NOVEMBER,
        {"at": at(11, 1), "time_zone": "UTC"},
        "Usable until 1 Nov 00:00 UTC; the purchase was on 24 Nov 10:00 UTC, too late.",
    ),
    (
        DeclineReason.CURRENCY_NOT_ALLOWED,
        False,
        "gbp",
        ["eur", "usd"],
        "The policy has no amount limit in GBP, only in EUR, USD.",
    ),
    (
        DeclineReason.CURRENCY_NOT_ALLOWED,
        True,
        "eur",
        ["eur", "usd"],
        "The policy has amount limits in EUR.",
    ),
    (
        DeclineReason.MERCHANT_COUNTRY_NOT_ALLOWED,
        False,
        "RU",
        {"allowed": ["DE", "FR"]},
        "Merchant country RU is not among the allowed countries (DE, FR).",
    ),
    (
        DeclineReason.MERCHANT_COUNTRY_NOT_ALLOWED,
        True,
        "FR",
        {"allowed": ["DE", "FR"]},
        "Merchant country FR is among the allowed countries (DE, FR).",
    ),
    (
        DeclineReason.MERCHANT_COUNTRY_NOT_ALLOWED,
        False,
        "RU",
        {"blocked": ["BY", "RU"]},
        "Merchant country RU is among the blocked countries (BY, RU).",
    ),
    (
        DeclineReason.MERCHANT_COUNTRY_NOT_ALLOWED,
        True,
        "FR",
        {"blocked": ["BY", "RU"]},
        "Merchant country FR is not among the blocked countries (BY, RU).",
    ),
    (
        DeclineReason.MERCHANT_COUNTRY_NOT_ALLOWED,
        False,
        None,
        {"allowed": ["DE", "FR"]},
        "The merchant's country was not reported; allowed countries: DE, FR.",
    ),
    (
        DeclineReason.CATEGORY_NOT_ALLOWED,
        False,
        ["7995", "betting_casino_gambling"],
        {"blocked": ["betting_casino_gambling", "3000-3299"], "count": 9},
        (
            "Merchant category betting and casino gambling (MCC 7995) is among the blocked "
            "categories (betting and casino gambling, MCC 3000-3299 and 7 more)."
        ),
    ),
    (
        DeclineReason.CATEGORY_NOT_ALLOWED,
        False,
        ["5999", ""],
        {"allowed": ["5812"]},
        (
            "Merchant category MCC 5999 is not among the allowed categories "
            "(eating places and restaurants)."
        ),
    ),
    (
        DeclineReason.MERCHANT_NOT_ALLOWED,
        False,
        "ACME_1, INC",
        {"allowed": ["Uber", "Lyft"]},
        "Merchant ACME_1, INC is not among the allowed merchants (Uber, Lyft).",
    ),
    (
        DeclineReason.NO_CONDITION_MET,
        False,
        {"categories": ["5994", ""], "countries": "FR"},
        {"any_of": [{"categories": ["bakeries"]}, {"countries": ["DE"], "merchants": ["Uber"]}]},
        "The purchase on MCC 5994 in FR meets none of: on bakeries; at Uber in DE.",
    ),
    (
        DeclineReason.CARD_PRESENCE_NOT_ALLOWED,
        False,
        "not_present",
        {"allowed": ["present"]},
        'Card presence "not present" is not among the allowed card presences (present).',
    ),
    (
        DeclineReason.AUTHORIZATION_METHOD_NOT_ALLOWED,
        False,
        "keyed_in",
        {"blocked": ["keyed_in", "swipe"]},
        (
            'Authorization method "keyed in" is among the blocked authorization methods '
            "(keyed in, swipe)."
        ),
    ),
    (
        DeclineReason.WALLET_NOT_ALLOWED,
        False,
        None,
        {"allowed": ["apple_pay", "google_pay"]},
        "No wallet was used; allowed wallets: Apple Pay, Google Pay.",
    ),
    (
        DeclineReason.CVC_REQUIRED,
        False,
        "mismatch",
        ["match"],
        "CVC result: mismatch; the policy requires match.",
    ),
    (
        DeclineReason.CVC_REQUIRED,
        True,
        "not_provided",
        ["match", "not_provided"],
        "CVC result: not provided; not needed in person.",
    ),
    (
        DeclineReason.POSTAL_CODE_REQUIRED,
        False,
        "mismatch",
        ["match", "not_provided"],
        "Postal code result: mismatch; in person it may be missing, but not wrong.",
    ),
    (
        DeclineReason.THREE_D_SECURE_REQUIRED,
        False,
        None,
        ["authenticated"],
        "3-D Secure result: not reported; the policy requires authenticated.",
    ),
    (
        DeclineReason.NETWORK_RISK_TOO_HIGH,
        False,
        92,
        80,
        "Network risk score 92 is above the highest allowed, 80.",
    ),
    (
        DeclineReason.NETWORK_RISK_TOO_HIGH,
        True,
        12,
        80,
        "Network risk score 12 is not above the highest allowed, 80.",
    ),
    (
        DeclineReason.NETWORK_RISK_TOO_HIGH,
        True,
        None,
        80,
        "No network risk score was reported; the highest allowed is 80.",
    ),
    (
        DeclineReason.OUTSIDE_SCHEDULE,
        False,
        at(11, 29, 2, 12),
        {
            "hours": [
                {"days": ["mon", "tue"], "from": "08:00", "to": "20:00"},
                {"days": ["sat"], "from": "10:00", "to": "14:00"},
            ],
            "time_zone": "Europe/Paris",
        },
        "Sun 03:12 Europe/Paris is outside the schedule (Mon Tue 08:00-20:00; Sat 10:00-14:00).",
    ),
]


@pytest.mark.parametrize(("rule", "passed", "found", "limit", "sentence"), RULES)
def test_a_rule_says_what_it_found_and_what_it_wanted(
    rule: DeclineReason, passed: bool, found: Json, limit: Json, sentence: str
) -> None:
    check = rule_check(rule, passed=passed, found=found, limit=limit)
    assert staff(check, request()) == sentence


# --- what decide() really writes

STRICT = {
    "name": "Strict",
    "currency": "usd",
    "time_zone": "Europe/Paris",
    "allowed_categories": ["fast_food_restaurants", "3000-3299"],
    "blocked_merchant_countries": ["RU"],
    "allowed_merchant_states": ["CA"],
    "blocked_merchant_cities": ["PARIS"],
    "blocked_merchant_postal_codes": ["75*"],
    "required_merchant_data": ["category", "country"],
    "card_currency_only": True,
    "first_purchases": ["merchant", "country"],
    "network_token": "required",
    "minimum_card_age_days": 30,
    "allowed_merchants": ["Uber"],
    "any_of": [{"countries": ["DE"]}, {"merchants": ["Uber"]}],
    "allowed_card_presences": ["present"],
    "blocked_authorization_methods": ["keyed_in"],
    "required_verification": ["cvc", "postal_code", "three_d_secure"],
    "max_network_risk_score": 80,
    "schedule": [{"days": ["sun"], "from": "08:00", "to": "20:00"}],
    "usable_from": "2027-01-01",
    "allowed_wallets": ["apple_pay"],
    "spending_limits": [
        {"amount": 100, "interval": "per_authorization", "currency": "eur"},
        {"amount": 100, "interval": "daily", "currency": "eur", "cash_only": True},
        {"amount": 100, "interval": "rolling", "hours": 2, "currency": "eur"},
        {"count": 0, "interval": "quarterly"},
        {"funds": True, "currency": "eur"},
    ],
}


LATE = {
    "name": "Late",
    "usable_until": "2026-01-01",
    "spending_limits": [{"attempts": 1, "interval": "daily"}],
}
IN_DOLLARS = {
    "name": "Dollars",
    "spending_limits": [{"amount": 1, "currency": "usd", "interval": "daily"}],
}


def applied(scope: Scope, version_id: int, document: dict[str, Any]) -> AppliedControls:
    return AppliedControls(
        scope=scope,
        measured=scope,
        version_id=version_id,
        number=1,
        controls=controls(normalize(document)),
        attempts=(AttemptsUsed("daily_attempts", 1, NOVEMBER, FOREVER),),
    )


def test_every_rule_that_decide_can_fail_has_a_sentence_of_its_own() -> None:
    asked = request(
        card=card(status="inactive"),
        merchant=merchant(country="RU", category="wires_money_orders", category_code="6011"),
        card_presence="not_present",
        authorization_method="keyed_in",
        network_risk_score=92,
        verification=Verification(cvc="mismatch", three_d_secure="failed"),
    )
    policies = (applied(CARD, 1, STRICT), applied(GROUP, 2, IN_DOLLARS), applied(GROUP, 3, LATE))
    usage: dict[Any, WindowUsage] = defaultdict(WindowUsage)
    odd = replace(asked, unreadable=("country",))
    silent = replace(asked, merchant=merchant(country="", category="", category_code=""))
    blocked = Stop(1, Scope(ScopeKind.PROGRAM, ""), category=asked.merchant.category)
    stopped = PurchaseContext(card_frozen=True, stops=(blocked,), first_of=(*FirstOf,))
    traces = [decide(it, stopped, policies, usage).trace for it in (asked, odd, silent)]
    trace = [check for each in traces for check in each]
    assert {check.rule for check in trace if not check.passed} == {
        reason
        for reason in list(DeclineReason)[5:]  # the first five come from outside the rules
        if reason not in {DeclineReason.NO_POLICY, DeclineReason.LIMIT_NOT_COUNTED_YET}
    }
    for check in trace:
        general = TEXTS[check.rule].staff
        assert (staff(check, asked) == general) == (check.rule is DeclineReason.CARD_FROZEN)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        *((0, "0 seconds"), (1, "1 second"), (2, "2 seconds"), (60, "1 minute")),
        *((61, "61 seconds"), (120, "2 minutes"), (3_600, "60 minutes"), (86_400, "24 hours")),
        (172_800, "2 days"),
    ],
)
def test_a_duration_is_told_in_the_largest_unit_of_which_there_are_several(
    seconds: int, words: str
) -> None:
    assert duration_words(seconds) == words
