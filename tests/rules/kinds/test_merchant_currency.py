"""Domestic only: the merchant has to charge in the card's currency."""

import pytest

from authorizations.rules.decision.stand_in import StandInContext, decide_without_usage
from authorizations.rules.policy.differences import differences
from authorizations.rules.policy.document import completed, controls, normalize
from authorizations.rules.policy.summary import summary
from authorizations.rules.wording.explain import staff
from tests.rules.deciding import applied, decided, reason
from tests.support.builders import authorization_request
from tests.support.documents import TRAVEL
from tests.support.rule_words import told

KEY, DECLINED = "card_currency_only", "merchant_currency_not_allowed"


@pytest.mark.parametrize(
    ("charged_in", "expected"),
    [("eur", None), ("gbp", DECLINED), (None, DECLINED), ("", DECLINED), ("eur ", DECLINED)],
)
def test_another_currency_is_declined_and_so_is_an_untold_one(
    charged_in: str | None, expected: str | None
) -> None:
    request = authorization_request(merchant_currency=charged_in)
    assert reason(request, **{KEY: True}) == expected
    assert reason(request) is None


def test_it_comes_after_the_currencies_of_limits_and_before_the_country() -> None:
    request = authorization_request(merchant_currency="gbp")
    countries = {"allowed_merchant_countries": ["DE"]}
    assert reason(request, **{KEY: True}, **countries) == DECLINED
    dollars = [{"amount": 1, "interval": "daily", "currency": "usd"}]
    assert reason(request, **{KEY: True}, spending_limits=dollars) == "currency_not_allowed"


def test_a_form_that_can_not_be_read_is_declined() -> None:
    odd = authorization_request(merchant_currency="eur", unreadable=("merchant_currency",))
    assert reason(odd, **{KEY: True}) == "field_unreadable"
    assert reason(odd) is None


def test_in_stand_in_it_is_the_same() -> None:
    request = authorization_request(merchant_currency="gbp")
    policies = (applied(**{KEY: True}),)
    assert decide_without_usage(request, StandInContext(), policies).reason == DECLINED


def test_staff_and_cardholder_are_told() -> None:
    for_cardholder = "This card can only be used with merchants that charge in its own currency."
    request = authorization_request(merchant_currency="gbp")
    assert told(decided(request, applied(**{KEY: True})), request) == (
        "The merchant charges in GBP; the policy allows only the card's currency, EUR.",
        for_cardholder,
        "merchant currency not allowed (GBP)",
    )
    request = authorization_request()
    assert told(decided(request, applied(**{KEY: True})), request) == (
        (
            "The merchant's currency was not reported; the policy allows only the card's currency, "
            "EUR."
        ),
        for_cardholder,
        "merchant currency not allowed",
    )
    request = authorization_request(merchant_currency="eur")
    [passed] = decided(request, applied(**{KEY: True})).trace
    assert staff(passed, request) == "The merchant charges in the card's currency, EUR."


def test_the_policys_words() -> None:
    before, after = normalize(TRAVEL), normalize(TRAVEL | {KEY: True})
    assert "Only where the merchant charges in the card's currency." in summary(controls(after))
    [edit] = differences(before, after)
    assert str(edit) == "Only in the card's currency: no \N{RIGHTWARDS ARROW} yes"


def test_a_version_from_before_the_rule_was_known_stays_what_it_was() -> None:
    now = normalize(TRAVEL)
    before = {key: value for key, value in now.items() if key != KEY}
    assert controls(before) == controls(now)
    assert completed(before) == now
