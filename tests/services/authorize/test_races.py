"""Many at once: never a cent over, and as much as the limits allow."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Sum

from authorizations.models import (
    Authorization,
    Card,
    CardGroup,
    Cardholder,
    Decision,
    LedgerEntry,
    Policy,
)
from authorizations.services.store import locks
from tests.support.desk import Shopper, deliver, in_force, publish_amount
from tests.support.threads import apart, done, until_waiting

pytestmark = pytest.mark.django_db(transaction=True)

THREADS = 16


def at_once(*tasks: Callable[[], Any]) -> list[Any]:
    """Run the tasks in as many threads, all starting at the same moment; their results."""
    barrier = threading.Barrier(len(tasks))

    def run(task: Callable[[], Any]) -> Any:
        barrier.wait()
        try:
            return task()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(tasks)) as pool:
        return list(pool.map(run, tasks))


def approved_total(**filters: Any) -> int:
    decisions = Decision.objects.filter(approved=True, **filters)
    return decisions.aggregate(total=Sum("approved_amount"))["total"] or 0


def test_first_use_of_a_new_card_by_sixteen_at_once_fills_its_limit_and_no_more() -> None:
    in_force(spending_limits=[{"amount": 10_000, "interval": "daily"}])
    shopper = Shopper()
    reasons = at_once(*[lambda: shopper.reason(700)] * THREADS)
    assert Counter(reasons) == {"approved": 14, "amount_limit_exceeded": 2}
    assert approved_total() == 9_800


def test_limits_of_every_scope_hold_while_cards_of_two_groups_pay_at_once() -> None:
    in_force(spending_limits=[{"amount": 20_000, "interval": "daily"}])
    cards = [f"ic_{number}" for number in range(6)]
    for number, card in enumerate(cards):
        Shopper(card_id=card, cardholder_id=f"ich_{number % 3}").asks(0)
    for name in ("North", "South"):
        group = CardGroup.objects.create(name=name)
        Card.objects.filter(pk__in=cards[:3] if name == "North" else cards[3:]).update(group=group)
        limits = [{"amount": 30_000, "interval": "weekly"}, {"count": 25, "interval": "daily"}]
        in_force(name, spending_limits=limits, to={"group": group})
    for holder in Cardholder.objects.all():
        limits = [{"amount": 25_000, "interval": "rolling", "hours": 5}]
        in_force(f"Of {holder.pk}", spending_limits=limits, to={"cardholder": holder})

    def spend(seed: int) -> set[str]:
        chance, reasons = Random(seed), set()
        for _ in range(12):
            number = chance.randrange(6)
            shopper = Shopper(card_id=cards[number], cardholder_id=f"ich_{number % 3}")
            purchase = shopper.purchase(chance.randrange(100, 3_000))
            reasons.add(reason := shopper.reason(purchase))
            if reason == "approved" and chance.random() < 0.3:
                more = purchase.increment(500, approved=purchase.amount, at=shopper.at)
                reasons.add(shopper.reason(more))
        return reasons

    reasons = set().union(*at_once(*[lambda seed=seed: spend(seed) for seed in range(8)]))
    # Full enough that the limits were in the way, and nobody ran into a deadlock.
    assert {"approved", "amount_limit_exceeded"} <= reasons
    assert reasons <= {"approved", "amount_limit_exceeded", "count_limit_exceeded"}
    by_card = Authorization.objects.values("card").annotate(total=Sum("counted_amount"))
    assert max(row["total"] for row in by_card) <= 20_000
    by_group = Authorization.objects.values("group").annotate(
        total=Sum("counted_amount"), purchases=Sum("count")
    )
    for row in by_group:
        assert row["total"] <= 30_000
        assert row["purchases"] <= 25
    by_holder = Authorization.objects.values("cardholder").annotate(total=Sum("counted_amount"))
    assert max(row["total"] for row in by_holder) <= 25_000
    entries = LedgerEntry.objects.aggregate(total=Sum("amount"))["total"]
    assert entries == Authorization.objects.aggregate(total=Sum("counted_amount"))["total"]


def test_one_event_delivered_sixteen_times_at_once_is_decided_once() -> None:
    in_force(spending_limits=[{"amount": 10_000, "interval": "daily"}])
    shopper = Shopper()
    event = shopper.event(shopper.purchase(1_000))
    bodies = at_once(*[lambda: deliver(event).content] * THREADS)
    assert len(set(bodies)) == 1
    assert LedgerEntry.objects.count() == 1


def test_one_event_id_about_different_cards_at_once_is_decided_for_one_of_them() -> None:
    in_force()
    shoppers = [
        Shopper(card_id=f"ic_{number}", cardholder_id=f"ich_{number}") for number in range(8)
    ]
    answers = at_once(*[lambda s=s: s.asks(1_000, event_id="evt_one") for s in shoppers])
    reasons = Counter(answer["metadata"]["reason"] for answer in answers)
    assert reasons == {"approved": 1, "conflicting_event": 7}
    assert Decision.objects.count() == 1


def test_replacement_cards_first_seen_at_the_same_moment_share_the_limit_of_their_root() -> None:
    in_force(spending_limits=[{"amount": 10_000, "interval": "daily"}])
    chain = [
        Shopper(card_id=f"ic_{n}", card={"replacement_for": f"ic_{n - 1}" if n else None})
        for n in range(4)
    ]
    at_once(*[lambda s=s: s.asks(1_500) for s in chain * 4])
    # Links learned of out of order are joined as soon as they are known.
    for shopper in chain:
        shopper.asks(0)
    total = approved_total()
    assert set(Card.objects.values_list("root_id", flat=True)) == {"ic_0"}
    assert total >= 9_000
    assert chain[3].reason(10_000) == "amount_limit_exceeded"


def publish_lowered(policy: Policy) -> None:
    publish_amount(policy, 1)


def test_a_limit_lowered_in_the_middle_of_the_rush_holds_for_every_later_request() -> None:
    policy = in_force(spending_limits=[{"amount": 100_000, "interval": "daily"}])
    shopper = Shopper()
    published = threading.Event()
    late: list[str] = []

    def lower() -> None:
        publish_lowered(policy)
        published.set()

    def spend() -> None:
        for _ in range(6):
            is_after = published.is_set()
            reason = shopper.reason(100)
            if is_after:
                late.append(reason)

    at_once(lower, *[spend] * 7)
    late.append(shopper.reason(100))
    assert set(late) == {"amount_limit_exceeded"}


def test_purchases_that_wait_for_their_card_are_decided_by_what_is_published_meanwhile() -> None:
    policy = in_force(spending_limits=[{"amount": 100_000, "interval": "daily"}])
    shopper = Shopper()
    shopper.asks(0)
    with transaction.atomic():
        locks.hold(cards=[shopper.card_id])
        asked = [apart(lambda: shopper.reason(100)) for _ in range(3)]
        until_waiting(3)
        done(lambda: publish_lowered(policy))
    assert [reason.result() for reason in asked] == ["amount_limit_exceeded"] * 3
    waited = Decision.objects.filter(amount=100)
    assert [policy["number"] for row in waited for policy in row.policies] == [2, 2, 2]


def test_a_purchase_that_waits_for_its_card_is_decided_by_what_is_assigned_meanwhile() -> None:
    in_force(spending_limits=[{"amount": 100_000, "interval": "daily"}])
    shopper = Shopper()
    shopper.asks(0)
    limits = [{"amount": 1, "interval": "daily"}]
    to = {"cardholder_id": shopper.cardholder_id}
    with transaction.atomic():
        locks.hold(cards=[shopper.card_id])
        asked = apart(lambda: shopper.reason(100))
        until_waiting(1)
        done(lambda: in_force("Ada's", spending_limits=limits, to=to))
    assert asked.result() == "amount_limit_exceeded"
