"""The questions people come with, answered page by page in a real browser."""

import csv
import time
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from authorizations.models import Decision, Export
from tests.admin import pages
from tests.admin.conftest import Visit
from tests.support.desk import Shopper, in_force

pytestmark = pytest.mark.django_db(transaction=True)

MONTHLY = {"amount": 50_000, "interval": "monthly"}


def test_an_operator_finds_why_a_card_was_declined_and_what_is_left(visit: Visit) -> None:
    in_force("Travel", spending_limits=[MONTHLY])
    shopper = Shopper(card={"last4": "4242"}, at=int(time.time()))
    shopper.asks(42_000)
    shopper.asks(9_000)
    Shopper(card_id="ic_2", cardholder_id="ich_2", name="Grace Hopper").asks(100)
    page = visit("Operations", "/admin/")
    page.get_by_role("link", name="Decisions", exact=True).click()
    search(page, "lovelace")
    expect(rows(page)).to_have_count(2)
    page.locator("#result_list tbody a", has_text=":").first.click()
    figures = "Monthly limit of €500.00: €420.00 used + €90.00 = €510.00, €10.00 over."
    expect(page.get_by_text(figures).first).to_be_visible()
    page.get_by_role("link", name="•••• 4242").first.click()
    left = page.locator(".desk-limit", has_text="Monthly limit of €500.00")
    expect(left).to_contain_text("€420.00 used, €80.00 left")
    expect(left).to_contain_text("Resets on 1 ")


def test_an_auditor_filters_opens_and_exports(visit: Visit, tmp_path: Path) -> None:
    in_force("Travel", spending_limits=[MONTHLY])
    for amount in (1_000, 60_000, 2_000, 70_000):
        Shopper().asks(amount)
    page = visit("Auditors", pages.list_url(Decision))
    page.get_by_role("button", name="Filters").click()
    page.select_option("[name=outcome]", "declined")
    page.get_by_role("button", name="Apply Filters").click()
    expect(rows(page)).to_have_count(2)
    page.locator("#result_list tbody a", has_text=":").first.click()
    expect(page.get_by_role("heading", name="Declined")).to_be_visible()
    page.go_back()
    with page.expect_download() as begun:
        page.get_by_role("button", name="Export CSV").click()
    begun.value.save_as(tmp_path / "decisions.csv")
    written = (tmp_path / "decisions.csv").read_text("utf-8-sig")
    exported = [(row["outcome"], row["amount"]) for row in csv.DictReader(written.splitlines())]
    assert exported == [("declined", "700.00"), ("declined", "600.00")]
    export = Export.objects.get()
    assert (export.author.username, export.filter) == ("auditors", "Declined")
    assert (export.end.rows, export.end.complete) == (2, True)


def search(page: Page, words: str) -> None:
    page.fill("[name=q]", words)
    page.press("[name=q]", "Enter")


def rows(page: Page) -> Locator:
    return page.locator("#result_list tbody tr")
