"""Logging in, and giving others a log-in. Who then may do what is in access_table.py."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.db.models import F
from django.test import Client

from authorizations.web import demo_logins
from authorizations.web.sessions import BEGAN
from tests.admin import pages
from tests.admin.conftest import Login

pytestmark = pytest.mark.django_db


def logged_in(name: str, password: str) -> Any:
    return Client().post("/admin/login/", {"username": name, "password": password})


def test_logging_in_leads_to_the_first_page(staff: Callable[[str], User]) -> None:
    staff("Operations")
    assert logged_in("operations", "pass-word-1").headers["Location"] == "/admin/"


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


def test_an_auditor_sees_who_may_do_what_and_no_part_of_a_hash(login: Login) -> None:
    client, operator = login("Auditors"), User.objects.create_user("olga", password="long-enough-4")
    operator.groups.add(Group.objects.get(name="Operations"))
    page = client.get(pages.change_url(operator)).content.decode()
    assert "May log in to these pages." in page
    assert "Designates" not in page
    assert "Operations" in page
    assert operator.password.partition("$")[0] not in page
    assert 'name="_save"' not in page
    roles = client.get(pages.change_url(Group.objects.get(name="Operations")))
    assert "change policy, " in roles.content.decode()


@pytest.fixture
def demo_admin(db: None) -> User:
    return User.objects.create_superuser("admin", password=demo_logins.PASSWORD)


def test_outside_development_nobody_logs_in_with_the_demos_password(demo_admin: User) -> None:
    response = logged_in("admin", demo_logins.PASSWORD)
    html = response.content.decode()
    assert "This is the demo&#x27;s password, which is public." in html
    assert "python manage.py changepassword admin" in html
    assert "_auth_user_id" not in response.client.session


def test_with_another_password_the_demos_account_is_like_any_other(demo_admin: User) -> None:
    demo_admin.set_password("pass-word-1")
    demo_admin.save()
    assert logged_in("admin", "pass-word-1").headers["Location"] == "/admin/"


def test_in_development_the_demos_password_is_good(demo_admin: User, settings: Any) -> None:
    settings.DEBUG = True
    assert logged_in("admin", demo_logins.PASSWORD).headers["Location"] == "/admin/"


def test_who_guesses_at_other_accounts_is_told_nothing_of_the_demo(demo_admin: User) -> None:
    demo_admin.set_password("pass-word-1")
    demo_admin.save()
    assert "demo" not in logged_in("admin", demo_logins.PASSWORD).context["form"].errors.as_text()


def test_the_demos_password_can_be_given_to_nobody(login: Login) -> None:
    client = login("superuser")
    sent = {
        "username": "olga",
        "password1": demo_logins.PASSWORD,
        "password2": demo_logins.PASSWORD,
    }
    client.post(pages.add_url(User), sent | {"usable_password": "true"})
    assert not User.objects.filter(username="olga").exists()


def test_a_log_in_ends_with_the_browser_and_after_hours_without_a_click(demo_admin: User) -> None:
    client = Client()
    client.force_login(demo_admin)
    Session.objects.update(expire_date=F("expire_date") - timedelta(hours=1))
    assert client.get("/admin/").cookies["sessionid"]["expires"] == ""
    session = client.session
    assert session.get_expiry_age() == 12 * 3600
    session.set_expiry(-1)
    session.save()
    assert client.get("/admin/").status_code == 302


def test_a_log_in_ends_some_hours_after_it_began_whatever_was_clicked(demo_admin: User) -> None:
    client = Client()
    client.force_login(demo_admin)
    session = client.session
    session[BEGAN] -= 24 * 3600 - 60
    session.save()
    assert client.get("/admin/").status_code == 200
    session[BEGAN] -= 60
    session.save()
    assert client.get("/admin/").status_code == 302
    client.force_login(demo_admin)
    assert client.get("/admin/").status_code == 200


def test_a_session_that_does_not_say_when_it_began_is_over(demo_admin: User) -> None:
    client = Client()
    client.force_login(demo_admin)
    session = client.session
    del session[BEGAN]
    Session.objects.update(session_data=session.encode(dict(session.items())))
    assert client.get("/admin/").status_code == 302


def test_each_click_begins_the_hours_anew(demo_admin: User) -> None:
    client = Client()
    client.force_login(demo_admin)
    rows = Session.objects
    rows.update(expire_date=F("expire_date") - timedelta(hours=11))
    before = rows.get().expire_date
    client.get("/admin/")
    assert rows.get().expire_date - before > timedelta(hours=10)
