"""Events that wait to be applied: why, and applying them again."""

import pytest
from django.test import Client
from django.urls import reverse

from authorizations.models import Authorization, Transaction, UnappliedEvent, WebhookRequest
from authorizations.services.lifecycle import intake
from simulator.stripe.sample_lives import Life, force_capture
from tests.admin import pages
from tests.support.builders import CREATED
from tests.support.database_roles import served_as
from tests.support.desk import deliver, in_force
from tests.support.lives import approved, card

pytestmark = pytest.mark.django_db


@pytest.fixture
def story(db: None) -> Life:
    """A capture came before anything was known of its card."""
    in_force()
    story = approved()
    capture = force_capture(card(), amount=2_500, at=CREATED, chance=story.chance)
    capture["data"]["object"]["cardholder"] = None
    assert deliver(capture).status_code == 503
    return story


def apply_url() -> str:
    row = UnappliedEvent.objects.get()
    return reverse("admin:authorizations_unappliedevent_apply", args=[row.pk])


def test_the_list_and_the_page_say_what_stands_against_it(auditor: Client, story: Life) -> None:
    page = auditor.get(pages.list_url(UnappliedEvent))
    assert "is not known yet" in page.content.decode()
    row = UnappliedEvent.objects.get()
    page = auditor.get(pages.change_url(row))
    assert "Card ic_marie is not known yet" in pages.text(page)
    assert pages.change_url(WebhookRequest.objects.get()) in page.content.decode()
    assert "Try again" not in page.content.decode()


QUEUED = "Trying 1 message again within seconds. Reload this page to see the result."


def in_the_background() -> int:
    """As a process of the webhook's instance does it; how many events it tried."""
    with served_as("webhook"):
        return intake.apply_due(5.0)


def test_applied_again_too_early_it_says_what_still_stands_against_it(
    operator: Client, story: Life
) -> None:
    page = operator.post(apply_url(), follow=True)
    assert pages.messages(page) == [QUEUED]
    assert "Being tried again" in pages.text(page)
    assert '<meta http-equiv="refresh"' in page.content.decode()
    assert in_the_background() == 1
    page = operator.get(pages.change_url(UnappliedEvent.objects.get()))
    assert "Not processed" in pages.text(page)
    assert "Card ic_marie is not known yet" in pages.text(page)
    assert dict(page.context["facts"])["Attempts"] == "2"
    assert in_the_background() == 0


def test_once_nothing_stands_against_it_the_books_are_complete(
    operator: Client, story: Life
) -> None:
    for event in story.events:
        deliver(event)
    operator.post(apply_url())
    operator.post(apply_url())  # a double click
    assert in_the_background() == 1
    page = operator.get(pages.change_url(UnappliedEvent.objects.get()))
    assert "Processed later" in pages.text(page)
    transaction = Transaction.objects.get()
    assert Authorization.objects.get(pk=transaction.booked_under).counted_amount == 2_500
    again = operator.post(apply_url(), follow=True)
    assert pages.messages(again) == ["Nothing to do: it was processed already."]


def test_several_are_applied_from_the_list(operator: Client, story: Life) -> None:
    for event in story.events:
        deliver(event)
    keys = list(UnappliedEvent.objects.values_list("pk", flat=True))
    sent = {"action": "apply_selected", "_selected_action": keys, "index": 0}
    page = operator.post(pages.list_url(UnappliedEvent), sent, follow=True)
    assert pages.messages(page) == [QUEUED]
    assert in_the_background() == 1
    assert UnappliedEvent.objects.get().applied_at


def test_filters_and_search_find_them(auditor: Client, story: Life) -> None:
    row = UnappliedEvent.objects.get()
    about = WebhookRequest.objects.get().about
    for query, found in (
        ({"state": "waiting"}, 1),
        ({"state": "applied"}, 0),
        ({"q": row.pk}, 1),
        ({"q": about}, 1),
        ({"q": "evt_other"}, 0),
    ):
        rows = auditor.get(pages.list_url(UnappliedEvent), query).context["cl"].result_list
        assert len(rows) == found, query


def test_auditors_apply_nothing(auditor: Client, story: Life) -> None:
    assert auditor.post(apply_url()).status_code == 403
    assert UnappliedEvent.objects.get().attempts == 1


def test_home_says_that_some_wait(auditor: Client, story: Life) -> None:
    for event in story.events:
        deliver(event)
    items = auditor.get("/admin/").context["attention"]
    assert "1 message not processed" in [item.what for item in items]
