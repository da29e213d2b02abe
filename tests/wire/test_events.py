"""From Stripe's events to our words: what is needed, what may be missing, what must not harm."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authorizations.rules.books import HistoryEntry, Snapshot
from authorizations.rules.filters import Merchant
from authorizations.rules.values import AuthorizationRequest, Card, Verification
from authorizations.wire import lenient, samples
from authorizations.wire.events import (
    AUTHORIZATION_REQUEST,
    MalformedRequest,
    NotAnEvent,
    authorization_request,
    read,
)
from tests.builders import CREATED, request_event

GONE = object()
AMOUNT = "expected a whole number from 0 to 2^53-1"
ID = "expected an id of 1 to 255 visible characters"
INSTANT = "expected whole Unix seconds up to the year 9999"


def changed(path: str, value: object, **sample: Any) -> samples.Json:
    """A sample event with one value replaced, or removed where it is GONE."""
    event = request_event(**sample)
    *parents, last = path.split(".")
    place: Any = event
    for parent in parents:
        place = place[int(parent) if parent.isdigit() else parent]
    if value is GONE:
        del place[last]
    else:
        place[last] = value
    return event


def asked(event: samples.Json | bytes) -> AuthorizationRequest:
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    return authorization_request(read(body))


def problem(event: samples.Json | bytes) -> str:
    with pytest.raises(MalformedRequest) as malformed:
        asked(event)
    return malformed.value.problem


def with_extra(json_text: str) -> bytes:
    """A sample event that holds one more field, written as it is."""
    event = json.dumps(request_event(event_id="evt_extra"))
    return f'{{"extra": {json_text}, {event[1:]}'.encode()


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
        assert asked(event) == AuthorizationRequest(
            event_id="evt_1",
            event_created=CREATED + 1,
            livemode=True,
            authorization_id="iauth_1",
            created=CREATED,
            card=Card(
                id="ic_marie",
                status="active",
                last4="0005",
                currency="eur",
                cardholder_id="ich_marie",
                cardholder_name="Marie Curie",
                brand="Visa",
                type="virtual",
                replacement_for="ic_root",
            ),
            amount=5500,
            currency="eur",
            merchant=Merchant(
                category="eating_places_restaurants",
                category_code="5812",
                country="FR",
                name="Chez Ninon",
                network_id="498750017735",
                city="Lyon",
                postal_code="69002",
                terminal_id="50017735",
            ),
            snapshot=Snapshot(at=CREATED + 1, status="pending", amount=0),
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
            verification=Verification(
                cvc="match",
                expiry="match",
                address_line1="not_provided",
                postal_code="mismatch",
                three_d_secure="attempt_acknowledged",
            ),
        )

    def test_an_increment_brings_what_was_approved_before(self) -> None:
        first = samples.Purchase(
            authorization_id="iauth_1", created=CREATED, amount=10_000, cashback=500
        )
        second = first.increment(3000, approved=10_000, at=CREATED + 5)
        third = second.increment(700, approved=0, at=CREATED + 9)
        request = asked(request_event(**vars(third), event_created=CREATED + 10))
        assert request.amount == 700
        assert request.ordinal == 2
        assert request.snapshot == Snapshot(
            at=CREATED + 10,
            status="pending",
            amount=10_000,
            history=(
                HistoryEntry(10_000, True, CREATED + 5, "webhook_approved", 500),
                HistoryEntry(3000, False, CREATED + 9, "webhook_declined", 500),
            ),
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
    assert (
        asked(changed("data.object.card_presence", told, method=method)).card_presence == expected
    )


NEEDED = [
    ("id", ID),
    ("created", INSTANT),
    ("livemode", "expected true or false"),
    ("data", "expected an object"),
    ("data.object", "expected an object"),
    ("data.object.id", ID),
    ("data.object.created", INSTANT),
    ("data.object.card", "expected an object"),
    ("data.object.card.id", ID),
    ("data.object.card.status", "expected text"),
    ("data.object.card.cardholder", ID),
    ("data.object.pending_request", "expected an object"),
    ("data.object.pending_request.amount", AMOUNT),
    ("data.object.pending_request.currency", "expected a currency code of 3 letters"),
]


@pytest.mark.parametrize("value", [GONE, None, [], 1.5], ids=["missing", "null", "list", "float"])
@pytest.mark.parametrize(("path", "expected"), NEEDED, ids=[path for path, _ in NEEDED])
def test_what_is_needed_is_named_with_its_path_when_it_cannot_be_read(
    path: str, expected: str, value: object
) -> None:
    assert problem(changed(path, value)) == f"{path}: {expected}"


BAD_NUMBERS = [True, False, 1.0, 1e3, "1250", "", -1, 2**53, 2**63, 10**999, float("nan"), [], {}]


@pytest.mark.parametrize("value", BAD_NUMBERS, ids=lambda value: repr(value)[:12])
@pytest.mark.parametrize(
    "path",
    [
        "data.object.pending_request.amount",
        "data.object.amount",
        "data.object.pending_request.amount_details.cashback_amount",
        "data.object.pending_request.amount_details.atm_fee",
        "data.object.request_history.0.amount",
        "data.object.request_history.0.amount_details.cashback_amount",
    ],
)
def test_money_is_a_whole_number_or_the_request_is_malformed(path: str, value: object) -> None:
    history = ({"amount": 1, "approved": True, "created": 1, "amount_details": {}},)
    expected = f"{path.replace('.0.', '[0].')}: {AMOUNT}"
    assert problem(changed(path, value, history=history)) == expected


@pytest.mark.parametrize("amount", [0, 1, 2**53 - 1])
def test_every_whole_number_below_2_to_the_53_is_an_amount(amount: int) -> None:
    assert asked(request_event(amount=amount)).amount == amount


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("id", "", ID),
        ("id", "evt_1\0", ID),
        ("id", "evt_1\n", ID),
        ("id", "x" * 256, ID),
        ("created", -1, INSTANT),
        ("created", 253_402_300_800, INSTANT),
        ("livemode", "true", "expected true or false"),
        ("livemode", 0, "expected true or false"),
        ("data.object.created", 253_402_300_800, INSTANT),
        ("data.object.created", 1.7e9, INSTANT),
        ("data.object.card", "ic_1", "expected an object"),
        ("data.object.card.id", "ic_\ud800", ID),
        ("data.object.card.status", 1, "expected text"),
        ("data.object.card.cardholder", {"id": 5}, "PATH.id: " + ID),
        ("data.object.card.replacement_for", 5, ID),
        ("data.object.card.replacement_for", {}, "PATH.id: " + ID),
        ("data.object.pending_request.currency", "euro", "expected a currency code of 3 letters"),
        ("data.object.pending_request.currency", "€", "expected a currency code of 3 letters"),
        ("data.object.pending_request.amount_details", [], "expected an object"),
        ("data.object.request_history", {}, "expected a list"),
        ("data.object.request_history", "none", "expected a list"),
        ("data.object.request_history", [7], "PATH[0]: expected an object"),
        ("data.object.request_history", [{}], f"PATH[0].amount: {AMOUNT}"),
    ],
)
def test_ids_times_and_history_must_be_readable(path: str, value: object, expected: str) -> None:
    told = expected.replace("PATH", path) if "PATH" in expected else f"{path}: {expected}"
    assert problem(changed(path, value)) == told


OPTIONAL = {
    "account": ("account", None),
    "api_version": (None, None),
    "pending_webhooks": (None, None),
    "data.object.amount": (None, None),
    "data.object.status": (None, None),
    "data.object.request_history": (None, None),
    "data.object.transactions": (None, None),
    "data.object.merchant_data": ("merchant", Merchant()),
    "data.object.verification_data": ("verification", Verification()),
    "data.object.wallet": ("wallet", None),
    "data.object.authorization_method": ("authorization_method", ""),
    "data.object.pending_request.merchant_amount": ("merchant_amount", None),
    "data.object.pending_request.merchant_currency": ("merchant_currency", None),
    "data.object.pending_request.is_amount_controllable": ("is_amount_controllable", False),
    "data.object.pending_request.network_risk_score": ("network_risk_score", None),
    "data.object.pending_request.amount_details": ("cashback_amount", 0),
}


@pytest.mark.parametrize("value", [GONE, None], ids=["missing", "null"])
@pytest.mark.parametrize("path", OPTIONAL)
def test_what_is_not_needed_may_be_missing_or_null(path: str, value: object) -> None:
    rich: dict[str, Any] = {"account": "acct_1", "wallet": "google_pay", "event_id": "evt_1"}
    rich |= {"risk_score": 5, "is_amount_controllable": True, "authorization_id": "iauth_1"}
    rich |= {"card_presence": "present"}
    request, whole = asked(changed(path, value, **rich)), asked(request_event(**rich))
    name, expected = OPTIONAL[path]
    if name is None:
        assert request == whole
    else:
        assert getattr(request, name) == expected


TOLERATED = [
    path
    for path in OPTIONAL
    if path.rpartition(".")[2] not in {"amount", "request_history", "amount_details"}
]


@pytest.mark.parametrize("value", [[1], {"a": 1}, 10**30, "\ud800"], ids=repr)
@pytest.mark.parametrize("path", TOLERATED)
def test_what_is_not_needed_never_declines_a_purchase(path: str, value: object) -> None:
    assert asked(changed(path, value)).amount == 1250


@pytest.mark.parametrize("score", [0, 100, -5, 50.0, "50", True])
def test_a_risk_score_outside_1_to_99_is_none(score: object) -> None:
    event = changed("data.object.pending_request.network_risk_score", score)
    assert asked(event).network_risk_score is None


def test_one_unreadable_field_of_the_merchant_leaves_the_others() -> None:
    merchant = asked(changed("data.object.merchant_data.name", ["?"])).merchant
    assert (merchant.name, merchant.category_code) == ("", "5462")


@pytest.mark.parametrize("field", request_event()["data"]["object"]["merchant_data"])
def test_any_part_of_the_merchant_may_be_null(field: str) -> None:
    merchant = asked(changed(f"data.object.merchant_data.{field}", None)).merchant
    assert getattr(merchant, field, "") in {"", "5462"}


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


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b" ", id="a space"),
        pytest.param(b"null", id="null"),
        pytest.param(b"1", id="a number"),
        pytest.param(b'"issuing_authorization.request"', id="text"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b'[{"type": "x"}]', id="a list of events"),
        pytest.param(b"{}", id="no type"),
        pytest.param(b'{"type": null}', id="type null"),
        pytest.param(b'{"type": 1}', id="type a number"),
        pytest.param(b'{"type": ["x"]}', id="type a list"),
        pytest.param(b'{"type": "x"', id="cut off"),
        pytest.param(b'{"type": "x"}}', id="one bracket more"),
        pytest.param(b'{"type": "x"} {"type": "y"}', id="two events"),
        pytest.param(b"{'type': 'x'}", id="python, not JSON"),
        pytest.param(b"type=x&id=y", id="a form"),
        pytest.param(b"<event/>", id="XML"),
        pytest.param(b"\x00\xff\xfe", id="bytes"),
        pytest.param("{}".encode("utf-16"), id="UTF-16 with its mark"),
        pytest.param('{"type": "x"}'.encode("utf-16-le"), id="UTF-16"),
        pytest.param(b"[" * 200_000, id="only opening brackets"),
        pytest.param(b"[" * 200_000 + b"]" * 200_000, id="a deep list"),
        pytest.param(b'{"a":' * 50_000, id="only opening objects"),
    ],
)
def test_what_is_not_an_object_with_a_type_is_not_an_event(body: bytes) -> None:
    with pytest.raises(NotAnEvent) as refused:
        read(body)
    assert "type" in refused.value.sentence


@pytest.mark.parametrize(
    "extra",
    [
        pytest.param("NaN", id="NaN"),
        pytest.param("[Infinity, -Infinity]", id="infinities"),
        pytest.param('"\\ud800"', id="a lone surrogate"),
        pytest.param('"\\\\ud800 \\ud83d\\ude00 \\udc00\\ud800"', id="surrogates of all kinds"),
        pytest.param('{"\\uDFFF": 1}', id="a lone surrogate as a key"),
        pytest.param('"\\u0000"', id="NUL"),
        pytest.param('"a\tb\nc"', id="control characters as they are"),
        pytest.param("9" * 1000, id="a thousand digits"),
        pytest.param("9" * 100_000, id="a hundred thousand digits"),
        pytest.param("1e400", id="a number beyond floats"),
        pytest.param("[" * 900 + "]" * 900, id="nested 900 deep"),
        pytest.param("[" * 100_000 + "]" * 100_000, id="nested 100,000 deep"),
        pytest.param('{"a":' * 20_000 + '"]}[{\\""' + "}" * 20_000, id="deep, brackets in text"),
        pytest.param(
            "[" * 5000 + "]" * 5000 + ',"more":' + "[" * 5000 + "]" * 5000, id="deep twice"
        ),
        pytest.param(json.dumps({f"k{n}": "v" for n in range(10_000)}), id="10,000 keys"),
        pytest.param(json.dumps("x" * 200_000), id="long text"),
    ],
)
def test_a_request_is_read_whatever_else_is_in_its_event(extra: str) -> None:
    request = asked(with_extra(extra))
    assert (request.event_id, request.amount) == ("evt_extra", 1250)


def test_depth_inside_the_authorization_does_no_harm() -> None:
    body = json.dumps(changed("data.object.metadata", "DEEP")).replace(
        '"DEEP"', "[" * 50_000 + "]" * 50_000
    )
    assert asked(body.encode()).amount == 1250


def test_a_byte_order_mark_in_front_does_no_harm() -> None:
    assert asked(b"\xef\xbb\xbf" + json.dumps(request_event()).encode()).amount == 1250


def test_bytes_that_are_not_utf8_become_replacement_characters() -> None:
    body = json.dumps(changed("data.object.merchant_data.name", "??")).encode()
    assert asked(body.replace(b"??", b"\xff\xc0")).merchant.name == "\N{REPLACEMENT CHARACTER}" * 2


def test_of_a_key_told_twice_the_last_counts_fast_and_leniently() -> None:
    body = json.dumps(request_event()).encode()
    twice = body.replace(b'"amount": 1250', b'"amount": 1, "amount": 777', 1)
    assert asked(twice).amount == 777
    assert asked(b"\xef\xbb\xbf" + twice).amount == 777


@pytest.mark.parametrize("older", [False, True], ids=["newest version", "an older version"])
def test_an_ordinary_request_never_needs_the_slow_lenient_way(
    older: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = request_event(method="online", history=({"amount": 1, "approved": True, "created": 1},))
    if older:
        found = event["data"]["object"]
        for name in ("amount_details", "card_presence", "fleet", "wallet"):
            del found[name]
        del found["pending_request"]["amount_details"], found["card"]["replacement_for"]
    monkeypatch.delattr(lenient, "loads")
    assert asked(event).card_presence == "not_present"


def test_the_lenient_way_gives_the_same_request_as_the_fast_one() -> None:
    first = samples.Purchase(authorization_id="iauth_1", created=CREATED, amount=10_000)
    event = request_event(**vars(first.increment(5, approved=10_000, at=CREATED + 5)))
    body = json.dumps(event).encode()
    assert asked(b"\xef\xbb\xbf" + body) == asked(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
PATHS = [*OPTIONAL, *(path for path, _ in NEEDED)]


@given(st.dictionaries(st.sampled_from(PATHS), JSON, min_size=1, max_size=4))
def test_nothing_else_than_a_request_or_a_problem_ever_comes_out(damage: dict[str, object]) -> None:
    event = request_event(account="acct_1")
    for path in sorted(damage, key=len, reverse=True):
        *parents, last = path.split(".")
        place: Any = event
        for parent in parents:
            place = place[parent]
        place[last] = damage[path]
    try:
        told = repr(asked(event))
    except MalformedRequest as malformed:
        told = malformed.problem
    assert told.startswith("AuthorizationRequest(") or ": expected " in told
    assert b"\\x00" not in told.encode()  # which also raises for a lone surrogate


@given(st.binary() | JSON.map(lambda tree: json.dumps(tree).encode()))
def test_no_body_raises_anything_but_not_an_event(body: bytes) -> None:
    try:
        read(body)
    except NotAnEvent:
        return
    assert isinstance(json.loads(body.decode("utf-8-sig", "replace"), strict=False), dict)
