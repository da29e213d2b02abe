"""The arithmetic of limits: what is used, what is asked, and of what."""

from dataclasses import replace
from typing import Any

import pytest

from authorizations.rules.basics.controls import Interval, ScopeKind
from authorizations.rules.decision.decide import decide
from authorizations.rules.decision.limits import fits_limits
from authorizations.rules.decision.values import (
    NO_USAGE,
    NOT_COUNTED,
    Check,
    DeclineReason,
    PurchaseContext,
    WindowUsage,
)
from authorizations.rules.decision.windows import windows_for
from authorizations.rules.policy import document_limits
from tests.rules.deciding import SCOPES, applied, decided
from tests.support.builders import authorization_request, merchant

FIRST = authorization_request(amount=300)
CASH = replace(FIRST, merchant=merchant(category_code="6011"))
CALENDAR = [
    i for i in document_limits.PERIODS if i not in (Interval.PER_AUTHORIZATION, Interval.ROLLING)
]


def limit_checks(*limits: dict[str, Any], request: Any = FIRST, **facts: Any) -> list[Check]:
    policy = applied(spending_limits=list(limits))
    trace = decided(request, policy, **facts).trace
    checks = [check for check in trace if check.figures]
    usage = dict.fromkeys(windows_for(request, [policy]), facts.get("usage", NO_USAGE))
    fits = fits_limits(request, facts.get("context", PurchaseContext()), policy, usage)
    assert fits == all(check.passed for check in checks)
    return checks


def figures(*limits: dict[str, Any], **facts: Any) -> list[tuple[int, int, int]]:
    """Limit, used and asked of each limit that has a say."""
    found = [check.figures for check in limit_checks(*limits, **facts)]
    return [(each.limit, each.used, each.asked) for each in found if each]


# --- amounts


@pytest.mark.parametrize("interval", CALENDAR)
def test_what_is_used_and_what_is_asked_may_fill_the_limit_to_the_cent(interval: Interval) -> None:
    limit = {"amount": 1_000, "interval": interval}
    for used, passes in ((699, True), (700, True), (701, False), (2_000, False)):
        [check] = limit_checks(limit, usage=WindowUsage(amount=used))
        assert check.passed == passes
        assert check.figures
        assert (check.figures.used, check.figures.asked) == (used, 300)
        assert check.figures.exceeded_by == used - 700


def test_each_window_of_a_policy_is_measured_by_itself() -> None:
    policy = applied(
        spending_limits=[
            {"amount": 1_000, "interval": "daily"},
            {"amount": 2_000, "interval": "monthly"},
            {"amount": 3_000, "interval": "rolling", "hours": 2},
        ]
    )
    day, month, hours = windows_for(FIRST, [policy])
    usage = {day: WindowUsage(100), month: WindowUsage(1_800), hours: WindowUsage(30)}
    trace = decide(FIRST, PurchaseContext(), (policy,), usage).trace
    found = [(check.figures.used, check.passed) for check in trace if check.figures]
    assert found == [(100, True), (1_800, False), (30, True)]


@pytest.mark.parametrize("limit", [{"amount": 1_000}, {"count": 5}])
def test_a_limit_that_is_not_counted_yet_declines_whatever_it_allows(limit: dict[str, int]) -> None:
    """Nothing is approved in part either: nobody knows what is left."""
    request = replace(FIRST, is_amount_controllable=True)
    [check] = limit_checks(limit | {"interval": "daily"}, request=request, usage=NOT_COUNTED)
    assert (check.rule, check.passed) == (DeclineReason.LIMIT_NOT_COUNTED_YET, False)
    policy = applied(spending_limits=[limit | {"interval": "daily"}], partial_approval=True)
    decision = decided(request, policy, usage=NOT_COUNTED)
    assert (decision.approved, decision.reason) == (False, DeclineReason.LIMIT_NOT_COUNTED_YET)


def test_a_limit_that_is_known_to_be_exceeded_is_the_reason_before_one_that_is_not_counted() -> (
    None
):
    each = {"amount": 299, "interval": "per_authorization"}
    policy = applied(spending_limits=[{"count": 5, "interval": "daily"}, each])
    decision = decided(FIRST, policy, usage=NOT_COUNTED)
    assert decision.reason is DeclineReason.AMOUNT_LIMIT_EXCEEDED
    assert [check.rule for check in decision.trace if not check.passed] == [
        DeclineReason.AMOUNT_LIMIT_EXCEEDED,
        DeclineReason.LIMIT_NOT_COUNTED_YET,
    ]


@pytest.mark.parametrize("kind", ScopeKind)
def test_a_limit_measures_its_scope_but_the_programs_measure_the_card(kind: ScopeKind) -> None:
    policy = applied(kind, spending_limits=[{"amount": 1, "interval": "daily"}])
    [window] = windows_for(FIRST, [policy])
    measured = ScopeKind.CARD if kind is ScopeKind.PROGRAM else kind
    assert window.scope == SCOPES[measured]


def test_the_same_window_is_asked_for_once() -> None:
    limits = [{"amount": amount, "interval": "daily"} for amount in (1, 2)]
    policies = [applied(spending_limits=limits) for _ in range(2)]
    assert len(windows_for(FIRST, policies)) == 1


@pytest.mark.parametrize(("restore", "used"), [(True, 600), (False, 1_000)])
def test_refunds_give_room_back_where_the_policy_lets_them(restore: bool, used: int) -> None:
    limit = {"amount": 1_000, "interval": "daily"}
    policy = applied(refunds_restore=restore, spending_limits=[limit])
    decision = decided(FIRST, policy, usage=WindowUsage(amount=1_000, refunded=400))
    assert [check.figures.used for check in decision.trace if check.figures] == [used]
    assert decision.approved == restore


@pytest.mark.parametrize(
    ("filters", "has_a_say"),
    [
        ({}, True),
        ({"categories": ["bakeries"]}, True),
        ({"categories": ["5400-5499"]}, True),
        ({"categories": ["airlines_air_carriers"]}, False),
        ({"countries": ["FR", "DE"]}, True),
        ({"countries": ["DE"]}, False),
        ({"merchants": ["lepic"]}, True),
        ({"merchants": ["casino"]}, False),
        ({"categories": ["bakeries"], "countries": ["FR"], "merchants": ["lepic"]}, True),
        ({"categories": ["bakeries"], "countries": ["FR"], "merchants": ["casino"]}, False),
        ({"except_categories": ["bakeries"]}, False),
        ({"except_categories": ["5400-5499"], "countries": ["FR"]}, False),
        ({"except_categories": ["airlines_air_carriers"]}, True),
        ({"except_countries": ["DE"], "categories": ["bakeries"]}, True),
        ({"except_countries": ["FR"]}, False),
        ({"except_merchants": ["casino"]}, True),
        ({"except_merchants": ["casino", "lepic"]}, False),
        ({"categories": ["bakeries"], "except_categories": ["5462"]}, False),
    ],
)
def test_a_limit_has_a_say_where_every_filter_of_it_is_met(
    filters: dict[str, Any], has_a_say: bool
) -> None:
    for measure in ({"amount": 0}, {"count": 0}):
        checks = limit_checks(measure | {"interval": "daily"} | filters)
        assert [check.passed for check in checks] == [False] * has_a_say


def test_only_limits_in_the_currency_of_the_purchase_have_a_say_but_counts_always() -> None:
    dollars = {"amount": 0, "interval": "daily", "currency": "usd"}
    euros = {"amount": 900, "interval": "daily"}
    counts = {"count": 8, "interval": "daily"}
    assert figures(dollars, euros, counts) == [(900, 0, 300), (8, 0, 1)]


# --- an amount of zero


def test_an_amount_of_zero_skips_limits_but_nothing_else() -> None:
    exhausted = [
        {"amount": 0, "interval": "per_authorization"},
        {"amount": 0, "interval": "daily"},
        {"count": 0, "interval": "daily"},
    ]
    nothing = replace(FIRST, amount=0)
    decision = decided(nothing, applied(spending_limits=exhausted), usage=WindowUsage(9, 0, 9))
    assert (decision.approved, decision.amount, decision.is_partial) == (True, 0, False)
    assert [check.rule for check in decision.trace] == [DeclineReason.CURRENCY_NOT_ALLOWED]
    blocked = applied(spending_limits=exhausted, blocked_merchants=["lepic"])
    assert decided(nothing, blocked).reason is DeclineReason.MERCHANT_NOT_ALLOWED


# --- increments: €5.00 were approved before, €3.00 more are asked for

BEFORE = PurchaseContext(counted=500, is_counted=True)


def test_a_limit_per_authorization_looks_at_the_total_of_an_increment() -> None:
    limit = {"amount": 800, "interval": "per_authorization"}
    assert figures(limit, context=BEFORE) == [(800, 500, 300)]
    assert limit_checks(limit, context=BEFORE)[0].passed
    assert not limit_checks(limit | {"amount": 799}, context=BEFORE)[0].passed


def test_a_window_looks_at_what_an_increment_adds() -> None:
    # What was approved before is in the window's usage already.
    limit = {"amount": 800, "interval": "daily"}
    assert figures(limit, context=BEFORE, usage=WindowUsage(amount=500)) == [(800, 500, 300)]
    assert limit_checks(limit, context=BEFORE, usage=WindowUsage(amount=500))[0].passed


def test_an_authorization_is_counted_once() -> None:
    limit = {"count": 0, "interval": "daily"}
    assert figures(limit, context=BEFORE) == []
    assert figures(limit, context=replace(BEFORE, is_counted=False)) == [(0, 0, 1)]


# --- cash

OF_CASH = {"amount": 1_000, "interval": "daily", "cash_only": True}


@pytest.mark.parametrize(
    ("asked_for", "context", "asked"),
    [
        ({}, PurchaseContext(), None),
        ({"cashback_amount": 100}, PurchaseContext(), 100),
        ({"cashback_amount": 300}, PurchaseContext(), 300),
        # Stripe's own arithmetic slip must not make more cash than was paid out.
        ({"cashback_amount": 301}, PurchaseContext(), 300),
        ({"merchant": CASH.merchant}, PurchaseContext(), 300),
        ({"merchant": CASH.merchant, "cashback_amount": 100}, PurchaseContext(), 300),
        ({"merchant": merchant(category_code="6010")}, PurchaseContext(), 300),
        ({}, PurchaseContext(counted=500, cashback=200, is_counted=True), None),
        (
            {"cashback_amount": 100},
            PurchaseContext(counted=500, cashback=200, is_counted=True),
            100,
        ),
        ({"merchant": CASH.merchant}, PurchaseContext(counted=500, is_counted=True), 300),
        # Of €5.00 with €2.00 cash-back €4.00 were taken back: what is asked now may be cash.
        ({}, PurchaseContext(counted=100, cashback=200, is_counted=True), 100),
    ],
)
def test_a_limit_on_cash_measures_the_cash_in_what_is_asked(
    asked_for: dict[str, Any], context: PurchaseContext, asked: int | None
) -> None:
    request = replace(FIRST, **asked_for)
    found = figures(OF_CASH, request=request, context=context, usage=WindowUsage(amount=600))
    assert found == ([(1_000, 600, asked)] if asked else [])


def test_a_limit_on_cash_per_authorization_looks_at_all_cash_of_the_authorization() -> None:
    limit = OF_CASH | {"interval": "per_authorization"}
    context = PurchaseContext(counted=500, cashback=200, is_counted=True)
    request = replace(FIRST, cashback_amount=100)
    assert figures(limit, request=request, context=context) == [(1_000, 200, 100)]
    assert figures(limit, request=CASH, context=context) == [(1_000, 500, 300)]


@pytest.mark.parametrize(
    ("asked_for", "context", "is_one"),
    [
        ({}, PurchaseContext(), False),
        ({"cashback_amount": 1}, PurchaseContext(), True),
        ({"merchant": CASH.merchant}, PurchaseContext(), True),
        ({"merchant": CASH.merchant}, PurchaseContext(counted=500, is_counted=True), False),
        ({}, PurchaseContext(counted=500, is_counted=True), False),
        # The first cash in a purchase of goods makes it a purchase with cash.
        ({"cashback_amount": 1}, PurchaseContext(counted=500, is_counted=True), True),
        ({"cashback_amount": 1}, PurchaseContext(counted=500, cashback=1, is_counted=True), False),
    ],
)
def test_a_count_of_cash_counts_an_authorization_from_its_first_cash(
    asked_for: dict[str, Any], context: PurchaseContext, is_one: bool
) -> None:
    limit = {"count": 7, "interval": "daily", "cash_only": True}
    request = replace(FIRST, **asked_for)
    found = figures(limit, request=request, context=context, usage=WindowUsage(count=3))
    assert found == [(7, 3, 1)] * is_one
