"""Saving a group while its cards pay: everybody locks in one order, so nobody deadlocks."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from authorizations.models import CardGroup
from tests.admin import pages
from tests.admin.conftest import Login
from tests.services.authorize.test_races import at_once
from tests.support.desk import Shopper, in_force

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
