"""What browsers are told they may do with our pages. That these keep to it: test_every_page.py."""

import pytest
from django.test import Client
from playwright.sync_api import BrowserContext, ConsoleMessage, Page
from pytest_django.live_server_helper import LiveServer

from authorizations.web.browsers import ADMIN, OTHERS
from tests.admin.test_every_page import REPORT


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
