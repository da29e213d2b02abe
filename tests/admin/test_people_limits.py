"""The most that users of a role may give, set on the role's page by superusers."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client

from authorizations.models import ExceptionLimit, HistoryEntry
from tests.admin import pages
from tests.admin.pages import added, as_shown, text

pytestmark = pytest.mark.django_db


def test_a_superuser_sets_changes_and_removes_a_limit(admin_client: Client) -> None:
    role = Group.objects.get(name="Operations")
    url = pages.change_url(role)
    sent = added(as_shown(admin_client, url), "exception_limits", currency="eur", amount="1,000.00")
    admin_client.post(url, sent, follow=True)
    [limit] = ExceptionLimit.objects.all()
    assert (limit.role, limit.currency, limit.amount) == (role, "eur", 100_000)
    sent = as_shown(admin_client, url)
    assert sent["exception_limits-0-amount"] == "€1,000.00"
    admin_client.post(url, sent | {"exception_limits-0-amount": "2,000.00"}, follow=True)
    assert ExceptionLimit.objects.get().amount == 200_000
    admin_client.post(
        url, as_shown(admin_client, url) | {"exception_limits-0-DELETE": "on"}, follow=True
    )
    assert not ExceptionLimit.objects.exists()
    assert HistoryEntry.objects.filter(kind="exceptionlimit").count() == 3
    history = text(admin_client.get("/admin/authorizations/historyentry/"))
    assert "May give in EUR" in history
    assert "€2,000.00" in history


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"currency": "eur", "amount": ""}, "amount"),
        ({"currency": "eur", "amount": "-5"}, "amount"),
        ({"currency": "", "amount": "5"}, "currency"),
        ({"currency": "xxx", "amount": "5"}, "currency"),
    ],
)
def test_a_wrong_row_is_refused_in_place(
    admin_client: Client, values: dict[str, str], field: str
) -> None:
    url = pages.change_url(Group.objects.get(name="Operations"))
    sent = added(as_shown(admin_client, url), "exception_limits", **values)
    assert f"exception_limits-0-{field}" in pages.errors(admin_client.post(url, sent))
    assert not ExceptionLimit.objects.exists()


def test_auditors_see_it_and_change_nothing(auditor: Client) -> None:
    role = Group.objects.get(name="Operations")
    ExceptionLimit.objects.create(role=role, currency="eur", amount=100_000)
    url = pages.change_url(role)
    assert "€1,000.00" in text(auditor.get(url))
    sent = {"exception_limits-0-amount": "5", "exception_limits-TOTAL_FORMS": "1"}
    assert auditor.post(url, sent).status_code == 403
    assert ExceptionLimit.objects.get().amount == 100_000


def test_who_may_edit_roles_but_is_no_superuser_sets_no_limit(operator: Client) -> None:
    role = Group.objects.get(name="Operations")
    role.permissions.add(Permission.objects.get(codename="change_group"))
    url = pages.change_url(role)
    sent = as_shown(operator, url) | {"exception_limits-TOTAL_FORMS": "0"}
    sent = added(sent, "exception_limits", currency="eur", amount="5")
    operator.post(url, sent | {"exception_limits-INITIAL_FORMS": "0"}, follow=True)
    assert not ExceptionLimit.objects.exists()
