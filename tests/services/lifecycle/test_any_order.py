"""Whatever Stripe tells, in any order, any number of times: the same books in the end.

Whole lives are drawn, with beginnings around the borders of days, months and zones. They are told
once in order, and once shuffled, doubled, and mixed with the questions themselves.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from authorizations.models import Authorization, Finding, LedgerEntry, Transaction
from simulator.stripe.sample_lives import Life, force_capture, unlinked_refund
from simulator.stripe.samples import MERCHANTS, Json
from tests.support.desk import Shopper, deliver, in_force
from tests.support.lifecycle import card_of, life_of
from tests.support.verification import differences

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


def seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


# Just before and after midnight in Paris and New York, a month's end, and a change of the clocks.
BEGINNINGS = [
    seconds(f"2026-{at}")
    for at in (
        *("10-24T21:59:59", "10-24T22:00:00", "10-25T00:30:00", "10-25T22:59:59"),
        *("10-25T23:00:00", "10-31T22:59:59", "10-31T23:00:00", "11-01T03:59:59"),
        *("11-01T04:00:00", "11-01T06:30:00", "11-02T04:59:59", "11-02T05:00:00"),
    )
]
LIMITS = [
    {"amount": 10_000_000, "interval": "daily"},
    {"amount": 10_000_000, "interval": "monthly", "categories": [MERCHANTS[1].category]},
    {"count": 1_000, "interval": "weekly"},
    {"amount": 10_000_000, "interval": "daily", "cash_only": True},
    {"amount": 10_000_000, "interval": "weekly", "card_presences": ["not_present"]},
    {"count": 1_000, "interval": "daily", "authorization_methods": ["chip"]},
]
METHODS = ("chip", "online", "keyed_in")
STEPS = (
    *("capture", "capture a part", "capture too much", "refund", "increment", "increment"),
    *("not approved", "lower", "void", "expire", "nothing held", "too late", "wrong answer"),
)


def lived(
    first: int, merchant: int, at: int, balances: bool, steps: Iterable[str], *, place: int
) -> list[Json]:
    """All events of a life, in the order in which they happened."""
    shopper = Shopper(card_id=f"ic_{place % 2 + 1}", at=at)
    purchase = shopper.purchase(
        first,
        merchant=MERCHANTS[merchant],
        method=METHODS[(first + at) % len(METHODS)],
        authorization_id=f"iauth_{place}",
    )
    life = life_of(purchase, shopper, balances=balances)
    life.ask(at=at)
    life.answered(approved=True, at=at + 1)
    for step, name in enumerate(steps):
        _happen(life, name, at + 100 * (step + 1))
    return life.events


def _happen(life: Life, name: str, at: int) -> None:
    if name.startswith("capture"):
        share = {"capture": 100, "capture a part": 40, "capture too much": 130}[name]
        lowers = name == "capture a part" and at % 2 == 0
        amount = life.amount * share // 100
        life.capture(amount, at=at, close=name == "capture", lowers_amount=lowers)
    elif name == "refund":
        life.refund(max(1, life.amount // 3), at=at)
    elif name in ("increment", "not approved", "too late", "wrong answer"):
        life.ask(700, at=at)
        reasons = {"too late": "webhook_timeout", "wrong answer": "webhook_error"}
        life.answered(approved=name != "not approved", reason=reasons.get(name), at=at + 1)
    elif name == "lower":
        life.reverse(life.amount // 2, at=at)
    elif name == "void":
        life.reverse(at=at)
    elif name == "expire":
        life.expire(at=at)
    else:
        life.set_amount(0, at=at)


lives = st.builds(
    lambda *drawn: drawn,
    st.sampled_from([0, 1, 999, 5_000]),
    st.sampled_from([0, 1, 6]),
    st.sampled_from(BEGINNINGS),
    st.booleans(),
    st.lists(st.sampled_from(STEPS), max_size=5),
)


def alone(at: int, seed: int) -> list[Json]:
    """Money that moved without any authorization."""
    card, chance = card_of(Shopper(at=at)), Random(seed)
    return [
        force_capture(card, amount=333, at=at, chance=chance),
        unlinked_refund(card, amount=222, at=at, chance=chance),
    ]


def ended_after(events: Iterable[Json]) -> dict[str, Any]:
    """What the books say once all this was told; then it is forgotten."""
    with transaction.atomic():
        for event in events:
            answer = deliver(event)
            assert answer.status_code == 200, (event["type"], answer.content)
        assert differences() == []
        found = {"authorizations": purchases(), "findings": findings(), "transactions": moved()}
        transaction.set_rollback(True)
    return found


def purchases() -> dict[str, Any]:
    """Rows that count or are open, with the sum of their ledger: what moved away left nothing."""
    columns = (
        *("status", "captured_amount", "is_held", "counted_amount", "counted_cash"),
        *("refunded_amount", "count", "cash_count", "books", "card_presence"),
        "authorization_method",
    )
    found = {}
    for row in Authorization.objects.all():
        entries = LedgerEntry.objects.filter(authorization=row)
        totals = [
            sum(getattr(entry, name) for entry in entries)
            for name in ("amount", "cash_amount", "refunded_amount", "count", "cash_count")
        ]
        if row.pk.startswith("iauth") or row.books["transactions"]:
            found[row.pk] = [getattr(row, name) for name in columns], totals
        else:
            assert not any(totals)
    return found


def findings() -> set[tuple[Any, ...]]:
    rows = Finding.objects.filter(state=Finding.State.OPEN).exclude(kind="limit_exceeded")
    return set(
        rows.values_list("authorization", "kind", "subject", "amount", "description", "done")
    )


def moved() -> set[tuple[Any, ...]]:
    columns = ("id", "type", "amount", "linked", "booked_under", "card_id", "reported_at")
    return set(Transaction.objects.values_list(*columns))


@settings(
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(lives, min_size=1, max_size=3), st.booleans(), st.data())
def test_in_any_order_and_any_repetition_the_same_events_end_in_the_same_books(
    drawn: list[tuple[int, int, int, bool, list[str]]], with_alone: bool, data: st.DataObject
) -> None:
    with transaction.atomic():
        in_force("Paris", time_zone="Europe/Paris", spending_limits=LIMITS)
        in_force("New York", time_zone="America/New_York", spending_limits=LIMITS)
        events = [event for place, life in enumerate(drawn) for event in lived(*life, place=place)]
        events += alone(BEGINNINGS[0], 7) if with_alone else []
        again = data.draw(st.lists(st.sampled_from(events), max_size=5), label="again")
        shuffled = data.draw(st.permutations(events + again), label="told")
        assert ended_after(shuffled) == ended_after(events)
        transaction.set_rollback(True)
