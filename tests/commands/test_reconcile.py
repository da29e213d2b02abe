"""`reconcile` against Stripe's lists: what the webhook never delivered is brought in, once."""

import json
from random import Random
from unittest.mock import patch

import pytest

from authorizations.models import (
    Authorization,
    Card,
    Decision,
    Finding,
    LedgerEntry,
    Transaction,
    UnappliedEvent,
    WebhookRequest,
)
from authorizations.services.lifecycle import intake
from authorizations.services.lifecycle.apply import CannotApplyError
from simulator.stripe.sample_lives import force_capture, transaction_updated, unlinked_refund
from simulator.stripe.samples import Json
from tests.commands.reconciling import CARD, approved, counted, life, run
from tests.support.desk import NOON, Shopper, deliver, in_force
from tests.support.stripe_api import StripeApi
from tests.wire.lifecycles import LIVES

pytestmark = pytest.mark.django_db

WRITTEN = (Authorization, Card, Decision, Finding, LedgerEntry, Transaction, UnappliedEvent)


def delivered(*events: Json) -> None:
    for event in events:
        assert deliver(event).status_code == 200


def rows() -> dict[str, int]:
    return {model.__name__: model.objects.count() for model in (*WRITTEN, WebhookRequest)}


class TestWhatTheWebhookNeverDelivered:
    def test_an_authorization_of_which_nothing_came_takes_its_room(self, stripe: StripeApi) -> None:
        in_force(spending_limits=[{"amount": 6_000, "interval": "daily"}])
        lost = approved(5_000)
        stripe.lists(lost)
        printed, error = run()
        assert not error
        assert (
            "Read 1 authorizations and transactions since 2026-11-18 00:00 UTC: 1 brought in, "
            "0 failed." in printed
        )
        assert counted(lost) == 5_000
        assert Shopper().asks(1_001)["approved"] is False
        assert Shopper().asks(1_000)["approved"] is True

    def test_a_closing_that_was_lost_gives_back_what_was_not_captured(
        self, stripe: StripeApi
    ) -> None:
        in_force()
        lived = approved(5_000)
        delivered(*lived.events)
        lived.capture(3_000, at=NOON + 100)
        stripe.lists(lived)
        assert counted(lived) == 5_000
        assert run()[1] == ""
        assert counted(lived) == 3_000
        entries = LedgerEntry.objects.filter(authorization=lived.kept["id"]).order_by("pk")
        assert [(entry.cause, entry.amount) for entry in entries][-1] == ("closed", -2_000)
        assert entries.reverse()[0].event_id == f"read_{lived.kept['id']}_{stripe.now}"

    def test_a_capture_of_an_older_authorization_is_found_among_the_transactions(
        self, stripe: StripeApi
    ) -> None:
        in_force()
        lived = approved(5_000)
        delivered(*lived.events)
        lived.capture(7_000, at=NOON + 86_400)
        stripe.lists(lived)
        assert run("2026-11-19")[1] == ""
        assert counted(lived) == 7_000

    def test_force_captures_count_and_refunds_without_purchase_are_found(
        self, stripe: StripeApi
    ) -> None:
        for told in (force_capture, unlinked_refund):
            event = told(CARD, amount=900, at=NOON, chance=Random(told.__name__))
            stripe.transactions.append(event["data"]["object"])
        assert "2 brought in" in run()[0]
        assert sorted(Authorization.objects.values_list("counted_amount", flat=True)) == [0, 900]
        assert Finding.objects.get(kind="unlinked_refund").amount == 900

    def test_a_link_that_was_lost_books_the_capture_once_its_authorization_is_heard_of(
        self, stripe: StripeApi
    ) -> None:
        in_force()
        lived = approved(5_000)
        capture = force_capture(CARD, amount=4_000, at=NOON + 9, chance=Random(1))
        delivered(capture)
        stripe.transactions = [capture["data"]["object"] | {"authorization": lived.kept["id"]}]
        assert "1 brought in" in run()[0]
        delivered(*lived.events)
        assert counted(lived) == 5_000
        assert Transaction.objects.get().booked_under == lived.kept["id"]

    def test_what_stripe_approved_without_asking_becomes_a_finding(self, stripe: StripeApi) -> None:
        alone = life()
        alone.answered(approved=True, reason="card_active", at=NOON + 1)
        stripe.lists(alone)
        run()
        assert Finding.objects.get().kind == "never_asked"

    def test_each_of_stripes_own_declines_is_listed(self, stripe: StripeApi) -> None:
        declined = life()
        for place, reason in enumerate(("insufficient_funds", "pin_blocked", "suspected_fraud")):
            declined.answered(approved=False, reason=reason, at=NOON + place)
        stripe.lists(declined)
        assert "1 brought in" in run()[0]
        listed = Decision.objects.order_by("decided_at").values_list("reason", flat=True)
        assert list(listed) == [
            "stripe:insufficient_funds",
            "stripe:pin_blocked",
            "stripe:suspected_fraud",
        ]
        assert counted(declined) == 0

    def test_auditors_see_what_was_read_with_every_unknown_field(self, stripe: StripeApi) -> None:
        lost = approved()
        lost.kept["brand_new"] = {"deep": [1.5, None], "big": 10**30, "name": "Zoë \ud83c"}
        stripe.lists(lost)
        run()
        row = WebhookRequest.objects.get()
        assert (row.sender, row.event_type) == ("Stripe's API", "api.issuing_authorization")
        assert (row.answer_status, row.answer_body) == (200, "")
        assert row.headers["Request-Id"] == "req_1"
        assert json.dumps(lost.kept).encode() in bytes(row.body)


class TestWhatIsKnown:
    def test_nothing_at_all_is_written_the_second_time(self, stripe: StripeApi) -> None:
        stripe.lists(*(story() for story in LIVES))
        assert run("2023-11-01")[1] == ""
        before = rows()
        assert before["Authorization"] == len(LIVES)
        stripe.now += 86_400
        printed, error = run("2023-11-01")
        assert ": 0 brought in, 0 failed" in printed
        assert (rows(), error) == (before, "")

    def test_what_the_webhook_delivered_is_not_written_again(self, stripe: StripeApi) -> None:
        in_force()
        for story in LIVES:
            lived = story()
            delivered(*lived.events)
            stripe.lists(lived)
        before = rows()
        run("2023-11-01")
        assert rows() == before

    def test_a_transaction_that_changed_after_it_was_read_stays_as_it_is(
        self, stripe: StripeApi
    ) -> None:
        told = force_capture(CARD, amount=900, at=NOON, chance=Random(1))
        found = told["data"]["object"]
        stripe.transactions = [found]
        changes = {"authorization": "iauth_other"}
        delivered(transaction_updated(found, at=stripe.now + 1, chance=Random(2), changes=changes))
        before = rows()
        run()
        assert rows() == before
        assert Transaction.objects.get().linked == "iauth_other"

    def test_what_was_read_loses_against_later_events_and_wins_against_late_ones(
        self, stripe: StripeApi
    ) -> None:
        in_force()
        lived = approved(5_000)
        delivered(*lived.events)
        late = lived.set_amount(2_000, at=NOON + 50)
        lived.set_amount(4_000, at=NOON + 60)
        stripe.lists(lived)
        run()
        delivered(late)
        assert counted(lived) == 4_000
        delivered(lived.reverse(at=stripe.now + 1))
        assert counted(lived) == 0


class TestWhatCannotBeBroughtIn:
    def test_it_is_kept_with_its_sentence_and_the_reading_goes_on(self, stripe: StripeApi) -> None:
        odd, fine = approved(created=NOON + 1), approved(created=NOON)
        odd.kept["amount"] = "much"
        stripe.lists(odd, fine)
        printed, error = run()
        assert f"{odd.kept['id']}: A part could not be read: data.object.amount" in printed
        assert "Read 2 authorizations" in error
        assert "1 brought in, 1 failed. Those wait as unapplied events" in error
        assert counted(fine) == 5_000
        assert UnappliedEvent.objects.get().webhook_request.answer_status == 200

    def test_read_again_it_waits_once_and_no_longer_when_it_can_be_read(
        self, stripe: StripeApi
    ) -> None:
        odd = approved()
        stripe.lists(odd)
        odd.kept["amount"] = "much"
        run()
        stripe.now += 60
        run()
        waiting = UnappliedEvent.objects.get()
        assert waiting.pk == f"read_{odd.kept['id']}_{stripe.now}"
        odd.kept["amount"] = 5_000
        assert run()[1] == ""
        waiting.refresh_from_db()
        assert waiting.applied_at

    def test_what_waits_can_be_applied_again_as_it_was_read(self, stripe: StripeApi) -> None:
        lost = approved()
        stripe.lists(lost)
        refused = "Its card keeps changing."
        with patch("authorizations.services.lifecycle.intake.apply_report") as settle:
            settle.side_effect = CannotApplyError(refused, is_final=False)
            assert "1 failed" in run()[1]
        assert UnappliedEvent.objects.get().error == refused
        assert intake.apply_again(UnappliedEvent.objects.get()) == ""
        assert counted(lost) == 5_000
        assert run()[1] == ""
        assert UnappliedEvent.objects.get().applied_at

    def test_something_without_an_id_is_kept_too(self, stripe: StripeApi) -> None:
        nameless = approved()
        stripe.lists(nameless)
        nameless.kept["id"] = ["a", "b"]
        printed, error = run()
        assert "An object without an id: A part could not be read: id: expected an id" in printed
        assert "1 failed" in error
