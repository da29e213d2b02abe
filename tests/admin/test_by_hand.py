"""Operators release holds, and give and take room, each with a reason."""

from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.test import Client
from django.urls import reverse

from authorizations.models import Authorization, LedgerEntry
from tests.admin import pages
from tests.support.desk import Shopper, in_force

pytestmark = pytest.mark.django_db

BUTTONS = ("Release hold", "Adjust")


@pytest.fixture
def purchase() -> Authorization:
    in_force(spending_limits=[{"amount": 50_000, "interval": "monthly"}])
    Shopper().asks(10_000)
    return Authorization.objects.get()


def url(row: Authorization, action: str) -> str:
    return reverse(f"admin:authorizations_authorization_{action}", args=[quote(row.pk)])


def counted(row: Authorization) -> int:
    row.refresh_from_db()
    return row.counted_amount


def send(client: Client, row: Authorization, action: str, **typed: Any) -> Any:
    return client.post(url(row, action), typed, follow=True)


def test_an_operator_releases_a_hold_with_a_reason(
    operator: Client, purchase: Authorization
) -> None:
    asked = operator.get(url(purchase, "release"))
    assert "€100.00 is held at" in " ".join(pages_words(asked).split())
    page = send(operator, purchase, "release", reason="Ended at Stripe")
    assert pages.messages(page) == [
        "€100.00 is released and can be spent again from the next purchase on."
    ]
    assert counted(purchase) == 0
    entry = LedgerEntry.objects.first()
    assert entry
    assert (entry.cause, entry.author, entry.reason) == (
        *("release", "operations (operations)", "Ended at Stripe"),
    )
    last = page.context["steps"][-1]
    assert (last.words.title, last.counts_for) == ("Hold released by hand", "€0.00")
    assert last.words.more == "operations (operations): Ended at Stripe"
    assert "Release hold" not in page.content.decode()


def pages_words(response: Any) -> str:
    content: str = response.content.decode()
    return content.replace("<b>", "").replace("</b>", "")


def test_without_a_reason_nothing_is_booked(operator: Client, purchase: Authorization) -> None:
    for action, typed in (("release", {}), ("adjust", {"direction": "give", "amount": "1"})):
        page = send(operator, purchase, action, reason="  ", seen=0, **typed)
        assert "Give a reason: it is kept with the correction." in page.content.decode()
    assert counted(purchase) == 10_000


@pytest.mark.parametrize(
    ("direction", "typed", "after"),
    [("give", "€30.00", 7_000), ("take", "1,250", 135_000), ("give", "100", 0)],
)
def test_room_is_given_and_taken_in_money_as_people_write_it(
    operator: Client, purchase: Authorization, direction: str, typed: str, after: int
) -> None:
    send(operator, purchase, "adjust", direction=direction, amount=typed, reason="Why", seen=0)
    assert counted(purchase) == after


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("", "Enter an amount."),
        ("0", "Give an amount other than zero."),
        ("12.345", "Euro amounts have at most two decimals"),
        ("-5", "Amounts can&#x27;t be negative"),
        ("100.01", "The purchase counts for €100.00: no more than that can be given back."),
    ],
)
def test_what_cannot_be_booked_is_refused_with_a_sentence(
    operator: Client, purchase: Authorization, typed: str, sentence: str
) -> None:
    sent = {"direction": "give", "amount": typed, "reason": "Why", "seen": 0}
    page = send(operator, purchase, "adjust", **sent)
    assert sentence in page.content.decode()
    assert f'value="{typed}"' in page.content.decode() or not typed
    assert counted(purchase) == 10_000


def test_the_same_click_twice_books_once(operator: Client, purchase: Authorization) -> None:
    form = operator.get(url(purchase, "adjust")).context["form"]
    sent = {"direction": "give", "amount": "20", "reason": "Why", "seen": form["seen"].value()}
    send(operator, purchase, "adjust", **sent)
    again = send(operator, purchase, "adjust", **sent)
    assert "perhaps by your own first click" in again.content.decode()
    assert counted(purchase) == 8_000
    send(operator, purchase, "release", reason="Why")
    again = send(operator, purchase, "release", reason="Why")
    assert "Nothing is held any more" in again.content.decode()
    assert LedgerEntry.objects.filter(cause="release").count() == 1


def test_auditors_see_no_buttons_and_are_refused(auditor: Client, purchase: Authorization) -> None:
    page = auditor.get(pages.change_url(purchase)).content.decode()
    assert not any(button in page for button in BUTTONS)
    for action in ("release", "adjust"):
        sent = {"direction": "give", "amount": "1", "reason": "Why", "seen": 0}
        assert auditor.post(url(purchase, action), sent).status_code == 403
    assert counted(purchase) == 10_000


def test_operators_see_both_buttons_while_something_is_held(
    operator: Client, purchase: Authorization
) -> None:
    page = operator.get(pages.change_url(purchase)).content.decode()
    assert all(button in page for button in BUTTONS)


def test_unreadable_books_are_left_alone(operator: Client, purchase: Authorization) -> None:
    Authorization.objects.update(books={"furthest": "?"})
    for action in ("release", "adjust"):
        page = send(operator, purchase, action, reason="Why")
        assert "can't be read" in pages.messages(page)[0]
    assert counted(purchase) == 10_000
