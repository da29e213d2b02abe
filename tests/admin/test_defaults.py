"""What new policies begin with: the program's own zone, first weekday and currency."""

import pytest
from django.test import Client

from authorizations.models import HistoryEntry, Policy, ProgramDefaults
from tests.admin import pages
from tests.admin.conftest import Login
from tests.admin.pages import as_shown, errors, messages
from tests.support.desk import in_force, says

pytestmark = pytest.mark.django_db

URL = pages.list_url(ProgramDefaults)
PARIS = {"currency": "eur", "time_zone": "Europe/Paris", "week_starts": "monday"}


def begins_with(client: Client) -> dict[str, str]:
    shown = as_shown(client, pages.add_url(Policy))
    return {name: shown[name] for name in PARIS}


def test_until_they_are_set_a_policy_begins_with_the_server_s_zone(
    operator: Client, settings: object
) -> None:
    settings.TIME_ZONE = "America/New_York"  # type: ignore[attr-defined]
    assert begins_with(operator) == {
        "currency": "",
        "time_zone": "America/New_York",
        "week_starts": "sunday",
    }
    assert not ProgramDefaults.objects.exists()


def test_an_operator_sets_them_and_the_history_says_so(operator: Client) -> None:
    there = in_force("Old")
    saved = operator.post(URL, as_shown(operator, URL) | PARIS, follow=True)
    assert any("was changed successfully" in said for said in messages(saved))
    assert begins_with(operator) == PARIS
    entry = HistoryEntry.objects.get(kind="programdefaults")
    assert (entry.source, entry.subject) == ("page", "programdefaults")
    assert "Europe/Paris" in operator.get(f"{URL}1/history/").content.decode()
    assert says(there)["time_zone"] == "UTC"


def test_what_is_no_zone_or_currency_is_refused(operator: Client) -> None:
    wrong = {"currency": "xyz", "time_zone": "Europe/Nowhere"}
    refused = operator.post(URL, as_shown(operator, URL) | wrong)
    assert set(errors(refused)) == {"currency", "time_zone"}
    assert not ProgramDefaults.objects.exists()


def test_of_two_who_set_them_the_second_is_told(operator: Client, login: Login) -> None:
    opened = as_shown(operator, URL)
    other = login("superuser")
    other.post(URL, as_shown(other, URL) | PARIS)
    refused = operator.post(URL, opened | {"time_zone": "Asia/Tokyo"})
    conflict = refused.context["adminform"].form["shown"].field.conflict
    assert "Time zone: UTC \N{RIGHTWARDS ARROW} Europe/Paris" in conflict.changes
    assert ProgramDefaults.current().time_zone == "Europe/Paris"
