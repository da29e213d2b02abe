"""A card's first purchase at a merchant, in a category or country: declined, or a small one."""

from typing import Any

import pytest

from authorizations.rules.basics.filters import Merchant
from authorizations.rules.decision.stand_in import (
    StandInContext,
    decide_without_usage,
    windows_needed,
)
from authorizations.rules.decision.values import DeclineReason, FirstOf, PurchaseContext, Verdict
from authorizations.rules.kinds.first_purchases import is_same
from authorizations.rules.policy.differences import differences
from authorizations.rules.policy.document import InvalidPolicyError, controls, normalize
from authorizations.rules.policy.summary import summary
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.rules.purchases.snapshots import RequestHistoryEntry, Snapshot
from authorizations.rules.wording.explain import staff
from tests.rules.deciding import applied, decided
from tests.support.builders import CREATED, authorization_request, merchant
from tests.support.documents import TRAVEL, policy
from tests.support.rule_words import told

DECLINED = "first_purchase_not_allowed"
MERCHANT, CATEGORY, COUNTRY = FirstOf
EVERY = {"first_purchases": ["merchant", "category", "country"]}
UP_TO = EVERY | {"first_purchase_amount": 5_000, "currency": "eur"}


def outcome(
    keys: dict[str, Any],
    *first_of: FirstOf,
    request: AuthorizationRequest | None = None,
    **context: Any,
) -> Verdict:
    asked = request or authorization_request(amount=5_000)
    return decided(asked, applied(**keys), context=PurchaseContext(first_of=first_of, **context))


@pytest.mark.parametrize(
    ("kinds", "first_of", "expected"),
    [
        (["merchant"], (), None),
        (["merchant"], (MERCHANT,), DECLINED),
        (["merchant"], (CATEGORY, COUNTRY), None),
        (["category", "country"], (MERCHANT,), None),
        (["category", "country"], (MERCHANT, COUNTRY), DECLINED),
        ([], (MERCHANT, CATEGORY, COUNTRY), None),
    ],
)
def test_a_first_purchase_of_a_kind_that_the_policy_names_is_declined(
    kinds: list[str], first_of: tuple[FirstOf, ...], expected: str | None
) -> None:
    assert outcome({"first_purchases": kinds}, *first_of).reason == expected


@pytest.mark.parametrize(
    ("amount", "counted", "currency", "expected"),
    [
        (5_000, 0, "eur", None),
        (5_001, 0, "eur", DECLINED),
        (1, 4_999, "eur", None),
        (1, 5_000, "eur", DECLINED),
        (1, 0, "usd", DECLINED),
    ],
)
def test_an_amount_allows_smaller_ones_in_its_currency_increments_included(
    amount: int, counted: int, currency: str, expected: str | None
) -> None:
    request = authorization_request(amount=amount, currency=currency)
    assert outcome(UP_TO, MERCHANT, request=request, counted=counted).reason == expected
    assert outcome(UP_TO, request=request, counted=counted).reason is None


def test_a_card_check_is_no_purchase() -> None:
    decision = outcome(EVERY, *FirstOf, request=authorization_request(amount=0))
    assert (decision.approved, decision.trace) == (True, ())


INCREMENT = authorization_request(
    amount=9_000,
    snapshot=Snapshot(
        CREATED, "pending", 100, (RequestHistoryEntry(100, approved=True, created=CREATED),)
    ),
)


def test_an_increment_of_what_was_approved_is_no_first_purchase_without_an_amount() -> None:
    assert outcome(EVERY, *FirstOf, request=INCREMENT, counted=100, is_counted=True).approved
    # Nothing was approved yet: it is the first.
    assert outcome(EVERY, *FirstOf, request=INCREMENT).reason == DECLINED
    # The same request, asked again under another event, is none.
    assert outcome(EVERY, *FirstOf, is_counted=True).reason == DECLINED
    assert outcome(UP_TO, MERCHANT, request=INCREMENT, counted=100, is_counted=True).reason


def test_no_part_is_approved_of_a_first_purchase() -> None:
    keys = UP_TO | {"partial_approval": True, "unlimited": False}
    keys |= {"spending_limits": [{"amount": 9_000, "interval": "daily"}]}
    request = authorization_request(amount=9_500, is_amount_controllable=True)
    assert outcome(keys, MERCHANT, request=request).reason == DECLINED
    assert outcome(keys, request=request).amount == 9_000


def test_a_pump_is_judged_by_what_it_holds() -> None:
    pump = merchant(category="automated_fuel_dispensers", category_code="5542")
    request = authorization_request(amount=100, merchant=pump)
    assert outcome(UP_TO | {"fuel_hold": 5_000}, MERCHANT, request=request).approved
    assert outcome(UP_TO | {"fuel_hold": 5_001}, MERCHANT, request=request).reason == DECLINED


def test_an_exempt_merchant_is_exempt_of_it() -> None:
    keys = EVERY | {"exempt_merchants": [{"begins_with": "Boulangerie"}]}
    decision = outcome(keys, *FirstOf)
    assert decision.approved
    [check] = decision.trace
    assert "exempt" in staff(check, authorization_request())


def test_it_comes_after_the_conditions_and_before_the_way_of_paying() -> None:
    keys = EVERY | {"blocked_card_presences": ["present"]}
    assert outcome(keys, MERCHANT).reason == DECLINED
    assert outcome(keys | {"any_of": [{"countries": ["DE"]}]}, MERCHANT).reason == (
        "no_condition_met"
    )


@pytest.mark.parametrize("field", ["name", "network_id", "country"])
def test_what_can_not_be_read_is_declined(field: str) -> None:
    odd = authorization_request(unreadable=(field,))
    assert outcome({"first_purchases": ["merchant"]}, request=odd).reason == "field_unreadable"
    assert outcome({"first_purchases": ["category"]}, request=odd).approved


# --- the same merchant, category, country

LEPIC = Merchant("bakeries", "5462", "FR", "Boulangerie Lepic", "12")


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (Merchant(network_id="12"), {MERCHANT}),
        (Merchant("bakeries", "5462", "FR", "Boulangerie Lepic", "13"), {CATEGORY, COUNTRY}),
        (Merchant("bakeries", "5462", "FR", "BOULANGERIE  LEPIC"), {*FirstOf}),
        (Merchant("bakery", "5462", "DE", "BOULANGERIE LEPIC"), {CATEGORY}),
        (Merchant("bakeries", "5463", "FR", "Boulangerie"), {COUNTRY}),
        (Merchant("bakeries", "", "", ""), set()),
        (Merchant(), set()),
    ],
)
def test_what_is_the_same(other: Merchant, same: set[FirstOf]) -> None:
    assert {kind for kind in FirstOf if is_same(kind, LEPIC, other)} == same
    assert {kind for kind in FirstOf if is_same(kind, other, LEPIC)} == same


def test_what_nobody_tells_is_the_same_as_nothing() -> None:
    assert not any(is_same(kind, Merchant(), Merchant()) for kind in FirstOf)
    named = Merchant("bakeries", name="Lepic")
    assert [kind for kind in FirstOf if is_same(kind, named, named)] == [MERCHANT, CATEGORY]


# --- without the database


def in_stand_in(keys: dict[str, Any], request: AuthorizationRequest) -> Verdict:
    policies = (applied(**keys),)
    decision = decide_without_usage(request, StandInContext(), policies)
    assert windows_needed(request, StandInContext(), policies) == {}
    return decision


def test_stand_in_declines_what_it_needs_to_know() -> None:
    decision = in_stand_in(EVERY, authorization_request())
    assert decision.reason is DeclineReason.STAND_IN
    [check] = decision.trace
    assert staff(check, authorization_request()) == (
        "Whether the card has paid there before is not known in stand-in."
    )
    assert in_stand_in(UP_TO, authorization_request(amount=5_001)).reason == "stand_in"


def test_stand_in_approves_what_would_pass_anywhere() -> None:
    assert in_stand_in(UP_TO, authorization_request(amount=5_000)).approved
    assert in_stand_in(EVERY, authorization_request(amount=0)).approved
    exempt = EVERY | {"exempt_merchants": [{"begins_with": "Boulangerie"}]}
    decision = in_stand_in(exempt, authorization_request())
    assert (decision.approved, decision.trace) == (True, ())


# --- words


NOT_HERE = (
    "This card has not been used for such a purchase before, and may not be yet. Please contact "
    "your card administrator."
)


def test_staff_and_cardholder_are_told() -> None:
    request = authorization_request(amount=5_001)
    decision = outcome({"first_purchases": ["merchant"]}, *FirstOf, request=request)
    sentence = "The card's first purchase at this merchant; the policy allows none."
    assert told(decision, request) == (sentence, NOT_HERE, "first purchase not allowed (merchant)")


def test_what_is_not_reported_is_said() -> None:
    request = authorization_request(amount=5_001, merchant=merchant(country=""))
    decision = outcome(UP_TO, *FirstOf, request=request)
    sentence = (
        "The card's first purchase at this merchant, in this category and in a country that is "
        "not reported; the policy allows up to €50.00."
    )
    headline = "first purchase not allowed (merchant, category and country)"
    assert told(decision, request) == (sentence, NOT_HERE, headline)


def test_what_passes_is_explained() -> None:
    def sentence(keys: dict[str, Any], *first: FirstOf, **more: Any) -> str:
        [check] = outcome(keys, *first, **more).trace
        return staff(check, more.get("request", authorization_request()))

    assert sentence(EVERY) == (
        "The card has paid at this merchant, in this category and in this country before."
    )
    assert sentence(UP_TO, COUNTRY) == (
        "The card's first purchase in this country; the policy allows up to €50.00."
    )
    assert sentence(EVERY, COUNTRY, request=INCREMENT, is_counted=True) == (
        "The card's first purchase in this country; this is an increment of what was approved."
    )


def test_the_policys_words() -> None:
    before = normalize(TRAVEL)
    after = normalize(TRAVEL | {"first_purchases": ["country", "merchant"]})
    small = after | {"first_purchase_amount": 5_000}
    assert "No first purchase at a merchant or in a country." in summary(controls(after))
    assert "First purchases at a merchant or in a country up to €50.00." in summary(controls(small))
    assert [*map(str, differences(before, after))] == [
        "Kinds added to “No first purchase”: In a country, At a merchant"
    ]
    assert [*map(str, differences(after, small))] == [
        "First purchases up to: not set \N{RIGHTWARDS ARROW} €50.00"
    ]


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"first_purchases": ["terminal"]}, "first_purchases[0]: There is no kind of first"),
        ({"first_purchase_amount": 5}, "first_purchase_amount: Only with kinds of first"),
        (
            {"first_purchases": [], "first_purchase_amount": 5},
            "first_purchase_amount: Only with kinds of first",
        ),
        (EVERY | {"first_purchase_amount": 0}, "first_purchase_amount: Give a whole number from"),
        (
            EVERY | {"first_purchase_amount": 5, "currency": None},
            "first_purchase_amount: Say in which currency",
        ),
    ],
)
def test_it_is_said_what_is_wrong(keys: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidPolicyError) as refused:
        normalize(policy(**keys))
    assert any(str(found).startswith(problem) for found in refused.value.problems)
