"""Merchants that are exempt from where their policy lets a card pay."""

from dataclasses import replace
from typing import Any

import pytest

from authorizations.rules.basics.controls import Scope, ScopeKind
from authorizations.rules.basics.filters import MATCHING
from authorizations.rules.basics.stops import Stop
from authorizations.rules.decision.decide import decide
from authorizations.rules.decision.stand_in import StandInContext, decide_without_usage
from authorizations.rules.decision.values import Check, PurchaseContext, Verdict, WindowUsage
from authorizations.rules.kinds import RULES
from authorizations.rules.policy.differences import differences
from authorizations.rules.policy.document import (
    InvalidPolicyError,
    completed,
    controls,
    normalize,
    warnings,
)
from authorizations.rules.policy.summary import summary
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.rules.wording.explain import answer_sentence, cardholder, staff
from authorizations.services.runtime import codec
from tests.rules.deciding import applied, decided, reason
from tests.support.builders import authorization_request, merchant
from tests.support.documents import TRAVEL, policy

EXEMPT: dict[str, Any] = {
    "exempt_merchants": [{"network_id": "123"}, {"begins_with": "SNCF"}, "Lepic"]
}
SNCF = {"begins_with": "SNCF"}


def at(name: str = "SNCF CONNECT", **facts: str) -> AuthorizationRequest:
    return authorization_request(merchant=merchant(name=name, **facts))


NOT_REPORTED = {"country": "", "category": "", "category_code": ""}

GIVES_WAY: dict[str, dict[str, Any]] = {
    "merchant_country_not_allowed": {"blocked_merchant_countries": ["FR"]},
    "merchant_state_not_allowed": {"allowed_merchant_states": ["CA"]},
    "merchant_city_not_allowed": {"blocked_merchant_cities": ["PARIS"]},
    "merchant_postal_code_not_allowed": {"allowed_merchant_postal_codes": ["33*"]},
    "category_not_allowed": {"allowed_categories": ["betting_casino_gambling"]},
    "merchant_country_required": {"required_merchant_data": ["country"]},
    "category_required": {"required_merchant_data": ["category"]},
    "no_condition_met": {"any_of": [{"countries": ["DE"]}, {"merchants": ["Uber"]}]},
    "merchant_not_allowed": {"allowed_merchants": ["Uber"], "blocked_merchants": ["SNCF CONNECT"]},
}
"""Rules at which an exempt merchant passes, and a document that declines it otherwise."""

HOLDS: dict[str, dict[str, Any]] = {
    "no_longer_usable": {"usable_until": "2020-01-01"},
    "card_presence_not_allowed": {"allowed_card_presences": ["present"]},
    "authorization_method_not_allowed": {"blocked_authorization_methods": ["online"]},
    "wallet_not_allowed": {"allowed_wallets": ["apple_pay"]},
    "cvc_required": {"required_verification": ["cvc"]},
    "network_risk_too_high": {"max_network_risk_score": 1},
    "outside_schedule": {"schedule": [{"days": ["sun"], "from": "03:00", "to": "03:01"}]},
    "amount_limit_exceeded": {"spending_limits": [{"amount": 1, "interval": "daily"}]},
    "count_limit_exceeded": {"spending_limits": [{"count": 0, "interval": "daily"}]},
}
"""Rules that hold at exempt merchants as anywhere."""


def test_every_rule_that_gives_way_is_tried() -> None:
    # First purchases depend on the card: see test_first_purchases.
    tried = {*GIVES_WAY, "first_purchase_not_allowed"}
    assert tried == {kind.reason for kind in RULES if kind.spares_exempt}


@pytest.mark.parametrize("rule", GIVES_WAY)
def test_an_exempt_merchant_passes_the_rules_on_place_and_merchant(rule: str) -> None:
    keys, facts = GIVES_WAY[rule], NOT_REPORTED if rule.endswith("required") else {}
    assert reason(at(**facts), **keys) == rule
    assert reason(at(**facts), **keys, **EXEMPT) is None
    assert reason(at("KIOSK", **facts), **keys, **EXEMPT) == rule


@pytest.mark.parametrize("rule", HOLDS)
def test_all_other_rules_and_limits_hold_at_an_exempt_merchant(rule: str) -> None:
    request = replace(
        at(), card_presence="not_present", authorization_method="online", network_risk_score=50
    )
    assert reason(request, **HOLDS[rule], **EXEMPT) == rule


@pytest.mark.parametrize(
    ("shop", "entry"),
    [
        ({"network_id": "123"}, {"network_id": "123"}),
        ({"network_id": " 123 ", "name": "Kiosk"}, {"network_id": "123"}),
        ({"name": "sncf  gare"}, SNCF),
        ({"name": "Boulangerie L\N{LATIN SMALL LETTER E WITH ACUTE}pic"}, "Lepic"),
        ({"network_id": "1234", "name": "Kiosk"}, None),
        ({"name": "VIA SNCF"}, None),
        ({"name": "", "network_id": ""}, None),
    ],
)
def test_it_is_named_as_in_any_list_of_merchants_and_the_trace_says_by_which_entry(
    shop: dict[str, str], entry: Any
) -> None:
    request = authorization_request(merchant=merchant(**({"name": "Kiosk"} | shop)))
    check = the_check(decided(request, applied(blocked_merchant_countries=["FR"], **EXEMPT)))
    expected: dict[str, Any] = {"blocked": ["FR"]}
    assert check.limit == (expected | {"exempt": entry} if entry else expected)
    assert (check.passed, check.found) == (entry is not None, "FR")


def the_check(decision: Verdict, rule: str = "merchant_country_not_allowed") -> Check:
    [check] = [check for check in decision.trace if check.rule == rule]
    return check


def test_a_rule_that_the_merchant_meets_anyway_is_traced_as_always() -> None:
    keys: dict[str, Any] = {"allowed_merchant_countries": ["FR"]}
    assert the_check(decided(at(), applied(**keys, **EXEMPT))).limit == {"allowed": ["FR"]}


def test_the_trace_is_data_that_comes_back() -> None:
    trace = decided(at(), applied(blocked_merchant_countries=["FR"], **EXEMPT)).trace
    assert codec.trace(codec.plain_trace(trace)) == trace


def test_another_policy_exempts_nobody() -> None:
    exempting = applied(blocked_merchant_countries=["FR"], **EXEMPT)
    strict = applied(blocked_merchant_countries=["FR"])
    assert decided(at(), exempting).approved
    assert decided(at(), exempting, strict).reason == "merchant_country_not_allowed"


def test_a_block_holds_at_an_exempt_merchant() -> None:
    context = PurchaseContext(stops=(Stop(1, Scope(ScopeKind.PROGRAM, ""), merchant=SNCF),))
    policies = (applied(blocked_merchant_countries=["FR"], **EXEMPT),)
    assert decide(at(), context, policies, {}).reason == "blocked"


def test_an_increment_is_judged_by_the_merchant_it_names() -> None:
    keys: dict[str, Any] = {"blocked_merchant_countries": ["FR"], **EXEMPT}
    begun = merchant(name="SNCF CONNECT")
    elsewhere = authorization_request(merchant=merchant(name="Kiosk")).begun_at(begun)
    assert reason(elsewhere, **keys) == "merchant_country_not_allowed"
    here = at().begun_at(merchant(name="Kiosk"))
    assert reason(here, **keys) is None


@pytest.mark.parametrize("field", ["name", "network_id"])
def test_a_merchant_that_can_not_be_read_is_not_exempt(field: str) -> None:
    keys: dict[str, Any] = {"blocked_merchant_countries": ["FR"], **EXEMPT}
    shop = merchant(name="SNCF CONNECT", network_id="123")
    request = authorization_request(merchant=replace(shop, **{field: ""}))
    assert reason(request, **keys) is None
    odd = replace(request, unreadable=(field,))
    assert reason(odd, **keys) == "merchant_country_not_allowed"
    # The exemption asks for nothing: what passes without it needs no name.
    assert reason(odd, allowed_merchant_countries=["FR"], **EXEMPT) is None


def test_an_exempt_merchant_of_an_unreadable_category_is_declined() -> None:
    odd = replace(at(category="", category_code=""), unreadable=("category_code",))
    assert reason(odd, blocked_categories=["7995"], **EXEMPT) == "field_unreadable"


def test_stand_in_exempts_too() -> None:
    policies = (applied(blocked_merchant_countries=["FR"], **EXEMPT),)
    assert decide_without_usage(at(), StandInContext(), policies).approved
    declined = decide_without_usage(at("Kiosk"), StandInContext(), policies)
    assert declined.reason == "merchant_country_not_allowed"


def test_names_are_matched_as_when_the_decision_was_made() -> None:
    normal = normalize(policy(unlimited=True, blocked_merchant_countries=["FR"], **EXEMPT))
    request = at("S\N{LATIN CAPITAL LETTER N WITH TILDE}CF")
    for matching, passed in ((1, False), (MATCHING, True)):
        one = replace(applied(), controls=controls(normal, matching))
        assert decided(request, one).approved is passed


def test_a_part_is_approved_at_an_exempt_merchant() -> None:
    keys: dict[str, Any] = {
        "blocked_merchant_countries": ["FR"],
        "partial_approval": True,
        "spending_limits": [{"amount": 1_000, "interval": "daily"}],
    }
    request = replace(at(), is_amount_controllable=True)
    decision = decided(request, applied(**keys, **EXEMPT), usage=WindowUsage(400, 0, 1))
    assert (decision.amount, decision.is_partial) == (600, True)
    assert not decided(request, applied(**keys), usage=WindowUsage(400, 0, 1)).approved


def test_staff_are_told_what_would_have_failed_and_why_it_did_not() -> None:
    decision = decided(
        at(), applied(blocked_merchant_countries=["FR"], allowed_merchants=["Uber"], **EXEMPT)
    )
    assert [staff(check, at()) for check in decision.trace] == [
        (
            "Merchant country FR is among the blocked countries (FR). The merchant is exempt: name "
            "begins with “SNCF”."
        ),
        (
            "Merchant SNCF CONNECT is not among the allowed merchants (Uber). The merchant is "
            "exempt: name begins with “SNCF”."
        ),
    ]
    assert answer_sentence(decision, at()).endswith("All 2 rules passed.")
    declined = decided(at("Kiosk"), applied(blocked_merchant_countries=["FR"], **EXEMPT))
    assert cardholder(declined.trace[0], at("Kiosk")) == (
        "This card cannot be used with merchants in France."
    )


def test_the_document_has_each_entry_once_network_ids_first() -> None:
    written = ["Lepic", {"network_id": " 123 "}, "Lepic", SNCF]
    normal = normalize(policy(exempt_merchants=written))
    assert normal["exempt_merchants"] == [{"network_id": "123"}, SNCF, "Lepic"]
    with pytest.raises(InvalidPolicyError, match=r"exempt_merchants\[0\]: There is no key"):
        normalize(policy(exempt_merchants=[{"id": "1"}]))


def test_the_policys_words() -> None:
    before = policy(unlimited=True, blocked_merchant_countries=["FR"])
    after = before | {"exempt_merchants": [{"network_id": "123"}, SNCF]}
    [sentence] = summary(controls(normalize(after)))
    assert sentence == (
        "Unlimited amounts; not in France; as far as category, place and merchant go, always at "
        "the merchant with network id 123, merchants whose name begins with “SNCF”."
    )
    [edit] = differences(normalize(before), normalize(after))
    assert str(edit) == (
        "Merchants added to \N{LEFT DOUBLE QUOTATION MARK}Always these merchants"
        "\N{RIGHT DOUBLE QUOTATION MARK}: network id 123, name begins with “SNCF”"
    )


def _warned(**keys: Any) -> list[str]:
    return [*map(str, warnings(controls(normalize(policy(**keys)))))]


def test_saving_says_what_can_not_be_as_meant() -> None:
    assert _warned(unlimited=True, max_network_risk_score=80, exempt_merchants=["Uber"]) == [
        (
            "exempt_merchants: This has no effect: no list and no condition of the policy concerns "
            "merchants."
        )
    ]
    assert _warned(unlimited=True, blocked_merchants=["Uber"], exempt_merchants=["Uber"]) == [
        "exempt_merchants: Blocked and exempt, so allowed: Uber."
    ]
    limited: dict[str, Any] = {
        "allowed_merchant_countries": ["FR"],
        "spending_limits": [{"amount": 1, "interval": "daily", "countries": ["DE"]}],
    }
    assert len(_warned(**limited)) == 1
    assert _warned(**limited, exempt_merchants=["Uber"]) == []  # it may be in Germany


def test_a_version_from_before_merchants_could_be_exempt_stays_what_it_was() -> None:
    now = normalize(TRAVEL)
    before = {key: value for key, value in now.items() if key != "exempt_merchants"}
    assert controls(before) == controls(now)
    assert differences(before, now) == []
    assert completed(before) == now
