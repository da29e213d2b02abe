"""The page of an authorization: how it stands, its life step by step, the limits it counts in."""

from typing import Any

import pytest
from django.test import Client

from authorizations.models import (
    Authorization,
    Decision,
    Finding,
    FindingChange,
    LedgerEntry,
    Transaction,
    WebhookRequest,
)
from authorizations.services.store.findings import change
from simulator.stripe.sample_lives import Life, force_capture
from tests.admin import pages
from tests.support.builders import CREATED
from tests.support.desk import deliver, in_force
from tests.support.lives import approved, card, life, merchant

pytestmark = pytest.mark.django_db

DAY = 86_400


def played(story: Life) -> Authorization:
    """The purchase once all its events came, in their order."""
    for event in story.events:
        deliver(event)
    return Authorization.objects.get(pk=story.kept["id"])


def shown(client: Client, row: Authorization) -> Any:
    response = client.get(pages.change_url(row))
    assert response.status_code == 200
    return response


def steps(page: Any) -> list[tuple[str, str, str]]:
    """Title, amount, and what is counted after each step."""
    return [
        (step.words.title, step.words.amount, step.counts_for) for step in page.context["steps"]
    ]


def tipped() -> Life:
    story = approved(merchant=merchant("5812"))
    story.ask(2_000, at=CREATED + 60)
    story.answered(approved=True, at=CREATED + 61)
    story.reverse(1_000, at=CREATED + 90)
    story.capture(14_000, at=CREATED + DAY)
    story.refund(3_000, at=CREATED + 2 * DAY)
    return story


def test_a_life_is_told_step_by_step_with_what_it_counts_for_after_each(auditor: Client) -> None:
    in_force()
    page = shown(auditor, played(tipped()))
    assert steps(page) == [
        ("Asked and approved", "€100.00", "€100.00"),
        ("Created at Stripe: approved", "€100.00", "€100.00"),
        ("Asked for more, and approved", "€20.00", "€120.00"),
        ("Increment settled at Stripe: approved", "€20.00", "€120.00"),
        ("Hold lowered by the merchant", "to €110.00", "€110.00"),
        ("Captured", "€140.00", "€140.00"),
        ("Closed", "", "€140.00"),
        ("Refunded", "€30.00", "€140.00"),
    ]
    assert dict(page.context["figures"]) == {
        "counts against limits": "€140.00",
        "held": "€0.00",
        "captured": "€140.00",
        "refunded": "€30.00",
    }
    assert page.context["state"].words == "Partially refunded"


def test_every_step_leads_to_its_event_as_it_came(auditor: Client) -> None:
    in_force()
    page = shown(auditor, played(tipped()))
    linked = [link.url for step in page.context["steps"] for link in step.links]
    for request in WebhookRequest.objects.all():
        assert pages.change_url(request) in linked
    for decision in Decision.objects.all():
        assert pages.change_url(decision) in linked


def test_an_event_leads_back_to_the_purchase_it_tells_of(auditor: Client) -> None:
    in_force()
    row = played(approved())
    told = WebhookRequest.objects.get(event_type="issuing_authorization.created")
    assert pages.change_url(row) in auditor.get(pages.change_url(told)).content.decode()
    found = auditor.get(pages.list_url(WebhookRequest), {"q": row.pk}).context["cl"].result_list
    assert len(found) == 2


def test_stripes_time_stands_beside_ours_where_they_differ_much(auditor: Client) -> None:
    in_force()
    page = shown(auditor, played(approved()))
    assert all("14 Nov 2023, 22:13" in step.at_stripe for step in page.context["steps"])


def test_an_event_that_came_twice_and_one_that_came_late_say_so(auditor: Client) -> None:
    in_force()
    story = approved()
    captured, closed = story.capture(at=CREATED + DAY)
    asked, created = story.events[:2]
    for event in (asked, captured, closed, captured, created):
        deliver(event)
    page = shown(auditor, Authorization.objects.get(pk=story.kept["id"]))
    told = [step.words for step in page.context["steps"]]
    assert [it.title for it in told][:2] == ["Asked and approved", "Captured"]
    assert "It arrived late" in told[-1].more
    links = [link.text for link in page.context["steps"][1].links]
    assert links == ["Stripe's message", "Repeated delivery"]


def test_an_event_that_is_not_applied_says_what_stands_against_it(auditor: Client) -> None:
    in_force()
    story = approved()
    wrong = story.events[1]
    wrong["data"]["object"]["created"] = CREATED + 5
    page = shown(auditor, played(story))
    last = page.context["steps"][-1]
    assert last.words.title == "Created at Stripe: approved, not applied"
    assert "differ from what this authorization began with" in last.words.more


@pytest.mark.parametrize(
    ("end", "state", "last"),
    [
        (lambda story: story.reverse(at=CREATED + 60), "Voided", "Voided by the merchant"),
        (
            # It ends all the same where Stripe lists less of the history than before.
            lambda story: story.reverse(at=CREATED + 60)["data"]["object"].update(
                request_history=[]
            ),
            "Voided",
            "Voided by the merchant",
        ),
        (lambda story: story.expire(at=CREATED + 7 * DAY), "Expired", "Expired"),
        (lambda story: story.set_amount(0, at=CREATED + 60), "Nothing held", None),
        (lambda story: story.capture(at=CREATED + 60), "Captured", "Closed"),
        (
            lambda story: story.capture(4_000, close=False, at=CREATED + 60),
            "Held, partially captured",
            None,
        ),
        (id, "Held", "Created at Stripe: approved"),
    ],
)
def test_a_purchase_says_in_words_how_it_stands(
    auditor: Client, end: Any, state: str, last: str | None
) -> None:
    in_force()
    story = approved()
    end(story)
    row = played(story)
    page = shown(auditor, row)
    assert page.context["state"].words == state
    assert last in (None, steps(page)[-1][0])
    assert state in auditor.get(pages.list_url(Authorization)).content.decode()


def test_stripes_own_decline_is_told_in_plain_words_and_leads_to_its_decision(
    auditor: Client,
) -> None:
    story = life()
    story.answered(approved=False, reason="insufficient_funds", at=CREATED + 1)
    page = shown(auditor, played(story))
    [step] = page.context["steps"]
    assert step.words.title == "Created at Stripe: declined"
    assert "Issuing balance was too low" in step.words.more
    assert pages.change_url(Decision.objects.get()) in [link.url for link in step.links]


def test_a_capture_without_an_authorization_says_so(auditor: Client) -> None:
    in_force()
    played(approved())  # so that the card is known
    story = approved()
    event = force_capture(card(), amount=2_500, at=CREATED, chance=story.chance)
    deliver(event)
    alone = Authorization.objects.get(pk__startswith="ipi_")
    page = shown(auditor, alone)
    assert page.context["state"].words == "Captured without an authorization"
    assert steps(page) == [("Captured", "€25.00", "€25.00")]


def test_its_transactions_stand_in_a_table_and_lead_to_their_pages(auditor: Client) -> None:
    in_force()
    page = shown(auditor, played(tipped()))
    assert [(line.type, line.amount) for line in page.context["transactions"]] == [
        ("Capture", "€140.00"),
        ("Refund", "€30.00"),
    ]
    for row in Transaction.objects.all():
        assert pages.change_url(row) in page.content.decode()


def test_open_findings_stand_on_top(auditor: Client) -> None:
    in_force()
    story = approved(merchant=merchant("5462"))
    story.capture(15_000, at=CREATED + DAY)
    page = shown(auditor, played(story))
    assert "€150.00 was captured of a purchase that was approved for €100.00." in pages.text(page)
    change(Finding.objects.get(), FindingChange.What.GONE, "evt_x")
    assert "Mismatches with Stripe" not in pages.text(shown(auditor, Authorization.objects.get()))


def test_the_windows_it_counts_in_are_those_around_its_own_time(auditor: Client) -> None:
    restaurants = {"amount": 20_000, "interval": "daily", "categories": ["5812"]}
    in_force(
        "Travel",
        spending_limits=[
            {"amount": 50_000, "interval": "monthly"},
            restaurants,
            {"amount": 90_000, "interval": "daily", "currency": "usd"},
            {"amount": 40_000, "interval": "per_authorization"},
        ],
    )
    row = played(approved(merchant=merchant("5462")))
    [policy] = shown(auditor, row).context["bars"]
    [bar] = policy.bars
    assert (bar.title, bar.used, bar.available) == (
        "Monthly limit of €500.00",
        "€100.00 used",
        "€400.00 left",
    )
    assert bar.period == "1 Nov 00:00 to 1 Dec 00:00 UTC."


def test_a_transaction_that_moved_to_its_purchase_tells_so_where_it_stood(
    auditor: Client,
) -> None:
    in_force()
    played(approved())  # so that the card is known
    story = approved()
    captured, _ = story.capture(at=CREATED + DAY)
    deliver(captured)
    alone = Authorization.objects.get(pk=captured["data"]["object"]["id"])
    for event in story.events:
        deliver(event)
    page = shown(auditor, alone)
    assert steps(page) == [
        ("Captured", "€100.00", "€100.00"),
        ("Moved to the purchase it belongs to", "", "€0.00"),
    ]
    assert LedgerEntry.objects.filter(authorization=alone).count() == 2
