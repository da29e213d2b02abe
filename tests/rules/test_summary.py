from typing import Any

import pytest

from authorizations.rules.document import controls, normalize
from authorizations.rules.summary import summary
from tests.rules.documents import TRAVEL, policy


def summed_up(**keys: Any) -> list[str]:
    return summary(controls(normalize(policy(**keys))))


def test_a_policy_reads_as_a_list_of_plain_sentences() -> None:
    assert summary(controls(normalize(TRAVEL))) == [
        "Up to €500.00 a month.",
        "Up to €50.00 a day on eating places restaurants.",
        "At most 5 purchases in 60 minutes.",
        "Only these countries: France, Germany.",
        "Not these categories: betting casino gambling, MCC 3000-3299.",
        "Requires a matching CVC.",
        "Only Monday, Tuesday, 08:00-20:00 (Europe/Paris).",
    ]


def test_a_policy_without_rules_says_that_everything_passes() -> None:
    assert summed_up() == ["No rule and no limit: every purchase passes."]


def test_settings_do_not_hide_that_everything_passes() -> None:
    assert summed_up(refunds_restore=False) == [
        "No rule and no limit: every purchase passes.",
        "Refunds give no room back.",
    ]


@pytest.mark.parametrize(
    ("limit", "sentence"),
    [
        ({"amount": 20000, "interval": "per_authorization"}, "Up to €200.00 per purchase."),
        ({"amount": 0, "interval": "all_time"}, "Up to €0.00 in all."),
        ({"amount": 700, "interval": "weekly", "currency": "jpy"}, "Up to ¥700 a week."),
        ({"count": 1, "interval": "quarterly"}, "At most 1 purchase a quarter."),
        ({"count": 1000, "interval": "yearly"}, "At most 1,000 purchases a year."),
        ({"amount": 500, "interval": "rolling", "days": 1}, "Up to €5.00 in 24 hours."),
        ({"amount": 500, "interval": "rolling", "minutes": 1}, "Up to €5.00 in 1 minute."),
        (
            {"amount": 500, "interval": "daily", "cash_only": True, "countries": ["de"]},
            "Up to €5.00 a day in cash in DE.",
        ),
    ],
)
def test_a_limit_reads_as_one_sentence(limit: dict[str, Any], sentence: str) -> None:
    assert summed_up(spending_limits=[limit]) == [sentence]


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"blocked_merchant_countries": ["RU"]}, "Not these countries: Russia."),
        ({"allowed_categories": ["5812"]}, "Only these categories: MCC 5812."),
        ({"allowed_merchants": ["Uber"]}, "Only these merchants: Uber."),
        (
            {"blocked_merchants": [f"M{number}" for number in range(10)]},
            "Not these merchants: M0, M1, M2, M3, M4, M5, M6, M7 and 2 more.",
        ),
        ({"allowed_card_presences": ["present"]}, "Only these card presences: present."),
        (
            {"blocked_authorization_methods": ["swipe", "keyed_in"]},
            "Not these authorization methods: keyed in, swipe.",
        ),
        ({"allowed_wallets": ["apple_pay"]}, "Only these wallets: Apple Pay."),
        (
            {"required_verification": ["cvc", "three_d_secure"]},
            "Requires a matching CVC and 3-D Secure.",
        ),
        ({"max_network_risk_score": 80}, "Network risk score at most 80."),
        (
            {"usable_from": "2026-12-01", "time_zone": "Europe/Paris"},
            "Usable from 1 Dec 2026 00:00 Europe/Paris.",
        ),
        ({"usable_until": "2026-12-31"}, "Usable until 1 Jan 2027 00:00 UTC."),
    ],
)
def test_a_rule_reads_as_one_sentence(keys: dict[str, Any], sentence: str) -> None:
    assert summed_up(**keys) == [sentence]


@pytest.mark.parametrize(
    ("days", "start", "end", "sentence"),
    [
        (["mon", "tue", "wed", "thu", "fri"], "08:00", "20:00", "Monday to Friday, 08:00-20:00"),
        (["sat", "sun"], "00:00", "24:00", "Saturday, Sunday"),
        (["mon", "wed", "fri"], "09:30", "24:00", "Monday, Wednesday, Friday, 09:30-24:00"),
        (
            ["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
            "06:00",
            "22:00",
            "every day, 06:00-22:00",
        ),
    ],
)
def test_a_schedule_names_its_days_and_hours(
    days: list[str], start: str, end: str, sentence: str
) -> None:
    entry = {"days": days, "from": start, "to": end}
    assert summed_up(schedule=[entry]) == [f"Only {sentence} (UTC)."]


def test_partial_approval_is_told_with_its_smallest_amount() -> None:
    limits = [{"amount": 500, "interval": "daily"}]
    partial = summed_up(partial_approval=True, smallest_partial_amount=500, spending_limits=limits)
    assert partial[1:] == ["Where only a part fits, that part is approved, from €5.00 up."]
    partial = summed_up(partial_approval=True, spending_limits=limits)
    assert partial[1:] == ["Where only a part fits, that part is approved."]
