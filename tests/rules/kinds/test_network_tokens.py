"""A policy can ask that a card is used by a network token, or that it is not."""

from typing import Any

import pytest

from authorizations.rules.decision.stand_in import StandInContext, decide_without_usage
from authorizations.rules.policy.differences import differences
from authorizations.rules.policy.document import (
    InvalidPolicyError,
    completed,
    controls,
    normalize,
    warnings,
)
from authorizations.rules.policy.summary import summary
from tests.rules.deciding import applied, decided, reason
from tests.support.builders import authorization_request
from tests.support.documents import TRAVEL, policy
from tests.support.rule_words import told

KEY, DECLINED = "network_token", "network_token_mismatch"


@pytest.mark.parametrize(
    ("token", "use", "expected"),
    [
        ("intok_1", "required", None),
        (None, "required", DECLINED),
        ("intok_1", "forbidden", DECLINED),
        (None, "forbidden", None),
        ("intok_1", None, None),
        (None, None, None),
    ],
)
def test_a_token_is_required_or_forbidden(
    token: str | None, use: str | None, expected: str | None
) -> None:
    assert reason(authorization_request(token=token), **{KEY: use}) == expected


def test_a_wallet_is_a_different_fact() -> None:
    """Shops keep tokens without any wallet."""
    kept = authorization_request(token="intok_1")
    keys: dict[str, Any] = {KEY: "required", "allowed_wallets": ["apple_pay"]}
    assert reason(kept, **keys) == "wallet_not_allowed"


def test_it_comes_after_the_wallet_and_before_the_verification() -> None:
    keys: dict[str, Any] = {KEY: "required", "required_verification": ["three_d_secure"]}
    assert reason(authorization_request(), **keys) == DECLINED
    assert reason(authorization_request(), **keys, allowed_wallets=["apple_pay"]) == (
        "wallet_not_allowed"
    )


def test_a_form_that_can_not_be_read_is_declined() -> None:
    odd = authorization_request(unreadable=("token",))
    assert reason(odd, **{KEY: "required"}) == "field_unreadable"
    assert reason(odd, **{KEY: "forbidden"}) == "field_unreadable"
    assert reason(odd) is None


def test_in_stand_in_it_is_the_same() -> None:
    policies = (applied(**{KEY: "required"}),)
    decision = decide_without_usage(authorization_request(), StandInContext(), policies)
    assert decision.reason == DECLINED


@pytest.mark.parametrize(
    ("token", "use", "sentence"),
    [
        (None, "required", "No network token was used; the policy requires a network token."),
        ("intok_1", "forbidden", "Network token intok_1 was used; the policy allows none."),
    ],
)
def test_staff_and_cardholder_are_told(token: str | None, use: str, sentence: str) -> None:
    request = authorization_request(token=token)
    assert told(decided(request, applied(**{KEY: use})), request) == (
        sentence,
        "This card cannot be used in this way. Please try another way to pay with it.",
        "network token missing or not allowed",
    )


def test_the_policys_words() -> None:
    before = normalize(TRAVEL)
    required, forbidden = (normalize(TRAVEL | {KEY: use}) for use in ("required", "forbidden"))
    assert "Only with a network token." in summary(controls(required))
    assert "Not with a network token." in summary(controls(forbidden))
    arrow = "\N{RIGHTWARDS ARROW}"
    assert [*map(str, differences(before, required))] == [
        f"Network token: not set {arrow} Only with a token"
    ]
    assert [*map(str, differences(required, forbidden))] == [
        f"Network token: Only with a token {arrow} Not with a token"
    ]


@pytest.mark.parametrize("use", ["none", True, ["required"]])
def test_it_is_said_what_is_wrong(use: object) -> None:
    with pytest.raises(InvalidPolicyError) as refused:
        normalize(policy(**{KEY: use}))
    [found] = map(str, refused.value.problems)
    assert found.startswith((f"{KEY}: There is no rule for network tokens", f"{KEY}: Write this"))


def test_only_wallets_and_no_tokens_is_pointed_out() -> None:
    def warned(**keys: Any) -> list[str]:
        granted = policy(unlimited=True, **keys)
        return [str(problem) for problem in warnings(controls(normalize(granted)))]

    wallets = {"allowed_wallets": ["apple_pay"]}
    assert warned(**wallets, network_token="forbidden") == [
        "network_token: Every purchase is declined: wallets pay by network token."
    ]
    assert warned(**wallets, network_token="required") == []
    assert warned(blocked_wallets=["apple_pay"], network_token="forbidden") == []


def test_a_version_from_before_the_rule_was_known_stays_what_it_was() -> None:
    now = normalize(TRAVEL)
    before = {key: value for key, value in now.items() if key != KEY}
    assert controls(before) == controls(now)
    assert completed(before) == now
