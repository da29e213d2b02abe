"""Any list as a file: what it shows, with its filters, and on record."""

import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest
from django.contrib import admin
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from authorizations.admin.exports.columns import AUTHORIZATIONS, DECISIONS, LEDGER, REQUESTS
from authorizations.models import (
    Authorization,
    Decision,
    Export,
    LedgerEntry,
    WebhookRequest,
)
from simulator.stripe.sample_merchants import MERCHANTS
from tests.admin import pages
from tests.support.desk import Shopper, deliver, in_force

pytestmark = pytest.mark.django_db

LISTS = {
    Decision: DECISIONS,
    WebhookRequest: REQUESTS,
    Authorization: AUTHORIZATIONS,
    LedgerEntry: LEDGER,
}
ADA = Shopper(card={"last4": "4242"})
ODD = MERCHANTS[0]._replace(name='=HYPERLINK("http://evil.example")\r\nCafé ☕')


@pytest.fixture
def decided(db: None) -> None:
    """An approval, a decline and an odd merchant, in that order."""
    in_force("Travel", spending_limits=[{"amount": 20_000, "interval": "monthly"}])
    ADA.asks(9_000)
    ADA.asks(15_000)
    Shopper(card_id="ic_2", cardholder_id="ich_2").asks(100, merchant=ODD)


def export_url(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_export")


def sent(client: Client, model: type[Model], format_: str, query: dict[str, str]) -> Any:
    return client.post(export_url(model), {"format": format_}, query_params=query)


def as_csv(client: Client, model: type[Model] = Decision, **query: str) -> list[dict[str, str]]:
    text = sent(client, model, "csv", query).getvalue().decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def as_json(client: Client, model: type[Model] = Decision, **query: str) -> list[dict[str, Any]]:
    return [
        json.loads(line) for line in sent(client, model, "jsonl", query).getvalue().splitlines()
    ]


def test_a_decision_is_told_in_full(auditor: Client, decided: None) -> None:
    _, declined, approved = as_csv(auditor)
    row = Decision.objects.get(approved=False)
    assert declined == {
        "decided_at": row.decided_at.isoformat().replace("+00:00", "Z"),
        "event": row.pk,
        "authorization": row.authorization_id,
        "card": "ic_1",
        "last4": "4242",
        "cardholder": "ich_1",
        "cardholder_name": "Ada Lovelace",
        "outcome": "declined",
        "reason": "amount_limit_exceeded",
        "reason_label": "Amount limit exceeded",
        "decided_by": "desk",
        "amount": "150.00",
        "amount_in_smallest_unit": "15000",
        "currency": "eur",
        "approved_amount": "0.00",
        "approved_amount_in_smallest_unit": "0",
        "merchant": row.merchant_name,
        "category": row.category,
        "mcc": row.category_code,
        "merchant_country": row.merchant_country,
        "policies": "Travel, version 1",
        "duration_ms": str(row.duration_us / 1000),
        "explanation": declined["explanation"],
        "stand_in": "",
        "supersedes": "",
        "exception": "",
    }
    assert "€90.00 used + €150.00 = €240.00, €40.00 over." in declined["explanation"]
    assert (approved["outcome"], approved["reason"], approved["approved_amount"]) == (
        *("approved", "", "90.00"),
    )


def test_json_lines_have_types_and_all_a_decision_rests_on(auditor: Client, decided: None) -> None:
    declined = as_json(auditor)[1]
    row = Decision.objects.get(approved=False)
    assert declined["amount_in_smallest_unit"] == 15_000
    assert declined["amount"] == "150.00"
    assert declined["policies"] == [{"name": "Travel", "version": 1}]
    assert datetime.fromisoformat(declined["decided_at"]) == row.decided_at
    assert (declined["trace"], declined["request"]) == (row.trace, row.request)


def test_an_odd_merchant_harms_no_spreadsheet_and_stays_exact_in_json(
    auditor: Client, decided: None
) -> None:
    row = Decision.objects.get(card="ic_2")
    assert row.merchant_name.startswith("=HYPERLINK")
    merchant = as_csv(auditor)[0]["merchant"]
    assert merchant.startswith("'=HYPERLINK")
    assert merchant.endswith("Café ☕")
    assert "\n" not in merchant
    assert as_json(auditor)[0]["merchant"] == row.merchant_name


@pytest.mark.parametrize(
    ("currency", "amount"), [("eur", "12.34"), ("jpy", "1234"), ("kwd", "1.234")]
)
def test_amounts_have_the_decimals_of_their_currency(
    auditor: Client, currency: str, amount: str
) -> None:
    Shopper().asks(1234, currency=currency)
    assert as_csv(auditor)[0]["amount"] == as_json(auditor)[0]["amount"] == amount


def test_a_request_that_could_not_be_read_is_exported_with_gaps(auditor: Client) -> None:
    event = Shopper().event(Shopper().purchase(100), "evt_broken")
    del event["data"]["object"]["pending_request"]
    deliver(event)
    row = as_json(auditor)[0]
    assert (row["event"], row["amount"], row["card"], row["last4"]) == ("evt_broken", *[None] * 3)
    assert "unreadable" in row["explanation"]
    assert as_csv(auditor)[0]["amount"] == ""


def test_a_request_is_exported_with_its_body_as_it_came(auditor: Client, decided: None) -> None:
    rows = as_json(auditor, WebhookRequest)
    kept = WebhookRequest.objects.latest("pk")
    assert rows[0]["body"].encode() == bytes(kept.body)
    assert (rows[0]["body_sha256"], rows[0]["status"]) == (kept.body_sha256, 200)
    assert "body" not in as_csv(auditor, WebhookRequest)[0]


@pytest.mark.parametrize("model", LISTS)
def test_the_rows_are_those_of_the_list_in_its_order(
    auditor: Client, decided: None, model: type[Model]
) -> None:
    shown = [row.pk for row in auditor.get(pages.list_url(model)).context["cl"].result_list]
    key = {
        Decision: "event",
        WebhookRequest: "request",
        Authorization: "authorization",
        LedgerEntry: "entry",
    }[model]
    assert [row[key] for row in as_json(auditor, model)] == shown
    assert [row[key] for row in as_csv(auditor, model)] == [str(pk) for pk in shown]


def test_filter_and_search_are_kept(auditor: Client, decided: None) -> None:
    assert [row["event"] for row in as_csv(auditor, outcome="declined")] == [
        Decision.objects.get(approved=False).pk
    ]
    assert {row["card"] for row in as_csv(auditor, q="ic_1")} == {"ic_1"}
    assert [row["card"] for row in as_csv(auditor, q="ic_2", outcome="declined")] == []


def test_the_buttons_carry_the_filter_and_forget_the_page(auditor: Client, decided: None) -> None:
    newest = Decision.objects.latest("webhook_request_id").webhook_request_id
    query = {"outcome": "declined", "q": "ic_1", "before": str(newest + 1)}
    html = auditor.get(pages.list_url(Decision), query).content.decode()
    action = re.search(r'<form method="post" action="(export/[^"]*)"', html)
    assert action
    assert "outcome=declined" in action[1]
    assert "q=ic_1" in action[1]
    assert "before" not in action[1]
    assert 'name="format" value="csv"' in html
    assert 'name="format" value="jsonl"' in html


def test_a_filter_that_means_nothing_exports_nothing(auditor: Client, decided: None) -> None:
    response = sent(auditor, Decision, "csv", {"outcome": "perhaps"})
    assert response.headers["Location"] == f"{pages.list_url(Decision)}?outcome=perhaps"
    assert not Export.objects.exists()


def test_every_export_is_on_record_with_its_filter_in_words(auditor: Client, decided: None) -> None:
    as_csv(auditor, outcome="declined")
    export = Export.objects.get()
    assert (export.author.username, export.what, export.format) == ("auditors", "decisions", "csv")
    assert export.query == "outcome=declined"
    assert "eclined" in export.filter
    assert (export.end.rows, export.end.complete) == (1, True)
    assert "Declined" in auditor.get(pages.change_url(export)).content.decode()


def test_the_list_of_exports_says_who_took_what_and_whether_all_of_it(
    auditor: Client, decided: None
) -> None:
    as_json(auditor)
    sent(auditor, Decision, "csv", {})  # whose rows nobody reads
    html = auditor.get(pages.list_url(Export)).content.decode()
    assert all(text in html for text in ("auditors", "JSON Lines", "CSV", "Complete", "Not ended"))


def test_an_export_is_a_download_that_nobody_keeps_by_the_way(
    auditor: Client, decided: None
) -> None:
    response = sent(auditor, Decision, "csv", {})
    assert re.fullmatch(
        r'attachment; filename="decisions-\d{4}-\d\d-\d\dT\d{4}Z\.csv"',
        response.headers["Content-Disposition"],
    )
    assert response.headers["Content-Type"].startswith("text/csv")
    assert "no-store" in response.headers["Cache-Control"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "Content-Length" not in response.headers
    response.getvalue()


@pytest.mark.parametrize("method", ["get", "head"])
def test_opening_the_address_exports_nothing_and_leads_to_the_list(
    auditor: Client, decided: None, method: str
) -> None:
    response = getattr(auditor, method)(f"{export_url(Decision)}?outcome=declined&format=csv")
    assert response.headers["Location"].startswith(pages.list_url(Decision))
    assert not Export.objects.exists()


def test_another_site_cannot_start_an_export(auditor: Client, decided: None) -> None:
    checked = Client(enforce_csrf_checks=True)
    checked.cookies = auditor.cookies
    assert sent(checked, Decision, "csv", {}).status_code == 403
    assert not Export.objects.exists()


@pytest.mark.parametrize("model", LISTS)
def test_who_may_not_see_a_list_may_not_export_it(
    login: Callable[[str], Client], decided: None, model: type[Model]
) -> None:
    assert sent(login(""), model, "csv", {}).status_code == 403
    assert not Export.objects.exists()


@pytest.mark.parametrize("model", LISTS)
@pytest.mark.parametrize("format_", ["csv", "jsonl"])
def test_no_export_costs_a_query_per_row(auditor: Client, model: type[Model], format_: str) -> None:
    for number in range(12):
        in_force(f"P{number}")
        Shopper(card_id=f"ic_{number}", cardholder_id=f"ich_{number}").asks(10)
        if number == 1:
            few = queries(auditor, model, format_)
    assert queries(auditor, model, format_) == few


def queries(client: Client, model: type[Model], format_: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        sent(client, model, format_, {}).getvalue()
    return len(captured)


def test_rows_that_arrive_meanwhile_disturb_nothing(
    auditor: Client, decided: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    decisions = admin.site._registry[Decision]
    monkeypatch.setattr(decisions, "exported", replace(DECISIONS, size=2))
    before = {row["event"] for row in as_json(auditor)}
    response = sent(auditor, Decision, "jsonl", {})
    parts = iter(response.streaming_content)
    first = next(parts) + next(parts)
    ADA.asks(1)
    lines = b"".join([first, *parts]).splitlines()
    assert sorted(json.loads(line)["event"] for line in lines) == sorted(before)


@pytest.mark.django_db(transaction=True)
def test_an_export_streams_over_a_real_server_and_its_end_is_recorded(
    decided: None, auditor: Client, live_server: Any
) -> None:
    token = "t" * 32
    cookies = f"sessionid={auditor.cookies['sessionid'].value}; csrftoken={token}"
    sent = urlencode({"format": "csv", "csrfmiddlewaretoken": token}).encode()
    request = Request(live_server.url + export_url(Decision), sent, {"Cookie": cookies})  # noqa: S310
    with urlopen(request) as response:  # noqa: S310
        lines = response.read().splitlines()
    assert len(lines) == 1 + Decision.objects.count()
    end = Export.objects.get().end
    assert (end.rows, end.complete) == (3, True)
