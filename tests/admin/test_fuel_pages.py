"""A fuel pump on pages and in files: what it asked for and what it holds are never mixed up."""

import csv
import io
from typing import Any

import pytest
from django.db.models import Sum
from django.test import Client
from django.urls import reverse

from authorizations.models import Decision, Tally
from authorizations.services.digest import update
from authorizations.services.verify.digest import verify_digest
from simulator.stripe.samples import MERCHANTS
from tests.admin import pages
from tests.support.desk import Shopper, in_force

pytestmark = pytest.mark.django_db

PUMP = next(shop for shop in MERCHANTS if shop.name == "Pump & Go 24")


@pytest.fixture
def pumps() -> list[Decision]:
    """One pump gets the whole hold, the next what it leaves, and the last nothing."""
    in_force(
        "Fuel", partial_approval=True, spending_limits=[{"amount": 15_000, "interval": "monthly"}]
    )
    for event_id in ("evt_whole", "evt_part", "evt_none"):
        Shopper().asks(100, event_id=event_id, merchant=PUMP, is_amount_controllable=True)
    return [Decision.objects.get(pk=key) for key in ("evt_whole", "evt_part", "evt_none")]


def explained(client: Client, row: Decision) -> tuple[str, str, str]:
    page = client.get(pages.change_url(row))
    told = page.context["explained"]
    for words in (told.headline, told.cardholder):
        assert words in pages.text(page)
    return page.context["outcome"].words, told.headline, told.cardholder


def test_a_decision_s_page_says_what_is_held_and_why(auditor: Client, pumps: Any) -> None:
    held = "At fuel pumps €100.00 is held until the real amount is known."
    assert [explained(auditor, row) for row in pumps] == [
        (
            "Approved",
            "Approved €1.00 (€100.00 held) at Pump & Go 24: all 2 policy rules passed.",
            f"{held} Then only that amount counts.",
        ),
        (
            "Partially approved",
            (
                "Approved €1.00 (€50.00 held) at Pump & Go 24: "
                "all that is left of the monthly limit of €150.00."
            ),
            "Fuel for up to €50.00 was approved. Please pay for more another way.",
        ),
        (
            "Declined",
            "Declined €1.00 at Pump & Go 24: monthly limit of €150.00 exceeded by €100.00.",
            "The monthly limit of €150.00 is used up. It resets on 1 Dec 00:00 UTC.",
        ),
    ]
    assert held in pages.text(auditor.get(pages.change_url(pumps[2])))


def test_each_is_decided_again_the_same(auditor: Client, pumps: Any) -> None:
    for row in pumps:
        url = reverse("admin:authorizations_decision_again", args=[row.pk])
        assert auditor.post(url).context["record_check"].is_same


def test_lists_and_files_tell_both_amounts(auditor: Client, pumps: Any) -> None:
    shown = pages.text(auditor.get(pages.list_url(Decision)))
    for words in ("€1.00 (€100.00 held)", "€1.00 (€50.00 held)"):
        assert words in shown
    response = auditor.post(reverse("admin:authorizations_decision_export"), {"format": "csv"})
    text = response.getvalue().decode("utf-8-sig")
    rows = [
        (row["outcome"], row["amount"], row["approved_amount"])
        for row in csv.DictReader(io.StringIO(text))
    ]
    assert sorted(rows) == [
        ("approved", "1.00", "100.00"),
        ("declined", "1.00", "0.00"),
        ("partly_approved", "1.00", "50.00"),
    ]


@pytest.mark.django_db(transaction=True)
def test_sums_of_approved_money_count_what_is_held(pumps: Any) -> None:
    update.digest_all(lambda _: None)
    assert not [found for part in verify_digest() for found in part]
    tallies = Tally.objects.filter(dimension=Tally.Dimension.ALL, approved=True)
    sums = tallies.aggregate(asked=Sum("amount"), held=Sum("approved_amount"))
    assert sums == {"asked": 200, "held": 15_000}
