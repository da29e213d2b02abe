"""Policies in the admin: saving puts them in force, what can't work is refused with a sentence."""

from typing import Any

import pytest
from django.test import Client

from authorizations.models import Assignment, Card, Cardholder, Decision, Policy, PolicyVersion
from simulator.stripe.samples import MERCHANTS
from tests.admin import pages
from tests.admin.pages import Sent, added, as_shown, errors, messages
from tests.support.desk import Shopper, amounts, in_force, says

pytestmark = pytest.mark.django_db

LIMITS, HOURS = "spending_limits", "schedule"


@pytest.fixture
def policy() -> Policy:
    return in_force("Travel", spending_limits=[{"amount": 50_000, "interval": "monthly"}])


def save(client: Client, policy: Policy, **changed: Any) -> Any:
    url = pages.change_url(policy)
    return client.post(url, as_shown(client, url) | changed, follow=True)


def save_new(client: Client, sent: Sent) -> Any:
    return client.post(pages.add_url(Policy), sent, follow=True)


def new(client: Client, **fields: Any) -> Sent:
    return as_shown(client, pages.add_url(Policy)) | {"name": "New", **fields}


def test_an_amount_typed_as_money_is_in_force_with_the_next_purchase(
    operator: Client, policy: Policy
) -> None:
    assert Shopper().reason(60_000) == "amount_limit_exceeded"
    response = save(operator, policy, **{f"{LIMITS}-0-amount": "1,250.00", "reason": "Trade fair"})
    assert messages(response)[0] == (
        "Monthly limit: €500.00 \N{RIGHTWARDS ARROW} €1,250.00. "
        "Version 2 is in force from the next purchase on."
    )
    assert Shopper().reason(60_000) == "approved"
    version = PolicyVersion.objects.get(policy=policy, number=2)
    assert (str(version.author), version.reason) == ("operations", "Trade fair")


def test_saving_without_a_change_makes_no_version(operator: Client, policy: Policy) -> None:
    response = save(operator, policy)
    assert "Nothing changed in the rules: version 1 stays in force." in messages(response)
    assert PolicyVersion.objects.filter(policy=policy).count() == 1


@pytest.mark.parametrize(
    ("currency", "typed", "amount", "shown"),
    [
        ("eur", "1250", 125_000, "€1,250.00"),
        ("eur", "€1,250.50", 125_050, "€1,250.50"),
        ("jpy", "125,000", 125_000, "¥125,000"),
        ("kwd", "1.250", 1_250, "KWD 1.250"),
    ],
)
def test_money_is_right_in_the_decimals_of_its_currency(
    operator: Client, currency: str, typed: str, amount: int, shown: str
) -> None:
    sent = added(new(operator, currency=currency), LIMITS, amount=typed, interval="daily")
    save_new(operator, sent)
    policy = Policy.objects.get(name="New")
    assert amounts(policy) == [amount]
    assert as_shown(operator, pages.change_url(policy))[f"{LIMITS}-0-amount"] == shown


def test_a_limit_in_a_currency_of_its_own_is_read_in_that_currency(operator: Client) -> None:
    sent = new(operator, currency="eur")
    sent = added(sent, LIMITS, amount="1.250", currency="kwd", interval="daily")
    save_new(operator, sent)
    assert amounts(Policy.objects.get(name="New")) == [1_250]


def test_a_wrong_amount_is_refused_at_its_field_and_nothing_typed_is_lost(
    operator: Client, policy: Policy
) -> None:
    typed: Sent = {f"{LIMITS}-0-amount": "12.345", "name": "Journeys"}
    typed |= {"blocked_merchants": pages.merchants("Café Où", manner="is")}
    response = save(operator, policy, **typed)
    sentence = "Euro amounts have at most two decimals, such as €123.45."
    assert errors(response) == {f"{LIMITS}-0-amount": [sentence]}
    page = response.content.decode()
    assert all(text in page for text in ("12.345", "Journeys", "Café Où", sentence))
    assert f"Amount of €500.00 a month : {sentence}" in pages.text(response)
    assert amounts(policy) == [50_000]


@pytest.mark.parametrize(
    ("changed", "field", "sentence"),
    [
        ({"name": ""}, "name", "Give the policy a name."),
        (
            {"blocked_categories": ["casinoz"]},
            "blocked_categories",
            'There is no category "casinoz".',
        ),
        (
            {"blocked_categories": ["3299-3000"]},
            "blocked_categories",
            "The range runs backwards: write 3000-3299.",
        ),
        ({"time_zone": "Europe/Pari"}, "time_zone", 'There is no time zone "Europe/Pari".'),
        ({"currency": "eux"}, "currency", 'There is no currency "eux".'),
        ({"usable_from": "tomorrow"}, "usable_from", 'Write a date such as "2026-12-31"'),
        ({"max_network_risk_score": "100"}, "max_network_risk_score", "from 1 to 99"),
        (
            {"smallest_partial_amount": "5"},
            "smallest_partial_amount",
            "Only with partial approval: switch that on, or leave this empty.",
        ),
        (
            {"smallest_partial_amount": "-5", "partial_approval": "on"},
            "smallest_partial_amount",
            "Amounts can't be negative",
        ),
        ({"fuel_hold": "a tank"}, "fuel_hold", "Write the amount in figures, such as €1,250.00."),
        ({"fuel_hold": "0"}, "fuel_hold", "Give a whole number from 1 to"),
        ({"first_purchase_amount": "50"}, "first_purchase_amount", "Only with kinds of first"),
        ({"stand_in_amount": "50"}, "stand_in_cap", "Give both emergency limits or neither"),
    ],
)
def test_what_cannot_work_is_refused_with_a_sentence_at_the_field(
    operator: Client, policy: Policy, changed: Sent, field: str, sentence: str
) -> None:
    found = errors(save(operator, policy, **changed))
    assert list(found) == [field]
    assert len(found[field]) == 1
    assert sentence in found[field][0]
    assert PolicyVersion.objects.filter(policy=policy).count() == 1


def test_what_is_held_at_pumps_needs_the_policy_s_currency_and_is_shown_as_money(
    operator: Client,
) -> None:
    found = errors(save_new(operator, new(operator, fuel_hold="150")))
    assert list(found) == ["fuel_hold"]
    assert "Say in which currency" in found["fuel_hold"][0]
    save_new(operator, new(operator, fuel_hold="150", currency="usd"))
    page = pages.change_url(Policy.objects.get(name="New"))
    assert as_shown(operator, page)["fuel_hold"] == "$150.00"
    told = "At fuel pumps $150.00 is held until the real amount is known."
    assert told in pages.text(operator.get(page))


def test_a_removed_limit_is_gone_with_the_next_version(operator: Client, policy: Policy) -> None:
    response = save(operator, policy, **{f"{LIMITS}-0-DELETE": "on"})
    assert not amounts(policy)
    assert "This policy has no rule and no limit: it grants and forbids nothing." in messages(
        response
    )


def test_lists_rows_and_hours_of_a_new_policy_are_kept_in_their_normal_form(
    operator: Client,
) -> None:
    sent = new(
        operator,
        currency="eur",
        blocked_categories=["betting_casino_gambling", "3000 - 3299"],
        allowed_merchant_countries=["FR", "DE"],
        allowed_merchants=["is", "Quick Curry", "network_id", " 42 ", "contains", ""],
        blocked_merchants=pages.merchants("Curry Express"),
        exempt_merchants=pages.merchants("SNCF", manner="begins_with"),
        first_purchases=["merchant", "country"],
        first_purchase_amount="€50",
        required_verification=["cvc"],
        partial_approval="on",
        smallest_partial_amount="5",
        fuel_hold="€150",
        stand_in_amount="€50",
        stand_in_cap="200",
    )
    sent = added(sent, LIMITS, count="5", interval="rolling", rolling_length="60")
    sent = sent | {f"{LIMITS}-0-rolling_unit": "minutes", f"{LIMITS}-0-countries": ["FR"]}
    sent = added(sent, HOURS, days=["tue", "mon"], start="8:00", end="20:00")
    response = save_new(operator, sent)
    assert "Version 1 is in force from the next purchase on." in messages(response)
    policy = Policy.objects.get(name="New")
    said = policy.document
    assert said["blocked_categories"] == ["3000-3299", "betting_casino_gambling"]
    assert said["allowed_merchants"] == [{"network_id": "42"}, {"is": "Quick Curry"}]
    assert said["blocked_merchants"] == ["Curry Express"]
    assert said["exempt_merchants"] == [{"begins_with": "SNCF"}]
    assert said["first_purchases"] == ["country", "merchant"]
    assert said["first_purchase_amount"] == 5_000
    assert (said["smallest_partial_amount"], said["fuel_hold"]) == (500, 15_000)
    assert (said["stand_in_amount"], said["stand_in_cap"]) == (5_000, 20_000)
    assert policy.current_version
    assert '"days":["mon","tue"],"from":"08:00"' in policy.current_version.content
    assert '"hours":1' in policy.current_version.content


def test_as_long_a_list_as_a_policy_may_have_can_be_saved(operator: Client, policy: Policy) -> None:
    merchants = [f"Merchant {number}" for number in range(1000)]
    save(operator, policy, blocked_merchants=pages.merchants(*merchants))
    assert says(policy)["blocked_merchants"] == sorted(merchants)


def test_what_a_policy_says_of_merchants_is_sent_as_it_was_shown(operator: Client) -> None:
    entries = [{"network_id": "42"}, {"is": "Uber"}, {"begins_with": "A"}, {"contains": "B"}, "C"]
    limit = {"amount": 100, "interval": "daily", "merchants": entries}
    policy = in_force(
        "Shops", blocked_merchants=entries, exempt_merchants=["C"], spending_limits=[limit]
    )
    assert "version 1 stays in force" in messages(save(operator, policy))[0]
    said = says(policy)
    assert said["blocked_merchants"] == said["spending_limits"][0]["merchants"] == entries
    assert said["exempt_merchants"] == ["C"]


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        (
            ["network_id", "Casino"],
            "“Casino” has no digits, unlike a network id: choose how the name is matched.",
        ),
        (
            ["contains", "´"],
            (
                '"´" would match every merchant, as accents and spaces are ignored: '
                "write a part of the name, or the merchant's network id."
            ),
        ),
        (["Casino"], "Choose how each merchant is matched."),
    ],
)
def test_a_merchant_that_would_match_none_or_all_is_refused_at_its_field(
    operator: Client, policy: Policy, typed: list[str], sentence: str
) -> None:
    assert errors(save(operator, policy, blocked_merchants=typed)) == {
        "blocked_merchants": [sentence]
    }
    limit = {f"{LIMITS}-0-merchants": typed}
    assert errors(save(operator, policy, **limit)) == {f"{LIMITS}-0-merchants": [sentence]}


def test_daily_above_monthly_is_saved_with_a_warning(operator: Client, policy: Policy) -> None:
    url = pages.change_url(policy)
    sent = added(as_shown(operator, url), LIMITS, amount="900", interval="daily")
    response = operator.post(url, sent, follow=True)
    assert any("so it never stops a purchase" in message for message in messages(response))


def test_cards_left_without_a_limit_in_their_currency_are_listed(
    operator: Client, policy: Policy
) -> None:
    Shopper(card={"last4": "4242", "currency": "usd"}).asks(100, currency="usd")
    response = save(operator, policy)
    [warning] = [text for text in messages(response) if "no amount limit in the currency" in text]
    assert "4242 (ic_1) in USD" in warning


def test_a_policy_is_never_deleted(login: Any, policy: Policy) -> None:
    client = login("superuser")
    url = pages.change_url(policy).replace("change", "delete")
    assert client.post(url, {"post": "yes"}).status_code == 403


def test_the_page_shows_what_is_in_force_and_its_versions(operator: Client, policy: Policy) -> None:
    save(operator, policy, **{f"{LIMITS}-0-amount": "600", "reason": "Fair"})
    page = operator.get(pages.change_url(policy)).content.decode()
    assert "Up to €600.00 a month." in page
    assert "Version 1" in page
    assert "Version 2" in page
    assert "Fair" in page


def test_who_may_only_look_sees_sentences_and_money_but_no_field(
    auditor: Client, policy: Policy
) -> None:
    page = auditor.get(pages.change_url(policy)).content.decode()
    assert "Up to €500.00 a month." in page
    assert "50000" not in page
    assert 'name="name"' not in page


def test_the_list_costs_the_same_for_one_policy_and_for_many(
    operator: Client, policy: Policy, django_assert_max_num_queries: Any
) -> None:
    Cardholder.objects.create(pk="ich_9", name="Ada")
    Card.objects.create(pk="ic_9", cardholder_id="ich_9")
    for number in range(12):
        in_force(f"P{number}", to={"card_id": "ic_9"})
    with django_assert_max_num_queries(12):
        operator.get(pages.list_url(Policy))


def test_the_list_says_the_first_of_what_a_policy_says_and_how_much_more_there_is(
    operator: Client,
) -> None:
    in_force(
        "Many",
        spending_limits=[
            {"amount": 50_000, "interval": "monthly"},
            {"amount": 90_000, "interval": "monthly", "currency": "usd"},
            {"amount": 70_000, "interval": "monthly", "currency": "jpy"},
            {"amount": 80_000, "interval": "monthly", "currency": "gbp"},
        ],
        blocked_categories=["7995"],
        blocked_merchant_countries=["US"],
        max_network_risk_score=85,
    )
    page = operator.get(pages.list_url(Policy)).content.decode()
    assert (
        "Up to €500.00 a month. Up to $900.00 a month. Up to ¥70,000 a month. And 4 more." in page
    )


def test_a_name_that_another_policy_has_is_refused(operator: Client, policy: Policy) -> None:
    response = save_new(operator, new(operator) | {"name": "Travel"})
    sentence = "Another policy has this name: choose a different one."
    assert errors(response) == {"name": [sentence]}


def test_a_category_kept_by_its_code_is_shown_with_its_name(operator: Client) -> None:
    policy = in_force("Food", allowed_categories=["5812", "3000-3299"])
    page = operator.get(pages.change_url(policy)).content.decode()
    assert '<option value="5812" selected>MCC 5812, eating places and restaurants</option>' in page
    assert '<option value="3000-3299" selected>3000-3299</option>' in page


# --- who could spend that could not before


def test_a_policy_that_lets_cards_spend_is_saved_only_once_that_is_ticked(
    operator: Client,
) -> None:
    """One that only blocks a merchant opens nothing; the limit that follows is asked about."""
    for number in (1, 2):
        assert Shopper(card_id=f"ic_{number}").reason(100) == "no_policy"
    blocking = new(operator, blocked_merchants=pages.merchants("ACME FRAUD"), currency="eur")
    response = save_new(operator, blocking)
    assert any(text.startswith("This policy grants no purchase") for text in messages(response))
    policy = Policy.objects.get(name="New")
    Assignment.objects.create(policy=policy, program=True)
    assert Shopper(card_id="ic_1").reason(100) == "no_policy"

    url = pages.change_url(policy)
    limited = added(as_shown(operator, url), LIMITS, amount="50.00", interval="daily")
    refused = operator.post(url, limited)
    asked = "2 cards could spend that could not before. To confirm, tick this and save again."
    assert errors(refused) == {"lets_spend": [asked]}
    assert "Let 2 cards spend" in pages.text(refused)
    [told] = messages(refused)
    assert told == (
        "Not saved yet: 2 cards could spend that could not before. To confirm, tick “Let 2 cards "
        "spend” at the end of the page and save again."
    )
    assert not amounts(policy)
    assert PolicyVersion.objects.filter(policy=policy).count() == 1
    assert Shopper(card_id="ic_1").reason(100) == "no_policy"

    response = operator.post(url, limited | {"lets_spend": "2"}, follow=True)
    assert messages(response)[0].startswith("Limit added: €50.00 a day.")
    assert Shopper(card_id="ic_1").reason(100) == "approved"


def test_a_tick_is_good_for_no_more_cards_than_it_was_asked_for(operator: Client) -> None:
    Card.objects.create(id="ic_1")
    policy = in_force("New", unlimited=False)
    url = pages.change_url(policy)
    sent = as_shown(operator, url) | {"unlimited": "on"}
    assert list(errors(operator.post(url, sent))) == ["lets_spend"]
    Card.objects.create(id="ic_2")
    refused = operator.post(url, sent | {"lets_spend": "1"})
    assert "2 cards could spend" in errors(refused)["lets_spend"][0]
    assert not Policy.objects.get().document["unlimited"]
    for nonsense in ("", "on", "-1", "\N{ARABIC-INDIC DIGIT NINE}", "9" * 5_000):
        again = operator.post(url, sent | {"lets_spend": nonsense})
        assert list(errors(again)) == ["lets_spend"]
    operator.post(url, sent | {"lets_spend": "2"})
    assert Policy.objects.get().document["unlimited"]


def test_a_policy_that_opens_nothing_new_needs_no_tick(operator: Client, policy: Policy) -> None:
    Card.objects.create(id="ic_1", currency="eur")
    saved = save(operator, policy, unlimited="on")
    assert saved.context["messages"]
    assert policy.versions.count() == 2


def test_what_leaves_cards_without_a_grant_is_saved_only_once_that_is_ticked(
    operator: Client, policy: Policy
) -> None:
    Card.objects.create(id="ic_1", currency="eur")
    taken_away = {f"{LIMITS}-0-DELETE": "on"}
    refused = save(operator, policy, **taken_away)
    lost = "1 card loses every grant: everything it asks for will be declined."
    assert errors(refused) == {"leaves_without": [f"{lost} To confirm, tick this and save again."]}
    assert "Leave 1 card without a grant" in pages.text(refused)
    assert any(text.startswith(f"Not saved yet: {lost}") for text in messages(refused))
    assert amounts(policy)
    told = messages(save(operator, policy, **taken_away, leaves_without="1"))
    assert any(text.startswith("1 card can no longer spend") for text in told)
    assert not amounts(policy)
    save(operator, policy, unlimited="on", lets_spend="1")
    assert policy.versions.count() == 3


def test_states_that_are_typed_are_in_force_and_explained(operator: Client, policy: Policy) -> None:
    response = save(operator, policy, allowed_merchant_states=["ny", "ca"])
    assert messages(response)[0].startswith(
        "States added to \N{LEFT DOUBLE QUOTATION MARK}Only these states"
        "\N{RIGHT DOUBLE QUOTATION MARK}: CA, NY."
    )
    assert as_shown(operator, pages.change_url(policy))["allowed_merchant_states"] == ["CA", "NY"]
    elsewhere = MERCHANTS[0]._replace(state="TX")
    Shopper().asks(1_000, event_id="evt_it", merchant=elsewhere)
    page = operator.get(pages.change_url(Decision.objects.get(pk="evt_it")))
    assert "Merchant state TX is not among the allowed states (CA, NY)." in pages.text(page)
    listed = operator.get(pages.list_url(Decision), {"reason": "merchant_state_not_allowed"})
    assert [row.pk for row in listed.context["cl"].result_list] == ["evt_it"]
