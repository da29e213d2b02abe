"""What all pages share: the sidebar, empty lists, names, and times in the reader's zone."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db import OperationalError
from django.db.models import Model
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils.formats import date_format, localize_input

from authorizations.admin.policies.pages import PolicyAdmin
from authorizations.admin.site import empty
from authorizations.models import Card, Decision, Policy, RejectedRequest
from authorizations.web import demo_logins
from authorizations.web.middleware import COOKIES
from tests.admin import pages
from tests.admin.conftest import Login
from tests.support.damage import damage
from tests.support.desk import Shopper, deliver_forged, in_force

pytestmark = pytest.mark.django_db

LOOKERS = ["", "Policies", "Cards", "Decisions", "Purchases", "Messages", "People"]


def words(response: Any) -> str:
    return " ".join(response.content.decode().split())


# --- The sidebar --------------------------------------------------------------------------


def sidebar(client: Client, url: str = "/admin/") -> dict[str, list[dict[str, Any]]]:
    groups = client.get(url).context["sidebar_navigation"]
    return {group["title"]: group["items"] for group in groups}


def test_the_sidebar_shows_the_tasks_of_the_role(login: Login) -> None:
    assert list(sidebar(login("superuser"))) == LOOKERS
    assert list(sidebar(login("Auditors"))) == LOOKERS
    assert list(sidebar(login(""))) == [""]  # the way home


def test_only_who_may_see_users_finds_them_in_the_sidebar(login: Login) -> None:
    def people(role: str) -> set[str]:
        return {item["title"] for item in sidebar(login(role))["People"]}

    auditors = people("Auditors")
    assert people("superuser") == auditors
    assert auditors - people("Operations") == {"Users", "Roles"}


@pytest.mark.parametrize("role", ["superuser", "Operations", "Auditors"])
def test_every_link_in_the_sidebar_opens(login: Login, role: str) -> None:
    client = login(role)
    links = [item["link"] for items in sidebar(client).values() for item in items]
    assert len(set(links)) == len(links)
    assert {client.get(link).status_code for link in links} == {200}


def test_the_sidebar_marks_where_one_is(auditor: Client) -> None:
    policy = in_force()

    def marked(url: str) -> list[str]:
        items = [item for items in sidebar(auditor, url).values() for item in items]
        return [item["title"] for item in items if item["active"]]

    assert marked("/admin/") == ["Home"]
    assert marked(pages.list_url(Card)) == ["Cards"]
    assert marked(pages.change_url(policy)) == ["Policies"]
    policy.refresh_from_db()
    assert policy.current_version
    assert marked(pages.change_url(policy.current_version)) == ["Policies"]


# --- Names of pages -----------------------------------------------------------------------


def test_a_page_is_named_by_what_it_shows(operator: Client) -> None:
    policy = in_force("travel in the north")
    page = words(operator.get(pages.list_url(Policy)))
    assert "<title> Policies | Authorization desk</title>" in page
    page = words(operator.get(pages.change_url(policy)))
    assert ">travel in the north</h1>" in page


def test_a_list_is_called_as_in_the_sidebar(login: Login) -> None:
    page = words(login("superuser").get(pages.list_url(Group)))
    assert ">Roles</h1>" in page
    assert "Add role" in page


def test_the_way_back_keeps_ids_as_they_are(auditor: Client) -> None:
    """An id with an underscore and two hexadecimal figures must not be taken for a quoted one."""
    Shopper(card={"id": "ic_1Abc", "last4": ""}).asks(100)
    card = Card.objects.get()
    url = pages.change_url(card).replace("change", "history")
    page = auditor.get(url)
    assert f'href="{pages.change_url(card)}"' in words(page)
    assert "Ic_1Abc" not in words(page)


# --- Empty lists --------------------------------------------------------------------------


def test_an_empty_list_says_why_and_what_to_do(operator: Client) -> None:
    page = words(operator.get(pages.list_url(Policy)))
    assert "No policy yet" in page
    assert "every purchase is declined" in page
    assert "Add the first policy" in page


def test_who_may_not_add_is_not_told_to(auditor: Client) -> None:
    page = words(auditor.get(pages.list_url(Policy)))
    assert "No policy yet" in page
    assert "Add the first policy" not in page


def test_where_nothing_matches_the_way_back_is_to_clear_the_filters(auditor: Client) -> None:
    page = words(auditor.get(pages.list_url(Card) + "?q=nobody"))
    assert "Nothing matches" in page
    assert '<a href="?" class="desk-button">' in page


@pytest.mark.parametrize("model", sorted(admin.site._registry, key=str), ids=str)
def test_every_list_has_words_of_its_own_for_being_empty(model: type[Model]) -> None:
    nothing = RequestFactory().get("/").GET
    assert empty.empty_state(str(model._meta.model_name), nothing) is not empty._OTHERS


# --- Times --------------------------------------------------------------------------------

WHEN = datetime(2026, 11, 24, 8, 30, 5, tzinfo=UTC)


@pytest.fixture
def rejected() -> RejectedRequest:
    deliver_forged(b"{}")
    damage(RejectedRequest.objects.get(), received_at=WHEN)
    return RejectedRequest.objects.get()


def rejected_list(client: Client, zone: str | None) -> str:
    if zone is not None:
        client.cookies[COOKIES[-1]] = zone
    return words(client.get(pages.list_url(RejectedRequest)))


def test_times_are_in_the_zone_of_the_reader_which_the_page_names(
    rejected: RejectedRequest, auditor: Client
) -> None:
    page = rejected_list(auditor, "Europe/Paris")
    assert "Times are in Europe/Paris" in page
    assert "24 Nov 2026, 09:30:05" in page


def test_days_begin_in_the_zone_of_the_reader(rejected: RejectedRequest, auditor: Client) -> None:
    assert "23 Nov 2026, 22:30:05" in rejected_list(auditor, "Pacific/Honolulu")


@pytest.mark.parametrize(
    "zone",
    [
        None,
        "",
        "Nowhere/Town",
        "europe/paris",
        "../../../../etc/passwd",
        "/etc/localtime",
        "Europe/Paris\x00",
        "Europe/\xff",
        "<script>alert(1)</script>",
        "A" * 4_000,
    ],
)
def test_without_a_zone_that_exists_times_are_in_the_server_s(
    rejected: RejectedRequest, auditor: Client, zone: str | None
) -> None:
    page = rejected_list(auditor, zone)
    assert "Times are in UTC" in page
    assert "24 Nov 2026, 08:30:05" in page


def test_the_next_reader_does_not_get_the_zone_of_the_last(
    rejected: RejectedRequest, auditor: Client, login: Login
) -> None:
    rejected_list(auditor, "Asia/Tokyo")
    assert "Times are in UTC" in rejected_list(login("superuser"), None)


def test_an_instant_on_a_page_says_its_zone(rejected: RejectedRequest, auditor: Client) -> None:
    auditor.cookies[COOKIES[-1]] = "Europe/Paris"
    assert "24 Nov 2026, 09:30:05 CET" in words(auditor.get(pages.change_url(rejected)))


def test_dates_are_shown_unambiguously_and_typed_in_iso() -> None:
    assert date_format(WHEN, "DATETIME_FORMAT") == "24 Nov 2026, 08:30:05"
    assert date_format(WHEN, "DATE_FORMAT") == "24 Nov 2026"
    assert localize_input(WHEN.date()) == "2026-11-24"


# --- Logging in ---------------------------------------------------------------------------


def login_page() -> str:
    return words(Client().get(reverse("admin:login")))


def test_the_log_in_page_says_which_desk_it_is() -> None:
    page = login_page()
    assert "Authorization desk" in page
    assert "testserver" in page
    assert "Demo log-ins" not in page


def test_a_desk_of_test_cards_says_so(settings: Any) -> None:
    settings.STRIPE_LIVEMODE = False
    assert "Test mode" in login_page()
    settings.STRIPE_LIVEMODE = True
    assert "Test mode" not in login_page()


@pytest.mark.parametrize("debug", [True, False])
def test_the_demo_s_log_ins_are_named_in_development_only(settings: Any, debug: bool) -> None:
    User.objects.create_user("operator", password=demo_logins.PASSWORD)
    settings.DEBUG = debug
    assert ("Demo log-ins: <b>operator</b>" in login_page()) is debug


def test_the_demo_s_log_ins_are_not_named_where_there_are_none(settings: Any) -> None:
    settings.DEBUG = True
    assert "Demo log-ins" not in login_page()


# --- When something is wrong --------------------------------------------------------------


def test_an_address_without_a_page_says_so_in_our_words(auditor: Client) -> None:
    response = auditor.get("/admin/authorizations/nothing/")
    assert response.status_code == 404
    assert "There is no page here" in words(response)


def test_a_page_for_others_says_whom_to_ask(auditor: Client) -> None:
    response = auditor.get(pages.add_url(Policy))
    assert response.status_code == 403
    assert "Your role does not allow this" in words(response)


def test_every_file_that_our_pages_name_is_there() -> None:
    static = settings.BASE_DIR / "authorizations" / "static"
    context = Client().get("/admin/login/").context
    named = [*context["styles"], *context["scripts"], context["site_icon"]]
    assert len(named) == 6
    assert [name for name in named if not (static / name.removeprefix("/static/")).is_file()] == []


# --- Pages that fail ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failure", "status", "title"),
    [
        (OperationalError("no connection"), 503, "The database doesn't answer"),
        (ValueError("ours"), 500, "This page broke"),
    ],
)
def test_a_page_that_fails_tells_a_missing_database_from_a_fault_of_ours(
    login: Login, monkeypatch: pytest.MonkeyPatch, failure: Exception, status: int, title: str
) -> None:
    def fail(*_: Any) -> None:
        raise failure

    client = login("Operations")
    client.raise_request_exception = False
    monkeypatch.setattr(PolicyAdmin, "get_queryset", fail)
    response = client.get(pages.list_url(Policy))
    assert response.status_code == status
    assert f"<h1>{title}</h1>" in response.content.decode()


# --- What is unfold's ---------------------------------------------------------------------


def test_what_replaces_a_template_of_unfold_or_django_still_has_one_to_replace() -> None:
    """A version of unfold that names a template otherwise would show its own instead."""
    ours = Path(settings.BASE_DIR) / "templates"
    replacing = [
        path.relative_to(ours)
        for path in (*ours.glob("unfold/**/*.html"), *ours.glob("admin/*.html"))
    ]
    assert len(replacing) > 10
    theirs = [Path(app.path) / "templates" for app in apps.get_app_configs() if app.path]
    assert [it for it in replacing if not any((root / it).is_file() for root in theirs)] == []


@pytest.mark.parametrize(
    ("listed", "query"), [(Decision, "outcome=approved"), (Card, "state=active")]
)
def test_a_search_keeps_the_filters_of_the_list(
    login: Login, listed: type[Model], query: str
) -> None:
    shown = words(login("Auditors").get(f"{pages.list_url(listed)}?{query}&q=ada"))
    [form] = re.findall(r'<form id="changelist-search".*?</form>', shown)
    name, value = query.split("=")
    assert re.findall(r'<input type="hidden"[^>]*>', form) == [
        f'<input type="hidden" name="{name}" value="{value}">'
    ]
    assert 'name="q" value="ada"' in form
