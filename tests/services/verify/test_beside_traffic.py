"""The books are checked while purchases go on."""

import threading

import pytest
from django.db import connection

from authorizations.models import Card, CardGroup
from tests.support.desk import Shopper, in_force
from tests.support.lifecycle import Told
from tests.support.verification import differences

pytestmark = pytest.mark.django_db(transaction=True)

LIMITS = [
    {"amount": 20_000, "interval": "daily"},
    {"count": 50, "interval": "weekly"},
    {"amount": 9_000, "interval": "rolling", "hours": 1},
]


def test_traffic_meanwhile_makes_no_difference() -> None:
    in_force("All", spending_limits=LIMITS)
    Shopper().asks(1_000)
    group = CardGroup.objects.create(name="Team")
    Card.objects.update(group=group)
    in_force("Team", spending_limits=LIMITS, to={"group": group})
    is_over = threading.Event()

    def pay(card: str) -> None:
        try:
            while not is_over.is_set():
                bought = Told(10, Shopper(card_id=card, cardholder_id="ich_1"))
                bought.buys()
                bought.captures(7)
        finally:
            connection.close()

    payers = [threading.Thread(target=pay, args=[f"ic_{n}"]) for n in (1, 5)]
    for payer in payers:
        payer.start()
    found = [line for _ in range(20) for line in differences()]
    is_over.set()
    for payer in payers:
        payer.join()
    assert found == []
    assert differences() == []
