"""The record in the admin: everything that was decided, in words, and nothing to edit."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client

from authorizations.models import (
    Authorization,
    Card,
    CardGroup,
    Decision,
    LedgerEntry,
    PolicyVersion,
    RejectedMinute,
    RejectedRequest,
    WebhookRequest,
)
from tests.admin import pages
from tests.support.desk import Shopper, deliver, deliver_forged, in_force

pytestmark = pytest.mark.django_db

LISTS = (
    Decision,
    Authorization,
    LedgerEntry,
    WebhookRequest,
    RejectedRequest,
    RejectedMinute,
    PolicyVersion,
)


@pytest.fixture
def declined() -> Decision:
    in_force("Travel", spending_limits=[{"amount": 10_000, "interval": "monthly"}])
    shopper = Shopper(card={"last4": "4242"})
    shopper.asks(9_000)
    shopper.asks(1_500)
    return Decision.objects.get(approved=False)


def page(client: Client, row: Any) -> str:
    response = client.get(pages.change_url(row))
    assert response.status_code == 200
    return response.content.decode()


def test_a_decision_explains_itself_with_figures(auditor: Client, declined: Decision) -> None:
    html = page(auditor, declined)
    assert "Monthly limit of €100.00: €90.00 used + €15.00 = €105.00, €5.00 over." in html
    assert "Declined €15.00 at" in html
    assert "Version 1</a>" in html
    assert "Amount requested" in html
    assert "Card locked, amounts used looked up" in html


def test_what_may_be_told_to_the_cardholder_names_no_policy(
    auditor: Client, declined: Decision
) -> None:
    shown = auditor.get(pages.change_url(declined)).context["explained"]
    assert shown.cardholder.startswith("This purchase of €15.00 is more than the €10.00 left")
    assert "Travel" not in shown.cardholder


def test_an_approval_and_an_unreadable_request_have_their_pages(
    auditor: Client, declined: Decision
) -> None:
    event = Shopper().event(Shopper().purchase(100), "evt_broken")
    del event["data"]["object"]["pending_request"]
    deliver(event)
    assert "unreadable" in page(auditor, Decision.objects.get(pk="evt_broken"))
    assert "rules passed" in page(auditor, Decision.objects.get(approved=True))


def test_the_list_shows_outcome_reason_money_merchant_card_and_cardholder(
    auditor: Client, declined: Decision
) -> None:
    html = auditor.get(pages.list_url(Decision)).content.decode()
    shown = ("Declined", "Amount limit exceeded", "€15.00", "•••• 4242", "Ada Lovelace")
    assert all(text in html for text in (*shown, declined.merchant_name))


@pytest.mark.parametrize("query", ["evt", "ic_1", "iauth"])
def test_a_decision_is_found_by_event_authorization_and_card(
    auditor: Client, declined: Decision, query: str
) -> None:
    Shopper(card_id="ic_2", cardholder_id="ich_2").asks(100)
    term = {"evt": declined.pk, "iauth": declined.authorization_id or ""}.get(query, query)
    response = auditor.get(pages.list_url(Decision), {"q": term})
    found = [row.pk for row in response.context["cl"].result_list]
    expected = Decision.objects.filter(card="ic_1").count() if query == "ic_1" else 1
    assert declined.pk in found
    assert len(found) == expected


def test_an_authorization_shows_its_decisions_and_ledger(
    auditor: Client, declined: Decision
) -> None:
    purchase = Authorization.objects.exclude(counted_amount=0).get()
    html = page(auditor, purchase)
    assert "€90.00" in html
    assert pages.change_url(Decision.objects.get(approved=True)) in html
    assert pages.change_url(LedgerEntry.objects.get()) in html


def test_the_request_is_shown_as_it_was_received(auditor: Client, declined: Decision) -> None:
    html = page(auditor, declined.webhook_request)
    assert "&quot;pending_webhooks&quot;: 1" in html
    assert declined.webhook_request.body_sha256 in html
    assert pages.change_url(declined) in html


def test_what_strangers_send_is_shown_but_never_run(auditor: Client) -> None:
    deliver_forged(b"<script>alert(1)</script>\x00\xff")
    html = page(auditor, RejectedRequest.objects.get())
    assert "<script>alert(1)</script>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


def test_rows_whose_parents_are_missing_are_shown_all_the_same(
    auditor: Client, declined: Decision
) -> None:
    group = CardGroup.objects.create(name="Team")
    Authorization.objects.update(group=group)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM authorizations_assignment")
        cursor.execute("ALTER TABLE authorizations_webhookrequest DISABLE TRIGGER USER")
        for table in ("card", "cardholder", "cardgroup", "webhookrequest"):
            cursor.execute(f"DELETE FROM authorizations_{table}")  # noqa: S608
    for model in LISTS:
        assert auditor.get(pages.list_url(model)).status_code == 200
    for row in (declined, Authorization.objects.first(), LedgerEntry.objects.first()):
        assert "€" in page(auditor, row)
    assert "ic_1" in page(auditor, declined)
    assert not Card.objects.exists()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM authorizations_authorization")
    assert str(declined.authorization_id) in page(auditor, declined)
    assert "€90.00" in page(auditor, LedgerEntry.objects.first())


@pytest.mark.parametrize("model", LISTS)
def test_no_list_costs_a_query_per_row_or_counts_its_table(
    auditor: Client, declined: Decision, model: Any, django_assert_max_num_queries: Any
) -> None:
    for number in range(12):
        Shopper(card_id=f"ic_x{number}", cardholder_id=f"ich_x{number}").asks(10)
        in_force(f"P{number}", to={"card_id": "ic_1"})
        deliver_forged(b"{}")
    with django_assert_max_num_queries(12) as captured:
        assert auditor.get(pages.list_url(model)).status_code == 200
    queries = [query["sql"] for query in captured.captured_queries]
    table = f'FROM "{model._meta.db_table}"'
    assert not [sql for sql in queries if table in sql and ("COUNT(" in sql or "DISTINCT" in sql)]
