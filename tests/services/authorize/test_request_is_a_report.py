"""A request tells how its authorization stands, as any later event does: that is joined first."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import asdict
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from authorizations.models import (
    Authorization,
    Card,
    CardGroup,
    Decision,
    Finding,
    Transaction,
    Usage,
)
from authorizations.services.authorize.transaction import authorize
from authorizations.services.purchases.linking import Stray, locks_for
from authorizations.services.runtime import pipeline
from authorizations.services.runtime.pipeline import Row, Statement
from authorizations.services.stand_in import replay_one
from authorizations.services.store import locks, statements, write_statements
from authorizations.services.store.lookup import LockedScopes
from authorizations.wire import events
from simulator.stripe.sample_lives import Life
from simulator.stripe.samples import Json
from tests.support.desk import NOON, Shopper, deliver, in_force
from tests.support.lifecycle import Told, counts_of, findings_of, life_of, lines_of
from tests.support.spool import answered as spooled_answer
from tests.support.spool import delivery_of
from tests.support.threads import done as elsewhere
from tests.support.verification import assert_clean, differences

DAY = 86_400
DAILY = {"amount": 5_000, "interval": "daily"}
MONTHLY = {"amount": 5_000, "interval": "monthly"}


def reason(event: Json) -> str:
    return str(deliver(event).json()["metadata"]["reason"])


# --- what it tells counts before it is decided


@pytest.mark.django_db
def test_a_capture_that_only_the_request_tells_of_counts_though_the_amount_is_lowered() -> None:
    """47.71 approved; 43.87 captured, 9.14 more asked for: 56.85 in all, where 50.00 may go."""
    in_force(spending_limits=[DAILY])
    bought = Told(4_771)
    bought.buys()
    bought.life.capture(4_387, at=bought.tick(), close=False, lowers_amount=True)
    more = bought.life.ask(914, at=bought.tick())
    assert more["data"]["object"]["amount"] == 384
    assert reason(more) == "amount_limit_exceeded"
    assert bought.counts == (4_771, 0, 1)
    assert Shopper().reason(230) == "amount_limit_exceeded"
    assert Shopper().reason(229) == "approved"
    assert [row.amount for row in Transaction.objects.all()] == [-4_387]
    assert_clean()


@pytest.mark.django_db
def test_what_the_request_tells_leaves_is_what_is_asked_on_top() -> None:
    """As above, where 60.00 may go: 56.85 is counted, and 3.15 is left."""
    in_force(spending_limits=[DAILY | {"amount": 6_000}])
    bought = Told(4_771)
    bought.buys()
    bought.life.capture(4_387, at=bought.tick(), close=False, lowers_amount=True)
    assert reason(bought.life.ask(914, at=bought.tick())) == "approved"
    assert bought.counts == (5_685, 0, 1)
    assert bought.lines == [("hold", 4_771), ("increment", 914)]
    assert Shopper().reason(316) == "amount_limit_exceeded"
    assert Shopper().reason(315) == "approved"
    bought.hears(*bought.life.events)
    assert bought.counts == (5_685, 0, 1)
    assert_clean()


def waiting_capture(amount: int = 3_000, group: CardGroup | None = None) -> tuple[Told, str]:
    """An October purchase of which a capture in November is all that was heard; with its id.

    The capture came while the card was in the group; since then it is in none.
    """
    october = Shopper(at=NOON - 30 * DAY)
    Shopper().asks(0)
    Card.objects.update(group=group)
    bought = Told(amount, october)
    bought.life.ask(at=bought.tick())
    bought.life.answered(approved=True, at=bought.tick())
    bought.at = NOON
    captured, _ = bought.life.capture(amount, at=bought.tick(), close=False)
    bought.hears(captured)
    Card.objects.update(group=None)
    return bought, captured["data"]["object"]["id"]


@pytest.mark.django_db
@pytest.mark.parametrize("lists_it", [True, False])
def test_a_capture_that_waits_for_its_purchase_moves_to_it_before_a_request_is_decided(
    lists_it: bool,
) -> None:
    """30.00 captured in November, of a purchase of October: there 20.00 of 50.00 are left."""
    in_force(spending_limits=[MONTHLY])
    bought, alone = waiting_capture()
    assert Shopper().reason(2_001) == "amount_limit_exceeded"
    more = bought.life.ask(2_001, at=bought.tick())
    if not lists_it:
        more["data"]["object"]["transactions"] = []
    assert reason(more) == "amount_limit_exceeded"
    assert (counts_of(alone), bought.counts) == ((0, 0, 0), (3_000, 0, 1))
    assert lines_of(alone) == [("capture", 3_000), ("moved", -3_000)]
    assert reason(bought.life.ask(2_000, at=bought.tick())) == "approved"
    assert bought.counts == (5_000, 0, 1)
    assert Shopper().reason(5_001) == "amount_limit_exceeded"
    assert Shopper().reason(5_000) == "approved"  # November is whole again
    assert Transaction.objects.get().booked_under == bought.id
    assert findings_of(alone) == []
    assert_clean()


@pytest.mark.django_db
def test_it_moves_out_of_a_group_that_the_card_has_left() -> None:
    group = CardGroup.objects.create(name="Field team")
    in_force("Team", spending_limits=[MONTHLY], to={"group": group})
    in_force("Own", spending_limits=[MONTHLY])
    bought, alone = waiting_capture(group=group)
    assert Authorization.objects.get(pk=alone).group_id == group.pk
    assert reason(bought.life.ask(2_000, at=bought.tick())) == "approved"
    assert (counts_of(alone), bought.counts) == ((0, 0, 0), (5_000, 0, 1))
    team = Usage.objects.filter(scope=f"group:{group.pk}")
    assert [row.amount for row in team if row.currency] == [0]
    assert_clean()


@pytest.mark.django_db
def test_an_answer_of_stand_in_brings_what_its_request_told_along() -> None:
    in_force(spending_limits=[MONTHLY])
    bought, alone = waiting_capture()
    replay_one.replay(spooled_answer(bought.life.ask(1_000, at=bought.tick()), 1_000))
    assert (counts_of(alone), bought.counts) == ((0, 0, 0), (4_000, 0, 1))
    assert Transaction.objects.get().booked_under == bought.id
    assert differences() == []


@pytest.mark.django_db
def test_what_a_request_tells_is_flagged_where_it_can_not_be_refused() -> None:
    """80.00 approved by Stripe alone and 90.00 captured: told by a request for nothing more."""
    in_force("Travel", spending_limits=[DAILY])
    bought = Told(8_000)
    bought.life.answered(approved=True, reason="card_active", at=bought.tick())
    bought.life.capture(9_000, at=bought.tick(), close=False)
    assert reason(bought.life.ask(0, at=bought.tick())) == "approved"
    assert bought.counts == (9_000, 0, 1)
    assert sorted(bought.findings) == [
        ("captured_above_approval", 1_000),
        ("limit_exceeded", 4_000),
        ("never_asked", 8_000),
    ]
    assert_clean()


@pytest.mark.django_db
def test_a_request_for_nothing_tells_of_a_purchase_that_holds_nothing_any_more() -> None:
    """10.00 approved by Stripe, captured and taken back: it was a purchase, beyond the only one."""
    in_force(spending_limits=[DAILY, {"count": 0, "interval": "daily"}])
    bought = Told(1_000)
    bought.life.answered(approved=True, reason="card_active", at=bought.tick())
    bought.life.capture(1_500, at=bought.tick(), close=False)
    bought.life.set_amount(0, at=bought.tick())
    asked = bought.life.ask(0, at=bought.tick())
    taken_back = deepcopy(asked["data"]["object"]["transactions"][0])
    taken_back |= {"id": "ipi_back", "amount": 1_500}
    asked["data"]["object"]["transactions"].append(taken_back)
    assert reason(asked) == "approved"
    assert bought.counts == (0, 0, 1)
    assert_clean()


@pytest.mark.django_db
def test_a_transaction_linked_elsewhere_meanwhile_stays_there() -> None:
    in_force(spending_limits=[DAILY])
    first, second = Told(1_000), Told(1_000)
    first.buys()
    second.buys()
    captured, _ = first.life.capture(500, at=first.tick(), close=False)
    first.hears(captured)
    elsewhere = deepcopy(captured)
    elsewhere |= {"id": "evt_moved", "type": "issuing_transaction.updated", "created": NOON + DAY}
    elsewhere["data"]["object"]["authorization"] = second.id
    first.hears(elsewhere)
    assert reason(first.life.ask(100, at=first.tick())) == "approved"
    assert Transaction.objects.get().booked_under == second.id
    assert_clean()


@pytest.mark.django_db
def test_a_capture_above_what_was_approved_is_settled_by_the_approval_of_more() -> None:
    """11.70 captured of 9.00 approved: not with the 3.00 approved since."""
    in_force(spending_limits=[DAILY])
    bought = Told(900)
    bought.life.answered(approved=True, at=bought.tick())
    bought.life.capture(1_170, at=bought.tick(), close=False)
    assert reason(bought.life.ask(200, at=bought.tick())) == "approved"
    assert ("captured_above_approval", 70) in bought.findings
    bought.life.answered(approved=True, at=bought.tick())
    assert reason(bought.life.ask(100, at=bought.tick())) == "approved"
    assert "captured_above_approval" not in dict(bought.findings)
    assert_clean()


# --- no other than a later event


STEPS = ("increment", "lower", "capture a part", "capture too much", "refund", "hold again")


def lived(first: int, steps: Iterable[str], *, balances: bool, lowers: bool) -> Life:
    """A life that ends with a request for more; the last event of it."""
    shopper = Shopper()
    life = life_of(shopper.purchase(first), shopper, balances=balances)
    life.ask(at=NOON)
    life.answered(approved=True, at=NOON + 1)
    for place, step in enumerate(steps):
        at = NOON + 100 * (place + 1)
        if step == "increment":
            life.ask(300, at=at)
            life.answered(approved=place % 2 == 0, at=at + 1)
        elif step == "lower":
            life.set_amount(life.amount // 2, at=at)
        elif step == "hold again":
            life.set_amount(life.amount + 200, at=at)
        elif step == "refund":
            life.refund(max(1, life.amount // 3), at=at)
        else:
            share = 40 if step == "capture a part" else 130
            life.capture(life.amount * share // 100, at=at, close=False, lowers_amount=lowers)
    life.ask(500, at=NOON + 10_000)
    return life


def as_report(request: Json) -> Json:
    """The later event that tells of the authorization what the request tells."""
    report = deepcopy(request)
    report |= {"id": "evt_report", "type": "issuing_authorization.updated"}
    report["data"]["object"]["pending_request"] = None
    return report


def left_behind(events: Iterable[Json]) -> dict[str, Any]:
    """All that counts once these came; then it is forgotten."""
    with transaction.atomic():
        *_, answer = [deliver(event) for event in events]
        assert_clean()
        columns = [field.attname for field in Authorization._meta.concrete_fields]
        found = {
            "answer": answer.content,
            "purchases": {row[0]: row for row in Authorization.objects.values_list(*columns)},
            "usage": set(Usage.objects.values_list()),
            "transactions": set(Transaction.objects.values_list()),
            "findings": set(
                Finding.objects.filter(state=Finding.State.OPEN).values_list(
                    "authorization", "kind", "subject", "amount", "description"
                )
            ),
            "ledger": {
                row.pk: sum(row.ledger.values_list("amount", flat=True))
                for row in Authorization.objects.all()
            },
            "decided": Decision.objects.values_list("approved_amount", "trace").get(
                pk=answer.json()["metadata"]["decision"]
            ),
        }
        transaction.set_rollback(True)
    return found


# Each example in a transaction of its own: triggers write the time when it began.
@pytest.mark.django_db(transaction=True)
@settings(
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.sampled_from([900, 4_000]),
    st.lists(st.sampled_from(STEPS), max_size=4),
    st.booleans(),
    st.booleans(),
    st.data(),
)
def test_a_request_leaves_what_a_later_event_and_then_the_request_leave(
    first: int, steps: list[str], balances: bool, lowers: bool, data: st.DataObject
) -> None:
    with transaction.atomic():
        in_force(spending_limits=[DAILY, {"count": 1, "interval": "daily"}])
        *events, request = lived(first, steps, balances=balances, lowers=lowers).events
        heard = [event for event in events if data.draw(st.booleans(), label=event["type"])]
        told_before = left_behind([*heard, as_report(request), request])
        assert left_behind([*heard, request]) == told_before
        transaction.set_rollback(True)


# --- locks


@pytest.mark.django_db
def test_an_ordinary_request_asks_the_database_no_more_than_before() -> None:
    in_force(spending_limits=[DAILY])
    Shopper().asks(100)
    run, ran = pipeline.run, list[list[str]]()

    def counted(asked: Sequence[Statement]) -> list[list[Row]]:
        ran.append([statement.text for statement in asked])
        return run(asked)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pipeline, "run", counted)
        assert Shopper().reason(100) == "approved"
    locking = [statements.SETTINGS, statements.LOCK_CARDS, statements.LOCK_CARDHOLDERS]
    reading = [
        statements.DECIDED,
        statements.PURCHASES,
        statements.USAGE,
        statements.POLICIES,
        statements.STRAYS,
    ]
    assert ran == [[*locking, *reading], [write_statements.WRITE]]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", range(2))
@pytest.mark.parametrize("is_done", [False, True])
def test_an_error_in_any_round_trip_leaves_neither_rows_nor_locks(
    number: int, is_done: bool
) -> None:
    """Before it or after it."""
    in_force(spending_limits=[DAILY])
    Shopper().asks(100)
    run, ran = pipeline.run, list[Sequence[Statement]]()

    def broken(asked: Sequence[Statement]) -> list[list[Row]]:
        ran.append(asked)
        if len(ran) <= number or is_done:
            found = run(asked)
        if len(ran) > number:
            raise ZeroDivisionError
        return found

    event = Shopper().event(Shopper().purchase(200))
    delivery = delivery_of(event)
    request = events.authorization_request(delivery.event)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pipeline, "run", broken)
        with pytest.raises(ZeroDivisionError):
            authorize(request, delivery)
    assert len(ran) == number + 1
    assert not connection.in_atomic_block
    assert Decision.objects.count() == 1

    def is_free() -> bool:
        with transaction.atomic():
            return bool(Card.objects.select_for_update(no_key=True, nowait=True).get(pk="ic_1"))

    assert elsewhere(is_free)


@pytest.mark.django_db(transaction=True)
def test_strays_are_locked_with_the_purchase_in_the_one_order() -> None:
    """Somebody else has the first of two groups and goes on to the second, of the stray.

    Had the stray been locked before the purchase, each would now wait for the other.
    """
    own, of_stray = (CardGroup.objects.create(name=name) for name in ("First", "Second"))
    bought, alone = waiting_capture(group=of_stray)
    stray = Stray("ipi_1", Authorization.objects.get(pk=alone))
    held = LockedScopes(root_id="ic_1", frozen=False, cardholder_id="ich_1", group_id=own.pk)
    has_first, done = threading.Event(), list[str]()

    def goes_on() -> None:
        with transaction.atomic():
            locks.hold(groups=[own.pk])
            has_first.set()
            while not is_waiting():
                time.sleep(0.01)
            locks.hold(groups=[of_stray.pk])
            done.append("other")

    def takes_in() -> None:
        assert has_first.wait(30)
        with transaction.atomic():
            locks.hold(**asdict(locks_for([stray], held)))
            done.append("request")

    threads = [threading.Thread(target=_alone, args=[work]) for work in (goes_on, takes_in)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert done == ["other", "request"]
    assert bought.id != alone


def is_waiting() -> bool:
    """Whether anybody waits for a row."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
        return bool(cursor.fetchone()[0])


def _alone(work: Callable[[], None]) -> None:
    try:
        work()
    finally:
        connection.close()


def test_keeping_a_transaction_writes_every_column() -> None:
    _, _, updated = write_statements.KEEP.partition("DO UPDATE SET")
    columns = {line.split("=")[0].strip() for line in updated.strip().splitlines()}
    assert columns | {"id"} == {field.column for field in Transaction._meta.concrete_fields}
