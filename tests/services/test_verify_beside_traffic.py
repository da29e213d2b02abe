"""The books are checked while purchases go on, and by several threads."""

import threading

import pytest
from django.db import connection

from authorizations.models import Card, CardGroup, Decision, LedgerEntry
from authorizations.services import ledger_along, recorded, verify_decisions
from tests.desk import Shopper, in_force
from tests.services.damage import damage
from tests.told import Told
from tests.verified import differences

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


def test_read_ahead_in_other_threads_the_same_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "SIZE", 2)
    monkeypatch.setattr(ledger_along, "_SIZE", 2)
    in_force("All", spending_limits=LIMITS)
    for amount in (100, 200, 300, 400):
        bought = Told(amount)
        bought.buys()
        bought.captures(amount)
    row = Decision.objects.earliest("webhook_request_id")
    damage(row, approved_amount=9_001)
    [span] = recorded.spans(1)
    found = list(verify_decisions.verify_decisions(span, reads_ahead=True))
    [difference] = [one for piece in found for one in piece.differences]
    assert difference.where == f"decision {row.pk}"
    for what, model in (("decisions", Decision), ("ledger entries", LedgerEntry)):
        assert sum(piece.number for piece in found if piece.what == what) == model.objects.count()
