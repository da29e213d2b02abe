"""From Stripe's events to our words: what a request says."""

import json

import pytest

from authorizations.rules.basics.filters import Merchant
from authorizations.rules.purchases.events import AuthorizationRequest, CardDetails, Verification
from authorizations.rules.purchases.snapshots import RequestHistoryEntry, Snapshot
from authorizations.wire import lenient
from authorizations.wire.events import (
    AUTHORIZATION_REQUEST,
    authorization_request,
    read,
)
from simulator.stripe import samples
from tests.support.builders import CREATED, GONE, changed, request_event
from tests.wire.reading import asked

BETAS = (
    "2020-08-27; issuing_flows_beta=v1",
    "; ".join(["2020-08-27", *(f"issuing_beta_{number}=v{number}" for number in range(20))]),
    "2025-09-30.preview",
)


class TestAWholeRequest:
    def test_everything_the_rules_look_at_is_read(self) -> None:
        event = request_event(
            event_id="evt_1",
            authorization_id="iauth_1",
            account="acct_1",
            amount=5500,
            merchant=samples.MERCHANTS[1],
            merchant_amount=5980,
            merchant_currency="usd",
            method="contactless",
            wallet="apple_pay",
            cashback=2000,
            atm_fee=150,
            is_amount_controllable=True,
            risk_score=37,
            cvc="match",
            postal_code="mismatch",
            three_d_secure="attempt_acknowledged",
            replacement_for="ic_root",
            livemode=True,
        )
        event["data"]["object"] |= {"token": "intok_1", "verified_by_fraud_challenge": True}
        assert asked(event) == AuthorizationRequest(
            event_id="evt_1",
            event_created=CREATED + 1,
            livemode=True,
            authorization_id="iauth_1",
            created=CREATED,
            card=CardDetails(
                id="ic_marie",
                status="active",
                last4="0005",
                currency="eur",
                cardholder_id="ich_marie",
                cardholder_name="Marie Curie",
                brand="Visa",
                type="virtual",
                replacement_for="ic_root",
                created=CREATED - 500,
                metadata={},
                cardholder_metadata={},
            ),
            amount=5500,
            currency="eur",
            merchant=Merchant(
                category="eating_places_restaurants",
                category_code="5812",
                country="FR",
                name="Chez Ninon",
                network_id="498750017735",
                card_presence="present",
                authorization_method="contactless",
                city="Lyon",
                postal_code="69002",
                terminal_id="50017735",
            ),
            snapshot=Snapshot(at=CREATED + 1, status="pending", amount=0, merchant_currency="usd"),
            account="acct_1",
            merchant_amount=5980,
            merchant_currency="usd",
            is_amount_controllable=True,
            cashback_amount=2000,
            atm_fee=150,
            network_risk_score=37,
            authorization_method="contactless",
            card_presence="present",
            wallet="apple_pay",
            token="intok_1",
            verified_by_fraud_challenge=True,
            verification=Verification(
                cvc="match",
                expiry="match",
                address_line1="not_provided",
                postal_code="mismatch",
                three_d_secure="attempt_acknowledged",
            ),
        )

    def test_a_token_may_come_whole(self) -> None:
        token = {"id": "intok_1", "object": "issuing.token", "status": "active"}
        assert asked(changed("data.object.token", token)).token == "intok_1"

    def test_an_increment_brings_what_was_approved_before(self) -> None:
        first = samples.Purchase(
            authorization_id="iauth_1", created=CREATED, amount=10_000, cashback=500
        )
        second = first.increment(3000, approved=10_000, at=CREATED + 5)
        third = second.increment(700, approved=0, at=CREATED + 9)
        request = asked(request_event(**vars(third), event_created=CREATED + 10))
        assert request.amount == 700
        assert request.request_index == 2
        assert request.snapshot == Snapshot(
            at=CREATED + 10,
            status="pending",
            amount=10_000,
            history=(
                RequestHistoryEntry(10_000, True, CREATED + 5, "webhook_approved", 500, 10_000),
                RequestHistoryEntry(3000, False, CREATED + 9, "webhook_declined", 500, 3000),
            ),
            merchant_amount=10_000,
            merchant_currency="eur",
        )

    def test_the_history_is_read_in_the_order_of_time_and_ties_keep_theirs(self) -> None:
        entries = [
            {"amount": amount, "approved": True, "created": created}
            for amount, created in ((1, 30), (2, 10), (3, 20), (4, 10))
        ]
        request = asked(changed("data.object.request_history", entries))
        assert [entry.amount for entry in request.snapshot.history] == [2, 4, 3, 1]

    def test_upper_and_lower_case_are_made_one(self) -> None:
        event = changed("data.object.pending_request.currency", "EUR")
        event["data"]["object"]["merchant_data"]["country"] = "fr"
        event["data"]["object"]["card"]["currency"] = "Eur"
        request = asked(event)
        assert (request.currency, request.merchant.country) == ("eur", "FR")
        assert request.card.currency == "eur"

    def test_the_cardholder_and_the_replaced_card_come_as_ids_or_as_objects(self) -> None:
        event = changed("data.object.card.cardholder", "ich_2")
        event["data"]["object"]["card"]["replacement_for"] = {
            "id": "ic_0",
            "object": "issuing.card",
        }
        card = asked(event).card
        assert (card.cardholder_id, card.cardholder_name) == ("ich_2", "")
        assert card.replacement_for == "ic_0"

    def test_raw_utf8_reads_as_its_escapes_do(self) -> None:
        event = request_event(merchant=samples.MERCHANTS[8])
        raw = json.dumps(event, ensure_ascii=False).encode()
        assert raw != json.dumps(event).encode()
        assert asked(raw) == asked(event)


@pytest.mark.parametrize(
    ("told", "method", "expected"),
    [
        ("present", "online", "present"),
        ("not_present", "chip", "not_present"),
        ("a_new_word", "chip", "a_new_word"),
        (None, "chip", "present"),
        (None, "contactless", "present"),
        (None, "swipe", "present"),
        (GONE, "swipe", "present"),
        ("", "swipe", "present"),
        (None, "online", "not_present"),
        (None, "keyed_in", None),
        (None, "telepathy", None),
        (5, "online", "not_present"),
    ],
)
def test_card_presence_is_stripes_word_or_what_the_method_proves(
    told: object, method: str, expected: str | None
) -> None:
    request = asked(changed("data.object.card_presence", told, method=method))
    assert request.card_presence == expected
    # Limits know it by its merchant.
    assert request.merchant.card_presence == (expected or "")
    assert request.merchant.authorization_method == request.authorization_method == method


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Caf\0", "Caf\N{REPLACEMENT CHARACTER}"),
        ("\ud800Café\udfff", "\N{REPLACEMENT CHARACTER}Café\N{REPLACEMENT CHARACTER}"),
        ("two\nlines", "two\nlines"),
        ("x" * 501, "x" * 500),
        ("\N{GRINNING FACE}\ud83d", "\N{GRINNING FACE}\N{REPLACEMENT CHARACTER}"),
        ("\\ud800\udc00", "\\ud800\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_text_is_kept_as_the_database_can_hold_it(name: str, expected: str) -> None:
    assert asked(changed("data.object.merchant_data.name", name)).merchant.name == expected


class TestUnknownThings:
    def test_unknown_fields_and_enum_values_are_welcome(self) -> None:
        event = changed("data.object.card.status", "on_holiday", method="retina", wallet="purse")
        event["data"]["object"]["flavour"] = {"of": ["the", "year", 2031]}
        event["data"]["object"]["status"] = "considering"
        event["thin"] = None
        request = asked(event)
        assert request.card.status == "on_holiday"
        assert (request.authorization_method, request.wallet) == ("retina", "purse")
        assert request.snapshot.status == "considering"

    def test_another_type_of_event_is_read_too(self) -> None:
        event = read(b'{"type": "issuing_card.updated", "id": "evt_2", "data": {"object": {}}}')
        assert (event.type, event.id, event.created) == ("issuing_card.updated", "evt_2", None)
        assert bytes(event.data) == b'{"object": {}}'

    def test_an_event_needs_nothing_but_a_type(self) -> None:
        assert read(b'{"type": "v2.money.moved"}').type == "v2.money.moved"

    @pytest.mark.parametrize("version", BETAS)
    def test_a_version_with_betas_is_kept_whole_and_read_as_fast_as_any(
        self, version: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def loads(_body: bytes) -> None:
            raise AssertionError("read leniently, which is slow")

        monkeypatch.setattr(lenient, "loads", loads)
        event = read(samples.to_bytes(request_event() | {"api_version": version}))
        assert event.api_version == version
        assert authorization_request(event).livemode is False

    @pytest.mark.parametrize("field", ["id", "created", "livemode", "account", "api_version"])
    @pytest.mark.parametrize("value", [[], {}, 1.5, "\0"])
    def test_an_unreadable_part_of_the_envelope_is_none(self, field: str, value: object) -> None:
        event = read(json.dumps(request_event() | {field: value}).encode())
        assert event.type == AUTHORIZATION_REQUEST
        assert getattr(event, field) is None

    @pytest.mark.parametrize(
        ("kind", "kept"),
        [("a\0b", "a\N{REPLACEMENT CHARACTER}b"), ("x" * 300, "x" * 255), ("", "")],
    )
    def test_any_text_is_a_type_and_kept_as_the_database_can_hold_it(
        self, kind: str, kept: str
    ) -> None:
        assert read(json.dumps({"type": kind}).encode()).type == kept
