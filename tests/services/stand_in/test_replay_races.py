"""Replay while others are at work: a late worker, another replay, and servers that go on paying."""

import threading
from collections import Counter

import pytest
from django.db import transaction

from authorizations.models import Authorization, Decision, LedgerEntry
from authorizations.rules.decision.values import DeclineReason
from authorizations.services.authorize.transaction import authorize
from authorizations.services.stand_in import replay_one
from authorizations.services.stand_in.replay_one import Replayed
from authorizations.wire import events
from tests.services.authorize.test_races import at_once
from tests.support.desk import Shopper, in_force
from tests.support.spool import answered, asked, delivery_of
from tests.support.verification import differences

pytestmark = pytest.mark.django_db(transaction=True)

LIMIT = {"amount": 10_000, "interval": "daily"}


@pytest.mark.parametrize("commits", [True, False])
def test_a_late_worker_whose_commit_is_under_way_is_waited_for(commits: bool) -> None:
    """It computed an approval; stand-in had declined by then, and that was sent."""
    in_force(spending_limits=[LIMIT])
    shopper = Shopper()
    shopper.asks(0)
    event = asked(shopper, 4_000, "evt_it")
    delivery = delivery_of(event)
    has_written, may_end = threading.Event(), threading.Event()

    def late_worker() -> None:
        with transaction.atomic():
            authorize(events.authorization_request(delivery.event), delivery)
            has_written.set()
            assert may_end.wait(60)
            transaction.set_rollback(not commits)

    def replay() -> Replayed:
        assert has_written.wait(60)
        threading.Timer(0.2, may_end.set).start()  # by then it waits for the lock
        return replay_one.replay(answered(event, None, cause="deadline_missed"))

    _, replayed = at_once(late_worker, replay)
    assert replayed is (Replayed.CORRECTED if commits else Replayed.WRITTEN)
    assert Decision.objects.filter(pk="evt_it/answered").exists() == commits
    purchase = Authorization.objects.get(pk=event["data"]["object"]["id"])
    assert purchase.counted_amount == 0
    assert differences() == []


def test_one_record_replayed_by_many_at_once_is_written_by_one() -> None:
    """The lock of the spool is for speed: two hosts may share a directory against all advice."""
    in_force(spending_limits=[LIMIT])
    record = answered(asked(Shopper(), 4_000), 4_000)
    replayed = at_once(*[lambda: replay_one.replay(record)] * 8)
    assert Counter(replayed) == {Replayed.WRITTEN: 1, Replayed.KNOWN: 7}
    assert LedgerEntry.objects.count() == 1


def test_declines_that_no_lock_guards_are_written_by_one_as_well() -> None:
    event = asked(Shopper(), 100, "evt_it")
    event["data"]["object"]["pending_request"] = None
    record = answered(event, None, reason=DeclineReason.MALFORMED_REQUEST)
    replayed = at_once(*[lambda: replay_one.replay(record)] * 8)
    assert Counter(replayed) == {Replayed.WRITTEN: 1, Replayed.KNOWN: 7}
    assert Decision.objects.count() == 1


def test_purchases_go_on_while_answers_come_in_and_the_sums_stay_exact() -> None:
    in_force(spending_limits=[LIMIT])
    shopper = Shopper()
    records = [answered(asked(shopper, 1_000), 1_000) for _ in range(8)]
    tasks = [lambda record=record: replay_one.replay(record) for record in records]
    at_once(*tasks, *[lambda: shopper.reason(1_500)] * 8)
    assert differences() == []
    assert Decision.objects.exclude(stand_in="").count() == 8
    # What was decided here kept within what was known then; what came in late did not ask.
    ours = Decision.objects.filter(stand_in="", approved=True)
    assert sum(row.approved_amount for row in ours) <= 10_000
    assert shopper.reason(10_000) == "amount_limit_exceeded"
