"""The pages around decisions: what came to the door, authorizations, entries of the ledger."""

from typing import Any

import pytest
from django.db.models import Model
from django.test import Client

from authorizations.admin.lists.record_filters import CAUSE_WORDS
from authorizations.models import (
    Authorization,
    CardGroup,
    Decision,
    LedgerEntry,
    RejectedRequest,
    WebhookRequest,
)
from authorizations.wire.signature import SignatureCause
from simulator.stripe.samples import MERCHANTS
from tests.admin import pages
from tests.support.damage import damage
from tests.support.desk import NOON, Shopper, deliver, deliver_forged, in_force

pytestmark = pytest.mark.django_db


@pytest.fixture
def shown(auditor: Client) -> Any:
    """Opens the page of a row."""

    def show(row: Model) -> Any:
        response = auditor.get(pages.change_url(row))
        assert response.status_code == 200
        return response

    return show


# --- webhook requests


def test_a_request_leads_to_its_decision_and_shows_body_headers_and_answer(shown: Any) -> None:
    in_force()
    Shopper().asks(500, event_id="evt_it")
    page = shown(WebhookRequest.objects.get())
    assert pages.change_url(Decision.objects.get()) in page.content.decode()
    for words in ("issuing_authorization.request", "Test", "Stripe-Signature", "matches the body"):
        assert words in pages.text(page)
    assert page.context["answer"].formatted.startswith('{\n  "approved": true')


def test_a_repeated_event_leads_to_the_decision_made_before_and_to_the_other_delivery(
    shown: Any,
) -> None:
    in_force()
    purchase = Shopper().purchase(500)
    Shopper().asks(purchase, event_id="evt_it")
    Shopper().asks(purchase, event_id="evt_it")
    second, first = WebhookRequest.objects.all()
    page = shown(second)
    assert [line.amount for line in page.context["decisions"]] == ["€5.00"]
    assert pages.change_url(first) in page.content.decode()
    assert [repeat.answer for repeat in page.context["repeats"]] == ["Same answer"]


def test_a_request_without_an_event_id_leads_to_its_decision_all_the_same(shown: Any) -> None:
    event = Shopper().event(Shopper().purchase(100))
    del event["id"]
    deliver(event)
    page = shown(WebhookRequest.objects.get())
    assert [line.reason for line in page.context["decisions"]] == ["Request unreadable"]


def test_an_event_that_asks_nothing_says_so(shown: Any) -> None:
    event = Shopper().event(Shopper().purchase(100))
    deliver(event | {"type": "issuing_card.created"})
    assert "does not ask for a decision" in pages.text(shown(WebhookRequest.objects.get()))


# --- what was refused


def test_every_cause_of_a_refusal_has_words_in_its_list_and_filter() -> None:
    assert [*CAUSE_WORDS] == [*SignatureCause, "not_an_event"]
    assert not any("_" in words for words in CAUSE_WORDS.values())


def test_the_list_of_rejected_requests_says_the_cause_in_words(auditor: Client) -> None:
    deliver_forged(b"{}")
    content = auditor.get(pages.list_url(RejectedRequest)).content.decode()
    _, _, after = content.partition('id="result_list"')
    rows, _, _ = after.partition("</table>")
    assert "Signed with a different secret" in rows
    assert "mismatch" not in rows


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        ("mismatch", "No configured secret made this signature."),
        ("too_old", "The signature is older than 300 seconds"),
        ("not_an_event", "the body is not a JSON object with a type"),
        ("of_another_version", "Refused Nothing was decided."),
    ],
)
def test_a_rejected_request_says_what_was_wrong_and_what_to_do(
    shown: Any, cause: str, words: str
) -> None:
    deliver_forged(b"<script>alert(1)</script>\x00\xff")
    damage(RejectedRequest.objects.get(), cause=cause)
    page = shown(RejectedRequest.objects.get())
    assert words in pages.text(page)
    assert r"<script>alert(1)</script>\x00\xff" in pages.text(page)
    assert "<script>alert(1)" not in page.content.decode()


# --- authorizations and their ledger


@pytest.fixture
def purchase() -> Authorization:
    """€20.00 approved, €5.00 more, and €7.00 more that were too much."""
    in_force("Travel", spending_limits=[{"amount": 3_000, "interval": "monthly"}])
    shopper = Shopper()
    first = shopper.purchase(2_000)
    shopper.asks(first, event_id="evt_1")
    second = first.increment(500, approved=2_000, at=NOON + 5)
    shopper.asks(second, event_id="evt_2")
    shopper.asks(second.increment(700, approved=500, at=NOON + 9), event_id="evt_3")
    shopper.asks(100)
    return Authorization.objects.get(pk=first.authorization_id)


def test_an_authorization_tells_what_it_counts_for_after_each_entry(
    shown: Any, purchase: Authorization
) -> None:
    page = shown(purchase)
    assert "€25.00 counts against limits" in pages.text(page)
    assert changes(page) == [
        (["+€20.00"], "€20.00"),
        (["+€5.00"], "€25.00"),
        ([], "€25.00"),
    ]
    assert not page.context["is_cut"]


def changes(page: Any) -> list[tuple[list[str], str]]:
    """What each step changed, and what the purchase counted for after it."""
    steps = page.context["steps"]
    return [([change.amount for change in step.changes], step.counts_for) for step in steps]


def test_of_a_very_long_ledger_the_newest_entries_are_shown_with_the_right_sums(
    shown: Any, purchase: Authorization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("authorizations.admin.authorizations.life_events.MAX_ROWS", 1)
    page = shown(purchase)
    assert (["+€5.00"], "€25.00") in changes(page)
    assert (["+€20.00"], "€20.00") not in changes(page)
    assert "Only the newest steps are shown" in pages.text(page)


def test_an_authorization_shows_all_its_decisions_and_no_others(
    shown: Any, purchase: Authorization
) -> None:
    told = [step.words for step in shown(purchase).context["steps"]]
    assert [it.amount for it in told] == ["€20.00", "€5.00", "€7.00"]
    assert [it.more for it in told] == ["", "", "Amount limit exceeded"]


def test_an_authorization_of_which_nothing_was_approved_shows_its_decline(shown: Any) -> None:
    in_force("Travel", spending_limits=[{"amount": 100, "interval": "monthly"}])
    Shopper().asks(500)
    page = shown(Authorization.objects.get())
    assert [step.words.more for step in page.context["steps"]] == ["Amount limit exceeded"]
    assert "Nothing approved" in pages.text(page)


def test_an_authorization_shows_what_stripe_reported_and_its_books_as_json(
    shown: Any, purchase: Authorization
) -> None:
    page = shown(purchase)
    assert dict(page.context["stripe"])["Amount at Stripe"] == "€25.00"
    assert '"furthest": {' in pages.text(page)
    Authorization.objects.filter(pk=purchase.pk).update(books={"furthest": "?"})
    assert "It can't be read" in pages.text(shown(purchase))


def test_a_withdrawal_in_a_group_shows_cash_and_group(shown: Any) -> None:
    in_force()
    Shopper().asks(100)
    group = CardGroup.objects.create(name="Sales")
    cash = MERCHANTS[0]._replace(category="automated_cash_disburse", mcc="6011")
    Shopper().asks(5_000, authorization_id="iauth_cash", merchant=cash)
    Authorization.objects.filter(pk="iauth_cash").update(group=group, refunded_amount=1_000)
    page = shown(Authorization.objects.get(pk="iauth_cash"))
    assert dict(page.context["record"])["Of this, cash"] == "€50.00"
    assert dict(page.context["figures"])["refunded"] == "€10.00"
    assert pages.change_url(group) in page.content.decode()


def test_an_entry_of_the_ledger_leads_to_its_decision(shown: Any, purchase: Authorization) -> None:
    newest = LedgerEntry.objects.filter(authorization=purchase).first()
    page = shown(newest)
    assert "Increment approved: +€5.00" in pages.text(page)
    assert pages.change_url(Decision.objects.get(pk="evt_2")) in page.content.decode()
    assert pages.change_url(purchase) in page.content.decode()
