"""The check of a decision's record: open to everyone who may see decisions, and changes nothing."""

from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.urls import reverse

from authorizations.admin.decisions import record_check
from authorizations.models import Decision, PolicyVersion
from authorizations.services.host import versions as version_cache
from tests.admin import pages
from tests.admin.conftest import Login
from tests.support.damage import damage
from tests.support.desk import Shopper, in_force

pytestmark = pytest.mark.django_db

SAME = "Checked just now: the record gives the same answer and the same trace."


@pytest.fixture
def decision() -> Decision:
    in_force(
        "Travel",
        blocked_merchant_countries=["KP"],
        spending_limits=[{"amount": 10_000, "interval": "monthly"}],
    )
    Shopper().asks(3_000)
    Shopper().asks(4_000, event_id="evt_it")
    return Decision.objects.get(pk="evt_it")


def check_url(decision: Decision) -> str:
    return reverse("admin:authorizations_decision_again", args=[quote(decision.pk)])


def check(client: Client, decision: Decision) -> Any:
    version_cache._cache.clear()  # as in a process that has just started
    response = client.post(check_url(decision))
    assert response.status_code == 200
    return response


def test_the_same_answer_gets_a_green_mark(auditor: Client, decision: Decision) -> None:
    html = check(auditor, decision).content.decode()
    assert SAME in html
    assert "desk-mark--good" in html
    assert SAME not in auditor.get(pages.change_url(decision)).content.decode()


def test_every_kind_of_decision_can_be_checked(auditor: Client, decision: Decision) -> None:
    in_force("Fuel", partial_approval=True, spending_limits=[{"amount": 1, "interval": "daily"}])
    Shopper(card_id="ic_2", cardholder_id="ich_2").asks(50_000)
    for row in Decision.objects.all():
        assert check(auditor, row).context["record_check"].is_same


@pytest.mark.parametrize(
    ("columns", "difference"),
    [
        ({"approved_amount": 3_999}, ("Approved amount", "€39.99", "€40.00")),
        ({"is_partial": True}, ("Partially approved", "Yes", "No")),
        ({"currency": "usd"}, ("Currency", "usd", "eur")),
        (
            {"approved": False, "approved_amount": 0, "reason": "card_frozen"},
            ("Reason", "Card frozen", "None"),
        ),
    ],
)
def test_a_changed_column_is_shown_in_red_and_in_words(
    auditor: Client, decision: Decision, columns: dict[str, Any], difference: tuple[str, str, str]
) -> None:
    damage(decision, **columns)
    response = check(auditor, decision)
    assert difference in response.context["record_check"].differences
    assert "desk-mark--bad" in response.content.decode()
    assert record_check.DIFFERENT in response.content.decode()


def test_a_changed_rule_is_shown_in_sentences(auditor: Client, decision: Decision) -> None:
    decision.trace[-1]["figures"]["used"] = 0
    damage(decision, trace=decision.trace)
    [difference] = check(auditor, decision).context["record_check"].differences
    assert difference.what == "Rule 3, policy Travel"
    assert "€0.00 used + €40.00 = €40.00" in difference.kept
    assert "€30.00 used + €40.00 = €70.00" in difference.found


def test_a_rule_whose_sentences_are_the_same_is_shown_by_what_differs(
    auditor: Client, decision: Decision
) -> None:
    decision.trace[-1]["policy"] = "Another"
    damage(decision, trace=decision.trace)
    [difference] = check(auditor, decision).context["record_check"].differences
    assert (difference.kept, difference.found) == ("policy: Another", "policy: Travel")


def test_a_figure_that_no_sentence_names_is_shown_by_its_name(
    auditor: Client, decision: Decision
) -> None:
    decision.trace[-1]["figures"]["start"] = 5
    damage(decision, trace=decision.trace)
    [difference] = check(auditor, decision).context["record_check"].differences
    assert difference.kept == "start: 5"


@pytest.mark.parametrize("rule", [{}, "?", {"rule": "weather_too_bad"}, {"figures": "?"}])
def test_a_rule_that_cannot_be_read_is_shown_as_well(
    auditor: Client, decision: Decision, rule: Any
) -> None:
    damage(decision, trace=[rule, *decision.trace[1:]])
    [difference] = check(auditor, decision).context["record_check"].differences
    assert difference.what == "Rule 1, policy Travel"
    assert "passed: True" in difference.found


@pytest.mark.parametrize(
    "columns", [{"trace": []}, {"usage": "?"}, {"policies": [{"version": 1}]}, {"context": None}]
)
def test_what_is_gone_is_named(
    auditor: Client, decision: Decision, columns: dict[str, Any]
) -> None:
    damage(decision, **columns)
    result = check(auditor, decision).context["record_check"]
    assert result.is_same is False
    assert result.differences


@pytest.mark.parametrize("policy", [{"scope": "planet:"}, {"measured": "?"}])
def test_a_row_that_cannot_be_read_gets_a_sentence(
    auditor: Client, decision: Decision, policy: dict[str, str]
) -> None:
    damage(decision, policies=[decision.policies[0] | policy])
    result = check(auditor, decision).context["record_check"]
    assert (result.sentence, result.is_same) == (record_check.UNREADABLE_RECORD, None)


def test_a_version_that_cannot_be_read_gets_a_sentence(auditor: Client, decision: Decision) -> None:
    damage(PolicyVersion.objects.get(), content="{")
    html = check(auditor, decision).content.decode()
    assert "part of it can&#x27;t be read" in html


def test_a_database_that_takes_too_long_gets_a_sentence(
    auditor: Client, decision: Decision, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(decision_id: str) -> list[Any]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(20)")
        return []

    monkeypatch.setattr(record_check, "TIMEOUT_MS", 50)
    monkeypatch.setattr(record_check, "redecide", slow)
    assert record_check.NO_ANSWER in check(auditor, decision).content.decode()


def test_it_cannot_write_and_leaves_the_connection_able_to(
    auditor: Client, decision: Decision, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgetful(decision_id: str) -> list[Any]:
        User.objects.create(username="written")
        return []

    monkeypatch.setattr(record_check, "redecide", forgetful)
    assert record_check.NO_ANSWER in check(auditor, decision).content.decode()
    assert not User.objects.filter(username="written").exists()
    User.objects.create(username="written-later")


def test_nothing_is_recorded(auditor: Client, decision: Decision) -> None:
    before = list(Decision.objects.values())
    check(auditor, decision)
    assert list(Decision.objects.values()) == before


@pytest.mark.parametrize("role", ["Operations", "Auditors", "superuser"])
def test_whoever_may_look_may_ask(login: Login, decision: Decision, role: str) -> None:
    assert check(login(role), decision).context["record_check"].is_same


def test_the_permission_to_view_is_enough_and_none_is_too_little(
    login: Login, decision: Decision
) -> None:
    client = login("")
    assert client.post(check_url(decision)).status_code == 403
    User.objects.get().user_permissions.add(Permission.objects.get(codename="view_decision"))
    assert SAME in client.post(check_url(decision)).content.decode()
    assert Client().post(check_url(decision)).status_code == 302


def test_without_the_page_s_token_nothing_is_done(decision: Decision) -> None:
    admin = User.objects.create_superuser("root", password="pass-word-1")
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin)
    assert client.post(check_url(decision)).status_code == 403


def test_to_open_the_address_leads_to_the_decision(auditor: Client, decision: Decision) -> None:
    assert auditor.get(check_url(decision)).url == pages.change_url(decision)  # type: ignore[attr-defined]


def test_a_decision_that_is_not_there_leads_home(auditor: Client, decision: Decision) -> None:
    url = reverse("admin:authorizations_decision_again", args=["evt_unknown"])
    assert auditor.post(url).status_code == 302
