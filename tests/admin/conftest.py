"""Staff who are logged in, by role; and their browser."""

from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from playwright.sync_api import BrowserContext, Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from tests.support.missing_programs import needed
from tests.support.timeouts import PATIENCE_S

# As root, without a graphics card, and without calling home.
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)

Login = Callable[[str], Client]
Visit = Callable[[str, str], Page]


def make_staff(role: str) -> User:
    """A new member of staff with a role: Operations, Auditors, superuser, or none."""
    name = role.lower() or "nobody"
    is_super = role == "superuser"
    user = User.objects.create_user(
        name, password="pass-word-1", is_staff=True, is_superuser=is_super, first_name=name
    )
    if role and not is_super:
        user.groups.add(Group.objects.get(name=role))
    return user


@pytest.fixture
def staff(db: None) -> Callable[[str], User]:
    return make_staff


@pytest.fixture(scope="module")
def one_auditor(one_transaction: None) -> str:
    """The session of an auditor who is there for all tests of a module."""
    client = Client()
    client.force_login(make_staff("Auditors"))
    return client.cookies["sessionid"].value


@pytest.fixture
def login(staff: Callable[[str], User]) -> Login:
    """A client logged in as somebody with the role."""

    def log_in(role: str) -> Client:
        client = Client()
        client.force_login(staff(role))
        return client

    return log_in


@pytest.fixture
def operator(login: Login) -> Client:
    return login("Operations")


@pytest.fixture
def auditor(login: Login) -> Client:
    return login("Auditors")


@pytest.fixture(scope="module")
def browser() -> Iterator[BrowserContext]:
    """One for all tests of a module: it keeps scripts and styles.

    While its event loop runs, Django has another connection to the database in this thread; so it
    must not outlive the module.
    """
    chromium_path = needed("chromium")
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright keeps an event loop in this thread; Django would refuse to use its database.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        chromium = playwright.chromium.launch(executable_path=chromium_path, args=ARGUMENTS)
        context = chromium.new_context(viewport={"width": 1440, "height": 900})
        context.set_default_timeout(PATIENCE_S * 1000)
        expect.set_options(timeout=PATIENCE_S * 1000)
        yield context
        chromium.close()


@pytest.fixture
def page(browser: BrowserContext, live_server: LiveServer) -> Iterator[Page]:
    """A new page of somebody not logged in; its scripts must run without errors."""
    browser.clear_cookies()
    page = browser.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    yield page
    page.close()
    assert not problems


@pytest.fixture
def visit(page: Page, login: Login, live_server: LiveServer) -> Visit:
    """Somebody with the role, logged in already, opens a page."""

    def go(role: str, url: str) -> Page:
        session = login(role).cookies["sessionid"].value
        page.context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
        page.goto(f"{live_server.url}{url}")
        return page

    return go
