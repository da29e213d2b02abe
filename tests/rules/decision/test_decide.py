"""Which rule names the reason, what the trace tells, and how much is approved."""

from dataclasses import dataclass, field, replace
from itertools import combinations, permutations
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authorizations.rules.basics.controls import Interval, Scope, ScopeKind
from authorizations.rules.basics.stops import Stop
from authorizations.rules.decision.controls import AppliedControls
from authorizations.rules.decision.decide import decide, deciding_check
from authorizations.rules.decision.values import (
    DeclineReason,
    FirstOf,
    PurchaseContext,
    Verdict,
    WindowUsage,
)
from authorizations.rules.policy import document_limits
from authorizations.rules.purchases.counted import cash_part
from authorizations.rules.purchases.events import AuthorizationRequest, CardDetails, Verification
from tests.rules.deciding import THOROUGHLY, applied, decided
from tests.support.builders import CREATED, authorization_request, card, merchant

# --- precedence

MANNERS = Verification(cvc="mismatch", postal_code="mismatch", three_d_secure="failed")
DUBIOUS = authorization_request(
    merchant=merchant(category="", category_code="", country=""),
    verification=MANNERS,
    network_risk_score=99,
)
"""A shop in Paris on a Tuesday evening, by chip, that does not say what it is and in which country.

No check of the network came out well.
"""


class Rule(NamedTuple):
    """A rule that DUBIOUS fails, and the same rule as DUBIOUS passes it."""

    reason: DeclineReason
    failing: dict[str, Any]
    passing: dict[str, Any]


LEPIC = Stop(1, Scope(ScopeKind.PROGRAM, ""), merchant={"begins_with": "boulangerie"})

OF_CARDS = {
    DeclineReason.CARD_FROZEN: (card(), PurchaseContext(card_frozen=True), True),
    DeclineReason.CARD_NOT_ACTIVE: (card(status="inactive"), PurchaseContext(), True),
    DeclineReason.BLOCKED: (card(), PurchaseContext(stops=(LEPIC,)), True),
    DeclineReason.NO_POLICY: (card(), PurchaseContext(), False),
}
"""The card, how it stands, and whether a policy applies."""

OF_POLICIES = [
    Rule(
        DeclineReason.NOT_YET_USABLE,
        {"usable_from": "2023-11-15"},
        {"usable_from": "2023-11-14"},
    ),
    Rule(
        DeclineReason.NO_LONGER_USABLE,
        {"usable_until": "2023-11-13"},
        {"usable_until": "2023-11-14"},
    ),
    Rule(
        DeclineReason.CARD_TOO_NEW,
        {"minimum_card_age_days": 2},
        {"minimum_card_age_days": 1},
    ),
    Rule(
        DeclineReason.CURRENCY_NOT_ALLOWED,
        {"spending_limits": [{"amount": 5_000, "interval": "daily", "currency": "usd"}]},
        {"spending_limits": [{"amount": 5_000, "interval": "daily", "countries": ["DE"]}]},
    ),
    Rule(
        DeclineReason.MERCHANT_CURRENCY_NOT_ALLOWED,
        {"card_currency_only": True},
        {"card_currency_only": True},
    ),
    Rule(
        DeclineReason.MERCHANT_COUNTRY_REQUIRED,
        {"required_merchant_data": ["country"]},
        {"required_merchant_data": ["country"]},
    ),
    Rule(
        DeclineReason.MERCHANT_COUNTRY_NOT_ALLOWED,
        {"allowed_merchant_countries": ["DE"]},
        {"allowed_merchant_countries": ["FR"]},
    ),
    Rule(
        DeclineReason.MERCHANT_STATE_NOT_ALLOWED,
        {"allowed_merchant_states": ["CA"]},
        {"blocked_merchant_states": ["CA"]},
    ),
    Rule(
        DeclineReason.MERCHANT_CITY_NOT_ALLOWED,
        {"blocked_merchant_cities": ["Paris"]},
        {"allowed_merchant_cities": ["Paris"]},
    ),
    Rule(
        DeclineReason.MERCHANT_POSTAL_CODE_NOT_ALLOWED,
        {"allowed_merchant_postal_codes": ["75001"]},
        {"allowed_merchant_postal_codes": ["750*"]},
    ),
    Rule(
        DeclineReason.CATEGORY_REQUIRED,
        {"required_merchant_data": ["category"]},
        {"required_merchant_data": ["category"]},
    ),
    Rule(
        DeclineReason.CATEGORY_NOT_ALLOWED,
        {"allowed_categories": ["airlines_air_carriers"]},
        {"blocked_categories": ["airlines_air_carriers"]},
    ),
    Rule(
        DeclineReason.MERCHANT_NOT_ALLOWED,
        {"blocked_merchants": ["lepic"]},
        {"blocked_merchants": ["casino"]},
    ),
    Rule(
        DeclineReason.NO_CONDITION_MET,
        {"any_of": [{"merchants": ["casino"]}, {"countries": ["DE"]}]},
        {"any_of": [{"merchants": ["casino"]}, {"countries": ["FR"]}]},
    ),
    Rule(
        DeclineReason.FIRST_PURCHASE_NOT_ALLOWED,
        {"first_purchases": ["category"]},
        {"first_purchases": ["merchant"]},
    ),
    Rule(
        DeclineReason.CARD_PRESENCE_NOT_ALLOWED,
        {"blocked_card_presences": ["present"]},
        {"blocked_card_presences": ["not_present"]},
    ),
    Rule(
        DeclineReason.AUTHORIZATION_METHOD_NOT_ALLOWED,
        {"allowed_authorization_methods": ["online"]},
        {"allowed_authorization_methods": ["chip"]},
    ),
    Rule(
        DeclineReason.WALLET_NOT_ALLOWED,
        {"allowed_wallets": ["google_pay"]},
        {"allowed_wallets": ["apple_pay"]},
    ),
    Rule(
        DeclineReason.NETWORK_TOKEN_MISMATCH,
        {"network_token": "required"},
        {"network_token": "forbidden"},
    ),
    Rule(
        DeclineReason.CVC_REQUIRED,
        {"required_verification": ["cvc"]},
        {"required_verification": ["cvc"]},
    ),
    Rule(
        DeclineReason.POSTAL_CODE_REQUIRED,
        {"required_verification": ["postal_code"]},
        {"required_verification": ["postal_code"]},
    ),
    Rule(
        DeclineReason.THREE_D_SECURE_REQUIRED,
        {"required_verification": ["three_d_secure"]},
        {"required_verification": ["three_d_secure"]},
    ),
    Rule(
        DeclineReason.NETWORK_RISK_TOO_HIGH,
        {"max_network_risk_score": 98},
        {"max_network_risk_score": 99},
    ),
    Rule(
        DeclineReason.OUTSIDE_SCHEDULE,
        {"schedule": [{"days": ["wed"], "from": "00:00", "to": "24:00"}]},
        {"schedule": [{"days": ["tue"], "from": "00:00", "to": "24:00"}]},
    ),
    Rule(
        DeclineReason.ATTEMPT_LIMIT_EXCEEDED,
        {"spending_limits": [{"attempts": 2, "interval": "daily"}]},
        {"spending_limits": [{"attempts": 3, "interval": "daily"}]},
    ),
    Rule(
        DeclineReason.AMOUNT_LIMIT_EXCEEDED,
        {"spending_limits": [{"amount": 1_249, "interval": "per_authorization"}]},
        {"spending_limits": [{"amount": 1_250, "interval": "per_authorization"}]},
    ),
    Rule(
        DeclineReason.FUNDS_EXCEEDED,
        {"spending_limits": [{"funds": True}]},
        {"spending_limits": [{"amount": 1_250, "interval": "per_authorization"}]},
    ),
    Rule(
        DeclineReason.COUNT_LIMIT_EXCEEDED,
        {"spending_limits": [{"count": 0, "interval": "daily"}]},
        {"spending_limits": [{"count": 1, "interval": "daily"}]},
    ),
]

WELL_VERIFIED = replace(
    DUBIOUS,
    merchant=merchant(),
    merchant_currency="eur",
    card=card(created=CREATED - 86_400),
    wallet="apple_pay",
    verification=Verification(cvc="match", postal_code="match", three_d_secure="authenticated"),
)
"""DUBIOUS where the passing side of every rule passes."""

FAILURES = [
    *(DeclineReason.CARD_FROZEN, DeclineReason.CARD_NOT_ACTIVE, DeclineReason.BLOCKED),
    *(DeclineReason.FIELD_UNREADABLE, DeclineReason.NO_POLICY),
    *(rule.reason for rule in OF_POLICIES),
]


def unreadable(reasons: tuple[DeclineReason, ...]) -> tuple[dict[str, Any], AuthorizationRequest]:
    """A rule that asks for what DUBIOUS has in an odd form, and that no other rule asks for."""
    if DeclineReason.WALLET_NOT_ALLOWED in reasons:
        return {"allowed_merchant_countries": ["FR"]}, replace(DUBIOUS, unreadable=("country",))
    return {"allowed_wallets": ["apple_pay"]}, replace(DUBIOUS, unreadable=("wallet",))


def failing(*reasons: DeclineReason) -> Verdict:
    """The decision on DUBIOUS under one policy for each rule it is to fail."""
    is_about_card = {reason: OF_CARDS[reason] for reason in reasons if reason in OF_CARDS}
    of_card: CardDetails = next(
        (of_card for of_card, _, _ in is_about_card.values() if of_card.status != "active"), card()
    )
    standing = [context for _, context, _ in is_about_card.values()]
    context = PurchaseContext(
        card_frozen=any(it.card_frozen for it in standing),
        stops=tuple(stop for it in standing for stop in it.stops),
        first_of=(FirstOf.CATEGORY,),
    )
    policies = [applied(**rule.failing) for rule in OF_POLICIES if rule.reason in reasons]
    asked = DUBIOUS
    if DeclineReason.FIELD_UNREADABLE in reasons:
        asking, asked = unreadable(reasons)
        policies.append(applied(**asking, unlimited=DeclineReason.NO_POLICY not in reasons))
    if not policies and DeclineReason.NO_POLICY not in reasons:
        policies = [applied()]
    return decided(replace(asked, card=of_card), *reversed(policies), context=context)


def failed(decision: Verdict) -> set[DeclineReason]:
    return {check.rule for check in decision.trace if not check.passed}


def is_possible(reasons: tuple[DeclineReason, ...]) -> bool:
    """A purchase without a policy fails no rule of one."""
    without = {*OF_CARDS, DeclineReason.FIELD_UNREADABLE}
    return DeclineReason.NO_POLICY not in reasons or set(reasons) <= without


def test_the_table_has_every_reason_that_a_decision_can_give_in_order_of_precedence() -> None:
    undecided = {
        DeclineReason.MALFORMED_REQUEST,
        DeclineReason.WRONG_MODE,
        DeclineReason.CONFLICTING_EVENT,
        DeclineReason.INTERNAL_ERROR,
        DeclineReason.STAND_IN,
        DeclineReason.LIMIT_NOT_COUNTED_YET,
    }
    assert [reason for reason in DeclineReason if reason not in undecided] == FAILURES


@pytest.mark.parametrize("reason", FAILURES)
def test_a_purchase_that_fails_one_rule_is_declined_for_that_reason(
    reason: DeclineReason,
) -> None:
    decision = failing(reason)
    assert (decision.approved, decision.amount, decision.reason) == (False, 0, reason)
    assert failed(decision) == {reason}


# What is in a pot does not stand in the document: with some in it, see test_funds.
@pytest.mark.parametrize(
    "rule",
    [rule for rule in OF_POLICIES if rule.reason is not DeclineReason.FUNDS_EXCEEDED],
    ids=lambda rule: rule.reason,
)
def test_a_rule_that_passes_stands_in_the_trace_and_no_rule_that_the_policy_does_not_set(
    rule: Rule,
) -> None:
    decision = decided(WELL_VERIFIED, applied(**rule.passing))
    assert (decision.approved, decision.amount, decision.reason) == (True, 1_250, None)
    # A policy with amount limits always has a rule about currencies.
    has_amount = any("amount" in limit for limit in rule.passing.get("spending_limits", []))
    assert {check.rule for check in decision.trace} == {
        rule.reason,
        *([DeclineReason.CURRENCY_NOT_ALLOWED] if has_amount else []),
    }
    assert all(check.passed for check in decision.trace)


@pytest.mark.parametrize(
    ("first", "second"), [pair for pair in combinations(FAILURES, 2) if is_possible(pair)]
)
def test_of_two_failing_rules_the_one_earlier_in_the_enum_is_the_reason(
    first: DeclineReason, second: DeclineReason
) -> None:
    decision = failing(second, first)
    assert decision.reason is first
    assert failed(decision) == {first, second}


def test_every_rule_is_evaluated_also_after_others_have_failed() -> None:
    without = {DeclineReason.NO_POLICY, DeclineReason.FIELD_UNREADABLE}
    all_that_can_be = [reason for reason in FAILURES if reason not in without]
    decision = failing(*all_that_can_be)
    assert decision.reason is DeclineReason.CARD_FROZEN
    assert failed(decision) == set(all_that_can_be)
    assert len(decision.trace) == len(all_that_can_be) + 1  # the eur limit's currency passes


def test_a_policy_without_rules_approves_and_has_nothing_to_tell() -> None:
    assert decided(DUBIOUS, applied()) == Verdict(approved=True, amount=1_250)


def test_the_order_of_the_policies_changes_nothing_but_the_order_of_the_trace() -> None:
    policies = [applied(**rule.failing) for rule in OF_POLICIES[3:6]]
    decisions = [decided(DUBIOUS, *order) for order in permutations(policies)]
    assert {decision.reason for decision in decisions} == {OF_POLICIES[3].reason}
    assert len({tuple(sorted(map(repr, decision.trace))) for decision in decisions}) == 1


# --- of several failures of one rule


def limited(kind: ScopeKind, amount: int, interval: str = "daily") -> AppliedControls:
    return applied(kind, spending_limits=[{"amount": amount, "interval": interval}])


@pytest.mark.parametrize("order", list(permutations(ScopeKind)))
def test_of_equal_failures_the_narrowest_scope_names_the_reason(
    order: tuple[ScopeKind, ...],
) -> None:
    """Card before cardholder before group before program, for limits and for other rules."""
    for remaining in range(4, 0, -1):
        kinds = [kind for kind in order if kind in list(ScopeKind)[-remaining:]]
        narrowest = list(ScopeKind)[-remaining]
        for policies in (
            [limited(kind, 1_000) for kind in kinds],
            [applied(kind, blocked_merchants=["lepic"]) for kind in kinds],
        ):
            check = deciding_check(decided(DUBIOUS, *policies).trace)
            assert check
            assert check.scope
            assert check.scope.kind is narrowest


def test_the_limit_with_least_room_comes_before_the_narrowest_scope() -> None:
    policies = limited(ScopeKind.CARD, 1_001), limited(ScopeKind.PROGRAM, 1_000)
    check = deciding_check(decided(DUBIOUS, *policies).trace)
    assert check
    assert (check.version_id, check.figures and check.figures.available) == (
        policies[1].version_id,
        1000,
    )


def test_a_limit_lowered_below_what_is_used_has_less_room_than_one_just_used_up() -> None:
    lowered, used_up = limited(ScopeKind.PROGRAM, 900), limited(ScopeKind.CARD, 1_000)
    check = deciding_check(
        decided(DUBIOUS, used_up, lowered, usage=WindowUsage(amount=1_000)).trace
    )
    assert check
    assert (check.version_id, check.figures and check.figures.available) == (
        lowered.version_id,
        -100,
    )


def test_the_room_of_count_limits_is_compared_only_with_that_of_count_limits() -> None:
    counted = applied(spending_limits=[{"count": 0, "interval": "daily"}])
    decision = decided(DUBIOUS, counted, limited(ScopeKind.PROGRAM, 1_249))
    assert decision.reason is DeclineReason.AMOUNT_LIMIT_EXCEEDED


# --- approving in part


@dataclass(frozen=True)
class Part:
    """€10.00 of a limit of €12.00 are used: so much is approved of what is asked."""

    what: str
    approved: int
    request: dict[str, Any]
    keys: dict[str, Any] = field(default_factory=dict)
    others: tuple[dict[str, Any], ...] = ()


DAILY = {"amount": 1_200, "interval": "daily"}
ALLOWED: dict[str, Any] = {"partial_approval": True, "spending_limits": [DAILY]}

PARTS = [
    Part("what fits", 200, {}),
    Part("a single cent that fits", 1, {}, {"spending_limits": [DAILY | {"amount": 1_001}]}),
    Part("nothing where no room is left", 0, {}, {"spending_limits": [DAILY | {"amount": 1_000}]}),
    Part("nothing where less is allowed than used", 0, {}, {"spending_limits": [
        DAILY | {"amount": 1}]}),
    Part("nothing where Stripe does not let us", 0, {"is_amount_controllable": False}),
    Part("nothing where the policy does not allow it", 0, {}, {"partial_approval": False}),
    Part("what fits the fullest of two", 150, {}, {}, (ALLOWED | {"spending_limits": [
        DAILY | {"amount": 1_150}]},)),
    Part("nothing where one of two exceeded policies does not allow it", 0, {}, {}, (
        {"spending_limits": [DAILY]},)),
    Part("what fits where a policy that is not exceeded does not allow it", 200, {}, {}, (
        {"spending_limits": [DAILY | {"amount": 9_999}]},)),
    Part("what fits the total of one purchase", 200, {}, {"spending_limits": [
        {"amount": 200, "interval": "per_authorization"}]}),
    Part("nothing where another rule fails too", 0, {}, {"blocked_merchants": ["lepic"]}),
    Part("nothing where another policy's rule fails", 0, {}, {}, (
        {"allowed_merchant_countries": ["DE"]},)),
    Part("nothing where a count limit fails", 0, {}, {"spending_limits": [
        DAILY, {"count": 1, "interval": "daily"}]}),
    Part("nothing of a cash withdrawal", 0, {"merchant": merchant(category_code="6011")}),
    Part("nothing of cash over the counter", 0, {"merchant": merchant(category_code="6010")}),
    Part("goods beside cash-back", 200, {"cashback_amount": 199}),
    Part("cash-back alone where it just fits", 200, {"cashback_amount": 200}),
    Part("nothing where the cash-back does not fit", 0, {"cashback_amount": 201}),
    Part("nothing where a limit on cash fails", 0, {"cashback_amount": 100}, {"spending_limits": [
        DAILY, {"amount": 1_099, "interval": "daily", "cash_only": True}]}),
    Part("goods where the limit on cash holds", 200, {"cashback_amount": 100}, {
        "spending_limits": [DAILY, {"amount": 1_100, "interval": "daily", "cash_only": True}]}),
    Part("the smallest useful amount", 200, {}, {"smallest_partial_amount": 200}),
    Part("nothing smaller than is useful", 0, {}, {"smallest_partial_amount": 201}),
    Part("nothing smaller than is useful to one of two", 0, {}, {"smallest_partial_amount": 100}, (
        ALLOWED | {"smallest_partial_amount": 201},)),
    Part("nothing where the smallest useful amount is in another currency", 0, {}, {
        "smallest_partial_amount": 100, "currency": "usd",
        "spending_limits": [DAILY | {"currency": "eur"}]}),
]  # fmt: skip


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.what)
def test_approved_in_part_is(part: Part) -> None:
    request = replace(DUBIOUS, **({"amount": 300, "is_amount_controllable": True} | part.request))
    policies = [applied(**(ALLOWED | part.keys)), *(applied(**keys) for keys in part.others)]
    decision = decided(request, *policies, usage=WindowUsage(amount=1_000, count=1))
    assert decision.amount == part.approved
    assert decision.approved == decision.is_partial == bool(part.approved)
    assert (decision.reason is None) == decision.approved
    assert DeclineReason.AMOUNT_LIMIT_EXCEEDED in failed(decision)


def test_what_fits_exactly_is_approved_in_full() -> None:
    request = replace(DUBIOUS, amount=200, is_amount_controllable=True)
    decision = decided(request, applied(**ALLOWED), usage=WindowUsage(amount=1_000))
    assert (decision.amount, decision.is_partial) == (200, False)


# --- whatever the purchase

FEW = st.integers(0, 60)
FILTERS: list[dict[str, Any]] = [
    {},
    {"countries": ["FR"]},
    {"countries": ["DE"]},
    {"categories": ["bakeries", "6011"]},
    {"merchants": ["lepic"], "cash_only": True},
    {"cash_only": True},
    {"card_presences": ["present"]},
    {"authorization_methods": ["chip"], "cash_only": True},
]


class Situation(NamedTuple):
    """Every window has the same `usage`."""

    request: AuthorizationRequest
    context: PurchaseContext
    policies: tuple[AppliedControls, ...]
    usage: WindowUsage

    def decided(self) -> Verdict:
        return decided(self.request, *self.policies, context=self.context, usage=self.usage)

    def fits(self, amount: int) -> bool:
        """Whether every amount limit holds with so much more, counted out anew."""
        request, context = self.request, self.context
        cashback = context.cashback + request.cashback_amount
        before = cash_part(context.counted, context.cashback, request.merchant)
        after = cash_part(context.counted + amount, cashback, request.merchant)
        for policy in self.policies:
            refunded = self.usage.refunded if policy.controls.refunds_restore else 0
            for limit in policy.controls.spending_limits:
                is_cash = limit.filter.cash_only
                used = self.usage.amount - refunded
                if limit.interval is Interval.PER_AUTHORIZATION:
                    used = before if is_cash else context.counted
                added = after - before if is_cash else amount
                is_concerned = added and limit.filter.concerns(request.merchant)
                if limit.amount is not None and is_concerned and used + added > limit.amount:
                    return False
        return True


@st.composite
def amount_limits(draw: st.DrawFn) -> dict[str, Any]:
    interval = draw(st.sampled_from(document_limits.PERIODS))
    length = {"hours": 5} if interval is Interval.ROLLING else {}
    what: dict[str, Any] = draw(st.sampled_from(FILTERS))
    return {"amount": draw(st.integers(0, 150)), "interval": interval, **length, **what}


@st.composite
def policies_with(draw: st.DrawFn, partial_approval: st.SearchStrategy[bool]) -> AppliedControls:
    is_partial = draw(partial_approval)
    return applied(
        draw(st.sampled_from(ScopeKind)),
        spending_limits=draw(st.lists(amount_limits(), max_size=3, unique_by=str)),
        partial_approval=is_partial,
        smallest_partial_amount=draw(st.none() | st.integers(1, 40)) if is_partial else None,
        refunds_restore=draw(st.booleans()),
    )


@st.composite
def situations(draw: st.DrawFn, partial_approval: st.SearchStrategy[bool]) -> Situation:
    """A first request or an increment, of goods with or without cash-back, or of cash."""
    amount, counted = draw(FEW), draw(st.just(0) | FEW)
    request = replace(
        DUBIOUS,
        amount=amount,
        cashback_amount=draw(st.just(0) | st.integers(0, amount)),
        is_amount_controllable=draw(partial_approval),
        merchant=merchant(
            category_code=draw(st.sampled_from(["5462", "5462", "6011"])),
            card_presence=draw(st.sampled_from(["present", "not_present", ""])),
            authorization_method=draw(st.sampled_from(["chip", "online", ""])),
        ),
    )
    cashback = draw(st.just(0) | st.integers(0, counted))
    context = PurchaseContext(counted=counted, cashback=cashback, is_counted=bool(counted))
    policies = draw(st.lists(policies_with(partial_approval), min_size=1, max_size=3))
    used = draw(FEW)
    usage = WindowUsage(used, draw(st.just(0) | st.integers(0, used)), draw(st.integers(0, 3)))
    return Situation(request, context, tuple(policies), usage)


@THOROUGHLY
@given(situations(st.booleans()))
def test_no_approved_amount_goes_over_an_amount_limit(situation: Situation) -> None:
    decision = situation.decided()
    assert not decision.approved or situation.fits(decision.amount)
    assert decision.amount <= situation.request.amount
    # An amount is never cut down to nothing.
    assert decision.amount or not decision.approved or not situation.request.amount


@THOROUGHLY
@given(situations(st.booleans()))
def test_nothing_is_declined_for_its_amount_that_fits(situation: Situation) -> None:
    is_over = not situation.fits(situation.request.amount)
    assert (DeclineReason.AMOUNT_LIMIT_EXCEEDED in failed(situation.decided())) == is_over


@THOROUGHLY
@given(situations(st.just(True)))
def test_approved_in_part_is_the_largest_amount_that_fits(situation: Situation) -> None:
    request, decision = situation.request, situation.decided()
    exceeded = {check.version_id for check in decision.trace if not check.passed}
    useful = [
        policy.controls.smallest_partial_amount or 1
        for policy in situation.policies
        if policy.version_id in exceeded
    ]
    smallest = max([request.cash_amount, *useful])
    fitting = (amount for amount in range(smallest, request.amount) if situation.fits(amount))
    expected = max(fitting, default=0) if exceeded else request.amount
    assert decision.amount == expected


@THOROUGHLY
@given(situations(st.booleans()))
def test_the_same_question_gets_the_same_decision_whatever_the_order_of_policies(
    situation: Situation,
) -> None:
    decision = situation.decided()
    assert situation.decided() == decision
    turned = situation._replace(policies=situation.policies[::-1]).decided()
    assert (turned.amount, turned.reason) == (decision.amount, decision.reason)
    assert sorted(map(str, turned.trace)) == sorted(map(str, decision.trace))


def test_a_decision_never_guesses_usage_it_was_not_given() -> None:
    with pytest.raises(KeyError):
        decide(DUBIOUS, PurchaseContext(), (limited(ScopeKind.CARD, 5_000),), {})
