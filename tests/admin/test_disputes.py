"""Disputes on the page of their purchase, in its life, and booked by hand once they are won."""

from random import Random
from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.test import Client

from authorizations.models import Authorization, LedgerEntry, Transaction, WebhookRequest
from simulator.stripe.sample_disputes import dispute, dispute_event
from simulator.stripe.samples import Json
from tests.admin import pages
from tests.support.desk import Shopper, deliver, in_force
from tests.support.lifecycle import Told

pytestmark = pytest.mark.django_db

CHANCE = Random(5)


@pytest.fixture
def purchase(db: None) -> Told:
    """€40.00 paid at a shop, of €50.00 a day."""
    in_force(spending_limits=[{"amount": 5_000, "interval": "daily"}])
    told = Told(4_000)
    told.buys()
    told.captures(4_000)
    return told


def row_of(purchase: Told) -> Authorization:
    return Authorization.objects.get(pk=purchase.id)


def opened(purchase: Told, **changes: Any) -> Json:
    """A dispute over what was captured, and told."""
    row = Transaction.objects.get(booked_under=purchase.id)
    over = {"id": row.pk, "amount": row.amount, "currency": row.currency, "livemode": False}
    made = dispute(over, at=purchase.tick(), chance=CHANCE) | changes
    tell(purchase, made, "created")
    return made


def tell(purchase: Told, disputed: Json, change: Any, **changes: object) -> None:
    deliver(dispute_event(disputed, change, at=purchase.tick(), chance=CHANCE, **changes))


def shown(client: Client, purchase: Told) -> Any:
    return client.get(pages.change_url(row_of(purchase)))


def test_a_dispute_stands_on_the_page_of_its_purchase_and_in_its_life(
    auditor: Client, purchase: Told
) -> None:
    disputed = opened(purchase)
    tell(purchase, disputed, "submitted", status="submitted")
    tell(purchase, disputed, "funds_reinstated", status="submitted")
    lost = {"status": "lost", "loss_reason": "refund_issued"}
    tell(purchase, disputed, "closed", **lost)
    tell(purchase, disputed, "funds_rescinded", **lost)
    page = shown(auditor, purchase)
    [found] = page.context["disputes"]
    assert (found.status, found.amount, found.adjust_url) == ("Lost", "€40.00", "")
    text = pages.text(page)
    assert "Dispute over €40.00" in text
    assert "Refund issued" in text
    assert "Taken back again" in text
    life = [(step.words.title, step.counts_for) for step in page.context["steps"]]
    assert life[-5:] == [
        ("Dispute opened", "€40.00"),
        ("Dispute submitted", "€40.00"),
        ("Disputed money returned by Stripe", "€40.00"),
        ("Dispute lost", "€40.00"),
        ("Disputed money withdrawn by Stripe", "€40.00"),
    ]
    told = WebhookRequest.objects.get(event_type="issuing_dispute.closed")
    leads_back = auditor.get(pages.change_url(told)).content.decode()
    assert pages.change_url(row_of(purchase)) in leads_back


def test_what_was_won_is_given_back_by_an_adjustment_that_is_filled_in(
    operator: Client, purchase: Told
) -> None:
    """€40.00 of €50.00 a day used and won back: €45.00 fit again, once that is booked."""
    disputed = opened(purchase)
    tell(purchase, disputed, "closed", status="won")
    assert Shopper().reason(4_500) == "amount_limit_exceeded"
    page = shown(operator, purchase)
    [found] = page.context["disputes"]
    assert f'href="{found.adjust_url}"' in page.content.decode()
    form = operator.get(found.adjust_url).context["form"]
    typed = {name: form[name].value() for name in ("direction", "amount", "reason", "seen")}
    assert typed == {
        "direction": "give",
        "amount": "€40.00",
        "reason": f"Dispute {disputed['id']} was won.",
        "seen": 0,
    }
    operator.post(found.adjust_url, typed, follow=True)
    entry = LedgerEntry.objects.get(cause="adjustment")
    assert (entry.amount, entry.reason) == (-4_000, typed["reason"])
    assert Shopper().reason(4_500) == "approved"
    [found] = shown(operator, purchase).context["disputes"]
    assert (found.adjust_url, found.booked_url) == ("", pages.change_url(entry))


def test_a_won_dispute_is_booked_once_whatever_reason_is_written(
    operator: Client, purchase: Told
) -> None:
    disputed = opened(purchase)
    tell(purchase, disputed, "closed", status="won")
    [found] = shown(operator, purchase).context["disputes"]
    for _ in range(2):  # the page is opened anew
        form = operator.get(found.adjust_url).context["form"]
        typed = {"seen": form["seen"].value()}
        typed |= {"amount": "€40.00", "direction": "give", "reason": "Won it"}
        page = operator.post(found.adjust_url, typed, follow=True)
    assert "is already booked" in page.content.decode()
    entry = LedgerEntry.objects.get(cause="adjustment")
    assert entry.reason == f"Won it ({disputed['id']})"
    [found] = shown(operator, purchase).context["disputes"]
    assert (found.adjust_url, found.booked_url) == ("", pages.change_url(entry))


def test_who_may_only_look_is_offered_no_adjustment(auditor: Client, purchase: Told) -> None:
    tell(purchase, opened(purchase), "closed", status="won")
    page = shown(auditor, purchase)
    [found] = page.context["disputes"]
    assert found.adjust_url
    assert found.adjust_url not in page.content.decode()


@pytest.mark.parametrize(
    ("changes", "amount"),
    [
        ({"amount": 9_000}, "€40.00"),  # no more than it counts for
        ({"amount": 1_500}, "€15.00"),
        ({"currency": "usd"}, ""),  # nobody can tell how much that is
    ],
)
def test_the_amount_filled_in_is_what_can_be_given_back(
    operator: Client, purchase: Told, changes: dict[str, Any], amount: str
) -> None:
    tell(purchase, opened(purchase, **changes), "closed", status="won")
    [found] = shown(operator, purchase).context["disputes"]
    assert operator.get(found.adjust_url).context["form"]["amount"].value() == amount


def test_a_dispute_over_another_purchase_fills_in_nothing(operator: Client, purchase: Told) -> None:
    other = Told(500)
    other.buys()
    other.captures(500)
    disputed = opened(other)
    tell(other, disputed, "closed", status="won")
    [found] = shown(operator, other).context["disputes"]
    here = found.adjust_url.replace(quote(other.id), quote(purchase.id))
    assert operator.get(here).context["form"]["reason"].value() is None


def test_a_state_that_stripe_may_add_is_shown_as_it_is_called(
    auditor: Client, purchase: Told
) -> None:
    tell(purchase, opened(purchase), "updated", status="under_appeal")
    page = shown(auditor, purchase)
    [found] = page.context["disputes"]
    assert (found.status, found.tone) == ("Under appeal", "neutral")
