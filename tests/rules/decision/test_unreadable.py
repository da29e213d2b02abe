"""What a policy asks for and can't be read declines; what nobody asks for may have any form."""

from dataclasses import replace
from typing import Any

import pytest

from authorizations.rules.decision.stand_in import StandInContext, decide_without_usage
from authorizations.rules.decision.values import DeclineReason
from authorizations.rules.kinds import ASKED_FIELDS
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.rules.wording.explain import answer_sentence, cardholder
from tests.rules.deciding import applied, decided
from tests.support.builders import authorization_request, merchant

R = DeclineReason
DAILY: dict[str, Any] = {"amount": 100_000, "interval": "daily"}


def having(*unreadable: str) -> AuthorizationRequest:
    """An ordinary purchase of which these fields came in an odd form."""
    left_out = {name: "" for name in unreadable if hasattr(merchant(), name)}
    return authorization_request(merchant=merchant(**left_out), unreadable=unreadable)


ASKING: dict[str, dict[str, Any]] = {
    "category": {"blocked_categories": ["betting_casino_gambling"]},
    "category_code": {"allowed_categories": ["bakeries"]},
    "country": {"blocked_merchant_countries": ["RU"]},
    "state": {"blocked_merchant_states": ["NY"]},
    "city": {"blocked_merchant_cities": ["NICE"]},
    "merchant_postal_code": {"blocked_merchant_postal_codes": ["06*"]},
    "name": {"blocked_merchants": ["ACME"]},
    "network_id": {"allowed_merchants": ["498750001042"]},
    "card_presence": {"blocked_card_presences": ["not_present"]},
    "authorization_method": {"blocked_authorization_methods": ["swipe"]},
    "wallet": {"allowed_wallets": ["apple_pay"]},
    "cvc": {"required_verification": ["cvc"]},
    "postal_code": {"required_verification": ["postal_code"]},
    "three_d_secure": {"required_verification": ["three_d_secure"]},
    "network_risk_score": {"max_network_risk_score": 80},
    "verified_by_fraud_challenge": {"max_network_risk_score": 80},
    "merchant_currency": {"card_currency_only": True},
    "token": {"network_token": "forbidden"},
    "card_created": {"minimum_card_age_days": 1},
}
"""A rule that asks for the field, and is satisfied, or silent, where it is not told."""

OF_LIMITS: dict[str, dict[str, Any]] = {
    "category": {"categories": ["7995"]},
    "category_code": {"cash_only": True},
    "country": {"countries": ["RU"]},
    "name": {"merchants": ["ACME"]},
    "network_id": {"merchants": ["1234567890"]},
    "card_presence": {"card_presences": ["not_present"]},
    "authorization_method": {"authorization_methods": ["swipe"]},
}
"""What a limit is narrowed to; the purchase, could it be read, would not concern it."""


def test_every_field_that_policies_can_ask_for_is_tried() -> None:
    assert {*ASKING} == {*ASKED_FIELDS}


@pytest.mark.parametrize("field", ASKING)
def test_a_field_that_a_rule_asks_for_and_cannot_be_read_declines(field: str) -> None:
    decision = decided(having(field), applied(**ASKING[field]))
    assert decision.reason is R.FIELD_UNREADABLE
    [check] = decision.trace  # the rule itself has nothing to go by
    assert check.found == [field]
    assert ASKED_FIELDS[field] in answer_sentence(decision, having(field))


@pytest.mark.parametrize("field", OF_LIMITS)
@pytest.mark.parametrize("measure", [{"amount": 1}, {"count": 1}])
def test_so_does_one_that_only_a_limits_filter_asks_for(
    field: str, measure: dict[str, Any]
) -> None:
    limit = measure | {"interval": "daily"} | OF_LIMITS[field]
    policy = applied(spending_limits=[limit, DAILY])
    assert decided(having(field), policy).reason is R.FIELD_UNREADABLE
    assert decided(authorization_request(), policy).approved


LEFT_OUT: dict[str, dict[str, Any]] = {
    "category": {"except_categories": ["7995"]},
    "category_code": {"except_categories": ["7995"]},
    "country": {"except_countries": ["RU"]},
    "name": {"except_merchants": ["ACME"]},
    "network_id": {"except_merchants": ["1234567890"]},
}


@pytest.mark.parametrize("field", LEFT_OUT)
@pytest.mark.parametrize("measure", [{"amount": 9_999}, {"count": 1}])
def test_so_does_one_that_only_tells_what_a_limit_leaves_out(
    field: str, measure: dict[str, Any]
) -> None:
    limit = measure | {"interval": "daily"} | LEFT_OUT[field]
    policy = applied(spending_limits=[limit, DAILY])
    assert decided(having(field), policy).reason is R.FIELD_UNREADABLE
    assert decided(authorization_request(), policy).approved


@pytest.mark.parametrize("field", ASKING)
def test_what_no_policy_asks_for_may_have_any_form(field: str) -> None:
    everything_else = {
        key: value
        for other, keys in ASKING.items()
        for key, value in keys.items()
        if other in {"cvc", "network_risk_score"} and keys != ASKING[field]
    }
    verified = replace(having(field), verification=replace(having().verification, cvc="match"))
    assert decided(verified, applied(**everything_else)).approved


def test_a_limit_in_another_currency_asks_for_nothing() -> None:
    dollars = DAILY | {"currency": "usd", "countries": ["US"]}
    policy = applied(spending_limits=[DAILY, dollars])
    assert decided(having("country"), policy).approved
    assert decided(replace(having("country"), currency="usd"), policy).reason is R.FIELD_UNREADABLE


def test_amount_0_is_no_way_around_it() -> None:
    asked = replace(having("network_risk_score"), amount=0)
    assert decided(asked, applied(max_network_risk_score=80)).reason is R.FIELD_UNREADABLE


def test_in_stand_in_it_is_the_same() -> None:
    asked = having("country")
    policies = (applied(blocked_merchant_countries=["RU"]),)
    assert decide_without_usage(asked, StandInContext(), policies).reason is R.FIELD_UNREADABLE
    assert decide_without_usage(having(), StandInContext(), policies).approved


def test_it_comes_before_the_grant_that_nobody_can_judge_then() -> None:
    on_bakeries = applied(unlimited=False, spending_limits=[DAILY | {"categories": ["bakeries"]}])
    decision = decided(having("category", "category_code"), on_bakeries)
    assert decision.reason is R.FIELD_UNREADABLE
    assert {check.rule for check in decision.trace if not check.passed} == {
        R.FIELD_UNREADABLE,
        R.NO_POLICY,
    }


def test_no_part_is_approved_where_nobody_knows_whether_it_is_cash() -> None:
    policy = applied(partial_approval=True, spending_limits=[DAILY | {"amount": 1_000}])
    readable = replace(having(), is_amount_controllable=True)
    assert decided(readable, policy).amount == 1_000
    assert decided(replace(readable, unreadable=("category_code",)), policy).amount == 0


def test_a_pumps_hold_asks_whether_it_is_a_pump() -> None:
    assert decided(having("category_code"), applied(fuel_hold=15_000)).reason is R.FIELD_UNREADABLE


def test_what_staff_and_cardholder_are_told() -> None:
    asked = having("country", "network_risk_score")
    policy = applied(name="Strict", max_network_risk_score=80, blocked_merchant_countries=["RU"])
    decision = decided(asked, policy)
    assert answer_sentence(decision, asked) == (
        "Declined €12.50 at Boulangerie Lepic. The merchant country and the network risk score "
        "arrived in an unreadable form, and the policy needs them: declined to be safe. "
        "Policy Strict (card)."
    )
    assert cardholder(decision.trace[0], asked) == (
        "The details of this purchase could not be read. Please try again or pay another way."
    )
