from typing import Any

import pytest

from authorizations.rules.policy.differences import PolicyEdit, differences
from authorizations.rules.policy.document import normalize
from tests.support.documents import TRAVEL, policy

ARROW = "\N{RIGHTWARDS ARROW}"
ONLY, NOT = "\N{LEFT DOUBLE QUOTATION MARK}Only", "\N{LEFT DOUBLE QUOTATION MARK}Not"
MONTHLY = {"amount": 50_000, "interval": "monthly"}


def changes(before: dict[str, Any], after: dict[str, Any]) -> list[PolicyEdit]:
    return differences(normalize(policy(**before)), normalize(policy(**after)))


def told(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [
        str(change).replace(ARROW, "->").replace("\N{EN DASH}", "-")
        for change in changes(before, after)
    ]


def limits(*limits: dict[str, Any]) -> dict[str, Any]:
    return {"spending_limits": [*limits]}


def test_what_stayed_the_same_is_left_out() -> None:
    assert differences(normalize(TRAVEL), normalize(TRAVEL)) == []
    assert told(TRAVEL, TRAVEL | {"currency": "eur", "max_network_risk_score": 80}) == [
        "Highest network risk score: not set -> 80"
    ]


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ({"name": "Trips"}, {"name": "Journeys"}, "Name: Trips -> Journeys"),
        ({"time_zone": "UTC"}, {"time_zone": "Asia/Tokyo"}, "Time zone: UTC -> Asia/Tokyo"),
        ({}, {"week_starts": "monday"}, "Weeks start on: Sunday -> Monday"),
        ({}, {"usable_until": "2026-12-31"}, "Valid until: not set -> 31 Dec 2026"),
        (
            {"usable_from": "2026-12-31T18:00:00+01:00"},
            {},
            "Valid from: 31 Dec 2026 18:00 UTC+01:00 -> not set",
        ),
        ({}, {"refunds_restore": False}, "Refunds free up the limit: yes -> no"),
        ({}, {"fuel_hold": 15_000}, "Held at fuel pumps: not set -> €150.00"),
        (
            {"stand_in_amount": 5_000, "stand_in_cap": 20_000},
            {"stand_in_amount": 5_000, "stand_in_cap": 10_000},
            "Emergency limit per window: €200.00 -> €100.00",
        ),
        (
            {"partial_approval": True},
            {"partial_approval": True, "smallest_partial_amount": 500},
            "Smallest partial amount: not set -> €5.00",
        ),
    ],
)
def test_a_setting_is_told_with_what_it_was_and_what_it_is(
    before: dict[str, Any], after: dict[str, Any], sentence: str
) -> None:
    assert told(before, after) == [sentence]


def test_of_lists_only_the_entries_that_come_and_go_are_told() -> None:
    before = {"blocked_categories": ["5812"], "allowed_merchant_countries": ["FR", "DE", "AT"]}
    after = {
        "blocked_categories": ["betting_casino_gambling", "3000-3299"],
        "allowed_merchant_countries": ["FR"],
    }
    end = "these categories\N{RIGHT DOUBLE QUOTATION MARK}"
    assert told(before, after) == [
        f"Categories added to {NOT} {end}: MCC 3000-3299, Betting and casino gambling (7995)",
        f"Category removed from {NOT} {end}: MCC 5812, eating places and restaurants",
        (
            f"Countries removed from {ONLY} these countries\N{RIGHT DOUBLE QUOTATION MARK}: "
            "Austria (AT), Germany (DE)"
        ),
    ]


def test_a_long_list_is_whole_in_the_change_and_short_in_its_sentence() -> None:
    [change] = changes({}, {"blocked_merchants": [f"Shop {n:04}" for n in range(1000)]})
    assert len(change.entries) == 1000
    assert str(change).endswith("Shop 0006, Shop 0007 and 992 more")


@pytest.mark.parametrize(
    ("before", "after", "sentences"),
    [
        ([MONTHLY], [MONTHLY | {"amount": 125_000}], ["Monthly limit: €500.00 -> €1,250.00"]),
        (
            [{"count": 5, "interval": "rolling", "minutes": 60}],
            [{"count": 9, "interval": "rolling", "minutes": 60}],
            ["Limit in 60 minutes: 5 purchases -> 9 purchases"],
        ),
        (
            [MONTHLY],
            [MONTHLY | {"interval": "weekly"}],
            ["Limit: €500.00 a month -> €500.00 a week"],
        ),
        (
            [MONTHLY],
            [MONTHLY | {"cash_only": True}],
            ["Limit: €500.00 a month -> €500.00 a month in cash"],
        ),
        (
            [MONTHLY],
            [MONTHLY | {"authorization_methods": ["contactless"]}],
            ["Limit: €500.00 a month -> €500.00 a month contactless"],
        ),
        (
            [MONTHLY | {"card_presences": ["present"]}],
            [MONTHLY | {"card_presences": ["present"], "amount": 1_000}],
            ["Monthly limit in person: €500.00 -> €10.00"],
        ),
        (
            [MONTHLY],
            [MONTHLY | {"except_countries": ["US"]}],
            ["Limit: €500.00 a month -> €500.00 a month except in US"],
        ),
        (
            [MONTHLY],
            [MONTHLY, {"amount": 0, "interval": "daily", "cash_only": True}],
            ["Limit added: €0.00 a day in cash"],
        ),
        ([MONTHLY], [], ["Limit removed: €500.00 a month"]),
        (
            [MONTHLY],
            [MONTHLY | {"month_starts": 21}],
            ["Limit: €500.00 a month -> €500.00 a month (from the 21st)"],
        ),
        (
            [MONTHLY | {"month_starts": 13}],
            [MONTHLY | {"month_starts": 13, "amount": 60_000}],
            ["Monthly limit (from the 13th): €500.00 -> €600.00"],
        ),
        (
            [MONTHLY | {"interval": "yearly", "year_starts": "04-06"}],
            [MONTHLY | {"interval": "yearly", "year_starts": "10-01"}],
            ["Limit: €500.00 a year (from 6 Apr) -> €500.00 a year (from 1 Oct)"],
        ),
        (
            [MONTHLY, {"count": 5, "interval": "daily"}],
            [{"count": 5, "interval": "daily"}, MONTHLY],
            ["Limits: in a different order"],
        ),
        (
            [MONTHLY, MONTHLY | {"amount": 900}],
            [MONTHLY | {"amount": 900}, MONTHLY | {"amount": 700}],
            ["Monthly limit: €500.00 -> €7.00"],
        ),
        (
            [{"amount": 100, "interval": "per_authorization"}],
            [{"count": 3, "interval": "all_time", "merchants": ["Uber"]}],
            ["Limit added: 3 purchases in all at Uber", "Limit removed: €1.00 per purchase"],
        ),
    ],
)
def test_limits_are_told_as_one_that_changed_where_they_are_one(
    before: list[Any], after: list[Any], sentences: list[str]
) -> None:
    assert told(limits(*before), limits(*after)) == sentences


def test_another_currency_changes_the_limits_that_follow_it() -> None:
    after = {"currency": "jpy", **limits(MONTHLY)}
    assert told(limits(MONTHLY), after) == [
        "Currency: EUR -> JPY",
        "Limit: €500.00 a month -> ¥50,000 a month",
    ]


def test_a_schedule_is_told_by_its_days_and_hours() -> None:
    def hours(*days: str, to: str = "20:00") -> dict[str, Any]:
        return {"days": [*days], "from": "08:00", "to": to}

    later = {"schedule": [hours("mon", "tue", to="22:00")]}
    assert told({"schedule": [hours("mon", "tue")]}, later) == [
        "Days and hours: Monday and Tuesday, 8:00-20:00 -> Monday and Tuesday, 8:00-22:00"
    ]
    assert told({}, {"schedule": [hours("mon"), hours("sat")]}) == [
        "Days and hours added: Monday, 8:00-20:00, Saturday, 8:00-20:00"
    ]
    assert told(later, {}) == ["Days and hours removed: Monday and Tuesday, 8:00-22:00"]


def test_every_key_of_a_policy_is_compared() -> None:
    """Each setting of a full policy is a change against a bare one."""
    full = TRAVEL | {
        "max_network_risk_score": 9,
        "usable_from": "2026-01-01",
        "usable_until": "2026-12-31",
        "partial_approval": True,
        "smallest_partial_amount": 5,
        "refunds_restore": False,
        "fuel_hold": 15_000,
        "stand_in_amount": 5_000,
        "stand_in_cap": 20_000,
        "allowed_wallets": ["apple_pay"],
        "blocked_merchants": ["x"],
        "blocked_merchant_states": ["NY"],
        "blocked_merchant_cities": ["PARIS"],
        "blocked_merchant_postal_codes": ["75*"],
        "required_merchant_data": ["country"],
        "card_currency_only": True,
        "first_purchases": ["merchant"],
        "first_purchase_amount": 5_000,
        "network_token": "required",
        "network_risk_despite_challenge": True,
        "minimum_card_age_days": 30,
        "blocked_card_presences": ["present"],
        "blocked_authorization_methods": ["swipe"],
    }
    bare = normalize({"name": "Bare"})
    for key, value in normalize(full).items():
        if value != bare[key] and key not in {"spending_limits", "schedule"}:
            is_money = key.endswith("_amount") or key in {"fuel_hold", "stand_in_cap"}
            before = bare | ({"currency": "eur"} if is_money else {})
            assert differences(before, before | {key: value}), key
