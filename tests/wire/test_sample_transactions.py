"""Events about what has no authorization: transactions nobody asked for, cards, cardholders."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from simulator.stripe import samples
from simulator.stripe.sample_lives import (
    card_event,
    cardholder_event,
    force_capture,
    transaction_updated,
    unlinked_refund,
)
from tests.support.builders import CREATED
from tests.support.lives import card
from tests.wire.stripes_schema import faults, life_schema

KOMBINI = next(shop for shop in samples.MERCHANTS if shop.currency == "jpy")


@pytest.mark.parametrize(
    ("event", "kind", "sign"), [(force_capture, "capture", -1), (unlinked_refund, "refund", 1)]
)
def test_a_transaction_without_authorization_has_stripes_signs_in_both_currencies(
    event: Callable[..., samples.Json], kind: str, sign: int
) -> None:
    told = event(
        card(), amount=900, merchant_amount=1_480, merchant=KOMBINI, at=CREATED, chance=Random(1)
    )
    found = told["data"]["object"]
    assert faults([told]) == []
    assert told["type"] == "issuing_transaction.created"
    assert (found["type"], found["amount"], found["currency"]) == (kind, sign * 900, "eur")
    assert (found["merchant_amount"], found["merchant_currency"]) == (sign * 1_480, "jpy")
    assert (found["authorization"], found["card"], found["cardholder"]) == (
        None,
        "ic_marie",
        "ich_marie",
    )


def test_a_transaction_changes_and_says_from_what() -> None:
    found = force_capture(card(), amount=900, at=CREATED, chance=Random(1))["data"]["object"]
    told = transaction_updated(
        found, changes={"dispute": "idp_1"}, at=CREATED + 9, chance=Random(2)
    )
    assert faults([told]) == []
    assert told["data"] == {
        "object": found | {"dispute": "idp_1"},
        "previous_attributes": {"dispute": None},
    }


def test_a_lost_card_is_canceled_and_replaced() -> None:
    lost = card() | {"status": "canceled", "replaced_by": "ic_new", "cancellation_reason": "lost"}
    fresh = card(card_id="ic_new", replacement_for="ic_marie")
    told = [
        card_event(fresh, "created", at=CREATED, chance=Random(1)),
        card_event(lost, "updated", at=CREATED, chance=Random(2), previous={"status": "active"}),
    ]
    assert faults(told) == []
    assert [event["type"] for event in told] == ["issuing_card.created", "issuing_card.updated"]
    assert told[0]["data"]["object"]["replacement_for"] == "ic_marie"


@pytest.mark.parametrize("change", ["created", "updated"])
def test_a_cardholder_is_told_whole(change: Any) -> None:
    told = cardholder_event(card()["cardholder"], change, at=CREATED, chance=Random(1))
    assert faults([told]) == []
    assert (told["type"], told["data"]["object"]["id"]) == (
        f"issuing_cardholder.{change}",
        "ich_marie",
    )


def test_the_schema_would_notice_a_field_of_our_own_invention() -> None:
    told = force_capture(card(), amount=900, at=CREATED, chance=Random(1))
    told["data"]["object"]["colour"] = "blue"
    del told["data"]["object"]["merchant_data"]["network_id"]
    assert len(faults([told])) == 2


def test_sample_transactions_hold_every_field_of_the_schema_they_may_have() -> None:
    found = force_capture(card(), amount=900, at=CREATED, chance=Random(1))["data"]["object"]
    fields = life_schema().schema["$defs"]["issuing.transaction"]["properties"]
    # Told on request, or on accounts with a financial account.
    assert set(fields) - set(found) == {"purchase_details", "treasury"}
