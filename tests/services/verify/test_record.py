"""The record's rows against each other: silent where nothing is wrong, however odd it is."""

from typing import Any

import pytest
from django.utils import timezone

from authorizations.models import Decision, WebhookRequest
from authorizations.rules.decision.values import DeclineReason
from authorizations.services.stand_in import replay_one
from authorizations.services.verify import requests
from authorizations.services.verify.record import verify_record
from simulator.inside import take_in
from simulator.stripe import samples
from tests.support.desk import NOON, Shopper, deliver, in_force
from tests.support.lifecycle import Told
from tests.support.spool import answered, asked
from tests.support.verification import contradictions

pytestmark = pytest.mark.django_db

LIMITS = [{"amount": 20_000, "interval": "daily"}]


def number(what: str) -> int:
    return sum(piece.number for piece in verify_record() if piece.what == what)


def test_every_kind_of_request_and_decision_is_in_order(settings: Any) -> None:
    in_force(spending_limits=LIMITS, partial_approval=True)
    shopper = Shopper()
    event = shopper.event(shopper.purchase(2_000))
    deliver(event)
    deliver(event)  # again
    other = shopper.event(shopper.purchase(2_001), event["id"])
    assert deliver(other).json()["metadata"]["reason"] == "conflicting_event"
    shopper.asks(50_000, is_amount_controllable=True)
    shopper.asks(90_000)
    shopper.asks(0)
    for broken in (None, None):
        unreadable = shopper.event(shopper.purchase(100), "evt_unreadable")
        unreadable["data"]["object"]["pending_request"] = broken
        deliver(unreadable)
    nameless = shopper.event(shopper.purchase(100))
    del nameless["id"]
    deliver(nameless)
    deliver(nameless)
    settings.STRIPE_LIVEMODE = True
    shopper.asks(100)
    assert {"", "malformed_request", "wrong_mode"} <= set(
        Decision.objects.values_list("reason", flat=True)
    )
    assert contradictions() == []
    assert number("requests") == WebhookRequest.objects.count() == 11
    assert number("decisions") == Decision.objects.count() == 7
    assert number("ledger entries") > 0


def test_a_life_with_everything_that_stripe_tells_of_it_is_in_order() -> None:
    in_force(spending_limits=LIMITS)
    bought = Told(2_000)
    bought.buys()
    bought.asks(500)
    bought.stripe("webhook_approved", approved=True)
    bought.captures(1_500)
    bought.refunds(300)
    declined = Told(700)
    declined.stripe("insufficient_funds", approved=False)
    assert Decision.objects.filter(decided_by="stripe").exists()
    deliver({"id": "evt_short", "type": "issuing_transaction.created", "created": 1})
    deliver({"id": "evt_of_no_interest", "type": "charge.created", "created": NOON})
    assert contradictions() == []


def test_an_increment_at_another_merchant_than_its_purchase_s_is_in_order() -> None:
    in_force(spending_limits=LIMITS)
    shopper = Shopper()
    purchase = shopper.purchase(2_000)
    shopper.asks(purchase)
    more = shopper.event(purchase.increment(500, approved=2_000, at=NOON))
    more["data"]["object"]["merchant_data"]["name"] = "Somewhere Else"
    deliver(more)
    assert contradictions() == []


def test_answers_given_without_the_database_are_in_order() -> None:
    in_force(spending_limits=LIMITS)
    shopper = Shopper()
    purchase = shopper.purchase(1_000)
    event = asked(shopper, purchase)
    replay_one.replay(answered(event, 1_000))
    replay_one.replay(answered(event, 1_000))
    replay_one.replay(answered(asked(shopper, 2_000), None))
    broken = asked(shopper, 100)
    broken["data"]["object"]["card"] = None
    replay_one.replay(
        answered(broken, None, reason=DeclineReason.MALFORMED_REQUEST, problem=_problem())
    )
    deliver(asked(shopper, 3_000, "evt_twice"))
    replay_one.replay(answered(asked(shopper, 3_000, "evt_other"), 3_000, cause="commit_unknown"))
    assert Decision.objects.exclude(stand_in="").exists()
    assert contradictions() == []


def _problem() -> str:
    return "data.object.card: expected an object"


def test_what_was_taken_in_without_the_door_is_in_order() -> None:
    in_force(spending_limits=LIMITS)
    shopper = Shopper()
    body = samples.to_bytes(shopper.event(shopper.purchase(100)))
    take_in(body, received_at=timezone.now(), sender="a load")
    assert contradictions() == []


def test_whoever_reads_piece_by_piece_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "_SIZE", 2)
    test_a_life_with_everything_that_stripe_tells_of_it_is_in_order()
