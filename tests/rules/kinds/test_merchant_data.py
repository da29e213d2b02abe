"""A policy can require that a purchase reports the merchant's country or category."""

from typing import Any

import pytest

from authorizations.rules.basics.filters import Merchant
from authorizations.rules.decision.decide import deciding_check
from authorizations.rules.decision.stand_in import StandInContext, decide_without_usage
from authorizations.rules.policy.differences import differences
from authorizations.rules.policy.document import InvalidPolicyError, completed, controls, normalize
from authorizations.rules.policy.summary import summary
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.rules.wording.explain import cardholder, staff
from authorizations.rules.wording.headline import because
from tests.rules.deciding import applied, decided, reason
from tests.support.builders import authorization_request, merchant
from tests.support.documents import TRAVEL, policy

KEY = "required_merchant_data"


def at(**facts: str) -> AuthorizationRequest:
    return authorization_request(merchant=merchant(**facts))


@pytest.mark.parametrize(
    ("facts", "required", "expected"),
    [
        ({"country": ""}, ["country"], "merchant_country_required"),
        ({"country": ""}, ["category"], None),
        ({"category": "", "category_code": ""}, ["category"], "category_required"),
        ({"category": "", "category_code": ""}, ["country"], None),
        ({"category": ""}, ["category"], None),
        ({"category_code": ""}, ["category"], None),
        ({"country": "ZZ"}, ["country"], None),
        ({}, ["category", "country"], None),
    ],
)
def test_what_is_not_reported_is_declined_where_it_is_required(
    facts: dict[str, str], required: list[str], expected: str | None
) -> None:
    assert reason(at(**facts), **{KEY: required}) == expected
    assert reason(at(**facts)) is None


def test_a_blocked_list_alone_lets_it_pass() -> None:
    blocked: dict[str, Any] = {
        "blocked_merchant_countries": ["RU"],
        "blocked_categories": ["7995"],
    }
    silent = authorization_request(merchant=Merchant(name="Shop"))
    assert reason(silent, **blocked) is None
    assert reason(silent, **blocked, required_merchant_data=["category"]) == "category_required"


def test_each_is_named_before_the_list_of_its_kind() -> None:
    silent = authorization_request(merchant=Merchant(name="Shop"))
    keys: dict[str, Any] = {"allowed_categories": ["5812"], KEY: ["category", "country"]}
    assert reason(silent, **{KEY: ["category"]}, allowed_categories=["5812"]) == "category_required"
    assert reason(silent, **keys) == "merchant_country_required"
    keys["allowed_merchant_countries"] = ["FR"]
    assert reason(silent, **keys) == "merchant_country_required"


def test_an_increment_that_is_silent_keeps_what_the_purchase_began_with() -> None:
    silent = authorization_request(merchant=Merchant(name="Shop"))
    required = {KEY: ["category", "country"]}
    assert reason(silent.begun_at(merchant(name="Shop")), **required) is None
    assert reason(silent.begun_at(merchant()), **required) == "merchant_country_required"


def test_stand_in_asks_it_too() -> None:
    required = applied(**{KEY: ["country"]})
    decision = decide_without_usage(at(country=""), StandInContext(), (required,))
    assert decision.reason == "merchant_country_required"


def test_a_form_that_can_not_be_read_is_unreadable_and_not_missing() -> None:
    odd = authorization_request(merchant=merchant(country=""), unreadable=("country",))
    decision = decided(odd, applied(**{KEY: ["country"]}))
    assert [check.rule for check in decision.trace] == ["field_unreadable"]


@pytest.mark.parametrize(
    ("facts", "required", "words"),
    [
        (
            {"country": ""},
            "country",
            (
                "The merchant's country was not reported, and the policy requires it.",
                "This merchant does not say which country it is in. Please pay another way.",
                "merchant country not reported",
            ),
        ),
        (
            {"category": "", "category_code": ""},
            "category",
            (
                "The merchant's category was not reported, and the policy requires it.",
                "This merchant does not say what kind of merchant it is. Please pay another way.",
                "merchant category not reported",
            ),
        ),
    ],
)
def test_staff_and_cardholder_are_told(
    facts: dict[str, str], required: str, words: tuple[str, str, str]
) -> None:
    request = at(**facts)
    decision = decided(request, applied(**{KEY: [required]}))
    check = deciding_check(decision.trace)
    assert check
    assert (staff(check, request), cardholder(check, request), because(decision)) == words


def test_what_was_reported_is_named_where_it_passes() -> None:
    trace = decided(at(), applied(**{KEY: ["category", "country"]})).trace
    assert [staff(check, at()) for check in trace] == [
        "Merchant country FR was reported.",
        "Merchant category bakeries (MCC 5462) was reported.",
    ]


def test_the_policys_words() -> None:
    before, after = normalize(TRAVEL), normalize(TRAVEL | {KEY: ["country", "category"]})
    assert "Only if the merchant reports its category and its country." in summary(controls(after))
    one = normalize(TRAVEL | {KEY: ["country"]})
    assert "Only if the merchant reports its country." in summary(controls(one))
    [edit] = differences(before, after)
    assert str(edit) == (
        "Facts added to \N{LEFT DOUBLE QUOTATION MARK}Must be reported"
        "\N{RIGHT DOUBLE QUOTATION MARK}: Merchant category, Merchant country"
    )


def test_an_unknown_fact_is_refused_with_those_there_are() -> None:
    with pytest.raises(InvalidPolicyError) as refused:
        normalize(policy(**{KEY: ["name"]}))
    [found] = map(str, refused.value.problems)
    assert found == (
        f'{KEY}[0]: There is no fact of the merchant "name". Use one of category, country.'
    )


def test_a_version_from_before_the_rule_was_known_stays_what_it_was() -> None:
    now = normalize(TRAVEL)
    before = {key: value for key, value in now.items() if key != KEY}
    assert controls(before) == controls(now)
    assert completed(before) == now
