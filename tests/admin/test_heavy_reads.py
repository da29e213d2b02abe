"""Heavy pages wait for each other, and light ones for nobody."""

import re
import runpy
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from threading import Event
from time import sleep
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, reverse

from authorizations.admin.decisions.pages import DecisionAdmin
from authorizations.models import Decision, Export
from authorizations.services.host.heavy_reads import turn
from authorizations.web import heavy_reads
from tests.deploy.serving import DEPLOY
from tests.support.desk import Shopper, in_force
from tests.support.threads import apart
from tests.support.timeouts import PATIENCE_S

pytestmark = pytest.mark.django_db

DECISIONS = "/admin/authorizations/decision/"


@pytest.fixture(autouse=True)
def one_at_a_time(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.HEAVY_READS = 1
    settings.SPOOL_DIR = tmp_path
    monkeypatch.setattr(heavy_reads, "WAIT_S", 0.05)


@pytest.fixture
def others_read() -> Iterator[None]:
    """Somebody else has the only turn."""
    with turn(PATIENCE_S):
        yield


def _kinds(patterns: list[URLPattern | URLResolver]) -> Iterator[str]:
    for one in patterns:
        if isinstance(one, URLResolver):
            yield from _kinds(one.url_patterns)
        elif one.name:
            yield one.name.rpartition("_")[2]


def test_each_kind_of_page_is_heavy_or_known_to_be_light() -> None:
    """A new page of which nothing is said is heavy."""
    kinds = set(_kinds(admin.site.urls[0]))
    assert kinds >= heavy_reads._LIGHT_AT_FIRST | heavy_reads._HEAVY_FORMS
    assert kinds - heavy_reads._LIGHT - heavy_reads._LIGHT_AT_FIRST == {"past", "assignments"}
    assert kinds >= heavy_reads._LIGHT, "a page is named that is not there any more"


@pytest.mark.parametrize(
    ("method", "address", "is_heavy"),
    [
        ("GET", "/admin/", False),
        ("GET", "/admin/?period=30d", True),
        ("GET", DECISIONS, False),
        ("HEAD", f"{DECISIONS}?q=hotel", True),
        ("GET", f"{DECISIONS}?q=hotel", True),
        ("GET", f"{DECISIONS}?before=17", True),
        ("GET", f"{DECISIONS}evt_1/change/", False),
        ("GET", f"{DECISIONS}evt_1/change/?_changelist_filters=q%3Dhotel", False),
        ("POST", f"{DECISIONS}export/", True),
        ("GET", f"{DECISIONS}export/?q=hotel", False),
        ("POST", f"{DECISIONS}evt_1/again/", True),
        ("POST", f"{DECISIONS}?q=hotel", False),
        ("GET", "/admin/authorizations/policy/1/assignments/", True),
        ("POST", "/admin/authorizations/policy/1/assign/", False),
        ("POST", "/admin/authorizations/policy/add/?q=hotel", False),
        ("GET", "/admin/authorizations/standinswitch/health/", False),
        ("GET", "/admin/login/?next=/admin/", False),
        ("GET", "/admin/second-factor/?q=hotel", False),
        ("GET", "/admin/nothing/there/?q=hotel", False),
        ("GET", "/healthz?q=hotel", False),
        ("POST", "/webhook?q=hotel", False),
    ],
)
def test_what_is_searched_filtered_exported_or_checked_is_heavy(
    method: str, address: str, *, is_heavy: bool
) -> None:
    assert heavy_reads.is_heavy(RequestFactory().generic(method, address)) is is_heavy


def test_a_search_whose_turn_does_not_come_says_so_and_loses_nothing(
    auditor: Client, others_read: None
) -> None:
    response = auditor.get(DECISIONS, {"q": 'Café "Zur Post" <&>', "outcome": "declined"})
    text = response.content.decode()
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert response["Cache-Control"] == "no-store"
    assert "Others are searching" in text
    assert f'<form method="get" action="{DECISIONS}">' in text
    assert 'name="q" value="Café &quot;Zur Post&quot; &lt;&amp;&gt;"' in text
    assert 'name="outcome" value="declined"' in text


def test_an_export_whose_turn_does_not_come_is_asked_for_again_by_its_form(
    auditor: Client, others_read: None
) -> None:
    address = f"{DECISIONS}export/?q=hotel&outcome=declined"
    client = Client(enforce_csrf_checks=True)
    client.cookies = auditor.cookies
    client.cookies["csrftoken"] = token = "a" * 32
    response = client.post(address, {"format": "csv", "csrfmiddlewaretoken": token})
    text = response.content.decode()
    assert response.status_code == 503
    assert f'<form method="post" action="{address.replace("&", "&amp;")}">' in text
    assert re.findall(r'name="(\w+)"', text.partition("<form")[2]) == (
        ["csrfmiddlewaretoken", "format"]
    )
    assert not Export.objects.exists()


def test_light_pages_wait_for_nobody(auditor: Client, others_read: None) -> None:
    Shopper().asks(100)
    decision = Decision.objects.get()
    page = reverse("admin:authorizations_decision_change", args=[decision.pk])
    for address in ("/admin/", DECISIONS, page, "/admin/authorizations/standinswitch/health/"):
        assert auditor.get(address).status_code == 200, address
    assert Client().get("/admin/login/").status_code == 200
    assert Client().get(DECISIONS, {"q": "hotel"}).status_code == 302  # to log in


def test_whoever_changes_something_waits_for_nobody(operator: Client, others_read: None) -> None:
    response = operator.post("/admin/authorizations/policy/add/?q=hotel", {})
    assert response.status_code == 200
    assert b"Please correct" in response.content


def test_a_search_has_a_turn_as_soon_as_there_is_one(auditor: Client) -> None:
    with turn(PATIENCE_S):
        assert auditor.get(DECISIONS, {"q": "hotel"}).status_code == 503
    for _ in range(2):
        assert auditor.get(DECISIONS, {"q": "hotel"}).status_code == 200


def test_an_export_gives_its_turn_back_after_each_part(
    auditor: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_force("Travel")
    for number in range(3):
        Shopper(card_id=f"ic_{number}").asks(100)
    small = replace(DecisionAdmin.exported, size=1)
    monkeypatch.setattr(DecisionAdmin, "exported", small)
    response: Any = auditor.post(f"{DECISIONS}export/", {"format": "csv"})
    parts = []
    for part in response.streaming_content:
        parts.append(part)
        with turn(0):  # raises BusyError where the export still has it
            assert auditor.get("/admin/").status_code == 200
    assert len(parts) == 4  # the head as well
    assert Export.objects.get().end.complete


def test_a_part_of_an_export_waits_for_its_turn(auditor: Client) -> None:
    Shopper().asks(100)
    response: Any = auditor.post(f"{DECISIONS}export/", {"format": "csv"})
    parts = iter(response.streaming_content)
    assert next(parts).startswith(b"\xef\xbb\xbfdecided_at")
    is_over, has_turn = Event(), Event()

    def read() -> None:
        with turn(PATIENCE_S):
            has_turn.set()
            is_over.wait(0.3)
            is_over.set()

    other = apart(read)
    assert has_turn.wait(PATIENCE_S)
    assert b"evt_" in next(parts)
    assert is_over.is_set()
    assert not [*parts]
    other.result(PATIENCE_S)


@pytest.fixture
def asked(staff: Callable[[str], User]) -> Callable[[str], HttpRequest]:
    user = staff("Auditors")

    def ask(address: str) -> HttpRequest:
        request = RequestFactory().get(address)
        request.user = user
        return request

    return ask


def test_heavy_pages_never_occupy_all_threads(
    asked: Callable[[str], HttpRequest], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.HEAVY_READS = 50
    monkeypatch.setattr(heavy_reads, "WAIT_S", PATIENCE_S)
    released = Event()

    def page(request: HttpRequest) -> HttpResponse:
        if request.GET:
            assert released.wait(PATIENCE_S)
        return HttpResponse("the page")

    middleware = heavy_reads.HeavyReadsTakeTurns(page)
    search, light = asked(f"{DECISIONS}?q=hotel"), asked(DECISIONS)
    busy: list[Future[Any]] = [
        apart(lambda: middleware(search)) for _ in range(heavy_reads.MOST_THREADS)
    ]
    while middleware.threads.acquire(blocking=False):
        middleware.threads.release()
        sleep(0.01)
    assert middleware(search).status_code == 503
    assert middleware(light).status_code == 200
    released.set()
    assert {one.result(PATIENCE_S).status_code for one in busy} == {200}
    assert middleware(search).status_code == 200


def test_some_threads_of_the_admins_server_remain_for_light_pages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    server = runpy.run_path(str(DEPLOY / "gunicorn.conf.py"))
    assert server["threads"] - heavy_reads.MOST_THREADS >= 4
