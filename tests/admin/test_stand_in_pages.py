"""Stand-in in the admin: switching it, its history, and the decisions it made."""

from collections.abc import Iterator
from pathlib import Path
from time import time
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from authorizations.admin.stand_in.state import BREAKER_OPEN
from authorizations.models import Decision, StandInSwitch
from authorizations.rules.decision.stand_in import StandInCause
from authorizations.rules.wording.stand_in_words import CAUSES
from authorizations.services.digest import update
from authorizations.services.stand_in import replay_one, switch
from authorizations.services.webhook.answering import breaker
from tests.admin.conftest import Login
from tests.admin.pages import change_url
from tests.support.desk import Shopper, deliver, in_force
from tests.support.spool import answered
from tests.support.stand_in import delivery, knows, on_this_host, spooled, stood_in

pytestmark = pytest.mark.django_db

LIST = "/admin/authorizations/standinswitch/"
SWITCH = f"{LIST}switch/"
DECISIONS = "/admin/authorizations/decision/"


@pytest.fixture(autouse=True)
def host(tmp_path: Path) -> Iterator[Path]:
    with on_this_host(tmp_path / "spool") as directory:
        yield directory


def page(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return response.content.decode()


def switched(client: Client, **sent: str) -> Any:
    return client.post(SWITCH, {"on": "on", "reason": "Migration tonight"} | sent, follow=True)


# --- the switch


def test_an_operator_switches_it_on_with_a_reason_and_off_again(
    operator: Client, django_capture_on_commit_callbacks: Any
) -> None:
    assert "Off: the database decides" in page(operator, LIST)
    with django_capture_on_commit_callbacks(execute=True):
        response = switched(operator)
    assert "Stand-in is switched on." in response.content.decode()
    assert switch.is_on()
    shown = page(operator, LIST)
    assert "Switched on by operations" in shown
    assert "Migration tonight" in shown
    with django_capture_on_commit_callbacks(execute=True):
        switched(operator, on="off", reason="Done")
    assert not switch.is_on()
    rows = StandInSwitch.objects.order_by("pk").values_list("is_on", "reason")
    assert list(rows) == [(True, "Migration tonight"), (False, "Done")]


def test_without_a_reason_nothing_is_switched(operator: Client) -> None:
    response = switched(operator, reason="")
    assert "Give a reason: others will ask why." in response.content.decode()
    assert not StandInSwitch.objects.exists()


def test_who_comes_second_is_told_so_and_switches_nothing_back(operator: Client) -> None:
    switched(operator)
    response = switched(operator, reason="Me too")
    assert "it was already switched on" in response.content.decode()
    assert StandInSwitch.objects.count() == 1


def test_auditors_see_the_history_and_no_way_to_switch(operator: Client, auditor: Client) -> None:
    switched(operator)
    shown = page(auditor, LIST)
    assert "Migration tonight" in shown
    assert SWITCH not in shown
    assert auditor.post(SWITCH, {"on": "off", "reason": "No"}).status_code == 403
    assert StandInSwitch.objects.count() == 1


EVERYWHERE = (
    "/admin/",
    LIST,
    DECISIONS,
    "/admin/authorizations/card/",
    "/admin/authorizations/card/ic_1/change/",
    "/admin/authorizations/policy/",
    "/admin/authorizations/historyentry/",
    "/admin/authorizations/authorization/past/",
    "/admin/password_change/",
)


def test_every_page_says_while_it_is_on_and_while_the_database_does_not_answer(
    operator: Client, auditor: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    Shopper().asks(100)
    banner, off = 'role="status" aria-label="Stand-in"', "Switch off</a>"
    assert not [url for url in EVERYWHERE if banner in page(auditor, url)]
    switched(operator)
    for url in EVERYWHERE:
        told = page(auditor, url)
        assert banner in told, url
        assert "Migration tonight" in told, url
        assert off not in told, url
    assert off in page(operator, DECISIONS)
    switched(operator, on="off", reason="Done")
    assert not [url for url in EVERYWHERE if banner in page(auditor, url)]
    monkeypatch.setattr(breaker, "is_open", True)
    for url in EVERYWHERE:
        assert BREAKER_OPEN in page(auditor, url), url
    assert off not in page(operator, DECISIONS)


def test_what_switching_on_does_is_said_in_numbers_before_it_is_done(operator: Client) -> None:
    assert "Nothing was approved in the last hour" in page(operator, SWITCH)
    limits: dict[str, Any] = {"spending_limits": [{"amount": 10_000, "interval": "daily"}]}
    in_force(**limits)
    for _ in range(2):
        assert Shopper(at=int(time())).reason(100) == "approved"
    shown = page(operator, SWITCH)
    told = "With your policies, of the last hour&#x27;s 2 approvals 0 would have been approved."
    assert told in shown
    assert "Of 1 policy in force with limits, 0 have emergency limits for stand-in." in shown
    assert shown.index(told) < shown.rindex("Switch on")
    in_force(**limits, stand_in_amount=500, stand_in_cap=500)
    assert "2 approvals 2 would have been approved." in page(operator, SWITCH)


def test_without_a_role_nothing_is_told_of_it(login: Login, operator: Client) -> None:
    switched(operator)
    assert "Migration tonight" not in page(login(""), "/admin/")


def test_the_page_tells_how_old_the_copy_is(operator: Client) -> None:
    assert "This server has no copy" in page(operator, SWITCH)
    knows(age_s=120)
    assert "is 2 minutes old" in page(operator, LIST)


# --- its decisions


def replayed(host: Path, event_id: str, cause: StandInCause) -> None:
    """Decided by stand-in, and brought into the books."""
    stood_in(delivery(Shopper().event(Shopper().purchase(100), event_id=event_id)), cause)
    replay_one.replay(spooled(host)[-1])


@pytest.fixture
def stand_ins(host: Path) -> None:
    in_force()
    Shopper().asks(100, event_id="evt_usual")
    knows({"spending_limits": [{"amount": 1, "interval": "monthly"}]}, cards=())
    replayed(host, "evt_missed", StandInCause.DEADLINE_MISSED)
    replayed(host, "evt_hand", StandInCause.SWITCHED_ON)


@pytest.mark.parametrize("digested", [True, False])
@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        ("", {"evt_usual", "evt_missed", "evt_hand"}),
        ("any", {"evt_missed", "evt_hand"}),
        ("switched_on", {"evt_hand"}),
        ("overloaded", set()),
    ],
)
def test_the_list_is_filtered_by_stand_in_and_its_cause(
    stand_ins: None, operator: Client, chosen: str, found: set[str], *, digested: bool
) -> None:
    if digested:
        update.catch_up(30)
    response = operator.get(DECISIONS, {"stand_in": chosen})
    assert {row.pk for row in response.context["cl"].result_list} == found


def test_the_list_and_the_page_say_stand_in_and_why(stand_ins: None, operator: Client) -> None:
    assert page(operator, f"{DECISIONS}?stand_in=any").count("Stand-in") > page(
        operator, f"{DECISIONS}?stand_in=overloaded"
    ).count("Stand-in")
    shown = page(operator, f"{DECISIONS}evt_5Fmissed/change/")
    assert (
        f"Answered by stand-in, without the database. {CAUSES[StandInCause.DEADLINE_MISSED]}"
        in shown
    )
    assert "The card was not in the server" in shown
    assert "Answered by stand-in" not in page(operator, f"{DECISIONS}evt_5Fusual/change/")


def test_exports_tell_the_cause(stand_ins: None, operator: Client) -> None:
    url = reverse("admin:authorizations_decision_export")
    lines = operator.post(url, {"format": "csv"}).getvalue().decode()
    header, *rows = [line for line in lines.splitlines() if line]
    assert ",stand_in,supersedes" in header
    assert [row for row in rows if "evt_missed" in row and "deadline_missed" in row]


def test_two_decisions_of_one_request_name_each_other(operator: Client) -> None:
    in_force()
    event = Shopper().event(Shopper().purchase(100), event_id="evt_a")
    deliver(event)
    recorded = Decision.objects.select_related("webhook_request").get(pk="evt_a")
    at = recorded.webhook_request.received_at
    replay_one.replay(answered(event, None, cause="deadline_missed", received_at=at))
    sent = Decision.objects.get(supersedes="evt_a")
    assert "This answer was not sent in time" in page(operator, change_url(recorded))
    assert "This answer was sent to Stripe" in page(operator, change_url(sent))


def test_two_answers_to_one_event_name_each_other(operator: Client) -> None:
    in_force()
    event = Shopper().event(Shopper().purchase(100), event_id="evt_a")
    deliver(event)
    replay_one.replay(answered(event, None, cause="deadline_missed"))
    for row in Decision.objects.all():
        assert "was also sent for this event" in page(operator, change_url(row))
