"""Which states a card may pay in, from the policy file to the words for staff and cardholder."""

from typing import Any

import pytest

from authorizations.rules.decision.decide import deciding_check
from authorizations.rules.decision.stand_in import StandInContext, decide_without_usage
from authorizations.rules.decision.values import Verdict
from authorizations.rules.policy.differences import differences
from authorizations.rules.policy.document import InvalidPolicyError, completed, controls, normalize
from authorizations.rules.policy.summary import summary
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.rules.wording.explain import cardholder, staff
from authorizations.rules.wording.headline import because
from tests.rules.deciding import applied, decided, reason
from tests.support.builders import authorization_request, merchant
from tests.support.documents import TRAVEL, policy

ALLOWED, BLOCKED = "allowed_merchant_states", "blocked_merchant_states"
DECLINED = "merchant_state_not_allowed"


def at(state: str, **facts: str) -> AuthorizationRequest:
    return authorization_request(merchant=merchant(state=state, **facts))


@pytest.mark.parametrize(
    ("listed", "told", "is_listed"),
    [
        ("CA", "CA", True),
        ("CA", "ca", True),
        ("ca", " CA ", True),
        ("New  South Wales", "NEW SOUTH WALES", True),
        ("Qu\N{LATIN SMALL LETTER E WITH ACUTE}bec", "QUEBEC", True),
        ("CA", "CAL", False),
        ("CAL", "CA", False),
        ("CA", "NY", False),
        ("CA", "", False),
        ("CA", "   ", False),
        ("CA", "\N{COMBINING ACUTE ACCENT}", False),
        ("75", "75", True),
    ],
)
def test_a_state_is_compared_without_case_accents_and_blanks(
    listed: str, told: str, is_listed: bool
) -> None:
    assert reason(at(told), **{ALLOWED: [listed]}) == (None if is_listed else DECLINED)
    assert reason(at(told), **{BLOCKED: [listed]}) == (DECLINED if is_listed else None)


def test_the_document_has_each_state_once_in_capitals() -> None:
    normal = normalize(policy(**{ALLOWED: ["ny", " NY", "New  York", "ca"]}))
    assert (normal[ALLOWED], normal[BLOCKED]) == (["CA", "NEW YORK", "NY"], [])


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({ALLOWED: [7]}, f'{ALLOWED}[0]: Write this as text in "quotes".'),
        ({ALLOWED: ["CA", ""]}, f"{ALLOWED}[1]: Write something, or leave it out."),
        (
            {ALLOWED: ["\N{ACUTE ACCENT}"]},
            f'{ALLOWED}[0]: Write a state as networks do, such as "CA"',
        ),
        ({BLOCKED: "NY"}, f"{BLOCKED}: Give a list in square brackets"),
        ({BLOCKED: ["x" * 101]}, f"{BLOCKED}[0]: This has 101 characters: keep it to 100."),
    ],
)
def test_what_is_no_state_is_said_at_its_place(keys: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidPolicyError) as refused:
        normalize(policy(**keys))
    [found] = map(str, refused.value.problems)
    assert found.startswith(problem)


def test_it_is_named_after_the_country_and_before_the_category() -> None:
    keys: dict[str, Any] = {ALLOWED: ["CA"], "allowed_categories": ["5812"]}
    assert reason(at("NY"), **keys) == DECLINED
    keys["allowed_merchant_countries"] = ["US"]
    assert reason(at("NY"), **keys) == "merchant_country_not_allowed"


def test_an_increment_is_judged_by_the_state_of_the_merchant_it_names() -> None:
    first = merchant(state="CA", name="Shop")
    elsewhere = at("NY", name="Shop").begun_at(first)
    assert reason(elsewhere, **{ALLOWED: ["CA"]}) == DECLINED


def test_what_can_not_be_read_is_declined() -> None:
    odd = authorization_request(merchant=merchant(state=""), unreadable=("state",))
    for key in (ALLOWED, BLOCKED):
        assert reason(odd, **{key: ["NY"]}) == "field_unreadable"
    assert reason(odd) is None


def test_stand_in_asks_it_too() -> None:
    decision = decide_without_usage(at("NY"), StandInContext(), (applied(**{BLOCKED: ["NY"]}),))
    assert decision.reason == DECLINED


def _told(decision: Verdict, request: AuthorizationRequest) -> tuple[str, str, str]:
    check = deciding_check(decision.trace)
    assert check
    return staff(check, request), cardholder(check, request), because(decision)


def test_staff_and_cardholder_are_told() -> None:
    for_cardholder = "This card cannot be used with merchants in this state or region."
    request = at("ny")
    assert _told(decided(request, applied(**{BLOCKED: ["NY", "TX"]})), request) == (
        "Merchant state ny is among the blocked states (NY, TX).",
        for_cardholder,
        "merchant state not allowed (ny)",
    )
    request = at("")
    assert _told(decided(request, applied(**{ALLOWED: ["CA"]})), request) == (
        "The merchant's state was not reported; allowed states: CA.",
        for_cardholder,
        "merchant state not allowed",
    )


def test_the_policys_words() -> None:
    before, after = normalize(TRAVEL), normalize(TRAVEL | {BLOCKED: ["NY", "CA"]})
    assert "Not in the states CA, NY." in summary(controls(after))
    [edit] = differences(before, after)
    assert str(edit) == (
        "States added to \N{LEFT DOUBLE QUOTATION MARK}Not these states"
        "\N{RIGHT DOUBLE QUOTATION MARK}: CA, NY"
    )


def test_a_version_from_before_the_rule_was_known_stays_what_it_was() -> None:
    now = normalize(TRAVEL)
    before = {key: value for key, value in now.items() if key not in {ALLOWED, BLOCKED}}
    assert controls(before) == controls(now)
    assert differences(before, now) == []
    assert completed(before) == now
