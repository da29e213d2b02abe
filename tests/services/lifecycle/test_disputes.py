"""Disputes are kept as Stripe tells of them, in any order; limits do not move by them."""

from itertools import permutations
from random import Random
from typing import Any

import pytest

from authorizations.models import Authorization, Dispute, LedgerEntry, UnappliedEvent, Usage
from authorizations.models import Transaction as TransactionRow
from simulator.stripe.sample_disputes import dispute, dispute_event
from simulator.stripe.samples import Json
from tests.support.desk import Shopper, deliver, in_force
from tests.support.lifecycle import Told
from tests.support.verification import differences

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


def captured(purchase: Told) -> Json:
    """The transaction as a dispute names it."""
    row = TransactionRow.objects.get(booked_under=purchase.id)
    return {"id": row.pk, "amount": row.amount, "currency": row.currency, "livemode": False}


def story(disputed: Json, at: int) -> list[Json]:
    """Opened, submitted, money given back for the time being, won; each told a day later."""
    day = 86_400
    steps: list[tuple[Any, dict[str, Any]]] = [
        ("created", {}),
        ("submitted", {"status": "submitted"}),
        ("funds_reinstated", {"status": "submitted"}),
        ("closed", {"status": "won"}),
    ]
    return [
        dispute_event(disputed, change, at=at + place * day, chance=CHANCE, **changes)
        for place, (change, changes) in enumerate(steps)
    ]


def kept() -> dict[str, Any]:
    [row] = Dispute.objects.values()
    return dict(row)


def test_any_order_and_any_repetition_of_a_dispute_s_events_leaves_the_same(purchase: Told) -> None:
    disputed = dispute(captured(purchase), at=purchase.at, chance=CHANCE)
    events = story(disputed, purchase.at)
    left = []
    for number, order in enumerate(permutations(events)):
        Dispute.objects.all().delete()
        for event in (*order, order[0]):
            # Under ids of their own: what came before, as it was, would change nothing.
            told_anew = event | {"id": f"{event['id']}_{number}"}
            assert deliver(told_anew).status_code == 200
        left.append(kept())
    assert all(row == left[0] for row in left)
    told = {name: left[0][name] for name in ("status", "amount", "currency", "reason", "funds")}
    assert told == {
        "status": "won",
        "amount": 4_000,
        "currency": "eur",
        "reason": "fraudulent",
        "funds": "reinstated",
    }


@pytest.mark.parametrize("is_turned", [False, True])
def test_of_two_events_of_one_second_the_one_further_on_counts(
    purchase: Told, is_turned: bool
) -> None:
    disputed = dispute(captured(purchase), at=purchase.at, chance=CHANCE)
    events = [
        dispute_event(disputed, "submitted", at=purchase.at, chance=CHANCE, status="submitted"),
        dispute_event(
            disputed,
            "closed",
            at=purchase.at,
            chance=CHANCE,
            status="lost",
            loss_reason="has_not_met_the_minimum_dispute_amount_requirements",
        ),
    ]
    for event in events[::-1] if is_turned else events:
        deliver(event)
    assert kept()["status"] == "lost"
    assert kept()["loss_reason"] == "has_not_met_the_minimum_dispute_amount_requirements"


def test_limits_and_books_do_not_move_by_a_dispute(purchase: Told) -> None:
    """€40.00 of €50.00 stay used although the dispute over them is won: €10.01 is too much."""
    before = purchase.counts, purchase.lines, list(Usage.objects.values())
    for event in story(dispute(captured(purchase), at=1, chance=CHANCE), purchase.at):
        deliver(event)
    assert (purchase.counts, purchase.lines, list(Usage.objects.values())) == before
    assert Shopper().reason(1_001) == "amount_limit_exceeded"
    assert differences() == []


def test_a_dispute_is_kept_before_its_transaction_is_heard_of(db: None) -> None:
    in_force()
    disputed = dispute(
        {"id": "ipi_later", "amount": -700, "currency": "eur", "livemode": False},
        at=1,
        chance=CHANCE,
    )
    deliver(dispute_event(disputed, "created", at=2, chance=CHANCE))
    assert kept()["transaction_id"] == "ipi_later"
    assert not Authorization.objects.exists()
    assert not LedgerEntry.objects.exists()


def test_words_that_stripe_may_add_are_kept(purchase: Told) -> None:
    disputed = dispute(captured(purchase), at=purchase.at, chance=CHANCE, reason="new_reason")
    deliver(dispute_event(disputed, "updated", at=purchase.at, chance=CHANCE, status="new_state"))
    assert (kept()["status"], kept()["reason"]) == ("new_state", "new_reason")


def test_a_dispute_whose_amount_cannot_be_read_waits_with_a_sentence(purchase: Told) -> None:
    disputed = dispute(captured(purchase), at=purchase.at, chance=CHANCE)
    event = dispute_event(disputed, "created", at=purchase.at, chance=CHANCE, amount="lots")
    assert deliver(event).status_code == 200
    assert not Dispute.objects.exists()
    waiting = UnappliedEvent.objects.get()
    assert waiting.error == (
        "A part could not be read: data.object.amount: expected a whole number from 0 to 2^53-1."
    )
