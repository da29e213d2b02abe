"""Rules that are lists: allowed and blocked together, where blocked wins."""

from dataclasses import replace
from typing import Any

import pytest

from authorizations.rules.decision.stand_in import StandInContext, decide_without_usage
from authorizations.rules.decision.values import Check
from authorizations.rules.kinds import KINDS, RULES
from authorizations.rules.kinds.lists import ListRule
from authorizations.rules.policy.differences import differences
from authorizations.rules.policy.document import completed, controls, normalize, warnings
from authorizations.rules.policy.summary import summary
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.rules.wording.explain import cardholder, staff
from tests.rules.deciding import applied, decided
from tests.support.builders import authorization_request, merchant
from tests.support.documents import TRAVEL, policy


def at(**facts: str) -> AuthorizationRequest:
    return authorization_request(merchant=merchant(**facts))


def paying(**facts: Any) -> AuthorizationRequest:
    return replace(authorization_request(), **facts)


TOGETHER: dict[str, tuple[list[str], list[str], AuthorizationRequest, AuthorizationRequest]] = {
    "categories": (
        ["3000-3299"],
        ["3005"],
        at(category="", category_code="3010"),
        at(category="", category_code="3005"),
    ),
    "merchant_countries": (["FR", "DE"], ["DE"], at(country="FR"), at(country="DE")),
    "merchant_states": (["CA", "NY"], ["NY"], at(state="ca"), at(state="ny")),
    "merchant_cities": (["PARIS", "NICE"], ["NICE"], at(city="PARIS"), at(city="NICE")),
    "merchant_postal_codes": (
        ["75*"],
        ["75016"],
        at(postal_code="75018"),
        at(postal_code="75016"),
    ),
    "merchants": (["Uber"], ["Uber Eats"], at(name="UBER TRIP"), at(name="UBER EATS")),
    "card_presences": (
        ["present", "not_present"],
        ["not_present"],
        paying(card_presence="present"),
        paying(card_presence="not_present"),
    ),
    "authorization_methods": (
        ["chip", "swipe"],
        ["swipe"],
        paying(authorization_method="chip"),
        paying(authorization_method="swipe"),
    ),
    "wallets": (
        ["apple_pay", "google_pay"],
        ["google_pay"],
        paying(wallet="apple_pay"),
        paying(wallet="google_pay"),
    ),
}
"""Of each kind: what is allowed, what of it is blocked, a purchase of the rest, a blocked one."""

ELSEWHERE = authorization_request(
    merchant=merchant(
        category="",
        category_code="9999",
        country="JP",
        state="TX",
        city="Austin",
        postal_code="73301",
        name="Kiosk",
    ),
    card_presence=None,
    authorization_method="keyed_in",
    wallet="samsung_pay",
)


def both(what: str) -> dict[str, Any]:
    allowed, blocked, _, _ = TOGETHER[what]
    return {f"allowed_{what}": allowed, f"blocked_{what}": blocked}


def the_check(request: AuthorizationRequest, **keys: Any) -> Check:
    [check] = [it for it in decided(request, applied(**keys)).trace if it.rule in KINDS]
    return check


def test_every_rule_of_lists_is_tried() -> None:
    kinds = (kind for kind in RULES if issubclass(kind, ListRule))
    assert {kind.settings[0].key.removeprefix("allowed_") for kind in kinds} == {*TOGETHER}


@pytest.mark.parametrize("what", TOGETHER)
def test_what_is_allowed_and_blocked_is_blocked_and_the_trace_has_the_list_that_decided(
    what: str,
) -> None:
    allowed, blocked, fitting, forbidden = TOGETHER[what]
    keys = both(what)
    assert [the_check(it, **keys).passed for it in (fitting, forbidden, ELSEWHERE)] == [
        True,
        False,
        False,
    ]
    for request, limit in (
        (fitting, {"allowed": allowed}),
        (forbidden, {"blocked": blocked}),
        (ELSEWHERE, {"allowed": allowed}),
    ):
        found = the_check(request, **keys).limit
        assert {side: sorted(entries) for side, entries in found.items()} == {
            side: sorted(entries) for side, entries in limit.items()
        }


@pytest.mark.parametrize("what", TOGETHER)
def test_one_list_decides_and_is_traced_as_it_was_alone(what: str) -> None:
    allowed, blocked, fitting, forbidden = TOGETHER[what]
    only_allowed = the_check(forbidden, **{f"allowed_{what}": allowed})
    assert (only_allowed.passed, [*only_allowed.limit]) == (True, ["allowed"])
    only_blocked = the_check(fitting, **{f"blocked_{what}": blocked})
    assert (only_blocked.passed, [*only_blocked.limit]) == (True, ["blocked"])


@pytest.mark.parametrize("what", TOGETHER)
def test_stand_in_asks_both_lists_too(what: str) -> None:
    _, _, fitting, forbidden = TOGETHER[what]
    policies = (applied(**both(what)),)
    answers = [
        decide_without_usage(request, StandInContext(), policies).approved
        for request in (fitting, forbidden, ELSEWHERE)
    ]
    assert answers == [True, False, False]


def test_staff_are_told_which_list_decided() -> None:
    _, _, fitting, forbidden = TOGETHER["merchants"]
    keys = both("merchants")
    assert [staff(the_check(it, **keys), it) for it in (fitting, forbidden, ELSEWHERE)] == [
        "Merchant UBER TRIP is among the allowed merchants (Uber).",
        "Merchant UBER EATS is among the blocked merchants (Uber Eats).",
        "Merchant Kiosk is not among the allowed merchants (Uber).",
    ]


def test_a_cardholder_is_told_which_wallet_it_was() -> None:
    _, _, _, forbidden = TOGETHER["wallets"]
    assert cardholder(the_check(forbidden, **both("wallets")), forbidden) == (
        "This card cannot be used through Google Pay. Please pay with it another way."
    )
    none = paying(wallet=None)
    assert cardholder(the_check(none, **both("wallets")), none) == (
        "This card can only be used through certain mobile wallets. Please try another way to "
        "pay with it."
    )


def test_a_purchase_without_a_wallet_is_no_blocked_wallet() -> None:
    assert the_check(paying(wallet=None), blocked_wallets=["apple_pay"]).passed


def test_the_policys_words_name_both_lists() -> None:
    value = controls(normalize(policy(unlimited=True, **both("categories"))))
    assert summary(value) == [
        "Unlimited amounts; only on MCC 3000-3299, and not on MCC 3005.",
    ]
    [edit] = differences(
        normalize(policy(allowed_wallets=["apple_pay"])),
        normalize(policy(allowed_wallets=["apple_pay"], blocked_wallets=["google_pay"])),
    )
    assert str(edit) == (
        "Wallet added to \N{LEFT DOUBLE QUOTATION MARK}Not with these wallets"
        "\N{RIGHT DOUBLE QUOTATION MARK}: Google Pay"
    )


def test_saving_says_which_entries_are_on_both_lists() -> None:
    said = warnings(controls(normalize(policy(unlimited=True, **both("merchant_countries")))))
    assert [str(problem) for problem in said] == [
        "blocked_merchant_countries: Allowed and blocked, so blocked: Germany (DE)."
    ]
    apart = {"allowed_merchants": ["Uber"], "blocked_merchants": ["Uber Eats"]}
    assert warnings(controls(normalize(policy(unlimited=True, **apart)))) == ()


def test_a_version_from_before_wallets_could_be_blocked_stays_what_it_was() -> None:
    now = normalize(TRAVEL)
    before = {key: value for key, value in now.items() if key != "blocked_wallets"}
    assert controls(before) == controls(now)
    assert differences(before, now) == []
    assert completed(before) == now
