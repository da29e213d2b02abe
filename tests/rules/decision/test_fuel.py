"""Fuel pumps: which requests ask for a token, what is reserved for them, and what is answered."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authorizations.rules.basics.controls import ScopeKind
from authorizations.rules.basics.money import MAX_AMOUNT
from authorizations.rules.decision.fuel import fuel_hold, is_token_request
from authorizations.rules.decision.values import PurchaseContext, WindowUsage
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.rules.purchases.snapshots import RequestHistoryEntry, Snapshot
from tests.rules.deciding import THOROUGHLY, applied, decided
from tests.rules.pumps import CASHIER, asked
from tests.support.builders import CREATED, authorization_request, merchant


def charged(amount: int, currency: str, merchant_amount: int, charged_in: str) -> Any:
    return asked(amount, currency, merchant_amount=merchant_amount, merchant_currency=charged_in)


ASKED_BEFORE = Snapshot(
    at=CREATED, status="pending", amount=100, history=(RequestHistoryEntry(100, True, CREATED),)
)

# --- which requests ask for a token, and what is reserved where no policy says


@pytest.mark.parametrize(
    ("what", "request_", "hold"),
    [
        ("a pump and a card of one currency", asked(), 10_000),
        ("less than a whole unit", asked(1), 10_000),
        ("a cent more is a real amount", asked(101), None),
        ("a card check asks for nothing", asked(0), None),
        ("a cashier asks for the real amount", asked(merchant=CASHIER), None),
        ("a shop that happens to cost 1.00", asked(merchant=merchant()), None),
        ("an increment is a real amount", asked(snapshot=ASKED_BEFORE), None),
        ("the merchant's currency is told", charged(100, "usd", 100, "usd"), 10_000),
        ("a pump abroad, at its rate", charged(108, "usd", 100, "eur"), 10_800),
        ("a pump abroad that asks for less", charged(54, "usd", 50, "eur"), 10_800),
        ("a rate is rounded up", charged(34, "usd", 30, "eur"), 11_334),
        ("a real amount abroad", charged(109, "usd", 101, "eur"), None),
        ("less than 1.00 of the card's for a real amount", charged(67, "eur", 11_000, "jpy"), None),
        ("a card without decimals", charged(150, "jpy", 100, "usd"), 15_000),
        ("a pump without decimals", charged(1, "eur", 1, "jpy"), 100),
        ("a pump and a card without decimals", asked(1, "jpy"), 100),
        ("two of what has no decimals", asked(2, "jpy"), None),
        ("three decimals", asked(1_000, "kwd"), 100_000),
        ("a pump of three decimals", charged(325, "usd", 1_000, "kwd"), 32_500),
        ("the merchant's currency alone is told", asked(merchant_currency="jpy"), 10_000),
        ("the merchant's amount alone is told", asked(merchant_amount=9_999), 10_000),
        ("an amount of nothing tells no rate", charged(100, "usd", 0, "eur"), 10_000),
        ("an amount beyond reason", charged(MAX_AMOUNT, "usd", 1, "eur"), MAX_AMOUNT),
    ],
)
def test_without_a_policy_that_says_otherwise_a_pump_holds_100_of_its_currency(
    what: str, request_: AuthorizationRequest, hold: int | None
) -> None:
    assert fuel_hold(request_, [applied(currency="usd")]) == hold, what
    assert is_token_request(request_) == (hold is not None), what


# --- what policies say


@pytest.mark.parametrize(
    ("what", "policies", "hold"),
    [
        ("no policy", [], 10_000),
        ("one sets it higher", [{"fuel_hold": 15_000}], 15_000),
        ("one sets it lower", [{"fuel_hold": 5_000}], 5_000),
        ("of two the larger", [{"fuel_hold": 5_000}, {"fuel_hold": 6_000}], 6_000),
        ("one says nothing", [{"fuel_hold": 5_000}, {}], 5_000),
        ("one is about another currency", [{"fuel_hold": 99_000, "currency": "eur"}], 10_000),
        ("never less than is asked", [{"fuel_hold": 50}], 100),
    ],
)
def test_the_largest_hold_that_a_policy_sets_in_the_card_s_currency_counts(
    what: str, policies: list[dict[str, Any]], hold: int
) -> None:
    found = [applied(ScopeKind.PROGRAM, **({"currency": "usd"} | keys)) for keys in policies]
    assert fuel_hold(asked(), found) == hold, what
    assert fuel_hold(asked(), reversed(found)) == hold, what


def test_a_hold_in_the_card_s_currency_also_counts_where_the_pump_is_abroad() -> None:
    policy = applied(currency="usd", fuel_hold=7_500)
    assert fuel_hold(charged(108, "usd", 100, "eur"), [policy]) == 7_500


# --- the decision


@dataclass(frozen=True)
class Case:
    """$110.00 of a limit are used. `answer` is approved or not, what is reserved, and named."""

    what: str
    answer: tuple[bool, int, int | None]
    limit: int
    keys: dict[str, Any] = field(default_factory=dict)
    request: dict[str, Any] = field(default_factory=dict)
    others: tuple[dict[str, Any], ...] = ()


NAMED = {"is_amount_controllable": True}
PARTS = {"partial_approval": True}
NO = (False, 0, None)

CASES = [
    Case("all of it fits, and Stripe knows what it holds", (True, 10_000, None), 21_000),
    Case("all of it fits, and Stripe is told", (True, 10_000, 10_000), 21_000, {}, NAMED),
    Case("all of it fits where parts are allowed", (True, 10_000, 10_000), 21_000, PARTS, NAMED),
    Case("a cent is missing", NO, 20_999),
    Case("a cent is missing, and no part is allowed", NO, 20_999, {}, NAMED),
    Case("a cent is missing, and Stripe takes no amount", NO, 20_999, PARTS),
    Case("what is left is more than is asked", (True, 4_000, 4_000), 15_000, PARTS, NAMED),
    Case("what is left is what is asked", (True, 100, 100), 11_100, PARTS, NAMED),
    Case("what is left is less than is asked", (True, 40, 40), 11_040, PARTS, NAMED),
    Case("nothing is left", NO, 11_000, PARTS, NAMED),
    Case("what is left is of no use", NO, 15_000, PARTS | {"smallest_partial_amount": 4_001},
        NAMED),
    Case("another exceeded policy allows no part", NO, 15_000, PARTS, NAMED, (
        {"spending_limits": [{"amount": 15_000, "interval": "daily"}]},)),
    Case("a policy that is not exceeded allows no part", (True, 4_000, 4_000), 15_000, PARTS,
        NAMED, ({"spending_limits": [{"amount": 21_000, "interval": "daily"}]},)),
    Case("another rule fails", NO, 15_000, PARTS | {"blocked_categories": ["5542"]}, NAMED),
    Case("a count limit fails", NO, 15_000, PARTS, NAMED, (
        {"spending_limits": [{"count": 3, "interval": "daily"}]},)),
    Case("a smaller hold fits", (True, 4_000, None), 15_000, {"fuel_hold": 4_000}),
    Case("a smaller hold fits, and Stripe is told", (True, 4_000, 4_000), 15_000,
        {"fuel_hold": 4_000}, NAMED),
    Case("a hold of no more than the token is told too", (True, 100, 100), 15_000,
        {"fuel_hold": 100}, NAMED),
    Case("a larger hold does not fit", NO, 21_000, {"fuel_hold": 10_001}),
    Case("a cashier's 1.00 is 1.00", (True, 100, None), 11_100, PARTS,
        NAMED | {"merchant": CASHIER}),
    Case("an increment is what it asks", (True, 100, None), 11_100, PARTS,
        NAMED | {"snapshot": ASKED_BEFORE}),
    Case("an increment is cut like any purchase", (True, 40, 40), 11_040, PARTS,
        NAMED | {"snapshot": ASKED_BEFORE}),
    Case("a card check passes as ever", (True, 0, None), 0, {}, NAMED | {"amount": 0}),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_a_pump_is_judged_by_what_it_will_hold(case: Case) -> None:
    limit = {"amount": case.limit, "interval": "daily"}
    keys = {"currency": "usd", "spending_limits": [limit]} | case.keys
    others = [applied(**({"currency": "usd"} | other)) for other in case.others]
    request = asked(**({"amount": 100} | case.request))
    decision = decided(request, applied(**keys), *others, usage=WindowUsage(amount=11_000, count=3))
    assert (decision.approved, decision.amount, decision.named_amount) == case.answer
    is_short = any(check.figures and not check.passed for check in decision.trace)
    assert decision.is_partial == (decision.approved and is_short)


def test_an_ordinary_part_is_named_and_an_ordinary_approval_is_not() -> None:
    policy = applied(partial_approval=True, spending_limits=[{"amount": 900, "interval": "daily"}])
    for amount, named in ((900, None), (1_250, 900)):
        request = authorization_request(amount=amount, is_amount_controllable=True)
        decision = decided(request, policy)
        assert (decision.amount, decision.named_amount) == (900, named)


def test_the_trace_shows_what_is_held_in_every_limit_on_money_and_one_in_counts() -> None:
    limits = [
        {"amount": 50_000, "interval": "monthly"},
        {"amount": 50_000, "interval": "rolling", "hours": 4},
        {"amount": 15_000, "interval": "per_authorization"},
        {"count": 3, "interval": "daily"},
        {"amount": 1, "interval": "daily", "cash_only": True},
    ]
    decision = decided(asked(), applied(currency="usd", spending_limits=limits))
    figures = [check.figures.asked for check in decision.trace if check.figures]
    assert figures == [10_000, 10_000, 10_000, 1]


def test_cash_at_a_pump_is_what_is_asked_of_it() -> None:
    limits = [{"amount": 30, "interval": "daily", "cash_only": True}]
    policy = applied(currency="usd", spending_limits=limits)
    for cashback, approved in ((30, True), (31, False)):
        assert decided(asked(cashback_amount=cashback), policy).approved == approved


def test_an_increment_s_total_is_what_counts_for_the_purchase_so_far() -> None:
    """The books say what that is: an increment takes the place of the hold."""
    policy = applied(
        currency="usd", spending_limits=[{"amount": 5_000, "interval": "per_authorization"}]
    )
    so_far = PurchaseContext(counted=100, is_counted=True)
    for amount, approved in ((4_900, True), (4_901, False)):
        request = asked(amount, snapshot=ASKED_BEFORE)
        assert decided(request, policy, context=so_far).approved == approved


@THOROUGHLY
@given(
    amount=st.integers(1, 100),
    limit=st.integers(0, 300),
    hold=st.integers(1, 300),
    parts=st.booleans(),
    controllable=st.booleans(),
)
def test_no_pump_is_approved_beyond_a_limit_or_for_less_than_can_be_told(
    *, amount: int, limit: int, hold: int, parts: bool, controllable: bool
) -> None:
    limits = [{"amount": limit, "interval": "daily"}]
    policy = applied(currency="usd", fuel_hold=hold, partial_approval=parts, spending_limits=limits)
    decision = decided(asked(amount, is_amount_controllable=controllable), policy)
    wanted = max(hold, amount)
    if decision.approved:
        assert 0 < decision.amount == min(wanted, limit)
        assert decision.named_amount == (decision.amount if controllable else None)
        assert controllable or decision.amount == wanted
    else:
        assert wanted > limit
        assert not limit or not (parts and controllable)
