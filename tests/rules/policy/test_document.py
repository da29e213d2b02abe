"""Policy documents: their normal form, and the value they become."""

import json
import random
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authorizations.rules.basics.controls import Interval, LimitControl, Weekday
from authorizations.rules.basics.countries import known_countries
from authorizations.rules.basics.filters import (
    EVERYTHING,
    MATCHING,
    Merchant,
    known_categories,
)
from authorizations.rules.basics.folding import folded
from authorizations.rules.basics.money import MAX_AMOUNT
from authorizations.rules.decision.controls import SpendingControls
from authorizations.rules.decision.rule import rule_of
from authorizations.rules.kinds.authorization_methods import AuthorizationMethods
from authorizations.rules.kinds.card_presences import CardPresences
from authorizations.rules.kinds.categories import Categories
from authorizations.rules.kinds.currency import Currencies
from authorizations.rules.kinds.dates import UsableFrom, UsableUntil
from authorizations.rules.kinds.lists import ListRule
from authorizations.rules.kinds.merchant_countries import MerchantCountries
from authorizations.rules.kinds.merchants import Merchants
from authorizations.rules.kinds.network_risk import NetworkRisk
from authorizations.rules.kinds.schedule import OpenHours, Schedule
from authorizations.rules.kinds.verification import CvcRequired
from authorizations.rules.kinds.wallets import Wallets
from authorizations.rules.policy.document import (
    InvalidPolicyError,
    Problem,
    canonical_json,
    controls,
    filter_of,
    normalize,
)
from tests.support.documents import TRAVEL, Document, limit, policy


def normal_limit(**keys: Any) -> Document:
    found: Document = normalize(limit(**keys))["spending_limits"][0]
    return found


def only(kind: type[ListRule], entries: list[str], *, allows: bool) -> ListRule:
    """The rule with one list."""
    return kind((kind.listing(entries, MATCHING, allows=allows),))


def at(year: int, month: int, day: int, hour: int = 0) -> int:
    return int(datetime(year, month, day, hour, tzinfo=UTC).timestamp())


# --- the normal form


def test_a_name_is_enough_and_every_other_key_gets_its_default() -> None:
    assert normalize({"name": " Bare "}) == {
        "name": "Bare",
        "currency": None,
        "unlimited": False,
        "time_zone": "UTC",
        "week_starts": "sunday",
        "allowed_categories": [],
        "blocked_categories": [],
        "allowed_merchant_countries": [],
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
        "network_token": None,
        "required_verification": [],
        "max_network_risk_score": None,
        "network_risk_despite_challenge": False,
        "schedule": [],
        "usable_from": None,
        "usable_until": None,
        "minimum_card_age_days": None,
        "partial_approval": False,
        "smallest_partial_amount": None,
        "refunds_restore": True,
        "fuel_hold": None,
        "stand_in_amount": None,
        "stand_in_cap": None,
        "allowed_wallets": [],
        "blocked_wallets": [],
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
        (
            "blocked_categories",
            ["0763", "3000 \N{EN DASH} 3299", "5812-5812"],
            ["0763", "3000-3299", "5812"],
        ),
        ("allowed_merchants", [" Uber ", "Uber", "uber"], ["Uber", "uber"]),
        (
            "allowed_merchants",
            ["Uber", {"is": " Uber "}, {"network_id": "42"}, {"is": "Uber"}, {"contains": "Ube"}],
            [{"network_id": "42"}, {"is": "Uber"}, {"contains": "Ube"}, "Uber"],
        ),
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


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ({"interval": "monthly", "month_starts": 16}, {"month_starts": 16}),
        ({"interval": "monthly", "month_starts": 1}, {}),
        ({"interval": "monthly", "month_starts": None}, {}),
        ({"interval": "yearly", "year_starts": " 4-6 "}, {"year_starts": "04-06"}),
        ({"interval": "quarterly", "year_starts": "12-31"}, {"year_starts": "12-31"}),
        ({"interval": "yearly", "year_starts": "01-01"}, {}),
        ({"interval": "daily", "year_starts": ""}, {}),
    ],
)
def test_the_beginning_of_months_and_years_is_kept_unless_it_is_the_calendars(
    written: Document, normal: Document
) -> None:
    assert normal_limit(**written) == normal_limit(interval=written["interval"]) | normal


def test_a_version_from_before_a_limit_could_say_more_is_the_same_version() -> None:
    """Its canonical text, letter for letter."""
    [amount, _, count] = normalize(TRAVEL)["spending_limits"]
    assert canonical_json(amount).decode() == (
        '{"amount":50000,"cash_only":false,"categories":[],"countries":[],"currency":null,'
        '"interval":"monthly","merchants":[]}'
    )
    assert canonical_json(count).decode() == (
        '{"cash_only":false,"categories":[],"count":5,"countries":[],"hours":1,'
        '"interval":"rolling","merchants":[]}'
    )


@pytest.mark.parametrize(
    ("written", "begins"),
    [
        ({"interval": "monthly"}, (1, 1)),
        ({"interval": "monthly", "month_starts": 28}, (1, 28)),
        ({"interval": "yearly", "year_starts": "04-06"}, (4, 6)),
        ({"interval": "quarterly", "year_starts": "12-31"}, (12, 31)),
    ],
)
def test_a_limit_begins_on_the_day_that_its_document_names(
    written: Document, begins: tuple[int, int]
) -> None:
    [found] = controls(normalize(limit(**written))).spending_limits
    assert found.begins == begins


def test_what_a_limit_leaves_out_is_kept_if_there_is_any() -> None:
    nothing: Document = {"except_categories": [], "except_countries": None, "except_merchants": []}
    assert normal_limit(**nothing) == normal_limit()
    written = {"except_countries": ["fr", "DE", "FR"], "except_merchants": [" Uber ", "Uber"]}
    assert normal_limit(**written) == normal_limit() | {
        "except_countries": ["DE", "FR"],
        "except_merchants": ["Uber"],
    }


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
        rules=(
            Currencies(["eur"]),
            only(MerchantCountries, ["DE", "FR"], allows=True),
            only(Categories, ["betting_casino_gambling", "3000-3299"], allows=False),
            CvcRequired(),
            Schedule(
                (OpenHours(frozenset({0, 1}), 8 * 60, 20 * 60),),
                "Europe/Paris",
                {"hours": TRAVEL["schedule"], "time_zone": "Europe/Paris"},
            ),
        ),
        spending_limits=(
            LimitControl(Interval.MONTHLY, amount=50000, currency="eur"),
            LimitControl(Interval.DAILY, amount=5000, currency="eur", filter=restaurants),
            LimitControl(Interval.ROLLING, count=5, rolling_seconds=3600),
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
        unlimited=True,
        partial_approval=True,
        smallest_partial_amount=500,
        refunds_restore=False,
        fuel_hold=15_000,
        stand_in_amount=5_000,
        stand_in_cap=20_000,
        allowed_wallets=["apple_pay"],
        spending_limits=[
            {"amount": 1, "currency": "usd", "interval": "all_time", "cash_only": True}
        ],
    )
    assert controls(normalize(document)) == SpendingControls(
        name="P",
        currency="eur",
        rules=(
            Currencies(["usd"]),
            only(MerchantCountries, ["RU"], allows=False),
            only(Categories, ["5812"], allows=True),
            only(Merchants, ["Casino"], allows=False),
            only(CardPresences, ["present"], allows=True),
            only(AuthorizationMethods, ["swipe"], allows=False),
            only(Wallets, ["apple_pay"], allows=True),
            NetworkRisk(80),
        ),
        unlimited=True,
        partial_approval=True,
        smallest_partial_amount=500,
        refunds_restore=False,
        fuel_hold=15_000,
        stand_in_amount=5_000,
        stand_in_cap=20_000,
        spending_limits=(
            LimitControl(
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
    dates = rule_of(UsableFrom, first.rules), rule_of(UsableUntil, last.rules)
    assert [date and date.at for date in dates] == [start, end]


def test_the_same_day_may_be_first_and_last() -> None:
    assert normalize(policy(usable_from="2026-01-01", usable_until="2026-01-01"))


def test_a_filter_is_named_by_its_canonical_text() -> None:
    written = limit(merchants=["Uber"], cash_only=True, countries=["fr"], categories=["6011"])
    found = controls(normalize(written)).spending_limits[0].filter
    assert found.text == (
        '{"cash_only":true,"categories":["6011"],"countries":["FR"],"matching":2,'
        '"merchants":["Uber"]}'
    )
    assert found.key == "4c38613f38e872f49b417e523ba4d3bb"
    assert filter_of(found.text) == found
    assert found.concerns(Merchant(category_code="6011", country="FR", name="UBER TRIP"))
    assert not found.concerns(Merchant(category_code="6011", country="DE", name="UBER TRIP"))


def test_a_filter_of_merchants_is_another_one_where_they_were_matched_otherwise() -> None:
    normal = normalize(limit(merchants=["Casino du Lac"], categories=["6011"]))
    before = controls(normal, matching=1).spending_limits[0].filter
    after = controls(normal).spending_limits[0].filter
    assert before.text == '{"categories":["6011"],"merchants":["Casino du Lac"]}'
    assert before.key != after.key
    assert filter_of(before.text) == before
    shop = Merchant(category_code="6011", name="CASINO  DU LAC")
    assert (before.concerns(shop), after.concerns(shop)) == (False, True)


def test_a_filter_without_merchants_is_the_same_however_they_are_matched() -> None:
    normal = normalize(limit(categories=["6011"], countries=["FR"]))
    assert controls(normal, matching=1).spending_limits == controls(normal).spending_limits


def test_a_rule_that_is_not_known_here_is_refused() -> None:
    with pytest.raises(ValueError, match="version 99"):
        controls(normalize(policy()), matching=99)


def test_a_limit_on_everything_has_the_empty_filter() -> None:
    assert controls(normalize(limit())).spending_limits[0].filter is EVERYTHING
    assert filter_of("") is EVERYTHING


def test_canonical_json_is_compact_sorted_utf_8() -> None:
    assert canonical_json({"b": ["é"], "a": None}) == '{"a":null,"b":["é"]}'.encode()


# --- properties

texts = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20).filter(
    str.strip
)
shops = texts.filter(folded)
merchants = st.lists(
    st.one_of(
        shops,
        st.builds(lambda key, name: {key: name}, st.sampled_from(["is", "contains"]), shops),
        st.builds(lambda id_: {"network_id": id_}, st.from_regex("[A-Z0-9]{1,15}", fullmatch=True)),
    ),
    max_size=3,
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
    st.fixed_dictionaries(
        {"interval": st.just("monthly")}, optional={"month_starts": st.integers(1, 28)}
    ),
    st.fixed_dictionaries(
        {"interval": st.sampled_from(["quarterly", "yearly"])},
        optional={"year_starts": st.sampled_from(["01-01", "4-6", "12-31"])},
    ),
    st.fixed_dictionaries({"interval": st.just("rolling"), "minutes": st.integers(1, 6000)}),
    st.fixed_dictionaries({"interval": st.just("rolling"), "days": st.integers(1, 400)}),
)
filters = st.fixed_dictionaries(
    {},
    optional={
        "categories": categories,
        "countries": countries,
        "merchants": merchants,
        "cash_only": flags,
        "except_categories": categories,
        "except_countries": countries,
        "except_merchants": merchants,
        "card_presences": st.lists(st.sampled_from(["present", "Not_Present"]), max_size=2),
        "authorization_methods": st.lists(st.sampled_from(["chip", "ONLINE", "swipe"])),
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
conditions = st.fixed_dictionaries(
    {}, optional={"categories": categories, "countries": countries, "merchants": merchants}
).filter(lambda condition: any(condition.values()))
documents = st.fixed_dictionaries(
    {"name": texts, "currency": st.sampled_from(["eur", "JPY"])},
    optional={
        "time_zone": st.sampled_from(["UTC", "Europe/Paris", "America/Santiago"]),
        "week_starts": st.sampled_from(["monday", "Sunday"]),
        "blocked_categories": categories,
        "allowed_merchant_countries": countries,
        "blocked_merchants": merchants,
        "exempt_merchants": merchants,
        "any_of": st.lists(conditions, max_size=4),
        "allowed_merchant_cities": st.lists(st.sampled_from(["Paris", "PARIS", "San  Jose"])),
        "blocked_merchant_postal_codes": st.lists(st.sampled_from(["75*", "sw1a 1aa", "94107"])),
        "required_merchant_data": st.lists(st.sampled_from(["category", "Country"])),
        "card_currency_only": flags,
        "network_token": st.sampled_from([None, "required", "Forbidden"]),
        "first_purchases": st.lists(st.sampled_from(["country", "Merchant"])),
        "minimum_card_age_days": st.one_of(st.none(), st.integers(1, 3650)),
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


def outcome(document: object) -> tuple[tuple[Problem, ...], Document]:
    try:
        return (), normalize(document)
    except InvalidPolicyError as refused:
        return refused.problems, {}


@given(st.dictionaries(st.sampled_from([*TRAVEL, "other"]), anything) | anything)
def test_whatever_the_document_holds_it_is_normal_or_refused_with_problems(
    document: object,
) -> None:
    problems, normal = outcome(document)
    assert problems or controls(normal).name
    assert all(problem.message.endswith((".", "?")) for problem in problems)
