"""The samples are what Stripe would send: they fit its schema, and we can read them."""

import json
import re
from random import Random
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from authorizations.rules.basics.filters import known_categories
from authorizations.wire.events import authorization_request, read
from simulator.stripe import samples
from tests.support.builders import CREATED, request_event, signed
from tests.wire.stripes_schema import request_schema

SPECIAL_CATEGORIES = {"3": "airlines_air_carriers", "4": "car_rental_agencies"}


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    return request_schema()


EVENTS: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "online": {"method": "online"},
    "in a wallet": {"method": "contactless", "wallet": "apple_pay"},
    "abroad": {"merchant_amount": 1480, "merchant_currency": "jpy"},
    "with cash": {"cashback": 2000, "atm_fee": 150},
    "with everything told": {"risk_score": 80, "is_amount_controllable": True, "cvc": "mismatch"},
    "without the money's details": {"amount": 0},
    "of a replaced card": {"replacement_for": "ic_0", "card_status": "inactive"},
    "live, on Connect": {"livemode": True, "account": "acct_1"},
}


@pytest.mark.parametrize("wanted", EVENTS.values(), ids=EVENTS)
def test_every_sample_fits_stripes_schema_and_is_read(
    wanted: dict[str, Any], validator: Draft202012Validator
) -> None:
    event = request_event(**wanted)
    assert [error.message for error in validator.iter_errors(event)] == []
    assert authorization_request(read(samples.to_bytes(event))).event_id == event["id"]


def test_samples_hold_every_field_of_the_schema_that_a_request_has(
    validator: Draft202012Validator,
) -> None:
    objects = request_event()["data"]["object"]
    kinds = {"issuing.authorization": objects, "issuing.card": objects["card"]}
    kinds["issuing.cardholder"] = objects["card"]["cardholder"]
    # Told only to those who may see them, or on accounts with a financial account.
    untold = {"cvc", "number", "financial_account", "treasury"}
    for name, sample in kinds.items():
        fields = set(validator.schema["$defs"][name]["properties"])
        assert fields - set(sample) - untold == set()


def test_an_increment_fits_the_schema_and_follows_the_request_before(
    validator: Draft202012Validator,
) -> None:
    first = samples.Purchase(authorization_id="iauth_1", created=CREATED, amount=900)
    third = first.increment(200, approved=900, at=CREATED + 3).increment(
        50, approved=0, at=CREATED + 6
    )
    event = request_event(**vars(third), event_created=CREATED + 7)
    assert [error.message for error in validator.iter_errors(event)] == []
    request = authorization_request(read(samples.to_bytes(event)))
    assert (request.amount, request.snapshot.amount, request.request_index) == (50, 900, 2)


def test_the_schema_would_notice_a_field_of_our_own_invention(
    validator: Draft202012Validator,
) -> None:
    event = request_event()
    event["data"]["object"]["card"]["colour"] = "blue"
    del event["data"]["object"]["verification_data"]
    assert len(list(validator.iter_errors(event))) == 2


def test_the_same_seed_gives_the_same_ids_and_they_look_like_stripes() -> None:
    ids = [samples.identifier("iauth", Random(7)) for _ in range(2)]
    assert ids[0] == ids[1]
    assert re.fullmatch(r"iauth_[0-9A-Za-z]{24}", ids[0])
    assert ids[0] != samples.identifier("iauth", Random(8))


def test_builders_never_give_an_id_twice() -> None:
    first, second = request_event(), request_event()
    assert first["id"] != second["id"]
    assert first["data"]["object"]["id"] != second["data"]["object"]["id"]


def test_a_signed_sample_is_signed_over_its_very_bytes() -> None:
    body, headers = signed(request_event(event_id="evt_1"))
    assert json.loads(body)["id"] == "evt_1"
    assert set(headers) == {"Stripe-Signature"}


@pytest.mark.parametrize("merchant", samples.MERCHANTS, ids=lambda merchant: merchant.name)
class TestMerchants:
    def test_category_and_code_belong_together(self, merchant: samples.SampleMerchant) -> None:
        category = known_categories()[merchant.category]
        assert category.code == merchant.mcc or "3000" <= merchant.mcc <= "3999"

    def test_its_event_fits_the_schema(
        self, merchant: samples.SampleMerchant, validator: Draft202012Validator
    ) -> None:
        asked = samples.converted(merchant.usual, merchant.currency, "eur")
        event = request_event(
            merchant=merchant,
            amount=asked,
            merchant_amount=merchant.usual,
            merchant_currency=merchant.currency,
            method="online" if merchant.is_online else "chip",
        )
        assert [error.message for error in validator.iter_errors(event)] == []
        request = authorization_request(read(samples.to_bytes(event)))
        assert request.merchant.category_code == merchant.mcc
        assert 0 < request.amount < 100_000


def test_the_merchants_cover_what_policies_are_made_for() -> None:
    codes = {merchant.mcc for merchant in samples.MERCHANTS}
    assert {"6010", "6011", "5542", "7995", "5812", "4816"} <= codes
    assert any("3000" <= code <= "3299" for code in codes)
    assert len({merchant.country for merchant in samples.MERCHANTS}) >= 10
    network_ids = [merchant.network_id for merchant in samples.MERCHANTS]
    assert len(set(network_ids)) == len(network_ids)
