"""Every page of the admin, opened once in a browser, which keeps to the rules, and can be used by
keyboard and by ear: every control has a tab stop and a name.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from django.contrib.auth.models import User
from django.test import Client, override_settings
from playwright.sync_api import BrowserContext, CDPSession, ConsoleMessage, Page
from pytest_django.live_server_helper import LiveServer
from pytest_django.plugin import DjangoDbBlocker

from simulator import demo
from tests.conftest import empty_the_database
from tests.pictures.pages import Shown, all_pages

pytestmark = pytest.mark.slow

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
NARROW = ["color-contrast", "scrollable-region-focusable", "target-size"]
"""What depends on how wide and how dark a page is."""
FOUND = """async ([only, measured]) => {
    const before = new Set(measured), fresh = new Set(), grounds = new Map([[null, '']]);
    for (const element of document.querySelectorAll('*')) {
        const style = getComputedStyle(element);
        const own = [style.backgroundColor, style.backgroundImage, style.opacity].join();
        const ground = grounds.get(element.parentElement)
            + (own === 'rgba(0, 0, 0, 0),none,1' ? '' : `${own}; `);
        grounds.set(element, ground);
        const ink = [style.color, style.fontSize, style.fontWeight, style.textShadow].join();
        if (before.has(ground + ink)) element.setAttribute('data-measured', '');
        else if (element.matches('input, select, textarea')
                || [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
            if (element.checkVisibility({opacityProperty: true, visibilityProperty: true}))
                fresh.add(ground + ink);
    }
    axe.configure({rules: [{id: 'color-contrast', selector: ':not([data-measured])'}]});
    const found = await axe.run(document, {runOnly: only, resultTypes: ['violations']});
    for (const element of document.querySelectorAll('[data-measured]'))
        element.removeAttribute('data-measured');
    const flaws = found.violations.flatMap(({id, nodes}) => nodes.map(({target, html}) =>
        `${id}: ${target.join(' ')} ${html.replace(' data-measured=""', '').slice(0, 160)}`));
    return [flaws, [...fresh]];
}"""
"""Contrast takes most of the time, so text is left out of it whose colour, size and weight were
`measured` before on the same grounds, one above the other. Returns the flaws, and what else was
measured now.
"""
SETTLED = """async () => {
    for (const _ of [1, 2]) await new Promise(requestAnimationFrame);
    for (const one of document.getAnimations())
        if (one.effect.getComputedTiming().endTime < Infinity) one.finish();
    await new Promise(requestAnimationFrame);
}"""
"""Laid out, and no colour on its way to another."""
HIDDEN = "document.documentElement.style.display = 'none'"
"""So that nothing is laid out anew and drawn when the window gets wide for the next page."""
KEYBOARD = Path(__file__).with_name("accessible.js").read_text("utf-8")
CONTROLS = {
    *("button", "checkbox", "combobox", "link", "listbox", "menuitem", "radio", "searchbox"),
    *("slider", "spinbutton", "switch", "tab", "textbox", "DisclosureTriangle"),
}


REPORT = """document.addEventListener('securitypolicyviolation', (event) =>
    console.error(`refused: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`))"""


@dataclass
class Walk:
    """How many pages were opened, what was wrong, each with the names of its pages, which kinds of
    text have been measured, and who has looked at which addresses.
    """

    pages: int = 0
    looked_at: set[tuple[str, bool, str]] = field(default_factory=set)
    statuses: dict[str, int] = field(default_factory=dict)
    errors: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    refused: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    flaws: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    measured: set[str] = field(default_factory=set)

    def by_axe(self, page: Page, rules: list[str]) -> list[str]:
        """The flaws that axe finds on the page as it is drawn."""
        flaws, measured = page.evaluate(FOUND, [rules, list(self.measured)])
        self.measured.update(measured)
        found: list[str] = flaws
        return found


@pytest.fixture(scope="module")
def walk(
    browser: BrowserContext,
    live_server: LiveServer,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[Walk]:
    with django_db_blocker.unblock():
        try:
            demo.load()
            yield _walked(browser, live_server.url)
        finally:
            empty_the_database()


def test_no_page_does_what_the_rules_forbid(walk: Walk) -> None:
    assert walk.pages > 60
    assert walk.statuses == {}
    assert dict(walk.errors) == {}
    assert dict(walk.refused) == {}


def test_every_page_can_be_used_by_keyboard_and_by_ear(walk: Walk) -> None:
    assert dict(walk.flaws) == {}


def _walked(browser: BrowserContext, url: str) -> Walk:
    walk = Walk()
    by_session = attrgetter("who", "require_mfa")
    pages = sorted(all_pages(), key=by_session)
    for (who, require_mfa), theirs in groupby(pages, key=by_session):
        with override_settings(REQUIRE_MFA=require_mfa):
            page = _logged_in(browser, url, who)
            tree = browser.new_cdp_session(page)
            for one in theirs:
                _look(walk, page, tree, one)
            page.close()
    return walk


def _logged_in(browser: BrowserContext, url: str, name: str) -> Page:
    browser.clear_cookies()
    if name:
        client = Client()
        client.force_login(User.objects.get(username=name))
        session = client.cookies["sessionid"].value
        browser.add_cookies([{"name": "sessionid", "value": session, "url": url}])
    page = browser.new_page()
    page.add_init_script(REPORT)
    page.goto(f"{url}/healthz")
    return page


def _look(walk: Walk, page: Page, tree: CDPSession, shown: Shown) -> None:
    """Open it on a wide, light screen, then look at it on a narrow, dark one."""

    def note(said: ConsoleMessage) -> None:
        if said.text.startswith("refused:"):
            walk.refused[said.text].append(shown.name)

    def note_error(error: object) -> None:
        walk.errors[str(error)].append(shown.name)

    walk.pages += 1
    page.on("pageerror", note_error)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1440, "height": 900})
    page.on("console", note)
    answer = page.goto(urljoin(page.url, shown.path))
    assert answer
    if answer.status != shown.status:
        walk.statuses[shown.name] = answer.status
    there = (shown.who, shown.require_mfa, page.url)  # where it led, before anything is done
    if shown.act:
        shown.act(page)
        page.wait_for_load_state("networkidle")
    page.evaluate(SETTLED)
    page.remove_listener("console", note)  # what follows is done by this test, not by the page
    if not shown.act:
        if there in walk.looked_at:  # as where the history of a row stands on the row's own page
            page.remove_listener("pageerror", note_error)
            return
        walk.looked_at.add(there)
    # Playwright would parse its half a megabyte twice.
    tree.send("Runtime.evaluate", {"expression": AXE})
    for flaw in [*walk.by_axe(page, RULES), *page.evaluate(KEYBOARD), *_nameless(tree)]:
        walk.flaws[flaw].append(shown.name)
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 844})
    page.evaluate(SETTLED)
    for flaw in walk.by_axe(page, NARROW):
        walk.flaws[f"narrow, dark: {flaw}"].append(shown.name)
    page.remove_listener("pageerror", note_error)
    page.evaluate(HIDDEN)


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
