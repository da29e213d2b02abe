"""What lets a card spend at all: an amount limit on the purchase, or a policy that is unlimited."""

from dataclasses import replace
from typing import Any

import pytest

from authorizations.rules.decision.grants import granted_currencies
from authorizations.rules.decision.values import DeclineReason, Verdict
from authorizations.rules.policy.document import controls, normalize
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.rules.wording.explain import answer_sentence, cardholder
from tests.rules.deciding import applied, decided
from tests.support.builders import authorization_request, merchant
from tests.support.documents import policy

BAKERY = authorization_request()
"""€12.50 at a bakery in France."""

MACHINE = merchant(category="automated_cash_disburse", category_code="6011", name="Crédit 7")
WITHDRAWAL = replace(BAKERY, merchant=MACHINE, amount=5_000)
CASH_BACK = replace(BAKERY, cashback_amount=1_000)
ALL_CASH_BACK = replace(BAKERY, cashback_amount=1_250)

DAILY: dict[str, Any] = {"amount": 100_000, "interval": "daily"}
FORBIDDING = {"unlimited": False, "blocked_merchants": ["ACME FRAUD"]}


def granted(request: AuthorizationRequest, *policies: dict[str, Any]) -> bool:
    """Whether policies with these keys, none of them unlimited unless it says so, let it pass."""
    decision = decided(request, *(applied(**({"unlimited": False} | keys)) for keys in policies))
    assert decision.reason in {None, DeclineReason.NO_POLICY}
    return decision.approved


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"blocked_merchants": ["ACME FRAUD"]},
        {"allowed_categories": ["bakeries"]},
        {"schedule": [{"days": ["tue"], "from": "00:00", "to": "24:00"}]},
        {"max_network_risk_score": 80},
        {"spending_limits": [{"count": 5, "interval": "daily"}]},
        {"stand_in_amount": 5_000, "stand_in_cap": 5_000},
        {"fuel_hold": 15_000},
        {"partial_approval": True},
    ],
)
def test_what_only_forbids_or_counts_opens_nothing(keys: dict[str, Any]) -> None:
    assert not granted(BAKERY, keys)
    assert not granted(replace(BAKERY, amount=9_999_999_00), keys)
    assert not granted(replace(BAKERY, amount=0), keys)
    assert granted(BAKERY, keys | {"unlimited": True})
    assert granted(BAKERY, keys, {"spending_limits": [DAILY]})
    assert granted(BAKERY, keys, {"unlimited": True})


@pytest.mark.parametrize(
    ("narrowed", "is_granted"),
    [
        ({}, True),
        ({"merchants": ["lepic"]}, True),
        ({"merchants": ["ACME"]}, False),
        ({"categories": ["bakeries"]}, True),
        ({"categories": ["7995"]}, False),
        ({"countries": ["FR", "DE"]}, True),
        ({"countries": ["DE"]}, False),
        ({"countries": ["FR"], "categories": ["7995"]}, False),
        ({"except_categories": ["7995"]}, True),
        ({"except_categories": ["bakeries"]}, False),
        ({"except_countries": ["DE"], "except_merchants": ["ACME"]}, True),
        ({"except_countries": ["DE"], "except_merchants": ["lepic"]}, False),
        ({"card_presences": ["present"]}, True),
        ({"card_presences": ["not_present"]}, False),
        ({"authorization_methods": ["chip", "swipe"], "card_presences": ["present"]}, True),
        ({"authorization_methods": ["contactless"], "card_presences": ["present"]}, False),
    ],
)
def test_a_limit_grants_the_purchases_that_it_concerns(
    narrowed: dict[str, Any], is_granted: bool
) -> None:
    limits = {"spending_limits": [DAILY | narrowed]}
    assert granted(BAKERY, limits) is is_granted
    assert granted(replace(BAKERY, amount=0), limits) is is_granted
    assert granted(BAKERY, limits, FORBIDDING) is is_granted


@pytest.mark.parametrize(
    ("request_", "is_granted"),
    [
        (BAKERY, False),
        (CASH_BACK, False),
        (ALL_CASH_BACK, True),
        (WITHDRAWAL, True),
        (replace(BAKERY, amount=0), False),
        (replace(WITHDRAWAL, amount=0), True),
    ],
)
def test_a_limit_on_cash_grants_only_what_is_all_cash(
    request_: AuthorizationRequest, is_granted: bool
) -> None:
    assert granted(request_, {"spending_limits": [DAILY | {"cash_only": True}]}) is is_granted


def test_a_limit_grants_in_its_own_currency() -> None:
    dollars = {"spending_limits": [DAILY | {"currency": "usd"}]}
    assert granted(replace(BAKERY, currency="usd"), dollars)
    assert not granted(BAKERY, dollars)


def test_one_that_is_unlimited_grants_in_every_currency_and_forbids_as_before() -> None:
    assert granted(replace(BAKERY, currency="jpy"), {"unlimited": True})
    blocked = applied(unlimited=True, blocked_categories=["bakeries"])
    assert decided(BAKERY, blocked).reason is DeclineReason.CATEGORY_NOT_ALLOWED
    limited = applied(unlimited=True, spending_limits=[DAILY | {"amount": 1_249}])
    assert decided(BAKERY, limited).reason is DeclineReason.AMOUNT_LIMIT_EXCEEDED


ELSEWHERE = merchant(
    category="betting_casino_gambling", category_code="7995", country="MT", name="Royal"
)


@pytest.mark.parametrize(
    ("narrowed", "is_granted"),
    [
        ({}, True),
        ({"categories": ["bakeries", "7995"]}, True),
        ({"categories": ["bakeries"]}, False),
        ({"countries": ["MT"]}, False),
        ({"except_countries": ["US"]}, True),
        ({"except_countries": ["MT"]}, False),
        ({"except_categories": ["bakeries"]}, False),
    ],
)
def test_an_increment_at_another_merchant_needs_one_grant_for_both(
    narrowed: dict[str, Any], is_granted: bool
) -> None:
    increment = replace(BAKERY, named_merchant=ELSEWHERE)
    assert granted(increment, {"spending_limits": [DAILY | narrowed]}) is is_granted


KEYED_IN = merchant(authorization_method="keyed_in", card_presence="not_present")


@pytest.mark.parametrize(
    ("narrowed", "is_granted"),
    [
        ({"authorization_methods": ["chip", "keyed_in"]}, True),
        ({"authorization_methods": ["chip"]}, False),
        ({"authorization_methods": ["keyed_in"]}, False),
        ({"card_presences": ["present"]}, False),
        ({"card_presences": ["present", "not_present"]}, True),
    ],
)
def test_an_increment_in_another_way_needs_one_grant_for_both(
    narrowed: dict[str, Any], is_granted: bool
) -> None:
    increment = replace(BAKERY, named_merchant=KEYED_IN)
    assert granted(increment, {"spending_limits": [DAILY | narrowed]}) is is_granted


@pytest.mark.parametrize("field", ["card_presence", "authorization_method"])
def test_a_limit_that_counts_a_purchase_only_as_it_tells_nothing_grants_it_not(field: str) -> None:
    silent = replace(BAKERY, merchant=replace(BAKERY.merchant, **{field: ""}))
    every = {"card_presence": ["present", "not_present"], "authorization_method": ["chip"]}
    named = DAILY | {f"{field}s": every[field]}
    assert not granted(silent, {"spending_limits": [named]})
    assert granted(silent, {"spending_limits": [DAILY]})
    # It still has to fit.
    small = applied(spending_limits=[named | {"amount": 1}, DAILY])
    assert decided(silent, small).reason is DeclineReason.AMOUNT_LIMIT_EXCEEDED


def test_two_limits_that_concern_one_merchant_each_grant_no_increment_from_one_to_the_other() -> (
    None
):
    each = [DAILY | {"countries": ["FR"]}, DAILY | {"amount": 1, "countries": ["MT"]}]
    assert not granted(replace(BAKERY, named_merchant=ELSEWHERE), {"spending_limits": each})


# --- in words


def told(request: AuthorizationRequest, **policies: dict[str, Any]) -> str:
    """Why these policies, by name, decline; a decision's own sentence."""
    decision = decided(
        request,
        *(
            applied(**({"name": name, "unlimited": False} | keys))
            for name, keys in policies.items()
        ),
    )
    assert decision.reason is DeclineReason.NO_POLICY
    return answer_sentence(decision, request)


DECLINED = "Declined €12.50 at Boulangerie Lepic. No policy grants this purchase: "


def test_a_decline_says_of_each_policy_why_it_does_not_grant_the_purchase() -> None:
    narrowed = {"spending_limits": [DAILY | {"categories": ["7995"]}]}
    dollars = {"spending_limits": [DAILY | {"currency": "usd"}]}
    assert told(BAKERY) == (
        f"{DECLINED}none applies to the card. Assign one to the card, its cardholder, its group or "
        "the program."
    )
    assert told(BAKERY, Block={"blocked_merchants": ["ACME"]}) == (
        f"{DECLINED}Block has no amount limit."
    )
    assert told(BAKERY, Games=narrowed, Block={}) == (
        f"{DECLINED}Games has amount limits on other purchases only; Block has no amount limit."
    )
    assert told(BAKERY, Dollars=dollars) == f"{DECLINED}Dollars has amount limits in USD only."
    assert told(BAKERY, Cash={"spending_limits": [DAILY | {"cash_only": True}]}) == (
        f"{DECLINED}Cash has an amount limit on cash only."
    )
    both = {"spending_limits": [DAILY | {"countries": ["FR"]}, DAILY | {"countries": ["MT"]}]}
    assert told(replace(BAKERY, named_merchant=ELSEWHERE), Two=both) == (
        "Declined €12.50 at Royal, a purchase begun at Boulangerie Lepic. No policy grants this "
        "purchase: Two has no amount limit that applies to both merchants of the purchase."
    )


def test_a_decline_says_that_how_the_card_was_used_is_not_told_or_has_changed() -> None:
    named = {"spending_limits": [DAILY | {"card_presences": ["present"]}]}
    silent = replace(BAKERY, merchant=merchant(card_presence=""))
    assert told(silent, Shop=named) == (
        f"{DECLINED}Shop has amount limits on certain ways of paying only, and how the card was "
        "used is not reported."
    )
    assert told(replace(BAKERY, named_merchant=KEYED_IN), Shop=named) == (
        f"{DECLINED}Shop has no amount limit that applies both to how the card is used now and to "
        "how it was used when the purchase began."
    )


def test_of_many_policies_the_first_are_named() -> None:
    many = {f"P{number}": dict[str, Any]() for number in range(6)}
    assert told(BAKERY, **many).endswith("P3 has no amount limit; and 2 more.")


def test_the_cardholder_hears_no_policys_name() -> None:
    decision: Verdict = decided(BAKERY, applied(name="Block", unlimited=False))
    [check] = decision.trace
    assert cardholder(check, BAKERY) == (
        "This card is not set up for this purchase. Please contact your card administrator."
    )


# --- by the policy alone


@pytest.mark.parametrize(
    ("keys", "currencies"),
    [
        ({}, set()),
        ({"blocked_merchants": ["ACME"]}, set()),
        ({"spending_limits": [{"count": 5, "interval": "daily"}]}, set()),
        ({"spending_limits": [DAILY | {"amount": 0}]}, set()),
        (
            {"spending_limits": [DAILY, DAILY | {"currency": "usd", "countries": ["US"]}]},
            {"eur", "usd"},
        ),
        ({"spending_limits": [DAILY | {"except_countries": ["US"]}]}, {"eur"}),
        (
            {"spending_limits": [DAILY | {"countries": ["US"], "except_countries": ["US"]}]},
            set(),
        ),
        ({"unlimited": True}, {"*"}),
        # It declines every currency in which it has no amount limit.
        ({"unlimited": True, "spending_limits": [DAILY]}, {"eur"}),
        ({"unlimited": True, "spending_limits": [{"count": 5, "interval": "daily"}]}, {"*"}),
    ],
)
def test_a_policy_grants_in_the_currencies_of_its_amount_limits(
    keys: dict[str, Any], currencies: set[str]
) -> None:
    assert granted_currencies(controls(normalize(policy(**keys)))) == currencies
