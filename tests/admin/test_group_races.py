"""Saving a group while its cards pay: everybody locks in one order, so nobody deadlocks."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest
from django.db.models import Sum
from django.test import Client

from authorizations.models import Authorization, CardGroup, Cardholder, LedgerEntry
from authorizations.services.runtime import pipeline
from simulator.stripe.samples import Json, Purchase
from tests.admin import pages
from tests.admin.conftest import Login
from tests.services.authorize.test_races import at_once
from tests.support import together
from tests.support.desk import Shopper, in_force
from tests.support.stand_in import on_this_host
from tests.support.together import RunningDesk
from tests.support.verification import differences

pytestmark = pytest.mark.django_db(transaction=True)

SAVES = 15
PURCHASES = 25


def test_the_group_form_saves_in_a_loop_while_the_cards_of_the_group_pay(login: Login) -> None:
    in_force()
    shoppers = [Shopper(card_id=f"ic_{n}", cardholder_id=f"ich_{n % 2}") for n in range(4)]
    for shopper in shoppers:
        shopper.asks(0)
    groups = [CardGroup.objects.create(name=name) for name in ("North", "South")]
    clients = [login("Operations"), login("superuser")]

    def regroup(client: Client, group: CardGroup) -> set[int]:
        url = pages.change_url(group)
        sent = {"name": group.name, "description": ""}
        chosen: list[list[str]] = [["ic_0", "ic_3"], ["ic_1", "ic_2", "ic_0"], []]
        posts = (client.post(url, sent | {"cards": chosen[n % 3]}) for n in range(SAVES))
        return {response.status_code for response in posts}

    def pay(shopper: Shopper) -> set[str]:
        return {shopper.reason(100) for _ in range(PURCHASES)}

    tasks: list[Callable[[], Any]] = [
        *(lambda c=c, g=g: regroup(c, g) for c, g in zip(clients, groups, strict=True)),
        *(lambda s=s: pay(s) for s in shoppers),
    ]
    results = at_once(*tasks)
    assert results[:2] == [{302}, {302}]
    assert results[2:] == [{"approved"}] * 4


ROUNDS, A_ROUND = 8, 10


@pytest.mark.slow
def test_limits_hold_to_the_cent_while_two_servers_decide_in_groups_and_the_form_saves(
    login: Login, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cards of shared cardholders and groups, half of them used for the first time."""
    failed: list[psycopg.Error] = []
    made = pipeline._error

    def noted(result: Any) -> psycopg.Error:
        failed.append(made(result))
        return failed[-1]

    monkeypatch.setattr(pipeline, "_error", noted)
    daily = {"amount": 20_000, "interval": "daily"}
    in_force(spending_limits=[daily])
    shoppers = [Shopper(card_id=f"ic_{n}", cardholder_id=f"ich_{n % 3}") for n in range(6)]
    for shopper in shoppers[:4]:
        shopper.asks(1)
    limits: list[dict[str, Any]] = [{"amount": 25_000, "interval": "rolling", "hours": 5}]
    for holder in Cardholder.objects.all():
        in_force(f"Of {holder.pk}", spending_limits=limits, to={"cardholder": holder})
    groups = [CardGroup.objects.create(name=name) for name in ("North", "South")]
    for group in groups:
        limits = [{"amount": 30_000, "interval": "weekly"}, {"count": 25, "interval": "daily"}]
        in_force(group.name, spending_limits=limits, to={"group": group})

    def regroup(client: Client, group: CardGroup) -> set[int]:
        url = pages.change_url(group)
        sent = {"name": group.name, "description": ""}
        chosen: list[list[str]] = [["ic_0", "ic_3"], ["ic_1", "ic_2", "ic_0"], []]
        posts = (client.post(url, sent | {"cards": chosen[n % 3]}) for n in range(SAVES))
        return {response.status_code for response in posts}

    def serve(desk: RunningDesk, seed: int) -> set[str]:
        chance, reasons = Random(seed), set[str]()
        bought: list[tuple[Shopper, Purchase]] = []
        for _ in range(ROUNDS):
            begun: list[tuple[Shopper, Purchase]] = []
            for _ in range(A_ROUND):
                shopper = chance.choice(shoppers)
                purchase = shopper.purchase(chance.randrange(100, 900))
                if bought and chance.random() < 0.3:
                    shopper, first = bought.pop(chance.randrange(len(bought)))
                    purchase = first.increment(300, approved=first.amount, at=shopper.at)
                begun.append((shopper, purchase))
            asked: list[Json] = [shopper.event(purchase) for shopper, purchase in begun]
            for one, answer in zip(begun, desk.asks(*asked), strict=True):
                reasons.add(answer.reason)
                if answer.reason == "approved" and not one[1].history:
                    bought.append(one)
        return reasons

    clients = [login("Operations"), login("superuser")]
    with on_this_host(tmp_path / "spool"), together.running(2) as desks:
        results = at_once(
            *(lambda c=c, g=g: regroup(c, g) for c, g in zip(clients, groups, strict=True)),
            *(lambda d=d, s=s: serve(d, s) for s, d in enumerate(desks * 2)),
        )
    assert results[:2] == [{302}, {302}]
    reasons = set[str]().union(*results[2:])
    assert {"approved", "amount_limit_exceeded"} <= reasons
    assert reasons <= {"approved", "amount_limit_exceeded", "count_limit_exceeded"}
    assert not any(isinstance(error, psycopg.errors.DeadlockDetected) for error in failed)
    for of, most in (("card", 20_000), ("group", 30_000), ("cardholder", 25_000)):
        counted = Authorization.objects.exclude(**{of: None}).values(of)
        for row in counted.annotate(total=Sum("counted_amount"), purchases=Sum("count")):
            assert row["total"] <= most
            assert of != "group" or row["purchases"] <= 25
    entries = LedgerEntry.objects.aggregate(total=Sum("amount"))["total"]
    assert entries == Authorization.objects.aggregate(total=Sum("counted_amount"))["total"]
    assert differences() == []
