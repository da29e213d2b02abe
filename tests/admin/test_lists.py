"""Lists of the record as people use them: filters, searches and pages, all in the address."""

import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import pytest
from django.contrib import admin
from django.test import Client

from authorizations.admin.lists.filters import RecordFilters
from authorizations.models import (
    Authorization,
    Decision,
    Export,
    LedgerEntry,
    PolicyVersion,
    ProofRun,
    RejectedMinute,
    RejectedRequest,
    WebhookRequest,
)
from authorizations.services.queries import by_time
from authorizations.web.middleware import COOKIES
from tests.admin import pages
from tests.support.damage import damage
from tests.support.desk import Shopper, deliver_forged, in_force

pytestmark = pytest.mark.django_db

LISTS = (
    Decision,
    Authorization,
    LedgerEntry,
    WebhookRequest,
    RejectedRequest,
    RejectedMinute,
    PolicyVersion,
    Export,
    ProofRun,
)
LIST = pages.list_url(Decision)


@pytest.fixture(scope="module", autouse=True)
def _purchases(one_transaction: None) -> None:
    in_force("Travel", spending_limits=[{"amount": 10_000, "interval": "monthly"}])
    shopper = Shopper(card={"last4": "4242"})
    for amount in (1_000, 2_000, 9_000):
        shopper.asks(amount)
    deliver_forged(b"{}")


@pytest.fixture
def auditor(one_auditor: str) -> Client:
    client = Client()
    client.cookies["sessionid"] = one_auditor
    return client


def opened(client: Client, url: str, **query: Any) -> Any:
    """The list as its template sees it; these tests ask nothing of the page made of it."""
    response: Any = pages.unrendered(client, url, query)
    assert response.status_code == 200
    return response.context_data["cl"]


def texts(changelist: Any) -> list[str]:
    return [active.words for active in changelist.active]


def test_page_links_keep_filters_and_search(
    auditor: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(110):
        Shopper().asks(0)
    query = {"outcome": "approved", "q": "lovelace"}
    newest = opened(auditor, LIST, **query)
    assert len(newest.result_list) == 50
    assert not newest.newer_url
    assert parse_qs(newest.older_url[1:])["q"] == ["lovelace"]
    middle = opened(auditor, LIST + newest.older_url)
    last = opened(auditor, LIST + middle.older_url)
    assert not last.older_url
    shown = [*newest.result_list, *middle.result_list, *last.result_list]
    approved = Decision.objects.filter(approved=True).order_by("-webhook_request_id")
    assert [row.pk for row in shown] == [row.pk for row in approved]
    back = opened(auditor, LIST + last.newer_url)
    assert list(back.result_list) == list(middle.result_list)
    assert list(opened(auditor, LIST + back.newest_url).result_list) == list(newest.result_list)
    html = auditor.get(LIST + newest.older_url).content.decode()
    assert all(f">{name}</a>" in html for name in ("Newest", "Newer", "Older"))


def test_active_filters_are_words_and_each_can_be_removed(auditor: Client) -> None:
    query = {
        "outcome": "declined",
        "reason": "amount_limit_exceeded",
        "from": "2026-11-01",
        "to": "2027-02-07",
        "currency": "eur",
        "amount_from": "50",
        "amount_to": "1,250.00",
        "country": "fr",
        "category": "fast_food_restaurants",
        "q": "Chez",
    }
    changelist = opened(auditor, LIST, **query)
    assert texts(changelist) == [
        "Declined",
        "Amount limit exceeded",
        "€50.00–€1,250.00",
        "Fast food restaurants",
        "France",
        "1 Nov 2026 – 7 Feb 2027",
        "Search “Chez”",
    ]
    assert changelist.describe().startswith("Declined · Amount limit exceeded · €50.00")
    without_money = parse_qs(changelist.active[2].without[1:])
    assert without_money.keys() == query.keys() - {"currency", "amount_from", "amount_to"}
    assert opened(auditor, LIST).describe() == ""


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"from": "2026-11-01", "to": "2026-11-07"}, "1–7 Nov 2026"),
        ({"from": "2026-10-30", "to": "2026-11-07"}, "30 Oct – 7 Nov 2026"),
        ({"from": "2026-11-07", "to": "2026-11-07"}, "7 Nov 2026"),
        ({"from": "2026-11-07"}, "Since 7 Nov 2026"),
        ({"to": "2026-11-07"}, "Until 7 Nov 2026"),
        ({"hour": "2026-11-18T23:00"}, "18 Nov 2026, 23:00–24:00"),
        ({"hour": "2026-11-18T14:00+01:00"}, "18 Nov 2026, 13:00–14:00"),
        ({"amount_from": "5", "currency": "jpy"}, "From ¥5"),
        ({"amount_to": "5", "currency": "EUR"}, "Up to €5.00"),
        ({"currency": "eur"}, "EUR"),
        ({"card": "ic_1"}, "Card •••• 4242 (ic_1)"),
        ({"q": " x" * 200}, f"Search “{('x ' * 30)[:60]}…”"),
    ],
)
def test_a_filter_in_words(auditor: Client, query: dict[str, str], words: str) -> None:
    assert texts(opened(auditor, LIST, **query)) == [words]


def test_a_policy_is_named(auditor: Client) -> None:
    version = PolicyVersion.objects.get()
    changelist = opened(auditor, LIST, policy=version.policy_id)
    assert texts(changelist) == ["Policy Travel"]
    assert len(changelist.result_list) == 3


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"from": "2026-13-45"}, "From: This is not a day."),
        ({"to": "0001-01-01"}, "To, included: Choose a day between 2000 and 2199."),
        ({"to": "9999-12-31"}, "To, included: Choose a day between 2000 and 2199."),
        ({"from": "2026-11-07", "to": "2026-11-06"}, "The last day is before the first."),
        ({"hour": "noon"}, "Hour: Write the hour such as 2026-11-18T14:00."),
        ({"hour": "9999-12-31T23:00"}, "Hour: Write the hour"),
        ({"outcome": "maybe"}, "Outcome: “maybe” is not a choice."),
        ({"reason": "<script>"}, "Reason: “<script>” is not a choice."),
        ({"amount_from": "abc", "currency": "eur"}, "Amount from: Write the amount in figures"),
        ({"amount_to": "12.345", "currency": "eur"}, "Amount to: Euro amounts have at most two"),
        ({"amount_to": "5"}, "Amount to: Choose a currency as well"),
        (
            {"amount_from": "6", "amount_to": "5", "currency": "eur"},
            "Amount to: This is less than “Amount from”.",
        ),
        ({"card": "ic_nobody"}, "Card: No card has this id."),
        ({"policy": "99999"}, "Policy: No policy has this id."),
        ({"policy": "abc"}, "Policy: No policy has this id."),
        ({"policy": "9" * 40}, "Policy: No policy has this id."),
        ({"category": "x" * 501}, "Category: Ensure this value has at most 500 characters"),
        ({"reason__exact": "no_policy"}, "This list has no filter “reason__exact”."),
        ({"before": "abc"}, "This page does not exist"),
        ({"after": "-1"}, "This page does not exist"),
    ],
)
def test_what_cannot_be_read_gets_a_sentence_and_no_rows(
    auditor: Client, query: dict[str, str], sentence: str
) -> None:
    response = auditor.get(LIST, query)
    assert response.status_code == 200
    changelist = response.context["cl"]
    assert [problem for problem in changelist.problems if problem.startswith(sentence)] or [
        problem for problem in changelist.problems if sentence in problem
    ]
    assert list(changelist.result_list) == []
    assert list(changelist.chunks(10)) == []
    assert changelist.describe() == ""
    assert "<script>”" not in response.content.decode()


@pytest.mark.parametrize("model", LISTS)
def test_every_list_has_days_and_says_what_it_cannot_read(auditor: Client, model: Any) -> None:
    url = pages.list_url(model)
    assert not opened(auditor, url, **{"from": "2020-01-01", "to": "2020-01-02"}).result_list
    assert opened(auditor, url, **{"from": "soon"}).problems
    assert opened(auditor, url, before="abc").problems
    every = list(opened(auditor, url).result_list)
    assert every or model in (Export, ProofRun)
    assert [row for chunk in opened(auditor, url).chunks(1) for row in chunk] == every


def test_days_are_those_of_the_reader(auditor: Client) -> None:
    row = Decision.objects.latest("webhook_request_id")
    damage(row, decided_at=datetime(2026, 3, 1, 3, tzinfo=UTC))
    found = {
        zone: opened_in(auditor, zone) for zone in ("UTC", "America/New_York", "Pacific/Kiritimati")
    }
    assert found == {"UTC": [row], "America/New_York": [], "Pacific/Kiritimati": [row]}


def opened_in(client: Client, zone: str) -> list[Any]:
    client.cookies[COOKIES[-1]] = zone
    return list(opened(client, LIST, **{"from": "2026-03-01", "to": "2026-03-01"}).result_list)


@pytest.mark.parametrize(
    ("model", "query", "number"),
    [
        (WebhookRequest, {"type": "issuing_authorization.request"}, 3),
        (WebhookRequest, {"type": "issuing_card.created"}, 0),
        (WebhookRequest, {"mode": "test"}, 3),
        (WebhookRequest, {"mode": "live"}, 0),
        (RejectedRequest, {"cause": "mismatch"}, 1),
        (RejectedRequest, {"cause": "too_old"}, 0),
        (RejectedRequest, {"q": "127.0"}, 1),
        (RejectedRequest, {"q": "10."}, 0),
        (LedgerEntry, {"cause": "hold"}, 2),
        (LedgerEntry, {"currency": "usd"}, 0),
        (Authorization, {"card": "ic_1"}, 3),
        (Authorization, {"cardholder": "ich_1", "currency": "eur"}, 3),
        (Authorization, {"country": "FR", "category": "bakeries"}, 3),
        (Authorization, {"country": "DE"}, 0),
        (Authorization, {"q": "4242"}, 3),
        (Authorization, {"q": "•••• 4242"}, 3),
        (Authorization, {"q": "lovelace"}, 3),
        (Authorization, {"q": "ic_1"}, 3),
        (Authorization, {"q": "ich_1"}, 3),
        (Authorization, {"q": "lepic"}, 3),
        (Authorization, {"q": "nobody"}, 0),
    ],
)
def test_the_other_lists_have_filters_of_their_own(
    auditor: Client, model: Any, query: dict[str, str], number: int
) -> None:
    assert len(opened(auditor, pages.list_url(model), **query).result_list) == number


def test_rows_are_found_by_the_ids_of_their_purchase(auditor: Client) -> None:
    decision = Decision.objects.filter(approved=True).latest("webhook_request_id")
    purchase = str(decision.authorization_id)
    expected: dict[Any, Any] = {
        WebhookRequest: decision.webhook_request,
        LedgerEntry: LedgerEntry.objects.get(authorization=purchase),
        Decision: decision,
        Authorization: decision.authorization,
    }
    for model, row in expected.items():
        assert opened(auditor, pages.list_url(model), q=purchase).result_list == [row]
        if model is not Authorization:
            assert opened(auditor, pages.list_url(model), q=decision.pk).result_list == [row]


def test_a_card_is_found_as_lists_show_it(auditor: Client) -> None:
    found = opened(auditor, LIST, q="•••• 4242")
    assert len(found.result_list) == Decision.objects.filter(card__last4="4242").count() > 0
    assert texts(found) == ["Search “4242”"]


def test_what_is_not_chosen_yet_says_that_all_are_shown(auditor: Client) -> None:
    html = auditor.get(LIST).content.decode()
    for name in ("card", "policy"):
        [tag] = re.findall(f'<select[^>]*name="{name}"[^>]*>', html)
        assert 'data-placeholder="All"' in tag


def test_a_page_that_stopped_looking_offers_to_look_further(
    auditor: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_time, "SMALL_BYTES", 0)
    monkeypatch.setattr(by_time, "BUDGET_S", 0)
    html = auditor.get(pages.list_url(WebhookRequest), {"mode": "live"}).content.decode()
    assert "Nothing else found as far as" in html
    assert "Look further back" in html


def test_no_filter_lists_all_cards_or_policies(auditor: Client) -> None:
    html = auditor.get(LIST).content.decode()
    assert "ic_1</option>" not in html
    assert "Travel</option>" not in html
    assert 'data-field-name="card"' in html


@pytest.mark.parametrize("model", LISTS)
def test_every_list_of_the_record_has_filters_and_an_order(model: Any) -> None:
    record: Any = admin.site._registry[model]
    assert issubclass(record.filters, RecordFilters)
    if model is not Decision:  # in the order of its requests
        model._meta.get_field(record.ordered_by)
