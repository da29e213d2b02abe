"""Findings: what is open, what each is about, and marking them as handled."""

import csv
import io
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from authorizations.admin.findings.pages import FindingAdmin
from authorizations.models import (
    Authorization,
    Decision,
    Export,
    Finding,
    FindingChange,
    LedgerEntry,
    Transaction,
)
from authorizations.services.lifecycle import adjustments
from authorizations.services.store.findings import change
from simulator.stripe.sample_lives import Life, force_capture
from tests.admin import pages
from tests.admin.conftest import Login
from tests.support.builders import CREATED
from tests.support.desk import NOON, Shopper, deliver, in_force
from tests.support.lifecycle import Told, card_of
from tests.support.lives import approved, card, merchant

pytestmark = pytest.mark.django_db

ABOVE, LATE = "captured_above_approval", "answered_too_late"
LIST = pages.list_url
SEE = "admin:authorizations_finding_see"


def captured_above(amount: int = 15_000, **of: Any) -> Life:
    story = approved(merchant=merchant("5462"), **of)
    story.capture(amount, at=CREATED + 60)
    return played(story)


def answered_late(amount: int = 10_000) -> Life:
    story = approved(amount)
    wrong = story.events[1]["data"]["object"]
    wrong["request_history"][0]["reason"] = "webhook_timeout"
    return played(story)


def played(story: Life) -> Life:
    for event in story.events:
        deliver(event)
    return story


@pytest.fixture
def three(db: None) -> None:
    in_force()
    captured_above()
    captured_above(12_000)
    answered_late()


def listed(client: Client, **query: str) -> list[str]:
    rows = client.get(LIST(Finding), query).context["cl"].result_list
    return [row.kind for row in rows]


def open_ones() -> int:
    return Finding.objects.filter(state="open").count()


def badge(client: Client) -> str:
    groups = client.get(LIST(Decision)).context["sidebar_navigation"]
    [item] = [
        item
        for group in groups
        for item in group["items"]
        if item["title"] == "Mismatches with Stripe"
    ]
    return str(item["count"])


# --- the list


def test_what_is_open_stands_on_top_kind_by_kind_with_the_money_at_stake(
    auditor: Client, three: None
) -> None:
    summary = auditor.get(LIST(Finding)).context["summary"]
    assert [(kind.label, kind.how_many, kind.money) for kind in summary] == [
        ("Answer came too late", "1", ["€100.00"]),
        ("Captured above the approval", "2", ["€70.00"]),
    ]
    assert summary[1].advice.startswith("Captures can't be refused.")
    assert len(auditor.get(summary[1].url).context["cl"].result_list) == 2


def test_the_newest_stand_first_and_filters_narrow_them(auditor: Client, three: None) -> None:
    assert listed(auditor) == [LATE, ABOVE, ABOVE]
    assert listed(auditor, kind=ABOVE) == [ABOVE, ABOVE]
    assert listed(auditor, state="seen") == []
    assert listed(auditor, currency="usd") == []
    assert listed(auditor, card="ic_marie") == [LATE, ABOVE, ABOVE]
    assert listed(auditor, **{"from": "2199-01-01"}) == []
    assert listed(auditor, to="2199-01-01") == [LATE, ABOVE, ABOVE]


def test_they_are_found_by_authorization_card_transaction_and_event(
    auditor: Client, three: None
) -> None:
    first = Finding.objects.order_by("pk").first()
    assert first
    transaction = Transaction.objects.get(booked_under=first.authorization_id)
    for term in (first.authorization_id, transaction.pk, first.event_id):
        assert listed(auditor, q=term) == [ABOVE]
    assert len(listed(auditor, q=card()["last4"])) == len(listed(auditor, q="ic_marie")) == 3
    assert listed(auditor, q="nobody") == []


def test_the_list_goes_on_page_by_page(
    auditor: Client, three: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FindingAdmin, "list_per_page", 2)
    first = auditor.get(LIST(Finding)).context["cl"]
    rest = auditor.get(LIST(Finding) + first.older_url).context["cl"]
    assert [row.kind for row in (*first.result_list, *rest.result_list)] == [LATE, ABOVE, ABOVE]
    back = auditor.get(LIST(Finding) + rest.newer_url).context["cl"]
    assert [row.pk for row in back.result_list] == [row.pk for row in first.result_list]
    assert "This page does not exist" in auditor.get(LIST(Finding) + "?before=x").content.decode()


def test_they_are_exported(auditor: Client, three: None) -> None:
    answer: Any = auditor.post(f"{LIST(Finding)}export/?kind={LATE}", {"format": "csv"})
    text = answer.getvalue().decode("utf-8-sig")
    [row] = csv.DictReader(io.StringIO(text, newline=""))
    assert (row["kind"], row["amount"], row["state"]) == (LATE, "100.00", "open")
    assert (row["seen_by"], row["gone_at"]) == ("", "")
    assert Export.objects.get().what == "findings"


# --- a finding


def test_its_page_says_what_happened_what_was_done_and_leads_on(
    auditor: Client, three: None
) -> None:
    row = Finding.objects.filter(kind=ABOVE).order_by("pk")[0]
    page = auditor.get(pages.change_url(row))
    words = pages.text(page)
    for sentence in (
        "€50.00 concerned",
        "€150.00 was captured of a purchase that was approved for €100.00.",
        "€150.00 is counted.",
        "If the cardholder did not agree, dispute it at Stripe.",
    ):
        assert sentence in words
    purchase = Authorization.objects.get(pk=row.authorization_id)
    for known in (purchase, purchase.card, Decision.objects.get(authorization=purchase)):
        assert pages.change_url(known) in page.content.decode()
    assert "/webhookrequest/" in page.content.decode()


def test_a_late_answer_leads_to_its_own_decision(auditor: Client, three: None) -> None:
    row = Finding.objects.get(kind=LATE)
    decision = Decision.objects.get(authorization=row.authorization_id)
    page = auditor.get(pages.change_url(row)).content.decode()
    assert pages.change_url(decision) in page


def ended(client: Client, row: Finding) -> tuple[str, str]:
    """The whole page of one that is gone, and its words up to those about what was found."""
    page = client.get(pages.change_url(row))
    head, found, _ = pages.text(page).partition("What was found")
    assert found
    return page.content.decode(), head


def test_one_that_an_event_or_an_operator_ended_says_so_first_and_leads_to_the_entry(
    auditor: Client, staff: Callable[[str], User]
) -> None:
    """80.00 held, 40.00 captured by force: 20.00 over, until the 80.00 are voided or released."""
    in_force(spending_limits=[{"amount": 10_000, "interval": "daily"}])
    voided, released = Told(8_000), Told(8_000, Shopper(card_id="ic_2"))
    for bought in (voided, released):
        bought.buys()
        deliver(
            force_capture(
                card_of(bought.shopper), amount=4_000, at=NOON + 60, chance=Random(bought.id)
            )
        )
    row, other = Finding.objects.filter(kind="limit_exceeded").order_by("pk")
    voided.voids()
    page, head = ended(auditor, row)
    assert "Resolved" in head
    assert "by a message from Stripe . See the ledger entry" in head
    entry = LedgerEntry.objects.filter(authorization=voided.id).latest("pk")
    assert pages.change_url(entry) in page
    assert "What it means, and what to do" not in page

    assert "What happened" in pages.text(auditor.get(pages.change_url(other)))
    adjustments.release(released.id, by=staff("Operations"), reason="It never came")
    page, head = ended(auditor, other)
    assert "by operations . See the ledger entry" in head
    assert pages.change_url(LedgerEntry.objects.get(cause="release")) in page


def test_one_that_ended_without_a_change_of_what_counts_has_no_entry_to_lead_to(
    auditor: Client,
) -> None:
    in_force()
    captured_above()
    row = Finding.objects.get()
    change(row, FindingChange.What.GONE, "evt_unknown")
    _, head = ended(auditor, row)
    assert "by the event evt_unknown ." in head
    assert "See the ledger entry" not in head


# --- marking as handled


def test_an_operator_notes_one_as_seen_and_what_was_done_about_it(
    operator: Client, three: None
) -> None:
    row = Finding.objects.get(kind=LATE)
    sent = {"id": row.pk, "note": "The line was down."}
    page = operator.post(reverse(SEE), sent, follow=True)
    assert pages.messages(page) == ["1 mismatch marked as handled."]
    words = pages.text(page)
    assert "Marked as handled €100.00 operations The line was down." in words
    assert "The line was down." in words
    asked_again = operator.get(reverse(SEE), {"id": row.pk}, follow=True)
    assert pages.messages(asked_again) == [
        "None of these is open. Choose open mismatches in the list."
    ]
    again = operator.post(reverse(SEE), sent, follow=True)
    assert pages.messages(again) == ["Nothing to do: already handled or resolved."]


def test_several_are_chosen_in_the_list(operator: Client, three: None) -> None:
    chosen = list(Finding.objects.filter(kind=ABOVE).values_list("pk", flat=True))
    sent = {"action": "note_selected", "_selected_action": chosen, "index": 0}
    asked = operator.post(LIST(Finding), sent)
    assert "2 mismatches" in asked.content.decode()
    assert open_ones() == 3
    operator.post(reverse(SEE), {"id": chosen, "note": ""})
    assert list(Finding.objects.filter(state="open").values_list("kind", flat=True)) == [LATE]


def test_all_of_a_kind_are_noted_but_none_that_came_after_the_page_was_opened(
    operator: Client, three: None
) -> None:
    asked = operator.get(reverse(SEE), {"kind": ABOVE})
    captured_above(11_000)
    up_to = asked.context["selection"].up_to
    operator.post(reverse(SEE), {"kind": ABOVE, "up_to": up_to, "note": "Tips"})
    assert Finding.objects.filter(kind=ABOVE, state="seen", changes__note="Tips").count() == 2
    assert Finding.objects.filter(kind=ABOVE, state="open").count() == 1


def test_without_saying_which_one_is_led_to_the_list(operator: Client, three: None) -> None:
    page = operator.get(reverse(SEE), {"kind": "no_such"}, follow=True)
    assert "Choose open mismatches in the list." in pages.messages(page)[0]


def test_auditors_see_them_and_note_nothing(auditor: Client, three: None) -> None:
    row = Finding.objects.get(kind=LATE)
    for url in (LIST(Finding), pages.change_url(row)):
        assert "as handled" not in auditor.get(url).content.decode()
    assert auditor.post(reverse(SEE), {"id": row.pk, "note": ""}).status_code == 403
    sent = {"action": "note_selected", "_selected_action": [row.pk], "index": 0}
    auditor.post(LIST(Finding), sent)
    assert open_ones() == 3


# --- where they are announced


def test_the_sidebar_counts_open_ones_up_to_99(
    operator: Client, three: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert badge(operator) == "3"
    monkeypatch.setattr("authorizations.admin.site.navigation.MAX_COUNTED", 2)
    assert badge(operator) == "2+"
    for row in Finding.objects.all():
        change(row, FindingChange.What.GONE, "evt_x")
    assert badge(operator) == ""


def test_home_says_that_some_are_open(login: Login, three: None) -> None:
    client = login("Auditors")
    items = client.get("/admin/").context["attention"]
    assert items[0].what == "3 open mismatches with Stripe"
    assert len(client.get(items[0].url).context["cl"].result_list) == 3
