"""What the policy page does by itself in the browser: folding, choosing, and losing nothing."""

import pytest
from django.test import Client
from playwright.sync_api import Page, expect

from authorizations.models import Policy
from tests.admin import pages
from tests.admin.conftest import Login, Visit
from tests.admin.pages import as_shown
from tests.support.desk import amounts, in_force, says

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

MONTHLY = {"amount": 50_000, "interval": "monthly"}
COLOUR = "field => getComputedStyle(field).borderColor"


@pytest.fixture
def policy(transactional_db: None) -> Policy:
    return in_force("Travel", spending_limits=[MONTHLY])


def save(page: Page) -> None:
    page.get_by_role("button", name="Save", exact=True).click()


def test_a_page_whose_reader_was_logged_out_keeps_what_was_typed_and_is_saved_after_all(
    visit: Visit, policy: Policy
) -> None:
    page = visit("Operations", pages.change_url(policy))
    page.fill("[name=spending_limits-0-amount]", "1 250")
    page.context.clear_cookies()
    save(page)
    expect(page.get_by_text("You are no longer logged in, so nothing was saved.")).to_be_visible()
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Log in in another tab").click()
    opened.value.fill("[name=username]", "operations")
    opened.value.fill("[name=password]", "pass-word-1")
    opened.value.click("[type=submit]")
    opened.value.wait_for_url("**/admin/")
    opened.value.close()
    save(page)
    expect(page.get_by_text("Version 2 is in force from the next purchase on.")).to_be_visible()
    assert amounts(policy) == [125_000]


def test_a_page_that_cannot_reach_the_server_keeps_what_was_typed(
    visit: Visit, policy: Policy
) -> None:
    page = visit("Operations", pages.change_url(policy))
    page.fill("[name=name]", "Journeys")
    page.context.set_offline(True)
    save(page)
    expect(page.get_by_text("The server can't be reached, so nothing was saved.")).to_be_visible()
    page.context.set_offline(False)
    save(page)
    expect(page.get_by_text("Version 2 is in force from the next purchase on.")).to_be_visible()


def test_save_clicked_twice_is_sent_once(visit: Visit, policy: Policy) -> None:
    page = visit("Operations", pages.change_url(policy))
    page.fill("[name=name]", "Journeys")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    page.get_by_role("button", name="Save", exact=True).dblclick()
    expect(page.get_by_text("Version 2 is in force from the next purchase on.")).to_be_visible()
    assert sent.count("POST") == 1


def test_somebody_else_saved_first_and_both_changes_are_seen(
    visit: Visit, login: Login, policy: Policy
) -> None:
    url = pages.change_url(policy)
    page = visit("Operations", url)
    page.fill("[name=name]", "Journeys")
    other: Client = login("superuser")
    other.post(url, as_shown(other, url) | {"spending_limits-0-amount": "600"})
    save(page)
    told = page.get_by_role("alert").filter(has_text="superuser saved this policy")
    expect(told).to_contain_text("Monthly limit: €500.00 \N{RIGHTWARDS ARROW} €600.00")
    expect(page.locator("[name=name]")).to_have_value("Journeys")
    expect(page.get_by_text("Please correct the error")).to_be_hidden()
    expect(page.get_by_text("Newer value, saved by someone else")).to_be_visible()
    expect(page.locator("[name=spending_limits-0-amount]")).to_have_value("€600.00")
    told.get_by_role("link", name="load the newer version").click()
    expect(page.locator("[name=spending_limits-0-amount]")).to_have_value("€600.00")


def test_what_both_changed_is_not_sent_before_somebody_chose(
    visit: Visit, login: Login, policy: Policy
) -> None:
    url = pages.change_url(policy)
    page = visit("Operations", url)
    page.fill("[name=spending_limits-0-amount]", "700")
    other: Client = login("superuser")
    other.post(url, as_shown(other, url) | {"spending_limits-0-amount": "600"})
    save(page)
    told = page.get_by_role("alert").filter(has_text="you both changed this")
    expect(page.get_by_text("You both changed this: choose at the top")).to_be_visible()
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    save(page)
    assert page.evaluate("document.activeElement.matches('#conflict input:invalid')")
    assert "POST" not in sent
    told.get_by_label("From superuser").check()
    save(page)
    page.wait_for_url("**/policy/")
    assert amounts(policy) == [60_000]


def test_merchants_are_added_with_the_keyboard_and_taken_out(visit: Visit, policy: Policy) -> None:
    page = visit("Operations", pages.change_url(policy))
    rows = page.locator(".field-blocked_merchants .desk-merchant")
    expect(rows).to_have_count(1)
    assert rows.first.locator("select").input_value() == "network_id"
    rows.first.locator("input").fill("498750001042")
    rows.first.locator("input").press("Enter")  # adds a row, and sends nothing
    rows.nth(1).locator("select").select_option("begins_with")
    rows.nth(1).locator("input").fill("Casino")
    page.locator(".field-blocked_merchants").get_by_text("Add another").click()
    rows.nth(2).locator("input").fill("Bar")
    rows.nth(1).get_by_role("button", name="Remove this merchant").click()
    expect(rows).to_have_count(2)
    save(page)
    expect(page.get_by_text("Version 2 is in force from the next purchase on.")).to_be_visible()
    assert says(policy)["blocked_merchants"] == [
        {"network_id": "498750001042"},
        {"begins_with": "Bar"},
    ]


def test_many_limits_are_a_list_to_read_and_open_with_the_keyboard(visit: Visit) -> None:
    limits = [MONTHLY, *({"count": n, "interval": "daily", "countries": ["FR"]} for n in (1, 2, 3))]
    policy = in_force("Long", spending_limits=limits)
    page = visit("Operations", pages.change_url(policy))
    amount = page.locator("[name=spending_limits-0-amount]")
    expect(amount).to_be_hidden()
    expect(page.get_by_role("button", name="2 purchases a day in FR")).to_be_visible()
    page.get_by_role("button", name="€500.00 a month").press("Enter")
    expect(amount).to_be_visible()
    page.get_by_text("Add another limit").click()
    expect(page.locator("[name=spending_limits-4-amount]")).to_be_visible()


@pytest.mark.parametrize("typed", ["7995", "casino", "Betting/"])
def test_a_category_is_found_by_its_code_and_by_a_part_of_its_name(
    visit: Visit, policy: Policy, typed: str
) -> None:
    page = visit("Operations", pages.change_url(policy))
    search = page.locator("[name=spending_limits-0-categories] + .select2 input")
    search.press_sequentially(typed)
    expect(page.get_by_role("option", name="Betting/Casino Gambling 7995")).to_be_visible()
    search.press("Escape")
    countries = page.locator("[name=spending_limits-0-countries] + .select2 input")
    for part in ("franc", "(FR"):
        countries.fill(part)
        expect(page.get_by_role("option", name="France (FR)")).to_be_visible()


def test_beside_a_wrong_merchant_an_empty_row_is_not_marked_as_wrong(
    visit: Visit, policy: Policy
) -> None:
    page = visit("Operations", pages.change_url(policy))
    row = page.locator(".field-blocked_merchants .desk-merchant").last
    usual = row.locator("input").evaluate(COLOUR)
    row.locator("select").select_option("network_id")
    row.locator("input").fill("Casino")
    with page.expect_navigation():
        save(page)
    wrong, empty = page.locator(".field-blocked_merchants .desk-merchant").all()
    expect(wrong.locator("input")).to_have_value("Casino")
    assert wrong.locator("input").evaluate(COLOUR) != usual
    for field in ("input", "select"):
        assert empty.locator(field).evaluate(COLOUR) == usual
