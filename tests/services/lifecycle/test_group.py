"""Later events that are applied together leave what they leave one by one."""

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from django.db import connection

from authorizations.models import (
    Authorization,
    CardGroup,
    Finding,
    LedgerEntry,
    Transaction,
    Usage,
    WebhookRequest,
)
from authorizations.services.lifecycle import group, intake
from authorizations.services.runtime.delivery import Delivery
from authorizations.services.runtime.pipeline import ROLLBACK
from authorizations.services.store.plans import drive
from simulator.stripe.sample_lives import Life
from simulator.stripe.samples import Json, Purchase
from tests.support.desk import NOON, Shopper, deliver, in_force
from tests.support.lifecycle import card_of
from tests.support.stand_in import delivery
from tests.support.verification import differences

pytestmark = pytest.mark.django_db(transaction=True)

LIVES = 6
DAILY = {"amount": 6_000, "interval": "daily"}
LIMITS = [
    DAILY,
    {"count": 9, "interval": "weekly"},
    {"amount": 4_000, "interval": "rolling", "days": 2},
]


def lives(family: str, seed: int) -> Iterator[list[Json]]:
    """The later events of several purchases of a family, each decided here first."""
    chance = Random(seed)
    for number in range(LIVES):
        shopper = Shopper(card_id=f"ic_{family}{number % 3}", cardholder_id=f"ich_{family}")
        purchase = Purchase(
            authorization_id=f"iauth_{family}{number}",
            created=NOON + number,
            amount=chance.randrange(100, 2_000),
        )
        life = Life(
            purchase,
            card_of(shopper),
            chance=Random(f"{family}{seed}{number}"),
            balances=chance.random() < 0.5,
        )
        at = NOON + number
        answer = deliver(life.ask(at=at)).json()
        told = [life.answered(approved=answer["approved"], at=at)]
        if chance.random() < 0.2:
            told = [life.answered(approved=not answer["approved"], at=at + 1)]
        for _ in range(chance.randrange(4)):
            at += 60
            told += step_of(life, chance, at)
        yield told


def step_of(life: Life, chance: Random, at: int) -> list[Json]:
    before = len(life.events)
    match chance.choice(["capture", "capture", "reverse", "refund", "expire", "increment"]):
        case "capture":
            life.capture(chance.randrange(1, 2_500), at=at)
        case "reverse":
            life.reverse(chance.randrange(1, 500), at=at)
        case "refund":
            life.refund(chance.randrange(1, 500), at=at)
        case "expire":
            life.expire(at=at)
        case "increment":
            life.answered(approved=True, amount=chance.randrange(1, 300), at=at)
    return life.events[before:]


def in_one_order(told: list[list[Json]], seed: int) -> list[Json]:
    """All events mixed: mostly in order, some late, some twice."""
    chance = Random(seed)
    events = [(place, step) for place, life in enumerate(told) for step in range(len(life))]
    events += chance.sample(events, k=min(3, len(events)))
    events.sort(key=lambda event: event[1] + chance.uniform(0, 1.6))
    return [told[place][step] for place, step in events]


def apply_in_groups(told: list[Json]) -> int:
    """As the desk does; returns how many were applied in groups."""
    together, waiting = 0, [delivery(event) for event in told]
    while waiting:
        members: dict[str, tuple[group.PurchaseReport, Delivery]] = {}
        rest: list[Delivery] = []
        for one in waiting:
            report = group.groupable(one)
            if report is None:
                intake.receive(one)
            elif group.authorization_of(report) in members or len(members) == 4:
                rest.append(one)
            else:
                members[group.authorization_of(report)] = (report, one)
        waiting = rest
        if members:
            answers = drive(group.apply_together(list(members.values())))
            if not any(answers):
                connection.connection.wait(group_ended())
            for (_, one), answered in zip(members.values(), answers, strict=True):
                together += answered is not None
                if answered is None:
                    intake.receive(one)
    return together


def group_ended() -> Any:
    from authorizations.services.runtime.pipeline import exchange  # noqa: PLC0415

    return exchange(connection.connection, [ROLLBACK])


def left_by(family: str) -> list[Any]:
    """What the events of a family have left, without ids that differ."""
    ours = {"authorization__id__startswith": f"iauth_{family}"}
    changing = [
        *("status", "captured_amount", "is_held", "counted_amount", "counted_cash"),
        *("refunded_amount", "count", "cash_count"),
    ]
    purchases = Authorization.objects.filter(card__id__startswith=f"ic_{family}").order_by("pk")
    entries = LedgerEntry.objects.filter(**ours).order_by("pk")
    by_purchase: dict[str, list[Any]] = {}
    for id_, *entry in entries.values_list(
        "authorization_id", "cause", "amount", "cash_amount", "refunded_amount", "count"
    ):
        by_purchase.setdefault(id_.removeprefix(f"iauth_{family}"), []).append(entry)
    rows = Usage.objects.filter(scope__contains=f"_{family}").values_list(
        *("scope", "window_start", "window_end", "filter_key", "currency"),
        *("amount", "refunded_amount", "count"),
    )
    usage = [(scope.replace(f"_{family}", "_"), *figures) for scope, *figures in rows]
    findings = Finding.objects.filter(**ours).values_list("kind", "state", "amount")
    transactions = Transaction.objects.filter(card__id__startswith=f"ic_{family}")
    return [
        list(purchases.values_list(*changing)),
        by_purchase,
        sorted(usage),
        sorted(findings),
        sorted(transactions.values_list("type", "amount", "created")),
        WebhookRequest.objects.filter(about__startswith=f"iauth_{family}").count(),
    ]


@pytest.mark.parametrize("seed", range(12))
def test_in_groups_they_leave_what_they_leave_one_by_one(seed: int) -> None:
    in_force(spending_limits=LIMITS)
    if seed % 2:
        CardGroup.objects.create(name="Team")
    told = {family: list(lives(family, seed)) for family in ("g", "s")}
    together = apply_in_groups(in_one_order(told["g"], seed))
    for event in in_one_order(told["s"], seed):
        intake.receive(delivery(event))
    assert left_by("g") == left_by("s")
    assert together
    assert differences() == []


def test_nearly_all_of_a_usual_life_are_applied_in_groups() -> None:
    in_force(spending_limits=[DAILY])
    told = []
    for number in range(3):
        shopper = Shopper(card_id=f"ic_{number}", cardholder_id=f"ich_{number}")
        life = Life(shopper.purchase(500), card_of(shopper))
        deliver(life.ask(at=NOON))
        told.append([life.answered(approved=True, at=NOON), *life.capture(at=NOON + 60)])
    steps = [event for step in zip(*told, strict=True) for event in step]
    assert apply_in_groups(steps) == len(steps) == 9
