"""Pages used with the keyboard; test_every_page.py looks at each for tab stops and names."""

import pytest
from playwright.sync_api import Page, expect

from authorizations.models import Decision, Policy
from tests.admin import pages as addresses
from tests.admin.conftest import Visit
from tests.support.desk import amounts, in_force

DAILY = {"amount": 10_000, "interval": "daily"}


@pytest.fixture
def policy(transactional_db: None) -> Policy:
    return in_force("Travel", spending_limits=[{"amount": 50_000, "interval": "monthly"}, DAILY])


def focused(page: Page) -> str:
    """What has the focus: its id, or what it says."""
    return str(
        page.evaluate("(({id, textContent}) => id || textContent.trim())(document.activeElement)")
    )


@pytest.mark.django_db(transaction=True)
def test_the_first_tab_stop_leads_past_the_menu(visit: Visit, policy: Policy) -> None:
    page = visit("Operations", addresses.list_url(Policy))
    page.keyboard.press("Tab")
    assert focused(page) == "Skip to the page"
    page.keyboard.press("Enter")
    assert focused(page) == "content"


@pytest.mark.django_db(transaction=True)
def test_the_focus_goes_into_the_drawer_of_filters_stays_there_and_comes_back(
    visit: Visit, policy: Policy
) -> None:
    page = visit("Auditors", addresses.list_url(Decision))
    opener = page.locator("#changelist a, #changelist [role=button]", has_text="Filters").first
    drawer = page.get_by_role("dialog", name="Filters")
    opener.focus()
    page.keyboard.press("Enter")
    expect(drawer).to_be_visible()
    expect(drawer.get_by_role("button", name="Close")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    expect(drawer.get_by_role("button", name="Apply Filters")).to_be_focused()
    page.keyboard.press("Tab")
    expect(drawer.get_by_role("button", name="Close")).to_be_focused()
    page.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
    expect(opener).to_be_focused()


@pytest.mark.django_db(transaction=True)
def test_a_limit_is_removed_with_the_keyboard(visit: Visit, policy: Policy) -> None:
    page = visit("Operations", addresses.change_url(policy))
    bin_of_the_second = page.get_by_role("checkbox", name="Remove \N{EURO SIGN}100.00 a day")
    bin_of_the_second.focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Version 2 is in force from the next purchase on.")).to_be_visible()
    assert amounts(policy) == [50_000]


@pytest.mark.django_db(transaction=True)
def test_a_page_sent_back_begins_at_what_is_wrong_and_leads_to_it(
    visit: Visit, policy: Policy
) -> None:
    page = visit("Operations", addresses.change_url(policy))
    page.fill("[name=spending_limits-1-amount]", "12.345")
    page.fill("[name=fuel_hold]", "nonsense")
    page.get_by_role("button", name="Save", exact=True).click()
    note = page.locator(".errornote")
    expect(note).to_be_focused()
    expect(note.get_by_role("link")).to_have_count(2)
    note.get_by_role("link", name="of \N{EURO SIGN}100.00 a day").click()
    expect(page.locator("[name=spending_limits-1-amount]")).to_be_focused()


@pytest.mark.django_db(transaction=True)
def test_lists_to_choose_from_are_called_as_their_labels(visit: Visit, policy: Policy) -> None:
    page = visit("Operations", addresses.change_url(policy))
    expect(page.get_by_role("combobox", name="Time zone UTC")).to_be_visible()
    page.get_by_text("Add another limit").click()
    expect(page.get_by_role("searchbox", name="Categories", exact=True)).to_have_count(3)
