"""The rows of a policy's page, limits and hours: a slip is refused in its own row."""

import pytest
from django.test import Client

from authorizations.models import Policy
from tests.admin import pages
from tests.admin.pages import Sent, added, as_shown, errors
from tests.support.desk import in_force, says

pytestmark = pytest.mark.django_db

LIMITS, CONDITIONS, HOURS = "spending_limits", "any_of", "schedule"


@pytest.fixture
def policy() -> Policy:
    return in_force("Travel", spending_limits=[{"amount": 50_000, "interval": "monthly"}])


@pytest.mark.parametrize(
    ("row", "field", "sentence"),
    [
        ({"interval": "daily"}, "amount", "Give the limit an amount, a count or attempts."),
        ({"amount": "5"}, "interval", "Choose how long the limit lasts."),
        ({"amount": "5", "count": "5", "interval": "daily"}, "amount", "one of them"),
        ({"amount": "-5", "interval": "daily"}, "amount", "Amounts can't be negative"),
        (
            {"count": "5", "interval": "per_authorization"},
            "count",
            "Each authorization is one purchase: choose another interval.",
        ),
        (
            {"count": "5", "interval": "rolling", "rolling_length": "0", "rolling_unit": "hours"},
            "rolling_length",
            "Give a whole number from 1 to",
        ),
        ({"count": "5", "interval": "rolling"}, "interval", "A rolling limit needs one of"),
        (
            {"amount": "5", "interval": "monthly", "month_starts": "29"},
            "month_starts",
            "Give a whole number from 1 to 28.",
        ),
        (
            {"amount": "5", "interval": "yearly", "year_starts_month": "02"}
            | {"year_starts_day": "29"},
            "year_starts_day",
            "Few years have a 29 February",
        ),
        (
            {"amount": "5", "interval": "quarterly", "year_starts_day": "99"},
            "year_starts_day",
            "There is no such day",
        ),
        (
            {"amount": "5", "interval": "daily", "categories": ["nowhere"]},
            "categories",
            'There is no category "nowhere".',
        ),
        (
            {"amount": "5", "interval": "daily", "except_countries": ["XX"]},
            "except_countries",
            'There is no country "XX".',
        ),
        (
            {"amount": "5", "interval": "daily", "card_presences": ["nearby"]},
            "card_presences",
            'There is no card presence "nearby".',
        ),
        (
            {"amount": "5", "interval": "daily", "authorization_methods": ["wink"]},
            "authorization_methods",
            'There is no authorization method "wink".',
        ),
        (
            {"amount": "5", "interval": "daily"}
            | {"except_merchants": pages.merchants("Uber", manner="network_id")},
            "except_merchants",
            "has no digits, unlike a network id",
        ),
        ({"amount": "500.00", "interval": "monthly"}, "__all__", "This is a duplicate"),
    ],
)
def test_a_limit_that_cannot_work_is_refused_in_its_own_row(
    operator: Client, policy: Policy, row: Sent, field: str, sentence: str
) -> None:
    url = pages.change_url(policy)
    response = operator.post(url, added(as_shown(operator, url), LIMITS, **row))
    found = errors(response)
    assert list(found) == [f"{LIMITS}-1-{field}"]
    assert sentence in found[f"{LIMITS}-1-{field}"][0]


@pytest.mark.parametrize(
    ("row", "kept"),
    [
        ({"interval": "monthly", "month_starts": "16"}, {"month_starts": 16}),
        (
            {"interval": "yearly", "year_starts_month": "04", "year_starts_day": "6"},
            {"year_starts": "04-06"},
        ),
        ({"interval": "quarterly", "year_starts_month": "10"}, {"year_starts": "10-01"}),
        ({"interval": "yearly", "year_starts_day": "15"}, {"year_starts": "01-15"}),
        # What a limit of another length does not use is dropped: its fields are hidden.
        (
            {"interval": "weekly", "month_starts": "16"}
            | {"year_starts_month": "04", "year_starts_day": "6"},
            {},
        ),
    ],
)
def test_the_day_on_which_a_limits_month_or_year_begins_is_kept_and_shown_again(
    operator: Client, policy: Policy, row: Sent, kept: dict[str, object]
) -> None:
    url = pages.change_url(policy)
    operator.post(url, added(as_shown(operator, url), LIMITS, amount="5", **row))
    [_, limit] = says(policy)["spending_limits"]
    found = {key: limit[key] for key in ("month_starts", "year_starts") if key in limit}
    assert found == kept
    operator.post(url, as_shown(operator, url))
    assert policy.versions.count() == 2


def test_what_a_limit_leaves_out_is_kept_and_shown_again(operator: Client, policy: Policy) -> None:
    url = pages.change_url(policy)
    left_out = {
        "except_categories": ["7995", "bakeries"],
        "except_countries": ["US"],
        "except_merchants": pages.merchants("Uber", manner="is"),
    }
    sent = added(as_shown(operator, url), LIMITS, amount="5", interval="daily", **left_out)
    operator.post(url, sent)
    [first, second] = says(policy)["spending_limits"]
    assert not left_out.keys() & first.keys()
    assert {key: second[key] for key in left_out} == left_out | {
        "except_merchants": [{"is": "Uber"}]
    }
    operator.post(url, as_shown(operator, url))
    assert policy.versions.count() == 2


def test_the_ways_of_paying_that_a_limit_names_are_kept_and_shown_again(
    operator: Client, policy: Policy
) -> None:
    url = pages.change_url(policy)
    named = {
        "card_presences": ["not_present"],
        "authorization_methods": ["keyed_in", "online"],
    }
    sent = added(as_shown(operator, url), LIMITS, amount="5", interval="daily", **named)
    operator.post(url, sent)
    [first, second] = says(policy)["spending_limits"]
    assert not named.keys() & first.keys()
    assert {key: second[key] for key in named} == named
    shown = pages.text(operator.get(url))
    assert "€5.00 a day online, by phone or by mail keyed in or online" in shown
    operator.post(url, as_shown(operator, url))
    assert policy.versions.count() == 2


def test_hours_that_end_before_they_begin_are_refused_in_their_row(
    operator: Client, policy: Policy
) -> None:
    url = pages.change_url(policy)
    sent = added(as_shown(operator, url), HOURS, days=["mon"], start="20:00", end="8:00")
    found = errors(operator.post(url, sent))
    assert list(found) == [f"{HOURS}-0-end"]
    assert "08:00 is not after 20:00" in found[f"{HOURS}-0-end"][0]
    found = errors(operator.post(url, sent | {f"{HOURS}-0-days": []}))
    assert "Say on which days" in found[f"{HOURS}-0-days"][0]


def test_conditions_are_added_changed_and_taken_out(operator: Client) -> None:
    fuel = {"categories": ["5542"], "countries": ["FR"]}
    policy = in_force("Fuel", any_of=[fuel, {"countries": ["DE"]}])
    url = pages.change_url(policy)
    response = operator.get(url)
    assert "At least one of these conditions (empty: any purchase)" in pages.text(response)
    assert "On automated fuel dispensers in FR" in pages.text(response)
    sent = added(as_shown(operator, url), CONDITIONS, merchants=pages.merchants("Total"))
    sent |= {f"{CONDITIONS}-0-countries": ["FR", "BE"], f"{CONDITIONS}-1-DELETE": "on"}
    response = operator.post(url, sent, follow=True)
    assert says(policy)["any_of"] == [
        {"categories": ["5542"], "countries": ["BE", "FR"]},
        {"merchants": ["Total"]},
    ]
    told = pages.messages(response)[0]
    assert "Conditions added to \N{LEFT DOUBLE QUOTATION MARK}At least one of" in told
    assert "on automated fuel dispensers in BE, FR, at Total" in told
    assert (
        "version 2 stays in force"
        in pages.messages(operator.post(url, as_shown(operator, url), follow=True))[0]
    )


@pytest.mark.parametrize(
    ("row", "field", "sentence"),
    [
        ({"countries": ["UK"]}, "countries", 'There is no country "UK".'),
        ({"categories": ["nowhere"]}, "categories", 'There is no category "nowhere".'),
        ({"merchants": ["is", "\N{ACUTE ACCENT}"]}, "merchants", "would match every merchant"),
        ({"merchants": ["network_id", "Total"]}, "merchants", "has no digits"),
    ],
)
def test_a_condition_that_can_not_be_is_refused_in_its_own_row(
    operator: Client, policy: Policy, row: Sent, field: str, sentence: str
) -> None:
    url = pages.change_url(policy)
    found = errors(operator.post(url, added(as_shown(operator, url), CONDITIONS, **row)))
    assert list(found) == [f"{CONDITIONS}-0-{field}"]
    assert sentence in found[f"{CONDITIONS}-0-{field}"][0]


def test_a_condition_that_was_emptied_is_refused_in_its_row(operator: Client) -> None:
    policy = in_force("Fuel", any_of=[{"countries": ["FR"]}])
    url = pages.change_url(policy)
    found = errors(operator.post(url, as_shown(operator, url) | {f"{CONDITIONS}-0-countries": []}))
    assert found == {
        f"{CONDITIONS}-0-categories": [
            "Say what a purchase must have: categories, countries or merchants."
        ]
    }
    assert says(policy)["any_of"] == [{"countries": ["FR"]}]


def test_a_limit_without_currency_anywhere_says_so_at_the_limit(operator: Client) -> None:
    url = pages.add_url(Policy)
    sent = added(as_shown(operator, url), LIMITS, amount="5", interval="daily")
    response = operator.post(url, sent | {"name": "New"})
    assert list(errors(response)) == [f"{LIMITS}-0-currency"]


def test_rows_of_a_page_that_tells_nothing_of_itself_are_all_kept(
    operator: Client, policy: Policy
) -> None:
    """As a program sends it, which never saw the page."""
    row = {"amount": "500.00", "interval": "monthly"}
    shown = (LIMITS, CONDITIONS, HOURS, "versions")
    sent: Sent = {f"{key}-{name}_FORMS": 0 for key in shown for name in ("TOTAL", "INITIAL")}
    sent |= {"name": "Travel", "currency": "eur", "week_starts": "monday"}
    sent = added(sent, LIMITS, **row)
    sent = added(sent, LIMITS, count="3", interval="daily")
    operator.post(pages.change_url(policy), sent)
    assert [(it.get("amount"), it.get("count")) for it in says(policy)["spending_limits"]] == [
        (50_000, None),
        (None, 3),
    ]
