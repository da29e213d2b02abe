"""Policies that cannot work: where the problem is, and what to do about it."""

from typing import Any

import pytest

from authorizations.rules.policy.document import InvalidPolicyError, Problem, normalize, path_text
from tests.support.documents import Document, limit, policy

NEEDS_LIST = "Give a list in square brackets: […]."
NEEDS_OBJECT = "Give an object in braces: {…}."
NEEDS_TEXT = 'Write this as text in "quotes".'
HOW_TO_NAME = (
    'Write a merchant as text, or say which part it is: {"network_id": "…"}, {"is": "…"}, '
    '{"begins_with": "…"} or {"contains": "…"}.'
)
NEEDS_FLAG = "Write true or false, without quotes."
NEEDS_TIME = 'Write the time as "08:00", from "00:00" to "24:00".'
NEEDS_MOMENT = (
    'Write a date such as "2026-12-31", or with time and offset "2026-12-31T18:00:00+01:00".'
)
NEEDS_AMOUNT = "Give the amount as a whole number in the smallest unit, such as 50000 for €500.00."
NEEDS_SCORE = "Give the highest score as a whole number from 1 to 99."
ROLLING_ONLY = 'Only for "interval": "rolling"; leave it out.'
MONTHLY_ONLY = 'Only for "interval": "monthly"; quarters and years begin on "year_starts".'
YEARLY_ONLY = 'Only for "interval": "quarterly" or "yearly"; months begin on "month_starts".'
ONE_LENGTH = "A rolling limit needs one of minutes, hours and days."
INVISIBLE = "Leave out line breaks and other characters that can't be seen."


def hours(start: str | None, end: str, **others: Any) -> Document:
    return policy(schedule=[{"days": ["mon"], "from": start, "to": end} | others])


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
        "a\N{REPLACEMENT CHARACTER}" + "b" * 60,
        f'There is no key "a\N{REPLACEMENT CHARACTER}{"b" * 38}…". Leave it out.',
    ),
    (policy(currency="euro"), "currency", 'There is no currency "euro". Did you mean "eur"?'),
    (
        policy(currency="?????"),
        "currency",
        'There is no currency "?????". Use its three-letter code, such as eur.',
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
        (
            'There is no category "restaurants". Did you mean "eating_places_restaurants" or '
            '"fast_food_restaurants"?'
        ),
    ),
    (
        policy(blocked_categories=["Betting/Casino Gambling"]),
        "blocked_categories[0]",
        'There is no category "Betting/Casino Gambling". Did you mean "betting_casino_gambling"?',
    ),
    (
        policy(blocked_categories=["58122"]),
        "blocked_categories[0]",
        (
            'There is no category "58122". Use Stripe\'s name, a four-digit code such as 5812, or '
            "a range such as 3000-3299."
        ),
    ),
    (
        policy(blocked_categories=["3299-3000"]),
        "blocked_categories[0]",
        "The range runs backwards: write 3000-3299.",
    ),
    (
        policy(blocked_categories=["٥٨١٢"]),
        "blocked_categories[0]",
        (
            'There is no category "٥٨١٢". Use Stripe\'s name, a four-digit code such as 5812, or '
            "a range such as 3000-3299."
        ),
    ),
    (
        policy(blocked_categories=["0000"] * 1001),
        "blocked_categories",
        "There are 1,001 entries: keep it to 1,000.",
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
        policy(blocked_merchants=["\N{ACUTE ACCENT}"]),
        "blocked_merchants[0]",
        (
            '"\N{ACUTE ACCENT}" would match every merchant, as accents and spaces are ignored: '
            "write a part of the name, or the merchant's network id."
        ),
    ),
    (
        limit(merchants=["Uber", {"begins_with": "¨"}]),
        "spending_limits[0].merchants[1]",
        (
            '"¨" would match every merchant, as accents and spaces are ignored: write a part of '
            "the name, or the merchant's network id."
        ),
    ),
    (
        policy(blocked_merchants=[{"begin_with": "Uber"}]),
        "blocked_merchants[0]",
        f'There is no key "begin_with". Did you mean "begins_with"? {HOW_TO_NAME}',
    ),
    (
        policy(blocked_merchants=[{"is": "Uber", "network_id": "1"}]),
        "blocked_merchants[0]",
        HOW_TO_NAME,
    ),
    (policy(blocked_merchants=[7]), "blocked_merchants[0]", HOW_TO_NAME),
    (
        policy(blocked_merchants=[{"network_id": "É1"}]),
        "blocked_merchants[0]",
        "Copy the network id from a purchase: it has only plain letters and digits.",
    ),
    (
        policy(blocked_merchants=[{"network_id": 1}]),
        "blocked_merchants[0]",
        'Write this as text in "quotes".',
    ),
    (
        policy(allowed_card_presences=["absent"]),
        "allowed_card_presences[0]",
        'There is no card presence "absent". Did you mean "present"?',
    ),
    (
        policy(allowed_authorization_methods=["pin"]),
        "allowed_authorization_methods[0]",
        (
            'There is no authorization method "pin". Use one of chip, contactless, keyed_in, '
            "online, swipe."
        ),
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
        hours("08:00", "20:00", days=[]),
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
        (
            "06:00 is not after 20:00: for hours past midnight make two entries, one to "
            '"24:00" and one from "00:00" on the following days.'
        ),
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
    (
        policy(fuel_hold="150"),
        "fuel_hold",
        "Give the amount as a whole number in the smallest unit, such as 500 for €5.00.",
    ),
    (
        policy(fuel_hold=0),
        "fuel_hold",
        "Give a whole number from 1 to 9,007,199,254,740,991.",
    ),
    (
        policy(fuel_hold=15_000, currency=None),
        "fuel_hold",
        'Say in which currency: give the policy a "currency".',
    ),
    (
        policy(stand_in_amount=5_000),
        "stand_in_cap",
        "Give both emergency limits or neither: one per purchase and one per window.",
    ),
    (
        policy(stand_in_cap=5_000),
        "stand_in_amount",
        "Give both emergency limits or neither: one per purchase and one per window.",
    ),
    (
        policy(stand_in_amount=5_001, stand_in_cap=5_000),
        "stand_in_cap",
        "Make this at least the amount of a single purchase.",
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
    (
        limit(amount=None),
        "spending_limits[0].amount",
        "Give the limit an amount, a count or attempts.",
    ),
    (
        limit(count=3),
        "spending_limits[0].amount",
        "A limit has an amount, a count or attempts, one of them: make two limits.",
    ),
    (
        limit(attempts=3),
        "spending_limits[0].amount",
        "A limit has an amount, a count or attempts, one of them: make two limits.",
    ),
    (
        limit(amount=None, attempts=0),
        "spending_limits[0].attempts",
        "Give a whole number from 1 to 1,000.",
    ),
    (
        limit(amount=None, attempts=3, interval="per_authorization"),
        "spending_limits[0].attempts",
        "Each authorization is one attempt: choose another interval.",
    ),
    (
        limit(amount=None, attempts=3, cash_only=True),
        "spending_limits[0].cash_only",
        "Attempts are not counted by cash: name its categories.",
    ),
    (
        limit(amount=None, attempts=3, then_freeze=True, then_freeze_minutes=5),
        "spending_limits[0].then_freeze_minutes",
        'Frozen for a time or until it is lifted ("then_freeze"): choose one.',
    ),
    (
        limit(amount=None, attempts=3, then_freeze_minutes=0),
        "spending_limits[0].then_freeze_minutes",
        "Give a whole number from 1 to 576,000.",
    ),
    (
        limit(declined_only=True),
        "spending_limits[0].declined_only",
        'Only for a limit on "attempts"; leave it out.',
    ),
    (limit(amount=1.5), "spending_limits[0].amount", NEEDS_AMOUNT),
    (limit(amount=True), "spending_limits[0].amount", NEEDS_AMOUNT),
    (limit(amount="€5"), "spending_limits[0].amount", NEEDS_AMOUNT),
    (
        limit(amount=-1),
        "spending_limits[0].amount",
        "An amount can't be negative: use 0 if nothing may be spent.",
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
        (
            "Say how long it lasts: per_authorization, daily, weekly, monthly, quarterly, yearly, "
            "all_time, rolling."
        ),
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
    (
        limit(except_categories=["bakeries", "bakery"]),
        "spending_limits[0].except_categories[1]",
        'There is no category "bakery". Did you mean "bakeries"?',
    ),
    (limit(except_countries="FR"), "spending_limits[0].except_countries", NEEDS_LIST),
    (
        limit(except_merchants=[{"is": "Uber", "network_id": "1"}]),
        "spending_limits[0].except_merchants[0]",
        HOW_TO_NAME,
    ),
    (limit(month_starts=2), "spending_limits[0].month_starts", MONTHLY_ONLY),
    (
        limit(interval="quarterly", month_starts=2),
        "spending_limits[0].month_starts",
        MONTHLY_ONLY,
    ),
    (
        limit(interval="monthly", month_starts=29),
        "spending_limits[0].month_starts",
        "Give a whole number from 1 to 28.",
    ),
    (
        limit(interval="monthly", month_starts="16th"),
        "spending_limits[0].month_starts",
        "Give the day of the month as a whole number from 1 to 28.",
    ),
    (limit(interval="monthly", year_starts="04-06"), "spending_limits[0].year_starts", YEARLY_ONLY),
    (
        limit(interval="yearly", year_starts="6 April"),
        "spending_limits[0].year_starts",
        'Write the month and the day, such as "04-06" for 6 April.',
    ),
    (limit(interval="yearly", year_starts=4), "spending_limits[0].year_starts", NEEDS_TEXT),
    (
        limit(interval="yearly", year_starts="02-29"),
        "spending_limits[0].year_starts",
        "Few years have a 29 February: choose 28 February or 1 March.",
    ),
    *(
        (
            limit(interval="quarterly", year_starts=day),
            "spending_limits[0].year_starts",
            "There is no such day: choose one that every year has.",
        )
        for day in ("04-31", "13-01", "00-01", "1-99999999")
    ),
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


def problems_of(document: object) -> list[tuple[str, str]]:
    with pytest.raises(InvalidPolicyError) as refused:
        normalize(document)
    return [(path_text(problem.path), problem.message) for problem in refused.value.problems]


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
    with pytest.raises(InvalidPolicyError) as refused:
        normalize({"name": "", "spending_limits": [{"interval": "daily"}]})
    assert str(refused.value) == (
        "name: Give the policy a name.\n"
        "spending_limits[0].amount: Give the limit an amount, a count or attempts."
    )
    assert str(Problem((), "Everything is wrong.")) == "Everything is wrong."
