"""Who may see and do what: every page by role, and no page without a row here."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from authorizations.models import (
    Assignment,
    Authorization,
    Card,
    CardGroup,
    Cardholder,
    Decision,
    LedgerEntry,
    Policy,
    PolicyVersion,
    RejectedMinute,
    RejectedRequest,
    SpendingLimit,
    WebhookRequest,
)
from tests.admin import pages
from tests.admin.conftest import Login
from tests.desk import Shopper, deliver, in_force

pytestmark = pytest.mark.django_db

EDITED = (Policy, CardGroup, Card, Cardholder)
RECORD = (
    PolicyVersion,
    Decision,
    Authorization,
    LedgerEntry,
    WebhookRequest,
    RejectedRequest,
    RejectedMinute,
)
PEOPLE = (User, Group)

# What opening list, row and form for a new row answer, and sending the two forms.
EDITS = (200, 200, 200, "sent", "sent")
LOOKS = (200, 200, 403, 403, 403)
NOTHING = (403, 403, 403, 403, 403)
TABLE: dict[str, dict[tuple[type[Model], ...], tuple[Any, ...]]] = {
    "superuser": {EDITED: EDITS, RECORD: LOOKS, PEOPLE: EDITS},
    "Operations": {EDITED: EDITS, RECORD: LOOKS, PEOPLE: NOTHING},
    "Auditors": {EDITED: LOOKS, RECORD: LOOKS, PEOPLE: NOTHING},
    "": {EDITED: NOTHING, RECORD: NOTHING, PEOPLE: NOTHING},
}


@pytest.fixture
def rows(roles: None) -> None:
    """One row of everything."""
    in_force(spending_limits=[{"amount": 10_000, "interval": "daily"}])
    Shopper().asks(100)
    CardGroup.objects.create(name="Team")
    deliver(b"{}", secret="whsec_of_somebody_else")


@pytest.mark.parametrize("role", TABLE)
def test_each_role_may_do_what_the_table_says_on_each_page(
    rows: None, login: Login, role: str
) -> None:
    client = login(role)
    for models, expected in TABLE[role].items():
        for model in models:
            assert (model, _answers(client, model)) == (model, expected)


def _answers(client: Client, model: type[Model]) -> tuple[Any, ...]:
    row = model._default_manager.first() or User.objects.first()
    assert row
    urls = pages.list_url(model), pages.change_url(row), pages.add_url(model)
    opened = (client.get(url).status_code for url in urls)
    # An empty form is refused with sentences by whoever may send it.
    sent = (_sent(client.post(url, {})) for url in urls[1:])
    return (*opened, *sent)


def _sent(response: Any) -> Any:
    return response.status_code if response.status_code == 403 else "sent"


def test_every_page_of_the_admin_has_a_row_in_the_table() -> None:
    known = {*EDITED, *RECORD, *PEOPLE}
    assert set(admin.site._registry) == known


def test_auditors_change_nothing_at_any_address(rows: None, login: Login) -> None:
    client = login("Auditors")
    before = _everything()
    for url in _addresses():
        for action in ("", "freeze_selected", "delete_selected"):
            sent = {"name": "X", "reason": "Because", "post": "yes", "action": action}
            response = client.post(url, sent | {"_selected_action": ["ic_1", "1"]})
            assert response.status_code in {200, 302, 403, 404}, url
    assert _everything() == before


def _addresses() -> Iterator[str]:
    """Every page of every model, with the id of a row where it asks for one."""
    for model_admin in admin.site._registry.values():
        row = model_admin.model._default_manager.first() or User.objects.first()
        for pattern in model_admin.get_urls():
            if pattern.name and row:
                ids = [quote(row.pk)] if "<" in str(pattern.pattern) else []
                yield reverse(f"admin:{pattern.name}", args=ids)


def _everything() -> list[Any]:
    editable = (*EDITED, *PEOPLE, Assignment, SpendingLimit, LogEntry)
    return [list(model._default_manager.order_by("pk").values()) for model in editable]


def test_superusers_cannot_change_the_record_either(rows: None, login: Login) -> None:
    client = login("superuser")
    for model in RECORD:
        row = model._default_manager.first()
        assert row
        for word in ("change", "delete"):
            url = pages.change_url(row).replace("change", word)
            assert client.post(url, {"post": "yes"}).status_code == 403


def test_nobody_sees_a_page_without_logging_in(rows: None) -> None:
    for model in (*EDITED, *RECORD, *PEOPLE):
        response = Client().get(pages.list_url(model))
        assert response.headers["Location"].startswith("/admin/login/")


def test_the_sidebar_shows_the_pages_of_the_role(rows: None, login: Login) -> None:
    def titles(role: str) -> list[str]:
        navigation = login(role).get("/admin/").context["sidebar_navigation"]
        return [group["title"] for group in navigation]

    assert titles("superuser") == ["Policies", "Cards", "Record", "Staff"]
    assert titles("Auditors") == ["Policies", "Cards", "Record"]
    assert titles("") == []


def test_logging_in_leads_to_the_first_page(roles: None, staff: Any) -> None:
    staff("Operations")
    name = {"username": "operations", "password": "pass-word-1"}
    response = Client().post("/admin/login/", name)
    assert response.headers["Location"] == "/admin/"


def test_a_superuser_adds_staff_and_gives_them_a_role(login: Login) -> None:
    client = login("superuser")
    secret = "long-enough-4-all"
    given = {"username": "olga", "password1": secret, "password2": secret}
    client.post(pages.add_url(User), given | {"usable_password": "true"})
    olga = User.objects.get(username="olga")
    role = Group.objects.get(name="Operations")
    url = pages.change_url(olga)
    client.post(url, pages.as_shown(client, url) | {"is_staff": "on", "groups": [role.pk]})
    assert User.objects.get(pk=olga.pk).has_perm("authorizations.change_policy")
