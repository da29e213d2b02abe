"""What holds for every kind of rule, those of next year too."""

import json
from dataclasses import fields, replace
from typing import Any

import pytest

from authorizations.rules.basics.filters import MATCHING, Merchant
from authorizations.rules.decision.rule import FieldKind, Rule, Section, rule_of
from authorizations.rules.decision.values import DeclineReason
from authorizations.rules.kinds import ASKED_FIELDS, KINDS, ON_PAGE, RULES, SETTINGS, rules_of
from authorizations.rules.kinds.network_risk import NetworkRisk
from authorizations.rules.policy.differences import LABELS
from authorizations.rules.policy.document import normalize
from authorizations.rules.purchases.events import AuthorizationRequest, Verification
from authorizations.rules.wording.explain import cardholder, staff
from authorizations.services.runtime import codec
from authorizations.wire.events import authorization_request, read
from authorizations.wire.shapes import MerchantData
from tests.rules.deciding import applied, decided
from tests.support.builders import CREATED, card, changed
from tests.support.builders import authorization_request as a_request

EVERY: dict[str, Any] = {
    "time_zone": "Europe/Paris",
    "usable_from": "2020-01-01",
    "usable_until": "2030-12-31",
    "allowed_categories": ["bakeries", "3000-3299"],
    "blocked_merchant_countries": ["RU"],
    "allowed_merchant_states": ["CA", "NY"],
    "blocked_merchant_cities": ["PARIS"],
    "allowed_merchant_postal_codes": ["75*", "94107"],
    "allowed_merchants": ["Lepic", {"network_id": "12"}],
    "required_merchant_data": ["category", "country"],
    "any_of": [{"categories": ["bakeries"], "countries": ["DE"]}, {"merchants": ["Uber"]}],
    "exempt_merchants": [{"network_id": "99"}],
    "first_purchases": ["merchant", "category", "country"],
    "first_purchase_amount": 5_000,
    "card_currency_only": True,
    "network_token": "required",
    "minimum_card_age_days": 30,
    "blocked_card_presences": ["not_present"],
    "allowed_authorization_methods": ["chip"],
    "allowed_wallets": ["apple_pay"],
    "required_verification": ["cvc", "postal_code", "three_d_secure"],
    "max_network_risk_score": 80,
    "schedule": [{"days": ["mon"], "from": "08:00", "to": "20:00"}],
    "spending_limits": [{"amount": 1, "interval": "daily"}],
}
"""A document that sets a rule of every kind."""


def test_the_kinds_stand_in_the_order_in_which_they_name_the_reason() -> None:
    order = [*DeclineReason]
    assert [kind.reason for kind in RULES] == sorted(KINDS, key=order.index)
    assert len(KINDS) == len(RULES)


def test_the_reasons_of_rules_follow_each_other_before_those_of_limits() -> None:
    places = [[*DeclineReason].index(reason) for reason in KINDS]
    assert places == [*range(places[0], places[-1] + 1)]
    assert [*DeclineReason][places[-1] + 1] is DeclineReason.ATTEMPT_LIMIT_EXCEEDED


def test_the_page_has_the_same_kinds_section_by_section() -> None:
    assert {*ON_PAGE} == {*RULES}
    assert len(ON_PAGE) == len(RULES)
    sections = [setting.section for setting in SETTINGS]
    assert sections == sorted(sections, key=[*Section].index)


def test_every_key_stands_once_and_has_a_label() -> None:
    keys = [setting.key for setting in SETTINGS]
    assert len({*keys}) == len(keys)
    assert all(LABELS[setting.key] == setting.label for setting in SETTINGS)
    assert {*keys} <= normalize({"name": "Any"}).keys()


def test_where_words_are_chosen_they_are_named() -> None:
    for setting in SETTINGS:
        is_chosen = setting.field in (FieldKind.CHOICES, FieldKind.ONE_CHOICE)
        assert bool(setting.choices) == is_chosen, setting.key


def test_a_document_can_set_a_rule_of_every_kind() -> None:
    rules = rules_of(normalize({"name": "Every", "currency": "eur"} | EVERY), MATCHING)
    assert [type(rule) for rule in rules] == [*RULES]
    assert len({*rules}) == len(RULES)  # values can be keys


def test_a_document_that_says_nothing_sets_none() -> None:
    assert rules_of(normalize({"name": "None"}), MATCHING) == ()


@pytest.mark.parametrize("kind", RULES)
def test_a_rule_can_be_asked_alone(kind: type[Rule]) -> None:
    [policy] = [applied(**EVERY)]
    rule = rule_of(kind, policy.controls.rules)
    assert rule
    ruling = rule.check(a_request())
    alone = replace(policy, controls=replace(policy.controls, rules=(rule,)))
    [check] = [check for check in decided(a_request(), alone).trace if check.rule is kind.reason]
    assert (check.passed, check.found, check.limit) == ruling


def test_a_risk_score_alone() -> None:
    assert NetworkRisk(80).check(a_request(network_risk_score=81)) == (False, 81, 80)


NOT_TOLD = a_request(merchant=Merchant(), verification=Verification())
ODD = a_request(
    card_presence="present",
    network_risk_score=99,
    verified_by_fraud_challenge=True,
    authorization_method="swipe",
    wallet="x_pay",
    token="intok_1",
    merchant_currency="gbp",
    card=card(created=CREATED),
)


@pytest.mark.parametrize("request_", [a_request(), NOT_TOLD, ODD])
def test_what_a_trace_keeps_is_data_that_comes_back_and_has_words(
    request_: AuthorizationRequest,
) -> None:
    trace = decided(request_, applied(**EVERY)).trace
    kept = codec.plain_trace(trace)
    assert codec.trace(kept) == trace
    for check in codec.trace(kept):
        if check.rule in KINDS:
            assert staff(check, request_).endswith(".")
            assert cardholder(check, request_).endswith(".")
            for failed in (True, False):
                assert staff(check._replace(passed=not failed), request_)


def _phrases(data: Any) -> list[str]:
    if isinstance(data, str):
        return [data] if " " in data.strip() else []
    parts = data.values() if isinstance(data, dict) else data if isinstance(data, list) else ()
    return [phrase for part in parts for phrase in _phrases(part)]


def test_no_rule_writes_a_phrase_into_the_trace() -> None:
    """Of all texts only the merchant's own name has a blank in it."""
    for asked in (a_request(), NOT_TOLD, ODD):
        for check in decided(asked, applied(**EVERY)).trace:
            said = _phrases([check.found, check.limit])
            names = {"merchant_not_allowed", "no_condition_met"}
            name = asked.asked_at.name if check.rule in names else ""
            assert said == ([name] if name else [])


def test_every_field_that_rules_ask_for_is_one_of_the_request() -> None:
    kinds = (AuthorizationRequest, Merchant, Verification)
    named = {field.name for kind in kinds for field in fields(kind)}
    # "postal_code" is the network's check of the cardholder, "created" the authorization's.
    assert {*ASKED_FIELDS} <= named | {"merchant_postal_code", "card_created"}


@pytest.mark.parametrize("field", MerchantData.__struct_fields__)
def test_a_field_of_the_merchant_that_can_not_be_read_is_told_where_a_rule_asks_for_it(
    field: str,
) -> None:
    event = changed(f"data.object.merchant_data.{field}", ["odd"])
    name = "merchant_postal_code" if field == "postal_code" else field
    unreadable = authorization_request(read(json.dumps(event).encode())).unreadable
    assert unreadable == ((name,) if name in ASKED_FIELDS else ())


def test_limits_ask_for_nothing_that_rules_do_not() -> None:
    narrowed = {
        "amount": 1,
        "interval": "daily",
        "categories": ["7995"],
        "countries": ["DE"],
        "merchants": ["x"],
        "cash_only": True,
    }
    policy = applied(spending_limits=[narrowed])
    asked = a_request(unreadable=tuple(ASKED_FIELDS))
    [check] = [check for check in decided(asked, policy).trace if check.rule == "field_unreadable"]
    assert check.found == ["category", "category_code", "country", "name", "network_id"]
