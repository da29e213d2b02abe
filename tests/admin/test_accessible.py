"""Every page can be used by keyboard and by ear: every control has a tab stop and a name."""

from collections import defaultdict
from importlib.resources import files
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import BrowserContext, CDPSession, Page, expect
from pytest_django.live_server_helper import LiveServer

from authorizations.models import Decision, Policy
from simulator import demo
from tests.admin import pages as addresses
from tests.admin.conftest import Visit
from tests.pictures.pages import Shown, all_pages
from tests.support.desk import in_force

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
NARROW = ["color-contrast", "scrollable-region-focusable", "target-size"]
"""What depends on how wide and how dark a page is."""
FOUND = """async (only) => {
    const found = await axe.run(document, {runOnly: only, resultTypes: ['violations']});
    return found.violations.flatMap(({id, nodes}) =>
        nodes.map(({target, html}) => `${id}: ${target.join(' ')} ${html.slice(0, 160)}`));
}"""
SETTLED = """async () => {
    for (const _ of [1, 2]) await new Promise(requestAnimationFrame);
    for (const one of document.getAnimations())
        if (one.effect.getComputedTiming().endTime < Infinity) one.finish();
    await new Promise(requestAnimationFrame);
}"""
"""Laid out, and no colour on its way to another."""
KEYBOARD = Path(__file__).with_name("accessible.js").read_text("utf-8")
CONTROLS = {
    *("button", "checkbox", "combobox", "link", "listbox", "menuitem", "radio", "searchbox"),
    *("slider", "spinbutton", "switch", "tab", "textbox", "DisclosureTriangle"),
}


@pytest.mark.django_db(transaction=True)
def test_every_page_can_be_used_by_keyboard_and_by_ear(
    browser: BrowserContext, live_server: LiveServer, settings: Any
) -> None:
    demo.load()
    wrong: dict[str, list[str]] = defaultdict(list)
    by_session = attrgetter("who", "require_mfa")
    pages = sorted(all_pages(), key=by_session)
    for (who, settings.REQUIRE_MFA), theirs in groupby(pages, key=by_session):
        page = _logged_in(browser, live_server.url, who)
        tree = browser.new_cdp_session(page)
        for one in theirs:
            for flaw in _flaws(page, tree, one):
                wrong[flaw].append(one.name)
        page.close()
    assert len(pages) > 60
    assert dict(wrong) == {}


def _logged_in(browser: BrowserContext, url: str, name: str) -> Page:
    browser.clear_cookies()
    if name:
        client = Client()
        client.force_login(User.objects.get(username=name))
        session = client.cookies["sessionid"].value
        browser.add_cookies([{"name": "sessionid", "value": session, "url": url}])
    page = browser.new_page()
    page.goto(f"{url}/healthz")
    return page


def _flaws(page: Page, tree: CDPSession, shown: Shown) -> list[str]:
    """What is wrong on a wide, light screen, and what is on a narrow, dark one."""
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(urljoin(page.url, shown.path))
    if shown.act:
        shown.act(page)
        page.wait_for_load_state("networkidle")
    page.evaluate(SETTLED)
    page.evaluate(AXE)
    wide = [*page.evaluate(FOUND, RULES), *page.evaluate(KEYBOARD), *_nameless(tree)]
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 844})
    page.evaluate(SETTLED)
    return [*wide, *(f"narrow, dark: {flaw}" for flaw in page.evaluate(FOUND, NARROW))]


def _nameless(tree: CDPSession) -> list[str]:
    """Controls of the accessibility tree that are called nothing."""
    nodes = tree.send("Accessibility.getFullAXTree")["nodes"]
    return [
        f"no name: {node['role']['value']} {_attributes(tree, node)}"
        for node in nodes
        if not node["ignored"]
        and node["role"]["value"] in CONTROLS
        and not node.get("name", {}).get("value", "").strip()
    ]


def _attributes(tree: CDPSession, node: dict[str, Any]) -> str:
    found = tree.send("DOM.describeNode", {"backendNodeId": node["backendDOMNodeId"]})["node"]
    return " ".join(found.get("attributes", []))[:160]


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
    assert policy.spending_limits.get().amount == 50_000


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
    page.get_by_text("Add another Limit").click()
    expect(page.get_by_role("searchbox", name="Categories", exact=True)).to_have_count(3)
