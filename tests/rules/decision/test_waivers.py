"""Which failed rules an exception waives, and that it lets nothing else through."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authorizations.rules.basics.controls import ScopeKind
from authorizations.rules.basics.purchase_exceptions import PurchaseException, Waiver
from authorizations.rules.decision.decide import decide
from authorizations.rules.decision.stand_in import StandInContext, decide_without_usage
from authorizations.rules.decision.values import NOT_COUNTED, DeclineReason, PurchaseContext
from authorizations.rules.decision.waivers import NEVER_WAIVED, waiver_of
from tests.rules.deciding import applied, decided
from tests.rules.decision.test_decide import DUBIOUS, OF_POLICIES, limited
from tests.rules.decision.test_decide import failed as reasons_failed
from tests.support.builders import authorization_request, card, merchant

ASKED = authorization_request(amount=1_250)


def exception(*waives: Waiver, **terms: Any) -> PurchaseException:
    usual = PurchaseException(
        id=7,
        card_id="ic_marie",
        up_to=1_250,
        currency="eur",
        until=2_000_000_000,
        waives=waives,
        author="operator",
        reason="Trip",
    )
    return replace(usual, **terms)


def with_exceptions(*exceptions: PurchaseException, **keys: Any) -> PurchaseContext:
    return PurchaseContext(exceptions=exceptions, **keys)


@given(st.data())
def test_it_lets_through_exactly_what_fails_nothing_that_it_does_not_waive(
    data: st.DataObject,
) -> None:
    """Of the rules that fail some are waived, each in full or by its reason in all policies."""
    failing = data.draw(st.lists(st.sampled_from(OF_POLICIES), unique_by=lambda it: it.reason))
    policies = tuple(applied(**rule.failing) for rule in failing) or (applied(),)
    before = decided(DUBIOUS, *policies)
    needed = [waiver_of(check, policies) for check in before.trace if not check.passed]
    waived = data.draw(st.lists(st.sampled_from(needed), unique_by=repr) if needed else st.just([]))
    by_reason = data.draw(st.booleans())
    given_ = [
        Waiver(one.reason) if by_reason else replace(one, policy=one.version and 1)
        for one in waived
        if one is not None
    ]
    after = decided(DUBIOUS, *policies, context=with_exceptions(exception(*given_)))
    assert after.trace == before.trace
    left = {one.reason for one in needed if one} - {one.reason for one in waived if one}
    assert after.approved == (not left)
    assert after.exception == (7 if needed and not left else None)
    assert after.amount == (DUBIOUS.amount if after.approved else 0)


def test_a_waived_limit_is_waived_for_whatever_reason_and_no_other_limit_with_it() -> None:
    policy = applied(
        spending_limits=[
            {"amount": 1_000, "interval": "daily"},
            {"count": 0, "interval": "daily"},
        ]
    )
    version = policy.version_id
    daily = Waiver("amount_limit_exceeded", 1, "daily", version=version)
    count = Waiver("count_limit_exceeded", 1, "daily_count", version=version)
    both = exception(daily, count)
    assert decided(ASKED, policy, context=with_exceptions(both)).exception == 7
    alone = with_exceptions(exception(daily))
    assert decided(ASKED, policy, context=alone).reason is DeclineReason.AMOUNT_LIMIT_EXCEEDED
    uncounted = decided(ASKED, policy, context=with_exceptions(both), usage=NOT_COUNTED)
    assert reasons_failed(uncounted) == {DeclineReason.LIMIT_NOT_COUNTED_YET}
    assert uncounted.exception == 7


@pytest.mark.parametrize("version", [None, 99])
def test_a_waiver_of_a_policy_without_that_version_waives_nothing(version: int | None) -> None:
    """Not even what no policy has declined."""
    policy = limited(ScopeKind.CARD, 1_000)
    waiver = Waiver("amount_limit_exceeded", 1, version=version)
    found = decided(ASKED, policy, context=with_exceptions(exception(waiver)))
    assert found.reason is DeclineReason.AMOUNT_LIMIT_EXCEEDED
    ungranted = with_exceptions(exception(Waiver("no_policy", 1, version=version)))
    assert decided(ASKED, context=ungranted).reason is DeclineReason.NO_POLICY


@pytest.mark.parametrize(
    "terms",
    [
        {"up_to": 1_249},
        {"currency": "usd"},
        {"card_id": "ic_other"},
        {"merchant": {"network_id": "1"}},
        {"category": "airlines_air_carriers"},
    ],
)
def test_it_is_for_its_card_amount_currency_and_place(terms: dict[str, Any]) -> None:
    waiver = Waiver("amount_limit_exceeded")
    policy = limited(ScopeKind.CARD, 1_000)
    assert decided(ASKED, policy, context=with_exceptions(exception(waiver))).exception == 7
    other = with_exceptions(exception(waiver, **terms))
    assert decided(ASKED, policy, context=other).reason is DeclineReason.AMOUNT_LIMIT_EXCEEDED


def test_at_a_pump_it_must_cover_what_is_held() -> None:
    pump = authorization_request(amount=100, merchant=merchant(category_code="5542"))
    policy, waiver = limited(ScopeKind.CARD, 5_000), Waiver("amount_limit_exceeded")
    for up_to, approved in ((9_999, 0), (10_000, 10_000)):
        context = with_exceptions(exception(waiver, up_to=up_to))
        assert decided(pump, policy, context=context).amount == approved


@pytest.mark.parametrize(
    ("asked", "context"),
    [
        (ASKED, {"card_frozen": True}),
        (replace(ASKED, card=card(status="inactive")), {}),
    ],
)
def test_the_cards_own_state_is_never_waived(asked: Any, context: dict[str, Any]) -> None:
    waivers = [Waiver(reason) for reason in DeclineReason]
    found = decided(asked, applied(), context=with_exceptions(exception(*waivers), **context))
    assert not found.approved
    assert found.reason in NEVER_WAIVED


def test_stand_in_knows_no_exception() -> None:
    policy = limited(ScopeKind.CARD, 1_000)
    verdict = decide_without_usage(ASKED, StandInContext(), (policy,))
    assert not verdict.approved
    assert not hasattr(StandInContext(), "exceptions")


def test_the_one_that_ends_first_is_used_then_the_one_with_the_lowest_id() -> None:
    waiver, policy = Waiver("amount_limit_exceeded"), limited(ScopeKind.CARD, 1_000)
    those = [
        exception(waiver, id=1, until=1_900_000_001),
        exception(waiver, id=3, until=1_900_000_000),
        exception(waiver, id=2, until=1_900_000_000),
    ]
    assert decided(ASKED, policy, context=with_exceptions(*those)).exception == 2
    assert decide(ASKED, with_exceptions(*those), (applied(),), {}).exception is None
