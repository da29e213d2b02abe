"""A card has to exist for some days before it may pay."""

from typing import Any

import pytest

from authorizations.rules.decision.stand_in import StandInContext, decide_without_usage
from authorizations.rules.policy.differences import differences
from authorizations.rules.policy.document import InvalidPolicyError, completed, controls, normalize
from authorizations.rules.policy.summary import summary
from authorizations.rules.purchases.events import AuthorizationRequest
from tests.rules.deciding import applied, decided, reason
from tests.support.builders import CREATED, authorization_request, card
from tests.support.documents import TRAVEL, policy
from tests.support.rule_words import told

KEY, DECLINED = "minimum_card_age_days", "card_too_new"
NOW = CREATED + 1
DAY = 86_400


def with_card_of(created: int | None) -> AuthorizationRequest:
    return authorization_request(event_created=NOW, card=card(created=created))


@pytest.mark.parametrize(
    ("created", "expected"),
    [
        (NOW - 30 * DAY, None),
        (NOW - 30 * DAY + 1, DECLINED),
        (NOW - 400 * DAY, None),
        (0, None),
        (NOW, DECLINED),
        (NOW + 60, DECLINED),
        (None, DECLINED),
    ],
)
def test_it_is_counted_to_the_second_up_to_the_request(
    created: int | None, expected: str | None
) -> None:
    assert reason(with_card_of(created), **{KEY: 30}) == expected
    assert reason(with_card_of(created)) is None


def test_a_later_request_of_the_same_purchase_finds_an_older_card() -> None:
    request = authorization_request(event_created=NOW + DAY, card=card(created=NOW - 29 * DAY))
    assert reason(request, **{KEY: 30}) is None


def test_it_comes_after_the_dates_of_the_policy_and_before_the_currency() -> None:
    keys: dict[str, Any] = {KEY: 30, "card_currency_only": True}
    assert reason(with_card_of(NOW), **keys) == DECLINED
    assert reason(with_card_of(NOW), **keys, usable_until="2020-01-01") == "no_longer_usable"


def test_a_form_that_can_not_be_read_is_declined() -> None:
    odd = authorization_request(unreadable=("card_created",))
    assert reason(odd, **{KEY: 30}) == "field_unreadable"
    assert reason(odd) is None


def test_in_stand_in_it_is_the_same() -> None:
    policies = (applied(**{KEY: 30}),)
    decision = decide_without_usage(with_card_of(NOW), StandInContext(), policies)
    assert decision.reason == DECLINED


@pytest.mark.parametrize(
    ("created", "days", "sentence"),
    [
        (NOW - 3 * DAY, 30, "The card was 3 days old; the policy requires at least 30 days."),
        (NOW - 2 * DAY + 1, 2, "The card was 1 day old; the policy requires at least 2 days."),
        (NOW - 60, 1, "The card was less than a day old; the policy requires at least 1 day."),
        (NOW + 60, 1, "The card was less than a day old; the policy requires at least 1 day."),
        (
            None,
            1500,
            "When the card was created was not reported; the policy requires at least 1,500 days.",
        ),
    ],
)
def test_staff_and_cardholder_are_told(created: int | None, days: int, sentence: str) -> None:
    request = with_card_of(created)
    assert told(decided(request, applied(**{KEY: days})), request) == (
        sentence,
        "This card is too new for this purchase. Please contact your card administrator.",
        "card too new",
    )


def test_the_policys_words() -> None:
    before, after = normalize(TRAVEL | {KEY: 1}), normalize(TRAVEL | {KEY: 30})
    assert "Only cards that are at least 30 days old." in summary(controls(after))
    [edit] = differences(before, after)
    assert str(edit) == ("Minimum age of the card, in days: 1 day \N{RIGHTWARDS ARROW} 30 days")


@pytest.mark.parametrize(
    ("days", "problem"),
    [
        (0, "Give a whole number from 1 to 3,650."),
        (3651, "Give a whole number from 1 to 3,650."),
        ("30", "Give the card's age as a whole number of days, such as 30."),
        (1.5, "Give the card's age as a whole number of days, such as 30."),
        (True, "Give the card's age as a whole number of days, such as 30."),
    ],
)
def test_it_is_said_what_is_wrong(days: object, problem: str) -> None:
    with pytest.raises(InvalidPolicyError) as refused:
        normalize(policy(**{KEY: days}))
    assert [*map(str, refused.value.problems)] == [f"{KEY}: {problem}"]


def test_a_version_from_before_the_rule_was_known_stays_what_it_was() -> None:
    now = normalize(TRAVEL)
    before = {key: value for key, value in now.items() if key != KEY}
    assert controls(before) == controls(now)
    assert completed(before) == now
