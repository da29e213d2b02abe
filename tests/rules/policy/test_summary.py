from typing import Any

import pytest

from authorizations.rules.policy.document import controls, normalize
from authorizations.rules.policy.summary import summary
from tests.support.documents import TRAVEL, policy

NOTHING_GRANTED = "Grants no purchase: cards need another policy that does."
DASH = "\N{EN DASH}"
WORKDAYS = ["mon", "tue", "wed", "thu", "fri"]


def summed_up(**keys: Any) -> list[str]:
    return summary(controls(normalize(policy(**keys))))


def test_a_short_policy_reads_as_one_sentence() -> None:
    sentences = summed_up(
        time_zone="Europe/Paris",
        spending_limits=[
            {"amount": 50_000, "interval": "monthly"},
            {"amount": 5_000, "interval": "daily", "categories": ["fast_food_restaurants"]},
        ],
        blocked_categories=["betting_casino_gambling"],
        schedule=[{"days": WORKDAYS, "from": "08:00", "to": "20:00"}],
        refunds_restore=False,
    )
    assert sentences == [
        (
            "Up to €500.00 a month, of it €50.00 a day on fast food restaurants; not on betting "
            f"and casino gambling; Monday to Friday, 8:00{DASH}20:00 Paris time."
        ),
        "Refunds do not free up the limit.",
    ]


def test_a_longer_policy_reads_as_a_sentence_per_rule() -> None:
    assert summary(controls(normalize(TRAVEL))) == [
        "Up to €500.00 a month, of it €50.00 a day on eating places and restaurants.",
        "At most 5 purchases in 60 minutes.",
        "Not on betting and casino gambling, MCC 3000-3299.",
        "Only in France, Germany.",
        "Only with a matching CVC.",
        f"Monday and Tuesday, 8:00{DASH}20:00 Paris time.",
    ]


def test_a_policy_without_rules_says_that_it_grants_nothing() -> None:
    assert summed_up() == [NOTHING_GRANTED]


def test_what_only_forbids_or_counts_says_that_it_grants_nothing() -> None:
    hours = {"days": ["sat"], "from": "00:00", "to": "24:00"}
    count = {"count": 5, "interval": "daily"}
    told = summed_up(blocked_merchants=["ACME FRAUD"], schedule=[hours], spending_limits=[count])
    assert told == [
        "At most 5 purchases a day; not at ACME FRAUD; Saturday UTC.",
        NOTHING_GRANTED,
    ]


def test_limits_on_some_purchases_alone_say_that_they_grant_no_others() -> None:
    on_taxis = {"amount": 5_000, "interval": "daily", "categories": ["4121"]}
    assert summed_up(spending_limits=[on_taxis]) == [
        "Up to €50.00 a day on taxicabs and limousines.",
        "Grants no other purchase.",
    ]
    assert summed_up(unlimited=True, spending_limits=[on_taxis]) == [
        "Up to €50.00 a day on taxicabs and limousines; otherwise unlimited amounts."
    ]


def test_a_limit_that_leaves_something_out_grants_no_more_and_one_that_leaves_all_out_nothing() -> (
    None
):
    taxis = {"amount": 5_000, "interval": "daily", "categories": ["4121"]}
    assert summed_up(spending_limits=[taxis | {"except_countries": ["FR"]}]) == [
        "Up to €50.00 a day on taxicabs and limousines except in FR.",
        "Grants no other purchase.",
    ]
    assert summed_up(spending_limits=[taxis | {"except_categories": ["4121"]}])[1:] == [
        NOTHING_GRANTED
    ]


def test_settings_do_not_hide_that_everything_passes() -> None:
    assert summed_up(
        unlimited=True,
        refunds_restore=False,
        fuel_hold=15_000,
        stand_in_amount=5_000,
        stand_in_cap=20_000,
    ) == [
        "Unlimited amounts.",
        "Refunds do not free up the limit.",
        "At fuel pumps €150.00 is held until the real amount is known.",
        (
            "Without the database: up to €50.00 per purchase and €200.00 per window of each limit, "
            "but not more than the limit had remaining."
        ),
    ]


@pytest.mark.parametrize(
    ("limit", "sentence"),
    [
        ({"amount": 20000, "interval": "per_authorization"}, "Up to €200.00 per purchase."),
        ({"amount": 0, "interval": "all_time"}, "No spending in EUR."),
        ({"amount": 700, "interval": "weekly", "currency": "jpy"}, "Up to ¥700 a week."),
        ({"count": 1, "interval": "quarterly"}, "At most 1 purchase a quarter."),
        ({"count": 1000, "interval": "yearly"}, "At most 1,000 purchases a year."),
        (
            {"amount": 500, "interval": "daily", "except_categories": ["5814", "7995"]},
            "Up to €5.00 a day except on fast food restaurants, betting and casino gambling.",
        ),
        (
            {"count": 5, "interval": "daily", "categories": ["5814"]}
            | {"except_countries": ["us", "de"], "except_merchants": [{"is": "Uber"}]},
            (
                "At most 5 purchases a day on fast food restaurants except at merchants whose name "
                "is “Uber” or in DE, US."
            ),
        ),
        (
            {"amount": 0, "interval": "all_time", "except_categories": ["5814"]},
            "No spending except on fast food restaurants.",
        ),
        (
            {"amount": 500, "interval": "daily", "card_presences": ["not_present"]},
            "Up to €5.00 a day online, by phone or by mail.",
        ),
        (
            {"count": 5, "interval": "daily", "authorization_methods": ["keyed_in", "chip"]}
            | {"card_presences": ["present"], "categories": ["5814"], "countries": ["fr"]},
            (
                "At most 5 purchases a day in person by chip or keyed in on fast food restaurants "
                "in FR."
            ),
        ),
        (
            {"amount": 500, "interval": "daily", "card_presences": ["not_present", "present"]},
            "Up to €5.00 a day in person or online, by phone or by mail.",
        ),
        (
            {"amount": 0, "interval": "all_time", "authorization_methods": ["swipe"]},
            "No spending by swipe.",
        ),
        (
            {"amount": 500, "interval": "monthly", "month_starts": 16},
            "Up to €5.00 a month (from the 16th).",
        ),
        (
            {"count": 9, "interval": "monthly", "month_starts": 2, "countries": ["fr"]},
            "At most 9 purchases a month (from the 2nd) in FR.",
        ),
        (
            {"amount": 500, "interval": "yearly", "year_starts": "04-06"},
            "Up to €5.00 a year (from 6 Apr).",
        ),
        (
            {"amount": 500, "interval": "quarterly", "year_starts": "12-31"},
            "Up to €5.00 a quarter (from 31 Dec).",
        ),
        ({"amount": 500, "interval": "rolling", "days": 1}, "Up to €5.00 in 24 hours."),
        ({"amount": 500, "interval": "rolling", "minutes": 1}, "Up to €5.00 in 1 minute."),
        (
            {"amount": 500, "interval": "daily", "cash_only": True, "countries": ["de"]},
            "Up to €5.00 a day in cash in DE.",
        ),
    ],
)
def test_a_limit_reads_as_one_sentence(limit: dict[str, Any], sentence: str) -> None:
    words = sentence.removesuffix(".")
    told = summed_up(unlimited=True, spending_limits=[limit])
    otherwise = "; otherwise unlimited amounts" if "amount" in limit else "; unlimited amounts"
    assert told == [f"{words}{otherwise}."]


def test_limits_are_told_by_currency_and_those_within_others_as_parts_of_them() -> None:
    def daily(amount: int, **keys: Any) -> dict[str, Any]:
        return {"amount": amount, "interval": "daily", **keys}

    assert summed_up(
        spending_limits=[
            daily(60_000),
            {"amount": 90_000, "interval": "monthly"},
            daily(5_000, cash_only=True),
            daily(7_000, merchants=["Uber"]),
            daily(700, currency="jpy", countries=["jp"]),
            daily(0, categories=["7995"]),
        ],
    ) == [
        (
            "Up to €600.00 a day and €900.00 a month, of it €50.00 a day in cash and €70.00 a day "
            "at Uber; up to ¥700 a day in JP; no spending on betting and casino gambling."
        )
    ]


def test_many_limits_within_others_are_told_one_by_one() -> None:
    limits = [{"amount": n * 100, "interval": "daily", "merchants": [f"M{n}"]} for n in (1, 2, 3)]
    told = summed_up(spending_limits=[{"amount": 50_000, "interval": "monthly"}, *limits])
    assert told == [
        (
            "Up to €500.00 a month; up to €1.00 a day at M1; up to €2.00 a day at M2; "
            "up to €3.00 a day at M3."
        )
    ]


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"blocked_merchant_countries": ["RU"]}, "Not in Russia."),
        ({"allowed_categories": ["5812"]}, "Only on eating places and restaurants."),
        ({"allowed_merchants": ["Uber"]}, "Only at Uber."),
        (
            {"blocked_merchants": [{"contains": "Casino"}, {"network_id": "12"}, "Uber"]},
            "Not at the merchant with network id 12, merchants whose name contains “Casino”, Uber.",
        ),
        (
            {"allowed_merchants": [{"is": "Name"}, {"begins_with": "Taxi"}]},
            "Only at merchants whose name is “Name”, merchants whose name begins with “Taxi”.",
        ),
        (
            {"blocked_merchants": [f"M{number}" for number in range(10)]},
            "Not at M0, M1, M2, M3, M4, M5, M6, M7 and 2 more.",
        ),
        ({"allowed_card_presences": ["present"]}, "Only in person."),
        (
            {"blocked_authorization_methods": ["swipe", "keyed_in"]},
            "Not by keyed in, swipe.",
        ),
        ({"allowed_wallets": ["apple_pay"]}, "Only with Apple Pay."),
        (
            {"required_verification": ["cvc", "three_d_secure"]},
            "Only with a matching CVC and 3-D Secure.",
        ),
        ({"max_network_risk_score": 80}, "Network risk score at most 80."),
        (
            {"usable_from": "2026-12-01", "time_zone": "Europe/Paris"},
            "From 1 Dec 2026 on.",
        ),
        ({"usable_until": "2026-12-31"}, "Until 31 Dec 2026."),
        (
            {"usable_until": "2026-12-31T18:00:00+01:00", "time_zone": "Europe/Paris"},
            "Until 31 Dec 2026 18:00 Paris time.",
        ),
        ({"blocked_card_presences": ["not_present"]}, "Not online, by phone or by mail."),
    ],
)
def test_a_rule_reads_as_one_sentence(keys: dict[str, Any], sentence: str) -> None:
    assert summed_up(**keys) == [sentence, NOTHING_GRANTED]


@pytest.mark.parametrize(
    ("days", "start", "end", "sentence"),
    [
        (WORKDAYS, "08:00", "20:00", f"Monday to Friday, 8:00{DASH}20:00"),
        (["sat", "sun"], "00:00", "24:00", "Saturday and Sunday"),
        (["mon", "wed", "fri"], "09:30", "24:00", f"Monday, Wednesday and Friday, 9:30{DASH}24:00"),
        (
            ["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
            "06:00",
            "22:00",
            f"Every day, 6:00{DASH}22:00",
        ),
    ],
)
def test_a_schedule_names_its_days_and_hours(
    days: list[str], start: str, end: str, sentence: str
) -> None:
    entry = {"days": days, "from": start, "to": end}
    assert summed_up(schedule=[entry]) == [f"{sentence} UTC.", NOTHING_GRANTED]


def test_partial_approval_is_told_with_its_smallest_amount() -> None:
    limits = [{"amount": 500, "interval": "daily"}]
    partial = summed_up(partial_approval=True, smallest_partial_amount=500, spending_limits=limits)
    assert partial[1:] == ["If only a part fits, that part is approved, from €5.00 up."]
    limits += [{"amount": 700, "interval": "daily", "currency": code} for code in ("jpy", "usd")]
    partial = summed_up(partial_approval=True, smallest_partial_amount=500, spending_limits=limits)
    assert partial[1:] == [
        "If only a part fits, that part is approved, from €5.00 up; never in JPY or USD."
    ]
    partial = summed_up(partial_approval=True, spending_limits=limits)
    assert partial[1:] == ["If only a part fits, that part is approved."]


def test_a_limit_on_merchants_by_name_reads_as_one() -> None:
    taxis = {"amount": 7_000, "interval": "daily", "merchants": [{"contains": "Taxi"}]}
    assert summed_up(spending_limits=[taxis])[0] == (
        "Up to €70.00 a day at merchants whose name contains “Taxi”."
    )
