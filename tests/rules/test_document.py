"""Policy documents: what is refused and where, the normal form, and the value it becomes."""

import json
import random
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authorizations.rules.countries import known_countries
from authorizations.rules.document import (
    PolicyProblems,
    Problem,
    canonical_json,
    controls,
    filter_of,
    normalize,
    path_text,
    warnings,
)
from authorizations.rules.filters import EVERYTHING, CategorySet, Merchant, known_categories
from authorizations.rules.money import MAX_AMOUNT
from authorizations.rules.values import (
    Choice,
    Interval,
    ScheduleEntry,
    SpendingControls,
    SpendingLimit,
    Weekday,
)

Document = dict[str, Any]

TRAVEL: Document = {
    "name": "Travel",
    "currency": "eur",
    "time_zone": "Europe/Paris",
    "week_starts": "monday",
    "allowed_categories": [],
    "blocked_categories": ["betting_casino_gambling", "3000-3299"],
    "allowed_merchant_countries": ["FR", "DE"],
    "blocked_merchant_countries": [],
    "allowed_merchants": [],
    "blocked_merchants": [],
    "allowed_card_presences": [],
    "blocked_card_presences": [],
    "allowed_authorization_methods": [],
    "blocked_authorization_methods": [],
    "required_verification": ["cvc"],
    "max_network_risk_score": None,
    "schedule": [{"days": ["mon", "tue"], "from": "08:00", "to": "20:00"}],
    "usable_from": None,
    "usable_until": None,
    "partial_approval": False,
    "smallest_partial_amount": None,
    "refunds_restore": True,
    "allowed_wallets": [],
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


def problems_of(document: object) -> list[tuple[str, str]]:
    with pytest.raises(PolicyProblems) as refused:
        normalize(document)
    return [(path_text(problem.path), problem.message) for problem in refused.value.problems]


def normal_limit(**keys: Any) -> Document:
    found: Document = normalize(limit(**keys))["spending_limits"][0]
    return found


def at(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp())  # type: ignore[misc,arg-type]


# --- what is refused


NEEDS_LIST = "Give a list in square brackets: […]."
NEEDS_OBJECT = "Give an object in braces: {…}."
NEEDS_TEXT = 'Write this as text in "quotes".'
NEEDS_FLAG = "Write true or false, without quotes."
NEEDS_TIME = 'Write the time as "08:00", from "00:00" to "24:00".'
NEEDS_MOMENT = (
    'Write a date such as "2026-12-31", or with time and offset "2026-12-31T18:00:00+01:00".'
)
NEEDS_AMOUNT = "Give the amount as a whole number in the smallest unit, such as 50000 for €500.00."
NEEDS_SCORE = "Give the highest score as a whole number from 1 to 99."
ROLLING_ONLY = 'Only for "interval": "rolling"; leave it out.'
ONE_LENGTH = "A rolling limit needs one of minutes, hours and days."
INVISIBLE = "Leave out line breaks and other characters that can't be seen."


def hours(start: object, end: object, days: object = ("mon",)) -> Document:
    return policy(schedule=[{"days": days and list(days), "from": start, "to": end}])  # type: ignore[call-overload]


REFUSED: list[tuple[object, str, str]] = [
    ([], "", "A policy is an object in braces: {…}."),
    (None, "", "A policy is an object in braces: {…}."),
    ({}, "name", "Give the policy a name."),
    (policy(name=None), "name", "Give the policy a name."),
    (policy(name=""), "name", "Give the policy a name."),
    (policy(name="   "), "name", "Write something, or leave it out."),
    (policy(name=7), "name", NEEDS_TEXT),
    (policy(name="x" * 101), "name", "This has 101 characters: keep it to 100."),
    (policy(name="a\nb"), "name", INVISIBLE),
    (policy(name="a\x00b"), "name", INVISIBLE),
    (policy(name="a\ud800b"), "name", INVISIBLE),
    (
        policy(blocked_countries=["RU"]),
        "blocked_countries",
        'There is no key "blocked_countries". Did you mean "blocked_merchant_countries"?',
    ),
    (policy(zzz=1), "zzz", 'There is no key "zzz". Leave it out.'),
    (
        policy(**{"a\ud800" + "b" * 60: 1}),
        "a\ud800" + "b" * 60,
        f'There is no key "a\N{REPLACEMENT CHARACTER}{"b" * 38}…". Leave it out.',
    ),
    (policy(currency="euro"), "currency", 'There is no currency "euro". Did you mean "eur"?'),
    (
        policy(currency="???"),
        "currency",
        'There is no currency "???". Use its three-letter code, such as eur.',
    ),
    (policy(currency=978), "currency", NEEDS_TEXT),
    (
        policy(time_zone="europe/paris"),
        "time_zone",
        'There is no time zone "europe/paris". Did you mean "Europe/Paris"?',
    ),
    (
        policy(time_zone="../etc/passwd"),
        "time_zone",
        'There is no time zone "../etc/passwd". Use a name such as Europe/Paris.',
    ),
    (
        policy(time_zone="localtime"),
        "time_zone",
        'There is no time zone "localtime". Use a name such as Europe/Paris.',
    ),
    (
        policy(week_starts="mon"),
        "week_starts",
        'There is no weekday "mon". Did you mean "monday"?',
    ),
    (policy(week_starts=1), "week_starts", NEEDS_TEXT),
    (policy(blocked_categories="5812"), "blocked_categories", NEEDS_LIST),
    (policy(blocked_categories={"5812": True}), "blocked_categories", NEEDS_LIST),
    (policy(blocked_categories=[5812]), "blocked_categories[0]", NEEDS_TEXT),
    (
        policy(blocked_categories=["5812", "restaurants"]),
        "blocked_categories[1]",
        'There is no category "restaurants". Did you mean "eating_places_restaurants" or '
        '"fast_food_restaurants"?',
    ),
    (
        policy(blocked_categories=["Betting/Casino Gambling"]),
        "blocked_categories[0]",
        'There is no category "Betting/Casino Gambling". Did you mean "betting_casino_gambling"?',
    ),
    (
        policy(blocked_categories=["58122"]),
        "blocked_categories[0]",
        'There is no category "58122". Use Stripe\'s name, a four-digit code such as 5812, or a '
        "range such as 3000-3299.",
    ),
    (
        policy(blocked_categories=["3299-3000"]),
        "blocked_categories[0]",
        "The range runs backwards: write 3000-3299.",
    ),
    (
        policy(blocked_categories=["٥٨١٢"]),
        "blocked_categories[0]",
        'There is no category "٥٨١٢". Use Stripe\'s name, a four-digit code such as 5812, or a '
        "range such as 3000-3299.",
    ),
    (
        policy(blocked_categories=["0000"] * 1001),
        "blocked_categories",
        "There are 1,001 entries: keep it to 1,000.",
    ),
    (
        policy(allowed_categories=["5812"], blocked_categories=["7995"]),
        "blocked_categories",
        "Give allowed or blocked categories, not both.",
    ),
    (
        policy(allowed_merchant_countries=["FR"], blocked_merchant_countries=["RU"]),
        "blocked_merchant_countries",
        "Give allowed or blocked merchant countries, not both.",
    ),
    (
        policy(allowed_merchants=["Uber"], blocked_merchants=["Lyft"]),
        "blocked_merchants",
        "Give allowed or blocked merchants, not both.",
    ),
    (
        policy(allowed_card_presences=["present"], blocked_card_presences=["not_present"]),
        "blocked_card_presences",
        "Give allowed or blocked card presences, not both.",
    ),
    (
        policy(allowed_authorization_methods=["chip"], blocked_authorization_methods=["swipe"]),
        "blocked_authorization_methods",
        "Give allowed or blocked authorization methods, not both.",
    ),
    (
        policy(allowed_merchant_countries=["Germany"]),
        "allowed_merchant_countries[0]",
        'There is no country "Germany". Did you mean "DE"?',
    ),
    (
        policy(allowed_merchant_countries=["UK"]),
        "allowed_merchant_countries[0]",
        'There is no country "UK". Did you mean "GB"?',
    ),
    (
        policy(allowed_merchant_countries=["ß"]),
        "allowed_merchant_countries[0]",
        'There is no country "ß". Use its two-letter code, such as FR.',
    ),
    (policy(allowed_merchants=[" "]), "allowed_merchants[0]", "Write something, or leave it out."),
    (
        policy(allowed_merchants=["x" * 201]),
        "allowed_merchants[0]",
        "This has 201 characters: keep it to 200.",
    ),
    (
        policy(allowed_card_presences=["absent"]),
        "allowed_card_presences[0]",
        'There is no card presence "absent". Did you mean "present"?',
    ),
    (
        policy(allowed_authorization_methods=["pin"]),
        "allowed_authorization_methods[0]",
        'There is no authorization method "pin". Use one of chip, contactless, keyed_in, online, '
        "swipe.",
    ),
    (
        policy(allowed_wallets=["apple"]),
        "allowed_wallets[0]",
        'There is no wallet "apple". Did you mean "apple_pay"?',
    ),
    (
        policy(required_verification=["cvv"]),
        "required_verification[0]",
        'There is no verification "cvv". Did you mean "cvc"?',
    ),
    (policy(max_network_risk_score=True), "max_network_risk_score", NEEDS_SCORE),
    (policy(max_network_risk_score=80.0), "max_network_risk_score", NEEDS_SCORE),
    (
        policy(max_network_risk_score=0),
        "max_network_risk_score",
        "Give a whole number from 1 to 99.",
    ),
    (
        policy(max_network_risk_score=100),
        "max_network_risk_score",
        "Give a whole number from 1 to 99.",
    ),
    (policy(schedule={}), "schedule", NEEDS_LIST),
    (policy(schedule=["mon"]), "schedule[0]", NEEDS_OBJECT),
    (
        hours("08:00", "20:00", days=None),
        "schedule[0].days",
        "Say on which days: mon, tue, wed, thu, fri, sat, sun.",
    ),
    (
        hours("08:00", "20:00", days=()),
        "schedule[0].days",
        "Say on which days: mon, tue, wed, thu, fri, sat, sun.",
    ),
    (
        hours("08:00", "20:00", days=["monday"]),
        "schedule[0].days[0]",
        'There is no day "monday". Did you mean "mon"?',
    ),
    (hours("8 am", "20:00"), "schedule[0].from", NEEDS_TIME),
    (hours("08:00", "24:01"), "schedule[0].to", NEEDS_TIME),
    (hours("08:60", "20:00"), "schedule[0].from", NEEDS_TIME),
    (
        hours(None, "20:00"),
        "schedule[0].from",
        'Give the time as "08:00"; a day is from "00:00" to "24:00".',
    ),
    (
        hours("20:00", "06:00"),
        "schedule[0].to",
        "06:00 is not after 20:00: for hours past midnight make two entries, one to "
        '"24:00" and one from "00:00" on the following days.',
    ),
    (
        policy(schedule=[{"days": ["mon"], "from": "08:00", "to": "20:00", "until": "9"}]),
        "schedule[0].until",
        'There is no key "until". Leave it out.',
    ),
    (policy(usable_from="2026-02-30"), "usable_from", NEEDS_MOMENT),
    (policy(usable_from="20260101"), "usable_from", NEEDS_MOMENT),
    (policy(usable_from="2026-01-01T08:00"), "usable_from", NEEDS_MOMENT),
    (policy(usable_from="0001-01-01"), "usable_from", NEEDS_MOMENT),
    (policy(usable_until="9999-12-31"), "usable_until", NEEDS_MOMENT),
    (policy(usable_until=1798758000), "usable_until", NEEDS_TEXT),
    (
        policy(usable_from="2026-01-02", usable_until="2026-01-01"),
        "usable_until",
        "This is not after usable_from: no card could ever pay.",
    ),
    (policy(partial_approval="yes"), "partial_approval", NEEDS_FLAG),
    (policy(refunds_restore=1), "refunds_restore", NEEDS_FLAG),
    (
        policy(smallest_partial_amount=500),
        "smallest_partial_amount",
        'Only with "partial_approval": true; set that, or leave this out.',
    ),
    (
        policy(smallest_partial_amount=0, partial_approval=True),
        "smallest_partial_amount",
        "Give a whole number from 1 to 9,007,199,254,740,991.",
    ),
    (
        policy(smallest_partial_amount=500, partial_approval=True, currency=None),
        "smallest_partial_amount",
        'Say in which currency: give the policy a "currency".',
    ),
    (policy(spending_limits={}), "spending_limits", NEEDS_LIST),
    (policy(spending_limits=[7]), "spending_limits[0]", NEEDS_OBJECT),
    (
        policy(spending_limits=[{"count": n, "interval": "daily"} for n in range(51)]),
        "spending_limits",
        "There are 51 entries: keep it to 50.",
    ),
    (
        limit(category=["5812"]),
        "spending_limits[0].category",
        'There is no key "category". Did you mean "categories"?',
    ),
    (limit(amount=None), "spending_limits[0].amount", "Give the limit an amount or a count."),
    (
        limit(count=3),
        "spending_limits[0].amount",
        "A limit has an amount or a count, not both: make two limits.",
    ),
    (limit(amount=1.5), "spending_limits[0].amount", NEEDS_AMOUNT),
    (limit(amount=True), "spending_limits[0].amount", NEEDS_AMOUNT),
    (limit(amount="€5"), "spending_limits[0].amount", NEEDS_AMOUNT),
    (
        limit(amount=-1),
        "spending_limits[0].amount",
        "An amount can't be negative: use 0 where nothing may be spent.",
    ),
    (
        limit(amount=2**53),
        "spending_limits[0].amount",
        "The amount is too large: 9007199254740991 is the most.",
    ),
    (
        limit(amount=None, count=-1),
        "spending_limits[0].count",
        "Give a whole number from 0 to 1,000,000.",
    ),
    (
        limit(amount=None, count="5"),
        "spending_limits[0].count",
        "Give the number of purchases as a whole number, such as 5.",
    ),
    (
        limit(amount=None, count=5, interval="per_authorization"),
        "spending_limits[0].count",
        "Each authorization is one purchase: choose another interval.",
    ),
    (
        limit(amount=None, count=5, currency="eur"),
        "spending_limits[0].currency",
        "A count has no currency: leave it out.",
    ),
    (
        {"name": "P", "spending_limits": [{"amount": 1, "interval": "daily"}]},
        "spending_limits[0].currency",
        'Say in which currency, here or for the whole policy: "eur".',
    ),
    (
        {"name": "P", "currency": "", "spending_limits": [{"amount": 1, "interval": "daily"}]},
        "spending_limits[0].currency",
        'Say in which currency, here or for the whole policy: "eur".',
    ),
    (
        limit(currency="bitcoin"),
        "spending_limits[0].currency",
        'There is no currency "bitcoin". Use its three-letter code, such as eur.',
    ),
    (
        limit(interval=None),
        "spending_limits[0].interval",
        "Say how long it lasts: per_authorization, daily, weekly, monthly, quarterly, yearly, "
        "all_time, rolling.",
    ),
    (
        limit(interval="dayly"),
        "spending_limits[0].interval",
        'There is no interval "dayly". Did you mean "daily"?',
    ),
    (limit(interval="rolling"), "spending_limits[0].interval", ONE_LENGTH),
    (limit(interval="rolling", hours=1, days=1), "spending_limits[0].interval", ONE_LENGTH),
    (
        limit(interval="rolling", minutes=0),
        "spending_limits[0].minutes",
        "Give a whole number from 1 to 576,000.",
    ),
    (
        limit(interval="rolling", days=401),
        "spending_limits[0].days",
        "Give a whole number from 1 to 400.",
    ),
    (
        limit(interval="rolling", hours=1.5),
        "spending_limits[0].hours",
        "Give the number of hours as a whole number, such as 2.",
    ),
    (limit(hours=2), "spending_limits[0].hours", ROLLING_ONLY),
    (limit(cash_only="yes"), "spending_limits[0].cash_only", NEEDS_FLAG),
    (
        limit(countries=["FRA"]),
        "spending_limits[0].countries[0]",
        'There is no country "FRA". Did you mean "FR"?',
    ),
    (
        policy(
            spending_limits=[
                {"amount": 1, "interval": "daily"},
                {"interval": "daily", "currency": "eur", "amount": 1, "merchants": []},
            ]
        ),
        "spending_limits[1]",
        "This is spending_limits[0] again: keep one of them.",
    ),
]


@pytest.mark.parametrize(("document", "path", "sentence"), REFUSED)
def test_a_policy_that_cannot_work_is_refused_at_its_place_with_a_sentence(
    document: object, path: str, sentence: str
) -> None:
    assert problems_of(document) == [(path, sentence)]


def test_all_problems_are_told_at_once_in_the_order_of_reading() -> None:
    document = policy(
        nme="x",
        currency="euro",
        allowed_merchant_countries=["Germany"],
        usable_from="soon",
        spending_limits=[{"amount": -1, "interval": "dayly"}, {"count": 1}],
    )
    assert [path for path, _ in problems_of(document)] == [
        "nme",
        "currency",
        "allowed_merchant_countries[0]",
        "usable_from",
        "spending_limits[0].interval",
        "spending_limits[0].amount",
        "spending_limits[1].interval",
    ]


def test_problems_read_as_one_line_each() -> None:
    with pytest.raises(PolicyProblems) as refused:
        normalize({"name": "", "spending_limits": [{"interval": "daily"}]})
    assert str(refused.value) == (
        "name: Give the policy a name.\n"
        "spending_limits[0].amount: Give the limit an amount or a count."
    )
    assert str(Problem((), "Everything is wrong.")) == "Everything is wrong."


# --- the normal form


def test_a_name_is_enough_and_every_other_key_gets_its_default() -> None:
    assert normalize({"name": " Bare "}) == {
        "name": "Bare",
        "currency": None,
        "time_zone": "UTC",
        "week_starts": "sunday",
        "allowed_categories": [],
        "blocked_categories": [],
        "allowed_merchant_countries": [],
        "blocked_merchant_countries": [],
        "allowed_merchants": [],
        "blocked_merchants": [],
        "allowed_card_presences": [],
        "blocked_card_presences": [],
        "allowed_authorization_methods": [],
        "blocked_authorization_methods": [],
        "required_verification": [],
        "max_network_risk_score": None,
        "schedule": [],
        "usable_from": None,
        "usable_until": None,
        "partial_approval": False,
        "smallest_partial_amount": None,
        "refunds_restore": True,
        "allowed_wallets": [],
        "spending_limits": [],
    }


def test_keys_come_in_the_order_of_the_format() -> None:
    shuffled = dict(sorted(TRAVEL.items(), reverse=True))
    assert list(normalize(shuffled)) == list(TRAVEL)


@pytest.mark.parametrize(
    ("key", "written", "normal"),
    [
        ("currency", " EUR ", "eur"),
        ("currency", "", None),
        ("time_zone", None, "UTC"),
        ("week_starts", "Monday", "monday"),
        ("allowed_merchant_countries", ["fr", "DE", "FR", " de"], ["DE", "FR"]),
        ("allowed_merchant_countries", ["xk"], ["XK"]),
        ("blocked_categories", ["Government_Services"], ["government_services"]),
        ("blocked_categories", ["0763", "3000 – 3299", "5812-5812"], ["0763", "3000-3299", "5812"]),
        ("allowed_merchants", [" Uber ", "Uber", "uber"], ["Uber", "uber"]),
        ("required_verification", ["three_d_secure", "cvc"], ["cvc", "three_d_secure"]),
        ("allowed_wallets", ["Google_Pay"], ["google_pay"]),
        ("usable_until", "2026-12-31", "2026-12-31"),
        ("usable_until", "2026-12-31 18:00+01:00", "2026-12-31T18:00:00+01:00"),
        ("usable_until", "2026-12-31T17:00:00Z", "2026-12-31T17:00:00+00:00"),
        ("usable_until", "", None),
        ("blocked_merchants", None, []),
    ],
)
def test_each_meaning_has_one_way_to_be_written(key: str, written: object, normal: object) -> None:
    assert normalize({"name": "P", key: written})[key] == normal


def test_schedule_entries_are_sorted_by_day_and_time_and_kept_once() -> None:
    document = policy(
        schedule=[
            {"days": ["tue"], "from": "8:00", "to": "24:00"},
            {"days": ["tue", "mon", "tue"], "from": "14:00", "to": "18:00"},
            {"days": ["mon", "tue"], "from": "08:00", "to": "12:00"},
            {"days": ["Tue"], "from": "08:00", "to": "24:00"},
        ]
    )
    assert normalize(document)["schedule"] == [
        {"days": ["mon", "tue"], "from": "08:00", "to": "12:00"},
        {"days": ["mon", "tue"], "from": "14:00", "to": "18:00"},
        {"days": ["tue"], "from": "08:00", "to": "24:00"},
    ]


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ({"minutes": 60}, {"hours": 1}),
        ({"minutes": 2880}, {"days": 2}),
        ({"hours": 36}, {"hours": 36}),
        ({"minutes": 90, "hours": None}, {"minutes": 90}),
    ],
)
def test_a_rolling_window_is_told_in_its_largest_whole_unit(
    written: Document, normal: Document
) -> None:
    found = normal_limit(interval="rolling", **written)
    assert {unit: found[unit] for unit in ("days", "hours", "minutes") if unit in found} == normal


def test_a_limit_never_repeats_the_currency_of_its_policy() -> None:
    assert normal_limit(currency="EUR")["currency"] is None
    assert normal_limit(currency="usd")["currency"] == "usd"
    assert "currency" not in normal_limit(amount=None, count=3)


def test_a_limit_of_zero_is_allowed_nothing_may_be_spent() -> None:
    assert normal_limit(amount=0)["amount"] == 0
    assert normal_limit(amount=None, count=0)["count"] == 0
    assert normal_limit(amount=MAX_AMOUNT)["amount"] == MAX_AMOUNT


# --- the value


def test_the_formats_example_becomes_the_value_it_describes() -> None:
    restaurants = filter_of('{"categories":["eating_places_restaurants"]}')
    assert controls(normalize(TRAVEL)) == SpendingControls(
        name="Travel",
        currency="eur",
        time_zone="Europe/Paris",
        week_starts=Weekday.MONDAY,
        blocked_categories=CategorySet.of(["3000-3299", "betting_casino_gambling"]),
        merchant_countries=Choice(allowed=frozenset({"DE", "FR"})),
        required_verification=("cvc",),
        schedule=(ScheduleEntry(frozenset({0, 1}), 8 * 60, 20 * 60),),
        spending_limits=(
            SpendingLimit(Interval.MONTHLY, amount=50000, currency="eur"),
            SpendingLimit(Interval.DAILY, amount=5000, currency="eur", filter=restaurants),
            SpendingLimit(Interval.ROLLING, count=5, rolling_seconds=3600),
        ),
    )


def test_every_rule_reaches_the_value() -> None:
    document = policy(
        allowed_categories=["5812"],
        blocked_merchant_countries=["RU"],
        blocked_merchants=["Casino"],
        allowed_card_presences=["present"],
        blocked_authorization_methods=["swipe"],
        max_network_risk_score=80,
        partial_approval=True,
        smallest_partial_amount=500,
        refunds_restore=False,
        allowed_wallets=["apple_pay"],
        spending_limits=[
            {"amount": 1, "currency": "usd", "interval": "all_time", "cash_only": True}
        ],
    )
    assert controls(normalize(document)) == SpendingControls(
        name="P",
        currency="eur",
        allowed_categories=CategorySet.of(["5812"]),
        merchant_countries=Choice(blocked=frozenset({"RU"})),
        blocked_merchants=("Casino",),
        card_presences=Choice(allowed=frozenset({"present"})),
        authorization_methods=Choice(blocked=frozenset({"swipe"})),
        allowed_wallets=frozenset({"apple_pay"}),
        max_network_risk_score=80,
        partial_approval=True,
        smallest_partial_amount=500,
        refunds_restore=False,
        spending_limits=(
            SpendingLimit(
                Interval.ALL_TIME,
                amount=1,
                currency="usd",
                filter=filter_of('{"cash_only":true}'),
            ),
        ),
    )


@pytest.mark.parametrize(
    ("zone", "written", "start", "end"),
    [
        ("UTC", "2026-12-31", at(2026, 12, 31), at(2027, 1, 1)),
        ("Europe/Paris", "2026-12-31", at(2026, 12, 30, 23), at(2026, 12, 31, 23)),
        # 25 hours: clocks go back on this day.
        ("Europe/Paris", "2026-10-25", at(2026, 10, 24, 22), at(2026, 10, 25, 23)),
        # Santiago skips midnight on this day: it begins at 01:00.
        ("America/Santiago", "2026-09-06", at(2026, 9, 6, 4), at(2026, 9, 7, 3)),
        ("Asia/Tokyo", "2026-12-31T18:00+01:00", at(2026, 12, 31, 17), at(2026, 12, 31, 17)),
    ],
)
def test_dates_last_from_their_first_second_through_their_last_in_the_policys_zone(
    zone: str, written: str, start: int, end: int
) -> None:
    first = controls(normalize(policy(time_zone=zone, usable_from=written)))
    last = controls(normalize(policy(time_zone=zone, usable_until=written)))
    assert (first.usable_from, last.usable_until) == (start, end)


def test_the_same_day_may_be_first_and_last() -> None:
    assert normalize(policy(usable_from="2026-01-01", usable_until="2026-01-01"))


def test_a_filter_is_named_by_its_canonical_text() -> None:
    written = limit(merchants=["Uber"], cash_only=True, countries=["fr"], categories=["6011"])
    found = controls(normalize(written)).spending_limits[0].filter
    assert found.text == (
        '{"cash_only":true,"categories":["6011"],"countries":["FR"],"merchants":["Uber"]}'
    )
    assert found.key == "58a8b3ff0ab7ee8fe6d8ed3a30b30e1f"
    assert filter_of(found.text) == found
    assert found.concerns(Merchant(category_code="6011", country="FR", name="UBER TRIP"))
    assert not found.concerns(Merchant(category_code="6011", country="DE", name="UBER TRIP"))


def test_a_limit_on_everything_has_the_empty_filter() -> None:
    assert controls(normalize(limit())).spending_limits[0].filter is EVERYTHING
    assert filter_of("") is EVERYTHING


def test_canonical_json_is_compact_sorted_utf_8() -> None:
    assert canonical_json({"b": ["é"], "a": None}) == '{"a":null,"b":["é"]}'.encode()


# --- properties

texts = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20).filter(
    str.strip
)
categories = st.lists(
    st.sampled_from([*sorted(known_categories()), "0763", "5812", "3000-3299", "3000-3000"]),
    max_size=4,
)
countries = st.lists(st.sampled_from(sorted(known_countries())).map(str.lower), max_size=4)
flags = st.booleans()
measures = st.one_of(
    st.fixed_dictionaries(
        {"amount": st.integers(0, MAX_AMOUNT)},
        optional={"currency": st.sampled_from(["EUR", "usd", None])},
    ),
    st.fixed_dictionaries({"count": st.integers(0, 1000)}),
)
lengths = st.one_of(
    st.fixed_dictionaries({"interval": st.sampled_from(["daily", "weekly", "all_time"])}),
    st.fixed_dictionaries({"interval": st.just("rolling"), "minutes": st.integers(1, 6000)}),
    st.fixed_dictionaries({"interval": st.just("rolling"), "days": st.integers(1, 400)}),
)
filters = st.fixed_dictionaries(
    {},
    optional={
        "categories": categories,
        "countries": countries,
        "merchants": st.lists(texts, max_size=3),
        "cash_only": flags,
    },
)
limits = st.lists(
    st.tuples(measures, lengths, filters).map(lambda parts: parts[0] | parts[1] | parts[2]),
    max_size=5,
    unique_by=lambda one: (one.get("amount"), one.get("count")),
)
entries = st.fixed_dictionaries(
    {
        "days": st.lists(st.sampled_from(["mon", "wed", "sat", "sun"]), min_size=1, max_size=5),
        "from": st.sampled_from(["0:00", "08:00", "9:30"]),
        "to": st.sampled_from(["12:00", "23:59", "24:00"]),
    }
)
documents = st.fixed_dictionaries(
    {"name": texts, "currency": st.sampled_from(["eur", "JPY"])},
    optional={
        "time_zone": st.sampled_from(["UTC", "Europe/Paris", "America/Santiago"]),
        "week_starts": st.sampled_from(["monday", "Sunday"]),
        "blocked_categories": categories,
        "allowed_merchant_countries": countries,
        "blocked_merchants": st.lists(texts, max_size=3),
        "required_verification": st.lists(st.sampled_from(["cvc", "postal_code"])),
        "max_network_risk_score": st.one_of(st.none(), st.integers(1, 99)),
        "schedule": st.lists(entries, max_size=4),
        "usable_from": st.sampled_from([None, "2026-01-01", "2026-01-01T00:00Z"]),
        "usable_until": st.sampled_from([None, "2026-01-01", "2027-01-01T00:00:00+09:00"]),
        "refunds_restore": flags,
        "spending_limits": limits,
    },
)


@given(documents)
def test_the_normal_form_of_the_normal_form_is_itself(document: Document) -> None:
    normal = normalize(document)
    assert normalize(normal) == normal


@given(documents)
def test_a_version_read_back_from_its_json_is_the_same_policy(document: Document) -> None:
    normal = normalize(document)
    read_back = json.loads(canonical_json(normal))
    assert controls(read_back) == controls(normal)
    assert canonical_json(normalize(read_back)) == canonical_json(normal)


@given(documents, st.randoms(use_true_random=False))
def test_the_order_of_keys_and_of_sets_changes_nothing(
    document: Document, luck: random.Random
) -> None:
    assert canonical_json(normalize(_shuffled(document, luck))) == canonical_json(
        normalize(document)
    )


def _shuffled(document: Document, luck: random.Random) -> Document:
    keys = list(document)
    luck.shuffle(keys)
    mixed = {key: document[key] for key in keys}
    for key, value in mixed.items():
        if isinstance(value, list) and key != "spending_limits":
            mixed[key] = luck.sample(value, len(value))
    if "spending_limits" in mixed:
        mixed["spending_limits"] = [_shuffled(one, luck) for one in mixed["spending_limits"]]
    return mixed


@given(documents)
def test_a_filter_comes_back_from_its_text(document: Document) -> None:
    for one in controls(normalize(document)).spending_limits:
        assert filter_of(one.filter.text) == one.filter


anything = st.recursive(
    st.none() | flags | st.integers() | st.floats() | st.text(max_size=5) | st.just("\ud800"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["days", "from", "amount", "interval", "x"]), inner)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*TRAVEL, "other"]), anything) | anything)
def test_whatever_the_document_holds_it_is_normal_or_refused_with_problems(
    document: object,
) -> None:
    try:
        normal = normalize(document)
    except PolicyProblems as refused:
        assert refused.problems
        assert all(problem.message.endswith((".", "?")) for problem in refused.problems)
    else:
        assert controls(normal).name


# --- warnings


def warned(**keys: Any) -> list[tuple[str, str]]:
    found = warnings(controls(normalize(policy(**keys))))
    return [(path_text(problem.path), problem.message) for problem in found]


def test_a_shorter_limit_that_allows_no_less_is_pointed_out() -> None:
    assert warned(
        spending_limits=[
            {"amount": 30000, "interval": "monthly"},
            {"amount": 50000, "interval": "daily"},
        ]
    ) == [
        (
            "spending_limits[1].amount",
            "This limit of €500.00 a day is not below the limit of €300.00 a month, so it never "
            "stops a purchase.",
        )
    ]


def test_weeks_reach_over_the_ends_of_months_so_they_can_still_matter() -> None:
    assert warned(
        spending_limits=[
            {"amount": 50000, "interval": "weekly", "countries": ["FR"]},
            {"amount": 30000, "interval": "monthly"},
        ]
    ) == [
        (
            "spending_limits[0].amount",
            "This limit of €500.00 a week in FR is not below the limit of €300.00 a month, so it "
            "hardly ever stops a purchase.",
        )
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"amount": 100, "interval": "daily"}, {"amount": 300, "interval": "monthly"}),
        (
            {"amount": 500, "interval": "daily", "currency": "usd"},
            {"amount": 300, "interval": "monthly"},
        ),
        (
            {"amount": 500, "interval": "daily"},
            {"amount": 300, "interval": "monthly", "countries": ["FR"]},
        ),
        ({"count": 5, "interval": "daily"}, {"amount": 3, "interval": "monthly"}),
        ({"amount": 500, "interval": "rolling", "days": 1}, {"amount": 300, "interval": "daily"}),
        (
            {"amount": 300, "interval": "rolling", "hours": 1},
            {"amount": 500, "interval": "rolling", "hours": 2},
        ),
    ],
)
def test_limits_that_can_both_matter_pass_without_a_word(first: Document, second: Document) -> None:
    assert warned(spending_limits=[first, second]) == []


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        ({"count": 5, "interval": "daily"}, {"count": 5, "interval": "monthly"}),
        (
            {"amount": 5, "interval": "per_authorization"},
            {"amount": 4, "interval": "rolling", "hours": 1},
        ),
        ({"amount": 5, "interval": "rolling", "hours": 1}, {"amount": 4, "interval": "all_time"}),
        (
            {"amount": 5, "interval": "rolling", "hours": 1},
            {"amount": 4, "interval": "rolling", "hours": 2},
        ),
        (
            {"amount": 5, "interval": "daily", "categories": ["5812"]},
            {"amount": 5, "interval": "daily"},
        ),
    ],
)
def test_limits_that_another_covers_are_pointed_out(narrow: Document, wide: Document) -> None:
    key = "amount" if "amount" in narrow else "count"
    assert [path for path, _ in warned(spending_limits=[narrow, wide])] == [
        f"spending_limits[0].{key}"
    ]
    assert [path for path, _ in warned(spending_limits=[wide, narrow])] == [
        f"spending_limits[1].{key}"
    ]


def test_a_limit_on_categories_that_are_all_blocked_is_pointed_out() -> None:
    gambling = {"amount": 1, "interval": "daily", "categories": ["7995", "betting_casino_gambling"]}
    flights = {"amount": 2, "interval": "daily", "categories": ["3000-3010"]}
    mixed = {"amount": 3, "interval": "daily", "categories": ["5812", "7995"]}
    found = warned(
        blocked_categories=["betting_casino_gambling", "3000-3299"],
        spending_limits=[gambling, flights, mixed],
    )
    sentence = "This limit has no effect: the policy allows none of its categories."
    assert found == [
        ("spending_limits[0].categories", sentence),
        ("spending_limits[1].categories", sentence),
    ]


def test_a_limit_on_places_outside_the_allowed_ones_is_pointed_out() -> None:
    found = warned(
        allowed_categories=["5812"],
        allowed_merchant_countries=["FR"],
        spending_limits=[
            {"amount": 1, "interval": "daily", "categories": ["7995"], "countries": ["DE"]},
            {"amount": 2, "interval": "daily", "categories": ["5812"], "countries": ["FR", "DE"]},
        ],
    )
    assert [path for path, _ in found] == [
        "spending_limits[0].categories",
        "spending_limits[0].countries",
    ]


def test_a_policy_that_forbids_nothing_is_pointed_out() -> None:
    assert warned() == [("", "This policy has no rule and no limit: it lets every purchase pass.")]
    assert warned(max_network_risk_score=99) == []
