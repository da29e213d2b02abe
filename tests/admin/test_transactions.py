"""Captures and refunds: their list, their page, and what the card's page makes of them."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from authorizations.models import Authorization, Card, Transaction
from simulator.stripe.sample_lives import Life, force_capture, unlinked_refund
from tests.admin import pages
from tests.support.desk import deliver, in_force
from tests.support.lives import approved, card

pytestmark = pytest.mark.django_db


def now() -> int:
    """Today, but never before the first of the month."""
    return int(timezone.now().timestamp()) - 1


def played(*events: Any) -> None:
    for event in events:
        deliver(event)


@pytest.fixture
def story(db: None) -> Life:
    """Captured and refunded in part; and one more that is only held."""
    in_force()
    story = approved(created=now())
    story.capture(8_000, at=now())
    story.refund(3_000, at=now())
    held = approved(2_500, created=now())
    played(*story.events, *held.events)
    return story


def listed(client: Client, **query: str) -> list[str]:
    rows = client.get(pages.list_url(Transaction), query).context["cl"].result_list
    return sorted(row.type for row in rows)


def test_the_list_is_narrowed_and_searched(auditor: Client, story: Life) -> None:
    lone = force_capture(card(), amount=700, at=now(), chance=story.chance)
    played(lone)
    assert listed(auditor) == ["capture", "capture", "refund"]
    purchase = Authorization.objects.get(pk=story.kept["id"])
    assert pages.change_url(purchase) in auditor.get(pages.list_url(Transaction)).content.decode()
    assert listed(auditor, type="refund") == ["refund"]
    assert listed(auditor, linked="no") == ["capture"]
    assert listed(auditor, linked="yes") == ["capture", "refund"]
    assert listed(auditor, card="ic_marie", currency="eur") == ["capture", "capture", "refund"]
    assert listed(auditor, q=story.kept["id"]) == ["capture", "refund"]
    assert listed(auditor, q=lone["data"]["object"]["id"]) == ["capture"]
    assert listed(auditor, q=card()["last4"]) == ["capture", "capture", "refund"]
    assert listed(auditor, q="nobody") == []


def test_a_transaction_leads_to_its_purchase(auditor: Client, story: Life) -> None:
    row = Transaction.objects.get(type="refund")
    page = auditor.get(pages.change_url(row))
    assert "Refund of €30.00" in pages.text(page)
    purchase = Authorization.objects.get(pk=story.kept["id"])
    assert pages.change_url(purchase) in page.content.decode()


def test_one_that_stands_alone_says_so(auditor: Client, story: Life) -> None:
    played(unlinked_refund(card(), amount=700, at=now(), chance=story.chance))
    row = Transaction.objects.get(amount=700)
    assert "It belongs to no known authorization." in pages.text(auditor.get(pages.change_url(row)))
    alone = Authorization.objects.get(pk=row.pk)
    page = auditor.get(pages.change_url(alone))
    assert page.context["state"].words == "Refund without a purchase"


def test_the_cards_page_adds_up_what_is_held_captured_and_refunded(
    auditor: Client, story: Life
) -> None:
    before = approved(6_000, created=now() - 40 * 86_400)
    before.capture(at=now() - 40 * 86_400)
    played(*before.events)
    page = auditor.get(pages.change_url(Card.objects.get(pk="ic_marie")))
    figures = page.context["page"].activity
    assert [(figure.what, figure.money) for figure in figures] == [
        ("held", ["€25.00"]),
        ("captured this month", ["€80.00"]),
        ("refunded this month", ["€30.00"]),
    ]
    behind = [
        [row.pk for row in auditor.get(figure.url).context["cl"].result_list] for figure in figures
    ]
    assert behind[0] == list(
        Authorization.objects.filter(is_held=True).values_list("pk", flat=True)
    )
    assert behind[2] == [Transaction.objects.get(type="refund").pk]
    assert len(behind[1]) == 1


def test_a_replacement_adds_up_its_whole_chain(auditor: Client, story: Life) -> None:
    new = card(card_id="ic_marie_2", replacement_for="ic_marie")
    later = approved(1_500, paid_by=new, created=now())
    played(*later.events)
    page = auditor.get(pages.change_url(Card.objects.get(pk="ic_marie_2")))
    held, captured, _ = page.context["page"].activity
    assert (held.money, captured.money) == (["€40.00"], ["€80.00"])
    assert len(auditor.get(held.url).context["cl"].result_list) == 2
    assert len(auditor.get(captured.url).context["cl"].result_list) == 1


def test_holds_older_than_two_months_are_no_longer_added_up(auditor: Client, story: Life) -> None:
    old = timezone.now() - timedelta(days=61)
    Authorization.objects.filter(is_held=True).update(created=old)
    page = auditor.get(pages.change_url(Card.objects.get()))
    assert page.context["page"].activity[0].money == ["€0.00"]
