"""What a request needs is named where it can't be read; the rest may be anything."""

from typing import Any

import pytest

from authorizations.rules.basics.filters import Merchant
from authorizations.rules.purchases.events import Verification
from tests.support.builders import GONE, changed, request_event
from tests.wire.reading import asked, problem

AMOUNT = "expected a whole number from 0 to 2^53-1"
ID = "expected an id of 1 to 255 visible characters"
INSTANT = "expected whole Unix seconds up to the year 9999"


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
        "data.object.amount_details.cashback_amount",
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
        ("data.object.transactions", {}, "expected a list"),
        ("data.object.transactions", ["ipi_1"], "PATH[0]: expected an object"),
        ("data.object.transactions", [{}], f"PATH[0].id: {ID}"),
    ],
)
def test_ids_times_history_and_transactions_must_be_readable(
    path: str, value: object, expected: str
) -> None:
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
    "data.object.balance_transactions": (None, None),
    "data.object.merchant_data": (
        "merchant",
        Merchant(card_presence="present", authorization_method="chip"),
    ),
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
    if path.rpartition(".")[2]
    not in {"amount", "request_history", "amount_details", "transactions"}
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


MERCHANT = (
    *("category", "category_code", "city", "country", "merchant_postal_code"),
    *("name", "network_id", "state"),
)
RULED = [
    ("pending_request.network_risk_score", ("network_risk_score",)),
    ("pending_request.merchant_currency", ("merchant_currency",)),
    ("card.created", ("card_created",)),
    ("token", ("token",)),
    ("merchant_data.category", ("category",)),
    ("merchant_data.category_code", ("category_code",)),
    ("merchant_data.country", ("country",)),
    ("merchant_data.name", ("name",)),
    ("merchant_data.network_id", ("network_id",)),
    ("merchant_data.state", ("state",)),
    ("merchant_data.city", ("city",)),
    ("merchant_data.postal_code", ("merchant_postal_code",)),
    ("merchant_data", MERCHANT),
    ("authorization_method", ("authorization_method", "card_presence")),
    ("card_presence", ("card_presence",)),
    ("wallet", ("wallet",)),
    ("verification_data.cvc_check", ("cvc",)),
    ("verification_data.address_postal_code_check", ("postal_code",)),
    ("verification_data.three_d_secure", ("three_d_secure",)),
    ("verification_data", ("cvc", "postal_code", "three_d_secure")),
]
"""What rules and limits look at, and what they call it."""


@pytest.mark.parametrize(("path", "names"), RULED, ids=[path for path, _ in RULED])
def test_what_rules_look_at_and_cannot_be_read_is_told_from_what_is_not_told(
    path: str, names: tuple[str, ...]
) -> None:
    odd: list[object] = [["?"], 10**30, True, 99.5]
    assert {asked(changed(f"data.object.{path}", it)).unreadable for it in odd} == {names}
    not_told: list[object] = [None, GONE]
    assert {asked(changed(f"data.object.{path}", it)).unreadable for it in not_told} == {()}


@pytest.mark.parametrize("odd", ["true", 1, 0, "", ["?"], {}])
def test_a_fraud_challenge_is_told_of_by_true_and_false_alone(odd: object) -> None:
    request = asked(changed("data.object.verified_by_fraud_challenge", odd))
    assert request.verified_by_fraud_challenge is None
    assert request.unreadable == ("verified_by_fraud_challenge",)
    for readable in (True, False, None):
        request = asked(changed("data.object.verified_by_fraud_challenge", readable))
        assert request.verified_by_fraud_challenge is readable
        assert request.unreadable == ()


ODD = [
    *(("pending_request.network_risk_score", it) for it in ("99", 100, 0, -1, 99.5, 99.0, "")),
    *(("merchant_data.category_code", it) for it in (7995, "7995 ", "799", "07995", "７９９５")),
    *(("merchant_data.category", it) for it in ("Betting", "betting ", "betting-casino")),
    *(("merchant_data.country", it) for it in ("FRA", "F", "F R", "FR ", "Ф", 33)),
    *(("authorization_method", it) for it in ("Swipe", "key entry", 1)),
    *(("card_presence", it) for it in ("Present", True)),
    *(("wallet", it) for it in ("Apple Pay", {"type": "apple_pay"})),
    *(("card.created", it) for it in ("1700000000", 1.7e9, -1, "")),
    *(("token", it) for it in ({}, {"id": 7}, "", ["intok_1"])),
    *(("pending_request.merchant_currency", it) for it in (978, ["eur"])),
    *(("verification_data.cvc_check", it) for it in ("MATCH", "match\n", True)),
    *(("verification_data.three_d_secure", it) for it in ({"result": 1}, "authenticated")),
]


@pytest.mark.parametrize(("path", "value"), ODD, ids=repr)
def test_an_odd_form_is_never_taken_for_a_value(path: str, value: object) -> None:
    request = asked(changed(f"data.object.{path}", value))
    assert request.unreadable
    assert request.network_risk_score is None
    assert dict(RULED)[path][0] in request.unreadable


NUMBERS = {"pending_request.network_risk_score", "card.created"}
NEW_VALUES = [
    ("merchant_data.category", "space_travel"),
    ("merchant_data.category_code", "9999"),
    ("merchant_data.country", "zz"),
    ("authorization_method", "telepathy"),
    ("card_presence", "somewhere_else"),
    ("wallet", "grandma_pay"),
    ("verification_data.cvc_check", "not_checked"),
    *((path, "") for path, _ in RULED if path.count(".") and path not in NUMBERS),
]


@pytest.mark.parametrize(("path", "value"), NEW_VALUES, ids=repr)
def test_a_new_value_in_the_usual_form_and_an_empty_one_are_read(path: str, value: str) -> None:
    if path == "verification_data.three_d_secure":
        path = "verification_data.three_d_secure.result"
    event = changed("data.object.verification_data.three_d_secure", {"result": "authenticated"})
    *parents, last = path.split(".")
    place: Any = event["data"]["object"]
    for parent in parents:
        place = place[parent]
    place[last] = value
    assert asked(event).unreadable == ()


def test_an_odd_form_that_no_rule_looks_at_is_told_of_by_nobody() -> None:
    assert asked(changed("data.object.merchant_data.terminal_id", 75018)).unreadable == ()
    assert asked(changed("data.object.pending_request.merchant_amount", "9")).unreadable == ()
