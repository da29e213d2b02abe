"""With REQUIRE_MFA on a password alone opens nothing, whichever way it is tried."""

import base64
import hashlib
import hmac
import re
import struct
import time
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Page
from pytest_django.live_server_helper import LiveServer

from tests.admin.addresses import addresses
from tests.admin.visitors import make_rows, parameters

# What follows a commit is part of the story.
pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "pass-word-1"
APP, CODE, RECOVERY = (
    "/admin/second-factor/app/",
    "/admin/second-factor/code/",
    "/admin/second-factor/recovery-codes/",
)


@pytest.fixture(autouse=True)
def olga(db: None, settings: Any) -> Iterator[User]:
    settings.REQUIRE_MFA = True
    cache.clear()
    yield User.objects.create_superuser("olga", password=PASSWORD)
    cache.clear()


def code_of(secret: str, periods_later: int = 0) -> str:
    """The code an authenticator app shows: RFC 6238 with SHA-1, 6 digits, 30 seconds."""
    counter = int(time.time()) // 30 + periods_later
    digest = hmac.new(base64.b32decode(secret), struct.pack(">Q", counter), hashlib.sha1).digest()
    offset = digest[-1] & 15
    number = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFFFFFF
    return f"{number % 1_000_000:06}"


def test_the_codes_of_these_tests_are_those_of_rfc_6238(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_111_111_109)
    assert code_of(base64.b32encode(b"12345678901234567890").decode()) == "081804"


def with_password() -> Client:
    """Somebody who typed the right name and password."""
    client = Client()
    sent = {"username": "olga", "password": PASSWORD}
    assert client.post("/admin/login/", sent).status_code == 302
    return client


def enrol(client: Client) -> tuple[str, list[str]]:
    """Set up an app as the page says; its key, and the recovery codes."""
    page = client.get(APP).content.decode()
    secret = re.search(r"desk-factor-key\">(\w+)<", page)
    assert secret
    assert client.post(APP, {"code": code_of(secret[1])}).headers["Location"] == RECOVERY
    return secret[1], re.findall(r"<li><code>(\d{8})</code>", client.get(RECOVERY).content.decode())


def gets_in(client: Client) -> bool:
    return client.get("/admin/").status_code == 200


@pytest.fixture
def enrolled() -> tuple[str, list[str]]:
    return enrol(with_password())


def test_who_has_none_sets_one_up_at_log_in_and_is_in() -> None:
    client = with_password()
    assert client.get("/admin/").headers["Location"].startswith(APP)
    _, codes = enrol(client)
    assert len(set(codes)) == 10
    assert gets_in(client)


def test_a_wrong_code_sets_nothing_up() -> None:
    client = with_password()
    client.get(APP)
    refused = client.post(APP, {"code": "000000"})
    assert "Incorrect code" in refused.content.decode()
    assert not Authenticator.objects.exists()
    assert not gets_in(client)


def test_afterwards_the_password_and_then_the_code_open_the_desk(
    enrolled: tuple[str, list[str]],
) -> None:
    client = with_password()
    moved = client.get("/admin/authorizations/card/?q=x").headers["Location"]
    assert moved == f"{CODE}?next=%2Fadmin%2Fauthorizations%2Fcard%2F%3Fq%3Dx"
    shown = client.post(moved, {"code": code_of(enrolled[0])})
    assert shown.headers["Location"] == "/admin/authorizations/card/?q=x"
    assert gets_in(client)


def test_a_code_works_once(enrolled: tuple[str, list[str]]) -> None:
    code = code_of(enrolled[0])
    first, second = with_password(), with_password()
    first.post(CODE, {"code": code})
    second.post(CODE, {"code": code})
    assert gets_in(first)
    assert not gets_in(second)


def test_a_code_of_a_while_ago_does_not_work(enrolled: tuple[str, list[str]]) -> None:
    client = with_password()
    client.post(CODE, {"code": code_of(enrolled[0], periods_later=-3)})
    assert not gets_in(client)


def test_after_five_wrong_codes_the_right_one_has_to_wait(enrolled: tuple[str, list[str]]) -> None:
    client = with_password()
    for _ in range(5):
        client.post(CODE, {"code": "000000"})
    client.post(CODE, {"code": code_of(enrolled[0])})
    assert not gets_in(client)
    another = with_password()  # nor does another session help
    another.post(CODE, {"code": code_of(enrolled[0])})
    assert not gets_in(another)


def test_each_recovery_code_works_once(enrolled: tuple[str, list[str]]) -> None:
    first, second = with_password(), with_password()
    first.post(CODE, {"code": enrolled[1][0]})
    second.post(CODE, {"code": enrolled[1][0]})
    assert gets_in(first)
    assert not gets_in(second)


def test_recovery_codes_are_shown_once_and_never_to_a_password_alone(
    enrolled: tuple[str, list[str]],
) -> None:
    half = with_password()
    assert half.get(RECOVERY).headers["Location"].startswith(CODE)
    half.post(CODE, {"code": code_of(enrolled[0])})
    assert enrolled[1][0] not in half.get(RECOVERY).content.decode()


def from_before(settings: Any) -> Client:
    """Logged in before the setting was switched on."""
    settings.REQUIRE_MFA = False
    client = with_password()
    assert gets_in(client)
    settings.REQUIRE_MFA = True
    return client


def test_a_session_from_before_the_setting_is_asked_as_well(
    settings: Any, enrolled: tuple[str, list[str]]
) -> None:
    assert from_before(settings).get("/admin/").headers["Location"].startswith(CODE)


def test_a_session_from_before_the_setting_sets_nothing_up_without_the_password(
    settings: Any,
) -> None:
    client = from_before(settings)
    assert client.get(APP, follow=True).redirect_chain[-1][0].startswith("/admin/login/")
    assert not gets_in(client)
    enrol(with_password())


def test_a_second_factor_of_somebody_else_does_not_count(
    enrolled: tuple[str, list[str]],
) -> None:
    User.objects.create_superuser("noah", password=PASSWORD)
    client = with_password()
    client.post(CODE, {"code": code_of(enrolled[0])})
    client.post("/admin/login/", {"username": "noah", "password": PASSWORD})
    assert client.get("/admin/").headers["Location"].startswith(APP)


@pytest.mark.parametrize("has_one", [True, False])
def test_no_address_opens_to_a_password_alone(has_one: bool) -> None:
    if has_one:
        enrol(with_password())
    client = with_password()
    make_rows()
    open_to_all = {
        "healthz",
        "readyz",
        "webhook",
        "webhook_php",
        "admin:login",
        "account_login",
        "admin:logout",
    }
    where = CODE if has_one else APP
    own = (
        {"mfa_reauthenticate", "mfa_reauthenticate_webauthn"}
        if has_one
        else {"mfa_activate_totp", "mfa_add_webauthn"}
    )
    for address in addresses():
        if address.name in open_to_all | own:
            continue
        url = address.url(**parameters(address))
        for answer in (client.get(url), client.post(url, {})):
            if answer.status_code == 404 and answer.request["REQUEST_METHOD"] == "POST":
                assert answer.json()["error"]["code"] == "not_found", url
                continue
            assert answer.status_code == 302, url
            assert answer.headers["Location"].startswith(where), url


def test_there_is_no_other_door_and_nobody_signs_up() -> None:
    names = {address.name for address in addresses() if address.name.startswith("account_")}
    assert names == {"account_login"}  # which leads to the admin's own
    assert Client().get("/accounts/login/").status_code == 404
    assert Client().get("/admin/second-factor/log-in-again/").status_code == 302


def test_who_lost_everything_is_reset_by_whoever_runs_the_server(
    enrolled: tuple[str, list[str]],
) -> None:
    call_command("reset_second_factor", "olga", stdout=StringIO())
    assert with_password().get("/admin/").headers["Location"].startswith(APP)


def test_off_the_pages_are_not_there_and_a_password_is_enough(settings: Any) -> None:
    settings.REQUIRE_MFA = False
    client = with_password()
    assert gets_in(client)
    assert client.get(reverse("mfa_index")).status_code == 404


def test_a_security_key_is_set_up_and_used_in_a_browser(
    page: Page, live_server: LiveServer
) -> None:
    refused: list[str] = []
    page.on("console", lambda said: refused.append(said.text) if said.type == "error" else None)
    keys = page.context.new_cdp_session(page)
    keys.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "usb", "automaticPresenceSimulation": True}
    keys.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    home = f"{live_server.url}/admin/"
    _type_password(page, home)
    page.get_by_role("link", name="Use a security key instead").click()
    page.get_by_label("Name").fill("Blue key")
    page.get_by_role("button", name="Add this key").click()
    page.get_by_role("link", name="I have stored them, continue").click()
    page.wait_for_url(home)
    page.context.clear_cookies()
    _type_password(page, home)
    page.get_by_role("button", name="Use security key").click()
    page.wait_for_url(home)
    assert page.get_by_role("link", name="Policies").first.is_visible()
    assert refused == []


def _type_password(page: Page, url: str) -> None:
    page.goto(url)
    page.fill("[name=username]", "olga")
    page.fill("[name=password]", PASSWORD)
    page.locator("#login-form [type=submit]").click()
    page.wait_for_url("**/second-factor/**")
