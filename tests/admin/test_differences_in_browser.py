"""What Stripe did differently, looked at and put right in a real browser."""

import re
import time

import pytest
from playwright.sync_api import expect

from authorizations.models import Card, Finding, LedgerEntry
from tests.admin import pages
from tests.admin.conftest import Visit
from tests.support.builders import CREATED
from tests.support.desk import Shopper, deliver, in_force
from tests.support.lives import approved, merchant

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_operator_reads_why_a_capture_is_a_finding_and_notes_it_as_seen(visit: Visit) -> None:
    in_force()
    story = approved(merchant=merchant("5462"))
    story.capture(15_000, at=CREATED + 60)
    for event in story.events:
        deliver(event)
    page = visit("Operations", "/admin/")
    link = page.get_by_role("link", name="Mismatches with Stripe", exact=False).first
    expect(link).to_contain_text("1")
    link.click()
    open_ones = page.get_by_role("region", name="Open")
    expect(open_ones).to_contain_text("€50.00")
    expect(open_ones).to_contain_text("Captures can't be refused.")
    page.locator("#result_list").get_by_role("link", name="Captured above the approval").click()
    told = "€150.00 was captured of a purchase that was approved for €100.00."
    expect(page.get_by_text(told)).to_be_visible()
    page.get_by_role("link", name=re.compile("^iauth_")).click()
    expect(page.get_by_role("heading", name="Captured €150.00")).to_be_visible()
    page.go_back()
    page.get_by_label("Note (optional)").fill("Two more cakes; the cardholder agreed.")
    page.get_by_role("button", name="Mark as handled").click()
    expect(page.get_by_text("1 mismatch marked as handled.")).to_be_visible()
    expect(page.get_by_text("Two more cakes; the cardholder agreed.")).to_be_visible()
    expect(page.locator(".desk-nav-count")).to_have_count(0)
    assert Finding.objects.get().state == "seen"


def test_an_operator_releases_an_aged_hold_and_the_cards_bar_shows_the_room(visit: Visit) -> None:
    in_force("Yearly", spending_limits=[{"amount": 50_000, "interval": "all_time"}])
    shopper = Shopper(at=int(time.time()) - 9 * 86_400, card={"last4": "4242"})
    shopper.asks(20_000)
    page = visit("Operations", "/admin/")
    page.get_by_role("link", name="Overdue holds").first.click()
    expect(page.get_by_text("9 days")).to_be_visible()
    page.get_by_role("link", name="Release").click()
    page.get_by_label("Reason").fill("Voided at Stripe on Monday.")
    # Twice at once, as people click.
    page.get_by_role("button", name="Release €200.00").dblclick()
    expect(page.get_by_text("€200.00 is released")).to_be_visible()
    expect(page.get_by_text("No hold is overdue")).to_be_visible()
    assert LedgerEntry.objects.filter(cause="release").count() == 1
    page.goto(page.url.split("/admin/")[0] + pages.change_url(Card.objects.get()))
    expect(page.locator(".desk-limit")).to_contain_text("€0.00 used, €500.00 left")
    expect(page.locator(".desk-activity")).to_contain_text("€0.00 held")
