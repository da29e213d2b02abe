"""Conditions of which a purchase must meet one, from the policy file to the words."""

from dataclasses import replace
from typing import Any

import pytest

from authorizations.rules.basics.filters import MATCHING
from authorizations.rules.decision.stand_in import StandInContext, decide_without_usage
from authorizations.rules.decision.values import Check
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
from authorizations.rules.wording.explain import cardholder, staff
from authorizations.rules.wording.headline import because
from tests.rules.deciding import applied, decided, reason
from tests.support.builders import authorization_request, merchant
from tests.support.documents import TRAVEL, policy

DECLINED = "no_condition_met"
FUEL = {"categories": ["5542", "fuel_dealers_non_automotive"]}
TOTAL = {"merchants": [{"contains": "total energies"}]}
FRENCH_BAKERY = {"categories": ["bakeries"], "countries": ["FR"]}
PUMP = {"category": "automated_fuel_dispensers", "category_code": "5542"}
KIOSK = {"category": "news_dealers_and_newsstands", "category_code": "5994", "name": "Kiosk"}


def at(**facts: str) -> AuthorizationRequest:
    return authorization_request(merchant=merchant(**facts))


def the_check(request: AuthorizationRequest, *conditions: dict[str, Any], **keys: Any) -> Check:
    trace = decided(request, applied(any_of=[*conditions], **keys)).trace
    [check] = [check for check in trace if check.rule == DECLINED]
    return check


@pytest.mark.parametrize(
    ("conditions", "facts", "is_met"),
    [
        ([FUEL], PUMP, True),
        ([FUEL], KIOSK, False),
        ([FUEL, TOTAL], KIOSK | {"name": "TOTAL ENERGIES 75018"}, True),
        ([FUEL, TOTAL], KIOSK | {"name": "Total Kiosk"}, False),
        ([FRENCH_BAKERY], {"country": "FR"}, True),
        ([FRENCH_BAKERY], {"country": "DE"}, False),
        ([FRENCH_BAKERY], KIOSK | {"country": "FR"}, False),
        ([FRENCH_BAKERY, {"countries": ["DE"]}], {"country": "DE"}, True),
        ([{"countries": ["FR", "DE"], "merchants": ["Lepic", "Uber"]}], {"country": "DE"}, True),
        ([{"countries": ["FR"]}], {"country": ""}, False),
        ([{"merchants": [{"network_id": "42"}]}], {"network_id": " 42"}, True),
        ([{"merchants": ["Uber"]}], {"name": "", "network_id": ""}, False),
    ],
)
def test_one_condition_is_enough_and_all_keys_of_it_must_hold(
    conditions: list[dict[str, Any]], facts: dict[str, str], is_met: bool
) -> None:
    assert reason(at(**facts), any_of=conditions) == (None if is_met else DECLINED)
    assert reason(at(**facts), any_of=conditions[::-1]) == (None if is_met else DECLINED)


def test_the_rules_that_must_all_hold_still_do() -> None:
    keys: dict[str, Any] = {"any_of": [FUEL, TOTAL], "blocked_merchant_countries": ["FR"]}
    assert reason(at(**PUMP, country="DE"), **keys) is None
    assert reason(at(**PUMP, country="FR"), **keys) == "merchant_country_not_allowed"


def test_each_policy_asks_for_its_own_conditions() -> None:
    fuel, french = applied(any_of=[FUEL]), applied(any_of=[{"countries": ["FR"]}])
    assert decided(at(**PUMP), fuel, french).approved
    assert decided(at(**PUMP, country="DE"), fuel, french).reason == DECLINED


def test_it_is_named_after_the_merchant_and_before_the_way_of_paying() -> None:
    keys: dict[str, Any] = {"any_of": [FUEL], "allowed_card_presences": ["not_present"]}
    assert reason(at(**KIOSK), **keys) == DECLINED
    assert reason(at(**KIOSK), **keys, blocked_merchants=["Kiosk"]) == "merchant_not_allowed"


def test_an_exempt_merchant_meets_it() -> None:
    exempt = {"exempt_merchants": [{"is": "Kiosk"}]}
    check = the_check(at(**KIOSK), FUEL, **exempt)
    assert (check.passed, check.limit) == (True, {"any_of": [FUEL], "exempt": {"is": "Kiosk"}})
    assert staff(check, at(**KIOSK)) == (
        "The purchase on news dealers and newsstands (MCC 5994) meets none of: on "
        "automated fuel dispensers, fuel dealers. The merchant is exempt: name is “Kiosk”."
    )
    assert the_check(at(**PUMP, name="Kiosk"), FUEL, **exempt).limit == {"met": FUEL}


def test_an_increment_is_judged_by_the_merchant_it_names() -> None:
    elsewhere = at(**KIOSK).begun_at(merchant(**PUMP))
    assert reason(elsewhere, any_of=[FUEL]) == DECLINED
    assert reason(at(**PUMP).begun_at(merchant(**KIOSK)), any_of=[FUEL]) is None


@pytest.mark.parametrize(
    ("field", "condition"),
    [
        ("category", FUEL),
        ("category_code", FUEL),
        ("country", {"countries": ["FR"]}),
        ("name", TOTAL),
        ("network_id", TOTAL),
    ],
)
def test_what_a_condition_asks_for_and_can_not_be_read_declines(
    field: str, condition: dict[str, Any]
) -> None:
    odd = replace(at(**PUMP, name="TOTAL ENERGIES"), unreadable=(field,))
    other = {"categories": ["9999"]} if field in {"name", "network_id"} else {"merchants": ["Z"]}
    assert reason(odd, any_of=[condition, other]) == "field_unreadable"
    exempt = {"exempt_merchants": ["TOTAL"]}
    assert reason(odd, any_of=[condition, other], **exempt) == "field_unreadable"
    # Nobody asks for it:
    asked = FUEL if field in {"name", "network_id", "country"} else TOTAL
    assert reason(odd, any_of=[asked]) is None


def test_stand_in_asks_it_too() -> None:
    policies = (applied(any_of=[FUEL, TOTAL]),)
    assert decide_without_usage(at(**PUMP), StandInContext(), policies).approved
    assert decide_without_usage(at(**KIOSK), StandInContext(), policies).reason == DECLINED


def test_names_are_matched_as_when_the_decision_was_made() -> None:
    normal = normalize(policy(unlimited=True, any_of=[{"merchants": ["Total Energies"]}]))
    request = at(name="TOTAL  ENERGIES")
    for matching, passed in ((1, False), (MATCHING, True)):
        one = replace(applied(), controls=controls(normal, matching))
        assert decided(request, one).approved is passed


def test_a_trace_has_the_condition_that_is_met_or_else_all_and_what_was_found() -> None:
    conditions = (FRENCH_BAKERY, FUEL)
    met = the_check(at(**PUMP), *conditions)
    found = {"categories": ["5542", "automated_fuel_dispensers"], "countries": "FR"}
    assert (met.passed, met.found, met.limit) == (True, found, {"met": FUEL})
    missed = the_check(at(**KIOSK, country=""), *conditions)
    assert missed.found == {"categories": ["5994", "news_dealers_and_newsstands"]}
    assert missed.limit == {"any_of": [FUEL, FRENCH_BAKERY]}
    nothing = the_check(at(category="", category_code=""), FUEL)
    assert (nothing.passed, nothing.found) == (False, None)


def test_a_trace_keeps_the_beginnings_of_long_lists_and_how_long_they_are() -> None:
    names = [f"Shop{number}" for number in range(12)]
    long = [{"merchants": names, "countries": ["DE"]}]
    long += [{"countries": [code]} for code in ("AT", "BE", "CH", "DK", "ES", "FI", "IT", "NL")]
    check = the_check(at(**KIOSK), *long)
    assert check.limit["count"] == 9
    assert len(check.limit["any_of"]) == 8
    [shop] = list(the_check(at(**KIOSK), long[0]).limit["any_of"])
    assert shop == {"countries": ["DE"], "merchants": sorted(names)[:8], "more": 4}
    assert staff(check, at(**KIOSK)).endswith("in FI; in IT; and 1 more.")
    assert staff(the_check(at(**KIOSK), long[0]), at(**KIOSK)).endswith("in DE and 4 more.")


def test_staff_and_cardholder_are_told() -> None:
    request = at(**KIOSK)
    check = the_check(request, FUEL, TOTAL, {"countries": ["DE"]})
    assert staff(check, request) == (
        "The purchase on news dealers and newsstands (MCC 5994) at Kiosk in FR meets none of: on "
        "automated fuel dispensers, fuel dealers; in DE; at merchants whose name contains “total "
        "energies”."
    )
    assert cardholder(check, request) == "This card cannot be used for this kind of purchase."
    declined = decided(request, applied(any_of=[FUEL, {"countries": ["DE"]}]))
    assert because(declined) == (
        "no condition met (news dealers and newsstands (MCC 5994), France)"
    )
    assert because(decided(request, applied(any_of=[TOTAL]))) == "no condition met"
    met = the_check(at(**PUMP), FUEL, TOTAL)
    assert staff(met, at(**PUMP)) == (
        "The purchase meets a condition: on automated fuel dispensers, fuel dealers."
    )
    none = at(category="", category_code="")
    assert staff(the_check(none, FUEL), none) == (
        "The purchase meets none of: on automated fuel dispensers, fuel dealers."
    )


def test_the_document_has_each_condition_once_and_only_what_it_asks_for() -> None:
    written = [
        {"merchants": ["Uber", {"network_id": "1"}, "Uber"], "categories": [], "countries": None},
        {"countries": ["fr", "DE"]},
        {"countries": ["DE", "FR"]},
    ]
    normal = normalize(policy(any_of=written))
    assert normal["any_of"] == [
        {"countries": ["DE", "FR"]},
        {"merchants": [{"network_id": "1"}, "Uber"]},
    ]
    assert normalize(policy(any_of=written[::-1])) == normal
    assert normalize(normal) == normal


@pytest.mark.parametrize(
    ("conditions", "problem"),
    [
        ({}, "any_of: Give a list in square brackets: […]."),
        (["Uber"], "any_of[0]: Give an object in braces: {…}."),
        (
            [FUEL, {}],
            (
                "any_of[1].categories: Say what a purchase must have: categories, countries or "
                "merchants."
            ),
        ),
        (
            [{"category": ["5812"]}],
            'any_of[0].category: There is no key "category". Did you mean "categories"?',
        ),
        (
            [{"categories": ["nowhere_at_all"]}],
            'any_of[0].categories[0]: There is no category "nowhere_at_all".',
        ),
        ([{"countries": ["UK"]}], 'any_of[0].countries[0]: There is no country "UK".'),
        ([{"merchants": [7]}], "any_of[0].merchants[0]: Write a merchant as text"),
        ([{"countries": ["FR"]}] * 51, "any_of: There are 51 entries: keep it to 50."),
    ],
)
def test_a_condition_that_can_not_be_is_refused_at_its_place(conditions: Any, problem: str) -> None:
    with pytest.raises(InvalidPolicyError) as refused:
        normalize(policy(any_of=conditions))
    [found] = map(str, refused.value.problems)
    assert found.startswith(problem)


def test_the_policys_words() -> None:
    before = policy(unlimited=True)
    after = before | {"any_of": [FUEL, TOTAL]}
    [sentence] = summary(controls(normalize(after)))
    assert sentence == (
        "Unlimited amounts; only on automated fuel dispensers, fuel dealers, or at merchants whose "
        "name contains “total energies”."
    )
    many = [{"merchants": [f"Shop {number:02}"]} for number in range(10)]
    assert summary(controls(normalize(before | {"any_of": many})))[-1].endswith(
        "at Shop 07, or by one of 2 more conditions."
    )
    [edit] = differences(normalize(before), normalize(after))
    assert str(edit) == (
        "Conditions added to \N{LEFT DOUBLE QUOTATION MARK}At least one of"
        "\N{RIGHT DOUBLE QUOTATION MARK}: on automated fuel dispensers, fuel dealers, at merchants "
        "whose name contains “total energies”"
    )


def test_saving_says_which_conditions_can_not_be_met() -> None:
    said = warnings(
        controls(
            normalize(
                policy(
                    unlimited=True,
                    allowed_categories=["bakeries"],
                    blocked_merchant_countries=["DE"],
                    any_of=[FUEL, {"countries": ["DE"]}, {"countries": ["DE", "FR"]}],
                )
            )
        )
    )
    assert [*map(str, said)] == [
        (
            "any_of[0].categories: Never met, as the policy allows none of its categories: on "
            "automated fuel dispensers, fuel dealers."
        ),
        "any_of[2].countries: Never met, as the policy allows none of its countries: in DE.",
    ]


def test_a_version_from_before_there_were_conditions_stays_what_it_was() -> None:
    now = normalize(TRAVEL)
    before = {key: value for key, value in now.items() if key != "any_of"}
    assert controls(before) == controls(now)
    assert differences(before, now) == []
    assert completed(before) == now
