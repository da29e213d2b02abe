"""How later events are taken in: what is locked meanwhile."""

from typing import Any
from unittest.mock import patch

import pytest
from django.db import connection

from authorizations.models import Authorization
from authorizations.services.store import cards
from simulator.stripe import samples
from simulator.stripe.sample_lives import Life
from tests.support.desk import NOON, Shopper, deliver


@pytest.mark.django_db(transaction=True)
def test_nothing_is_locked_while_a_new_card_is_added() -> None:
    """Or two events of one cardholder, each with a new card, could wait for each other."""
    register, was_in_transaction = cards.register, []

    def watched(*args: Any) -> None:
        was_in_transaction.append(connection.in_atomic_block)
        register(*args)

    holder = samples.cardholder(cardholder_id="ich_1", name="Ada Lovelace", created=NOON)
    lived = Life(
        Shopper().purchase(5_000), samples.card(card_id="ic_1", holder=holder, created=NOON)
    )
    with patch.object(cards, "register", watched):
        deliver(lived.answered(approved=True, reason="card_active", at=NOON + 1))
    assert was_in_transaction == [False]
    assert Authorization.objects.get().counted_amount == 5_000
