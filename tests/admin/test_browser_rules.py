"""What browsers are told they may do with our pages, and that every page keeps to it."""

from itertools import groupby
from operator import attrgetter
from typing import Any
from urllib.parse import urljoin

import pytest
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import BrowserContext, ConsoleMessage, Page
from pytest_django.live_server_helper import LiveServer

from authorizations.web.browsers import ADMIN, OTHERS
from simulator import demo
from tests.pictures.pages import Shown, all_pages

REPORT = """document.addEventListener('securitypolicyviolation', (event) =>
    console.error(`refused: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`))"""


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("url", "rules"),
    [
        ("/admin/login/", ADMIN),
        ("/static/authorizations/mark.svg", OTHERS),
        ("/healthz", OTHERS),
        ("/nowhere", OTHERS),
    ],
)
def test_every_answer_tells_the_rules(url: str, rules: str) -> None:
    headers = Client().get(url).headers
    assert headers["Content-Security-Policy"] == rules
    assert "camera=()" in headers["Permissions-Policy"]
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.fixture
def watched(browser: BrowserContext, page: Page) -> tuple[Page, list[str]]:
    """A page, and what the browser refused it."""
    refused: list[str] = []

    def note(said: ConsoleMessage) -> None:
        if said.text.startswith("refused:"):
            refused.append(said.text)

    page.add_init_script(REPORT)
    page.on("console", note)
    return page, refused


@pytest.mark.django_db(transaction=True)
def test_the_browser_refuses_what_somebody_smuggled_into_a_page(
    watched: tuple[Page, list[str]], live_server: LiveServer
) -> None:
    page, refused = watched
    page.goto(f"{live_server.url}/admin/login/")
    page.evaluate(
        """() => {
            const script = document.createElement('script');
            script.textContent = 'window.smuggled = true';
            document.body.append(script);
            const picture = document.createElement('img');
            picture.src = 'https://elsewhere.example/x.png';
            document.body.append(picture);
        }"""
    )
    page.wait_for_timeout(200)
    assert page.evaluate("window.smuggled") is None
    assert [words.split()[1] for words in refused] == ["script-src-elem", "img-src"]


@pytest.mark.django_db(transaction=True)
def test_no_page_of_the_admin_does_what_the_rules_forbid(
    watched: tuple[Page, list[str]], live_server: LiveServer, settings: Any
) -> None:
    page, refused = watched
    demo.load()
    wrong: dict[str, int] = {}
    by_session = attrgetter("who", "require_mfa")
    pages = sorted(all_pages(), key=by_session)
    for (who, settings.REQUIRE_MFA), theirs in groupby(pages, key=by_session):
        _log_in(page, live_server.url, who)
        wrong |= {one.name: status for one in theirs if (status := _open(page, one)) != one.status}
    assert len(pages) > 60
    assert wrong == {}
    assert refused == []


def _log_in(page: Page, url: str, name: str) -> None:
    page.context.clear_cookies()
    if name:
        client = Client()
        client.force_login(User.objects.get(username=name))
        session = client.cookies["sessionid"].value
        page.context.add_cookies([{"name": "sessionid", "value": session, "url": url}])
    page.goto(f"{url}/healthz")


def _open(page: Page, shown: Shown) -> int:
    """The answer's status."""
    answer = page.goto(urljoin(page.url, shown.path))
    if shown.act:
        shown.act(page)
        page.wait_for_load_state("networkidle")
    assert answer
    return answer.status
