"""A day at the desk, in a real browser."""

import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group, User
from playwright.sync_api import FloatRect, Locator, Page, expect
from pytest_django.live_server_helper import LiveServer

from authorizations.models import Card, Decision, HistoryEntry, Instruction, Policy
from tests.admin import pages
from tests.admin.conftest import Visit
from tests.support.desk import Shopper, in_force, says

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

FIRST_LIMIT = "spending_limits-0"


@pytest.fixture
def policy(transactional_db: None) -> Policy:
    return in_force("Travel", spending_limits=[{"amount": 50_000, "interval": "monthly"}])


def save(page: Page) -> None:
    page.get_by_role("button", name="Save", exact=True).click()


def test_an_operator_logs_in_raises_a_monthly_limit_and_the_next_purchase_obeys(
    page: Page, live_server: LiveServer, staff: Callable[[str], User], policy: Policy
) -> None:
    assert Shopper().reason(60_000) == "amount_limit_exceeded"
    staff("Operations")
    page.goto(f"{live_server.url}{pages.change_url(policy)}")
    page.fill("[name=username]", "operations")
    page.fill("[name=password]", "pass-word-1")
    page.click("[type=submit]")
    amount = page.locator(f"[name={FIRST_LIMIT}-amount]")
    expect(amount).to_have_value("€500.00")
    amount.fill("1,250")
    page.fill("[name=reason]", "Trade fair")
    save(page)
    expect(page.get_by_text("Version 2 is in force from the next purchase on.")).to_be_visible()
    assert Shopper().reason(60_000) == "approved"


def test_a_wrong_amount_is_refused_with_a_sentence_beside_what_was_typed(
    visit: Visit, policy: Policy
) -> None:
    page = visit("Operations", pages.change_url(policy))
    page.fill(f"[name={FIRST_LIMIT}-amount]", "12.345")
    save(page)
    sentence = "Euro amounts have at most two decimals, such as €123.45."
    expect(page.get_by_text(sentence, exact=True)).to_be_visible()
    expect(page.locator(f"[name={FIRST_LIMIT}-amount]")).to_have_value("12.345")


def test_a_limit_on_attempts_is_added_and_asks_what_follows(visit: Visit, policy: Policy) -> None:
    page = visit("Operations", pages.change_url(policy))
    page.get_by_text("Add another limit").click()
    freezes = page.locator("[name=spending_limits-1-then_freeze]")
    minutes = page.locator("[name=spending_limits-1-then_freeze_minutes]")
    expect(minutes).to_be_hidden()
    page.fill("[name=spending_limits-1-attempts]", "5")
    expect(minutes).to_be_visible()
    freezes.check()
    minutes.fill("1440")
    page.select_option("[name=spending_limits-1-interval]", "daily")
    save(page)
    expect(page.get_by_text("5 attempts a day, then frozen for 24 hours").first).to_be_visible()
    limit = says(policy)["spending_limits"][1]
    assert (limit["attempts"], limit["then_freeze_minutes"]) == (5, 1_440)


def test_a_limit_is_added_with_categories_by_name_and_by_range(
    visit: Visit, policy: Policy
) -> None:
    page = visit("Operations", pages.change_url(policy))
    page.get_by_text("Add another limit").click()
    page.fill("[name=spending_limits-1-count]", "3")
    length = page.locator("[name=spending_limits-1-rolling_length]")
    expect(length).to_be_hidden()
    page.select_option("[name=spending_limits-1-interval]", "rolling")
    expect(length).to_be_visible()
    length.fill("90")
    page.select_option("[name=spending_limits-1-rolling_unit]", "minutes")
    categories = page.locator("[name=spending_limits-1-categories] + .select2 input")
    for typed in ("fast food", "3000-3299"):
        categories.press_sequentially(typed)
        categories.press("Enter")
    save(page)
    expect(page.get_by_text("Version 2 is in force")).to_be_visible()
    [_, limit] = says(policy)["spending_limits"]
    assert (limit["count"], limit["minutes"]) == (3, 90)
    assert set(limit["categories"]) == {"fast_food_restaurants", "3000-3299"}


def test_a_condition_is_added_beside_an_exempt_merchant(visit: Visit, policy: Policy) -> None:
    page = visit("Operations", pages.change_url(policy))
    exempt = page.locator(".field-exempt_merchants .desk-merchant").last
    exempt.locator("select").select_option("begins_with")
    exempt.locator("input").fill("SNCF")
    page.get_by_text("Add another condition").click()
    categories = page.locator("[name=any_of-0-categories] + .select2 input")
    categories.press_sequentially("fuel dealers")
    categories.press("Enter")
    page.get_by_text("Add another condition").click()
    shop = page.locator(".desk-merchant:has([name=any_of-1-merchants])").last
    shop.locator("select").select_option("contains")
    shop.locator("input").fill("total energies")
    save(page)
    expect(page.get_by_text("Version 2 is in force")).to_be_visible()
    said = says(policy)
    assert said["exempt_merchants"] == [{"begins_with": "SNCF"}]
    assert said["any_of"] == [
        {"categories": ["fuel_dealers_non_automotive"]},
        {"merchants": [{"contains": "total energies"}]},
    ]


def test_a_limit_just_added_is_removed_again_by_keyboard(visit: Visit, policy: Policy) -> None:
    page = visit("Operations", pages.change_url(policy))
    page.get_by_text("Add another limit").click()
    expect(page.locator("[name=spending_limits-1-amount]")).to_be_visible()
    page.get_by_role("button", name="Remove this row").press("Enter")
    expect(page.locator("[name=spending_limits-1-amount]")).to_have_count(0)
    save(page)
    expect(page.get_by_text("version 1 stays in force")).to_be_visible()


def test_a_limit_shows_when_its_month_or_year_begins(visit: Visit, policy: Policy) -> None:
    page = visit("Operations", pages.change_url(policy))
    month = page.locator(f"[name={FIRST_LIMIT}-month_starts]")
    year = page.locator(f"[name={FIRST_LIMIT}-year_starts_month]")
    page.select_option(f"[name={FIRST_LIMIT}-interval]", "daily")
    expect(month).to_be_hidden()
    expect(year).to_be_hidden()
    page.select_option(f"[name={FIRST_LIMIT}-interval]", "quarterly")
    expect(month).to_be_hidden()
    expect(year).to_be_visible()
    page.select_option(f"[name={FIRST_LIMIT}-interval]", "monthly")
    expect(year).to_be_hidden()
    month.fill("16")
    save(page)
    expect(page.get_by_text("Version 2 is in force")).to_be_visible()
    expect(page.get_by_text("Up to €500.00 a month (from the 16th).")).to_be_visible()
    assert says(policy)["spending_limits"][0]["month_starts"] == 16


def test_a_policy_is_assigned_to_a_card_found_by_its_last_four_digits(
    visit: Visit, policy: Policy
) -> None:
    Shopper(card={"last4": "4242"}).asks(100)
    page = visit("Operations", pages.change_url(policy))
    page.get_by_role("link", name="See and change where it applies").click()
    page.get_by_role("link", name="Assign to more").click()
    page.locator("[name=cards] + .select2").click()
    page.locator("[name=cards] + .select2 input").fill("4242")
    page.get_by_role("option", name="4242").click()
    page.get_by_role("button", name="Assign", exact=True).click()
    expect(page.get_by_text("Now applies to the card •••• 4242 of Ada Lovelace.")).to_be_visible()
    assert policy.assignments.filter(card="ic_1").exists()


def test_a_lost_card_is_frozen_with_a_reason(visit: Visit, policy: Policy) -> None:
    Shopper(card={"last4": "4242"}).asks(100)
    page = visit("Operations", pages.change_url(Card.objects.get()))
    page.get_by_role("link", name="Freeze").click()
    page.fill("[name=reason]", "Lost on the train")
    page.get_by_role("button", name="Freeze").click()
    expect(page.get_by_text("frozen from the next purchase on.")).to_be_visible()
    expect(page.get_by_text("The card is frozen: Lost on the train")).to_be_visible()
    assert Shopper().reason(100) == "card_frozen"


def test_a_reason_typed_while_logged_out_is_kept_and_what_is_clicked_twice_is_sent_once(
    visit: Visit, policy: Policy
) -> None:
    Shopper().asks(100)
    page = visit("Operations", "/admin/authorizations/instruction/freeze/?card=ic_1")
    freeze = page.get_by_role("button", name="Freeze", exact=True)
    page.fill("[name=reason]", "Lost on the train")
    session = page.context.cookies()
    page.context.clear_cookies()
    freeze.click()
    expect(page.get_by_text("You are no longer logged in, so nothing was saved.")).to_be_visible()
    page.context.add_cookies(session)  # type: ignore[arg-type]
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    freeze.dblclick()
    expect(page.get_by_text("Frozen from the next purchase on.")).to_be_visible()
    assert sent.count("POST") == 1
    assert Instruction.objects.get().reason == "Lost on the train"


def test_on_a_phone_the_heading_of_rows_is_as_high_as_its_text(
    visit: Visit, policy: Policy
) -> None:
    page = visit("superuser", pages.change_url(Group.objects.get(name="Operations")))
    page.set_viewport_size({"width": 390, "height": 844})
    heading = page.locator("#exception_limits-heading")
    expect(heading).to_contain_text("The most that its users may give")
    assert heading.evaluate("it => it.scrollHeight <= it.clientHeight")


def test_an_auditor_finds_out_why_a_purchase_was_declined(visit: Visit, policy: Policy) -> None:
    Shopper(card={"last4": "4242"}).asks(60_000)
    page = visit("Auditors", pages.list_url(Decision))
    expect(page.get_by_text("Amount limit exceeded").first).to_be_visible()
    page.locator("#result_list tbody a").first.click()
    expect(page).to_have_url(re.compile("/decision/.+/change/"))
    figures = "Monthly limit of €500.00: €0.00 used + €600.00 = €600.00, €100.00 over."
    expect(page.get_by_text(figures).first).to_be_visible()
    expect(page.get_by_role("button", name="Save")).to_have_count(0)


def test_what_may_be_told_to_the_cardholder_is_copied_with_the_keyboard(
    visit: Visit, policy: Policy
) -> None:
    Shopper().asks(60_000)
    page = visit("Auditors", pages.change_url(Decision.objects.get()))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    button = page.get_by_role("button", name="Copy the explanation for the cardholder")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="Copied")).to_have_count(1)
    expect(page.get_by_role("button", name="Copied the explanation")).to_be_focused()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("This purchase of €600.00 is more than")
    expect(button).to_be_visible()  # the button says again what it does


def test_where_the_browser_has_no_clipboard_the_old_way_of_copying_is_taken(
    visit: Visit, policy: Policy
) -> None:
    Shopper().asks(60_000)
    page = visit("Auditors", pages.change_url(Decision.objects.get()))
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.get_by_role("button", name="Copy the explanation for staff").click()
    expect(page.get_by_role("button", name="Copied the explanation for staff")).to_be_visible()
    page.evaluate("document.execCommand = () => false")
    page.get_by_role("button", name="Copy the explanation for the cardholder").click()
    expect(page.get_by_text("press Ctrl+C.")).to_have_count(1)
    assert page.evaluate("String(getSelection())").startswith("This purchase of €600.00")


def test_an_auditor_decides_again_and_sees_the_green_mark(visit: Visit, policy: Policy) -> None:
    Shopper().asks(60_000)
    page = visit("Auditors", pages.change_url(Decision.objects.get()))
    page.get_by_role("button", name="Check the record").click()
    expect(page.get_by_role("status").filter(has_text="the same answer")).to_be_visible()
    expect(page.get_by_text("Safe to tell the cardholder")).to_be_visible()


def test_an_empty_list_shows_nothing_of_what_lies_under_it(visit: Visit, policy: Policy) -> None:
    page = visit("Auditors", f"{pages.list_url(Decision)}?q=nobody")
    empty = page.locator(".desk-empty")
    expect(empty).to_have_css("position", "relative")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        expect(empty).not_to_have_css("background-color", "rgba(0, 0, 0, 0)")


def test_who_changed_something_has_room_in_the_list(visit: Visit, policy: Policy) -> None:
    page = visit("Auditors", pages.list_url(HistoryEntry))
    page.set_viewport_size({"width": 1280, "height": 800})
    expect(page.locator("td.field-by").first).to_have_css("min-width", "140px")


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_the_bar_of_actions_covers_no_row_at_the_end_of_a_list(
    visit: Visit, width: int, height: int
) -> None:
    Card.objects.bulk_create(Card(pk=f"ic_{n}", root_id=f"ic_{n}") for n in range(30))
    page = visit("Operations", pages.list_url(Card))
    page.set_viewport_size({"width": width, "height": height})
    page.locator("input.action-select").first.check()
    page.locator("#changelist-actions select").select_option("freeze_selected")
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    bar, row = page.locator("#changelist-actions > div"), page.locator("#result_list tr").last
    expect(bar).to_be_visible()
    assert box(row)["y"] + box(row)["height"] <= box(bar)["y"]


def test_ctrl_k_opens_no_dead_search(visit: Visit, policy: Policy) -> None:
    page = visit("Operations", pages.change_url(policy))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate(
        "addEventListener('keydown', (event) => { window.kept = event.defaultPrevented })"
    )
    for keys in ("Control+k", "Meta+k"):
        page.keyboard.press(keys)
        assert page.evaluate("window.kept") is False
    page.keyboard.type("travel")
    page.keyboard.press("Enter")
    expect(page.get_by_placeholder("Type to search")).to_have_count(0)
    assert not [url for url in asked if "search" in url]


def box(found: Locator) -> FloatRect:
    there = found.bounding_box()
    assert there
    return there
