"""The highest risk score, and purchases that the cardholder confirmed."""

from typing import Any

import pytest

from authorizations.rules.decision.stand_in import StandInContext, decide_without_usage
from authorizations.rules.policy.differences import differences
from authorizations.rules.policy.document import InvalidPolicyError, completed, controls, normalize
from authorizations.rules.policy.summary import summary
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.rules.wording.explain import staff
from tests.rules.deciding import applied, decided, reason
from tests.support.builders import authorization_request
from tests.support.documents import TRAVEL, policy
from tests.support.rule_words import told

SCORE, DESPITE = "max_network_risk_score", "network_risk_despite_challenge"
STRICT: dict[str, Any] = {SCORE: 80, DESPITE: True}
TOO_HIGH = "network_risk_too_high"


def scored(score: int | None, *, confirmed: bool | None) -> AuthorizationRequest:
    return authorization_request(network_risk_score=score, verified_by_fraud_challenge=confirmed)


@pytest.mark.parametrize(
    ("score", "confirmed", "usual", "strict"),
    [
        (81, True, None, TOO_HIGH),
        (99, True, None, TOO_HIGH),
        (80, True, None, None),
        (None, True, None, None),
        (81, False, TOO_HIGH, TOO_HIGH),
        (81, None, TOO_HIGH, TOO_HIGH),
        (80, False, None, None),
    ],
)
def test_a_confirmed_purchase_may_have_any_score_unless_the_policy_says_otherwise(
    score: int | None, confirmed: bool | None, usual: str | None, strict: str | None
) -> None:
    request = scored(score, confirmed=confirmed)
    assert reason(request, **{SCORE: 80}) == usual
    assert reason(request, **STRICT) == strict


def test_the_trace_says_that_it_was_confirmed_and_else_is_what_it_was() -> None:
    def found(confirmed: bool | None) -> object:
        [check] = decided(scored(92, confirmed=confirmed), applied(**{SCORE: 80})).trace
        return check.passed, check.found, check.limit

    assert found(None) == found(False) == (False, 92, 80)
    assert found(True) == (True, {"score": 92, "verified_by_fraud_challenge": True}, 80)


def test_other_rules_hold_for_confirmed_purchases() -> None:
    keys: dict[str, Any] = {SCORE: 80, "blocked_merchants": ["Lepic"]}
    assert reason(scored(92, confirmed=True), **keys) == "merchant_not_allowed"


def test_a_challenge_that_can_not_be_read_confirms_nothing() -> None:
    odd = authorization_request(network_risk_score=92, unreadable=("verified_by_fraud_challenge",))
    for keys in ({SCORE: 80}, STRICT):
        assert reason(odd, **keys) == "field_unreadable"
    assert reason(odd) is None


def test_in_stand_in_it_is_the_same() -> None:
    request = scored(92, confirmed=True)
    usual, strict = (
        decide_without_usage(request, StandInContext(), (applied(**keys),)).reason
        for keys in ({SCORE: 80}, STRICT)
    )
    assert (usual, strict) == (None, TOO_HIGH)


def test_staff_and_cardholder_are_told() -> None:
    request = scored(92, confirmed=True)
    assert told(decided(request, applied(**STRICT)), request) == (
        (
            "Network risk score 92 is above the highest allowed, 80, and the policy declines it "
            "even if the cardholder confirmed it."
        ),
        "This purchase was declined for security reasons. Please contact your card administrator.",
        "network risk too high (92)",
    )
    [passed] = decided(request, applied(**{SCORE: 80})).trace
    assert staff(passed, request) == (
        "Network risk score 92 is above the highest allowed, 80, but the cardholder confirmed the "
        "purchase in a fraud challenge."
    )
    [passed] = decided(scored(12, confirmed=True), applied(**{SCORE: 80})).trace
    assert staff(passed, request) == "Network risk score 12 is not above the highest allowed, 80."


def test_the_policys_words() -> None:
    before, after = normalize(TRAVEL | {SCORE: 80}), normalize(TRAVEL | STRICT)
    assert "Network risk score at most 80." in summary(controls(before))
    assert (
        "Network risk score at most 80, even if the cardholder confirmed the purchase."
        in summary(controls(after))
    )
    [edit] = differences(before, after)
    assert str(edit) == "Risk score also for confirmed purchases: no \N{RIGHTWARDS ARROW} yes"


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({DESPITE: True}, "Only with a highest network risk score"),
        ({DESPITE: "yes", SCORE: 80}, "Write true or false, without quotes."),
        ({DESPITE: 1, SCORE: 80}, "Write true or false, without quotes."),
    ],
)
def test_it_is_said_what_is_wrong(keys: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidPolicyError) as refused:
        normalize(policy(**keys))
    [found] = map(str, refused.value.problems)
    assert found.startswith(f"{DESPITE}: {problem}")


def test_a_version_from_before_the_switch_was_known_has_it_off() -> None:
    now = normalize(TRAVEL | {SCORE: 80})
    before = {key: value for key, value in now.items() if key != DESPITE}
    assert controls(before) == controls(now)
    assert completed(before) == now
