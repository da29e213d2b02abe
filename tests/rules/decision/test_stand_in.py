"""Decisions without usage: what the rules still know, and what policies allow blindly."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authorizations.rules.basics.controls import Interval, ScopeKind
from authorizations.rules.decision.controls import AppliedControls
from authorizations.rules.decision.decide import decide
from authorizations.rules.decision.stand_in import (
    HostWindow,
    Measure,
    Refusal,
    StandInCause,
    StandInContext,
    decide_without_usage,
    windows_needed,
)
from authorizations.rules.decision.values import (
    DeclineReason,
    PurchaseContext,
    Verdict,
    WindowUsage,
)
from authorizations.rules.decision.windows import windows_for
from authorizations.rules.policy.document import canonical_json
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.rules.purchases.snapshots import RequestHistoryEntry, Snapshot
from authorizations.rules.wording.explain import cardholder, staff
from authorizations.rules.wording.headline import because
from authorizations.rules.wording.stand_in_words import CAUSES, REFUSALS
from tests.rules.deciding import THOROUGHLY, applied, decided
from tests.support.builders import CREATED, authorization_request, card, merchant

R = DeclineReason
MONTHLY = {"amount": 50_000, "interval": "monthly"}
ALLOWED = {"stand_in_amount": 5_000, "stand_in_cap": 20_000}
ORDINARY = StandInContext()
NOTHING_USED = HostWindow(used=WindowUsage())


def stood_in(
    request: AuthorizationRequest,
    *policies: AppliedControls,
    context: StandInContext = ORDINARY,
    known: HostWindow | None = NOTHING_USED,
) -> Verdict:
    """Decided with the same known of every window; None: with nothing known."""
    windows = windows_needed(request, context, policies) if known else {}
    each = tuple((window, known) for window in windows if known)
    return decide_without_usage(request, replace(context, windows=each), policies)


def asking(amount: int, **more: Any) -> AuthorizationRequest:
    return authorization_request(amount=amount, **more)


def held(amount: int) -> dict[str, Any]:
    """What Stripe tells with an increment: so much was approved before."""
    before = RequestHistoryEntry(amount=amount, approved=True, created=CREATED)
    snapshot = Snapshot(at=CREATED + 60, status="pending", amount=amount, history=(before,))
    return {"snapshot": snapshot}


# --- what needs no usage


@pytest.mark.parametrize(
    ("request_", "keys", "reason"),
    [
        (asking(100), {}, None),
        (asking(100, card=card(status="inactive")), {}, R.CARD_NOT_ACTIVE),
        (asking(100), {"usable_from": "2030-01-01"}, R.NOT_YET_USABLE),
        (asking(100), {"usable_until": "2020-01-01"}, R.NO_LONGER_USABLE),
        (
            asking(100),
            {"spending_limits": [MONTHLY | {"currency": "usd"}]},
            R.CURRENCY_NOT_ALLOWED,
        ),
        (asking(100), {"allowed_merchant_countries": ["DE"]}, R.MERCHANT_COUNTRY_NOT_ALLOWED),
        (asking(100), {"blocked_categories": ["bakeries"]}, R.CATEGORY_NOT_ALLOWED),
        (asking(100), {"blocked_merchants": ["lepic"]}, R.MERCHANT_NOT_ALLOWED),
        (asking(100), {"allowed_card_presences": ["not_present"]}, R.CARD_PRESENCE_NOT_ALLOWED),
        (
            asking(100),
            {"blocked_authorization_methods": ["chip"]},
            R.AUTHORIZATION_METHOD_NOT_ALLOWED,
        ),
        (asking(100), {"allowed_wallets": ["apple_pay"]}, R.WALLET_NOT_ALLOWED),
        (
            asking(100, card_presence="not_present"),
            {"required_verification": ["cvc"]},
            R.CVC_REQUIRED,
        ),
        (
            asking(100, network_risk_score=81),
            {"max_network_risk_score": 80},
            R.NETWORK_RISK_TOO_HIGH,
        ),
        (
            asking(100),
            {"schedule": [{"days": ["sun"], "from": "00:00", "to": "24:00"}]},
            R.OUTSIDE_SCHEDULE,
        ),
        (
            asking(101),
            {"spending_limits": [{"amount": 100, "interval": "per_authorization"}]},
            R.AMOUNT_LIMIT_EXCEEDED,
        ),
        (
            asking(60, **held(50)),
            {"spending_limits": [{"amount": 100, "interval": "per_authorization"}]},
            R.AMOUNT_LIMIT_EXCEEDED,
        ),
        (
            asking(50, **held(50)),
            {"spending_limits": [{"amount": 100, "interval": "per_authorization"}]},
            None,
        ),
    ],
)
def test_rules_that_need_no_usage_are_applied_as_always(
    request_: AuthorizationRequest, keys: dict[str, Any], reason: DeclineReason | None
) -> None:
    assert stood_in(request_, applied(**keys)).reason is reason


def test_a_frozen_card_is_declined_and_so_is_one_without_a_policy() -> None:
    frozen = stood_in(asking(100), applied(), context=StandInContext(card_frozen=True))
    assert frozen.reason is R.CARD_FROZEN
    assert stood_in(asking(100)).reason is R.NO_POLICY


def test_nothing_is_asked_of_limits_by_a_card_check_of_0() -> None:
    assert stood_in(asking(0), applied(spending_limits=[MONTHLY])).approved


def test_a_limit_that_would_be_exceeded_were_nothing_used_is_the_reason_itself() -> None:
    policy = applied(stand_in_amount=60_000, stand_in_cap=60_000, spending_limits=[MONTHLY])
    assert stood_in(asking(50_001), policy).reason is R.AMOUNT_LIMIT_EXCEEDED


# --- what needs usage


@pytest.mark.parametrize(
    "limit",
    [
        MONTHLY,
        {"amount": 50_000, "interval": "rolling", "days": 1},
        {"amount": 50_000, "interval": "all_time"},
        {"count": 5, "interval": "daily"},
        MONTHLY | {"categories": ["bakeries"]},
    ],
)
def test_a_limit_with_a_window_declines_unless_its_policy_allows_stand_in(
    limit: dict[str, Any],
) -> None:
    assert stood_in(asking(100), applied(spending_limits=[limit])).reason is R.STAND_IN
    assert stood_in(asking(100), applied(spending_limits=[limit], **ALLOWED)).approved


@pytest.mark.parametrize(
    "limit",
    [
        MONTHLY | {"categories": ["5812"]},
        {"amount": 5_000, "interval": "daily", "cash_only": True},
        {"amount": 5_000, "interval": "per_authorization"},
    ],
)
def test_limits_that_do_not_concern_the_purchase_need_no_allowance(limit: dict[str, Any]) -> None:
    assert stood_in(asking(100), applied(spending_limits=[limit])).approved


def test_an_increment_is_no_second_purchase_for_limits_on_their_number() -> None:
    policy = applied(spending_limits=[{"count": 1, "interval": "daily"}])
    assert stood_in(asking(100, **held(100)), policy).approved


@pytest.mark.parametrize(
    ("amount", "before", "taken", "hosts", "is_approved"),
    [
        (5_000, 0, 0, 1, True),
        (5_001, 0, 0, 1, False),
        (2_000, 3_000, 0, 1, True),
        (2_001, 3_000, 0, 1, False),  # with what is held for it already
        (5_000, 0, 15_000, 1, True),
        (5_000, 0, 15_001, 1, False),
        (5_000, 0, 5_000, 2, True),
        (5_000, 0, 5_001, 2, False),  # this host's half
    ],
)
def test_an_allowance_is_so_much_a_purchase_and_so_much_in_the_window(
    amount: int, before: int, taken: int, hosts: int, *, is_approved: bool
) -> None:
    request = asking(amount, **(held(before) if before else {}))
    context = StandInContext(hosts=hosts)
    policy = applied(spending_limits=[MONTHLY], **ALLOWED)
    known = HostWindow(used=WindowUsage(), taken=taken)
    decision = stood_in(request, policy, context=context, known=known)
    assert decision.approved is is_approved
    assert decision.amount == (amount if is_approved else 0)
    assert decision.reason == (None if is_approved else R.STAND_IN)


@pytest.mark.parametrize(
    ("known", "hosts", "is_approved"),
    [
        # Limit 500.00 a month, cap 200.00, asked 50.00.
        (HostWindow(used=WindowUsage(45_000)), 1, True),
        (HostWindow(used=WindowUsage(45_001)), 1, False),
        (HostWindow(used=WindowUsage(45_001, refunded=1)), 1, True),
        # 100.00 left when the copy was read; this host approved 50.00 since, with the database.
        (HostWindow(used=WindowUsage(40_000), database=WindowUsage(5_000)), 1, True),
        (HostWindow(used=WindowUsage(40_000), database=WindowUsage(5_001)), 1, False),
        # ... or by stand-in.
        (HostWindow(used=WindowUsage(40_000), pending=WindowUsage(5_000), taken=5_000), 1, True),
        (HostWindow(used=WindowUsage(40_000), pending=WindowUsage(5_001), taken=5_001), 1, False),
        # Replayed: it is in the copy, and counts once; the cap still knows of it.
        (HostWindow(used=WindowUsage(45_000), taken=5_000), 1, True),
        (HostWindow(used=WindowUsage(45_000), taken=15_001), 1, False),
        # Of 100.00 left each of two hosts may approve 50.00.
        (HostWindow(used=WindowUsage(40_000)), 2, True),
        (HostWindow(used=WindowUsage(40_001)), 2, False),
        # The cap is of all that was approved since, however.
        (HostWindow(used=WindowUsage(), database=WindowUsage(15_001)), 1, False),
        # A limit lowered under what is used has nothing left.
        (HostWindow(used=WindowUsage(60_000)), 1, False),
        (HostWindow(used=None), 1, False),
        (None, 1, False),
    ],
)
def test_never_more_than_was_left_when_the_copy_was_read_less_what_this_host_approved_since(
    known: HostWindow | None, hosts: int, *, is_approved: bool
) -> None:
    policy = applied(spending_limits=[MONTHLY], **ALLOWED)
    context = StandInContext(hosts=hosts)
    decision = stood_in(asking(5_000), policy, context=context, known=known)
    assert decision.approved is is_approved


@pytest.mark.parametrize(
    ("used", "since", "is_approved"), [(3, 0, True), (4, 0, True), (5, 0, False), (4, 1, False)]
)
def test_of_a_limit_on_their_number_purchases_are_what_is_left(
    used: int, since: int, *, is_approved: bool
) -> None:
    policy = applied(spending_limits=[{"count": 5, "interval": "daily"}], **ALLOWED)
    known = HostWindow(used=WindowUsage(count=used), pending=WindowUsage(count=since))
    assert stood_in(asking(100), policy, known=known).approved is is_approved


def test_of_several_policies_each_must_allow_it_and_the_smallest_amount_wins() -> None:
    wide = applied(spending_limits=[MONTHLY], stand_in_amount=9_000, stand_in_cap=9_000)
    narrow = applied(ScopeKind.GROUP, spending_limits=[MONTHLY], **ALLOWED)
    silent = applied(ScopeKind.PROGRAM, spending_limits=[MONTHLY])
    without_limits = applied(ScopeKind.PROGRAM, max_network_risk_score=80)
    assert stood_in(asking(5_000), wide, narrow, without_limits).approved
    assert not stood_in(asking(5_001), wide, narrow).approved
    assert not stood_in(asking(100), wide, silent).approved


def test_an_allowance_in_another_currency_allows_nothing() -> None:
    policy = applied(currency="usd", spending_limits=[MONTHLY | {"currency": "eur"}], **ALLOWED)
    assert stood_in(asking(100), policy).reason is R.STAND_IN


def test_nothing_is_approved_in_part() -> None:
    limits = [{"amount": 1_000, "interval": "per_authorization"}]
    policy = applied(partial_approval=True, spending_limits=limits, **ALLOWED)
    request = asking(1_500, is_amount_controllable=True)
    assert decided(request, policy).is_partial
    assert stood_in(request, policy).reason is R.AMOUNT_LIMIT_EXCEEDED


def test_at_a_fuel_pump_the_allowance_must_have_room_for_the_whole_hold() -> None:
    pump = merchant(category="automated_fuel_dispensers", category_code="5542")
    token = asking(100, merchant=pump, is_amount_controllable=True)
    assert not stood_in(token, applied(spending_limits=[MONTHLY], **ALLOWED)).approved
    policy = applied(spending_limits=[MONTHLY], fuel_hold=4_000, **ALLOWED)
    decision = stood_in(token, policy)
    assert (decision.approved, decision.amount, decision.named_amount) == (True, 4_000, 4_000)


@pytest.mark.parametrize(
    ("amount", "keys", "is_needed"),
    [
        (100, {"spending_limits": [MONTHLY], **ALLOWED}, True),
        (100, {"spending_limits": [MONTHLY]}, False),
        (100, ALLOWED, False),
        (5_001, {"spending_limits": [MONTHLY], **ALLOWED}, False),
    ],
)
def test_the_cap_is_looked_up_only_where_it_decides(
    amount: int, keys: dict[str, Any], *, is_needed: bool
) -> None:
    assert bool(windows_needed(asking(amount), ORDINARY, (applied(**keys),))) is is_needed


def test_a_cap_is_measured_over_all_that_is_bought_and_a_limit_over_what_it_concerns() -> None:
    limits = [MONTHLY | {"categories": ["bakeries"]}, {"count": 5, "interval": "daily"}]
    windows = windows_needed(asking(100), ORDINARY, (applied(spending_limits=limits, **ALLOWED),))
    seen = [(bool(window.filter_key), window.currency) for window in windows]
    assert seen == [(True, "eur"), (False, "eur"), (False, ""), (False, "eur")]
    assert len({(window.start, window.end) for window in windows}) == 2


# --- what is kept and said of it


def test_the_trace_claims_nothing_of_limits_nobody_could_look_at() -> None:
    limits = [MONTHLY, {"amount": 9_000, "interval": "per_authorization"}]
    trace = stood_in(asking(100), applied(spending_limits=limits, **ALLOWED)).trace
    intervals = [check.figures.interval for check in trace if check.figures]
    per_purchase, monthly = Interval.PER_AUTHORIZATION, Interval.MONTHLY
    assert intervals == [per_purchase, per_purchase, monthly, monthly]
    found = [check.found for check in trace if check.rule is R.STAND_IN]
    assert found == [Measure.PURCHASE, Measure.CAP, Measure.REMAINING]


@pytest.mark.parametrize("refusal", Refusal)
def test_a_refusal_declines_whatever_the_policies_say(refusal: Refusal) -> None:
    context = StandInContext(refusal=refusal)
    decision = stood_in(asking(0), applied(), context=context)
    assert (decision.approved, decision.reason) == (False, R.STAND_IN)
    [check] = decision.trace
    assert staff(check, asking(0)) == REFUSALS[refusal]


def test_every_cause_has_its_words() -> None:
    assert list(CAUSES) == list(StandInCause)


@pytest.mark.parametrize(
    ("amount", "keys", "known", "sentence"),
    [
        (
            6_000,
            ALLOWED,
            NOTHING_USED,
            "In stand-in, €50.00 per purchase: €60.00 asked, €10.00 over.",
        ),
        (
            3_000,
            ALLOWED,
            HostWindow(used=WindowUsage(), taken=18_000),
            (
                "In stand-in, €200.00 a month: €180.00 approved before + €30.00 = €210.00, "
                "€10.00 over."
            ),
        ),
        (
            3_000,
            ALLOWED,
            HostWindow(used=WindowUsage(46_000), database=WindowUsage(2_000)),
            (
                "In stand-in, €40.00 a month had remained when the database was last read: "
                "€20.00 approved before + €30.00 = €50.00, €10.00 over."
            ),
        ),
        (
            3_000,
            ALLOWED,
            HostWindow(),
            "In stand-in, what was already spent a month was not known on this server.",
        ),
        (
            100,
            {},
            NOTHING_USED,
            "A limit applies to the purchase, and the policy allows nothing in stand-in.",
        ),
    ],
)
def test_staff_read_what_stood_against_it_and_cardholders_no_threshold(
    amount: int, keys: dict[str, Any], known: HostWindow, sentence: str
) -> None:
    policy = applied(spending_limits=[MONTHLY], **keys)
    decision = stood_in(asking(amount), policy, known=known)
    [failed] = [check for check in decision.trace if not check.passed]
    assert staff(failed, asking(amount)) == sentence
    assert because(decision) == "not allowed in stand-in"
    assert "€" not in cardholder(failed, asking(amount))


# --- whatever the policies

LIMITS = st.fixed_dictionaries(
    {
        "interval": st.sampled_from(["per_authorization", "daily", "monthly", "all_time"]),
        "amount": st.integers(0, 300),
        "cash_only": st.booleans(),
        "categories": st.sampled_from([[], ["bakeries"], ["5812"]]),
        "authorization_methods": st.sampled_from([[], ["chip"], ["online"]]),
    }
)
COUNTS = st.fixed_dictionaries(
    {"interval": st.sampled_from(["daily", "yearly"]), "count": st.integers(0, 2)}
)
POLICIES = st.lists(
    st.builds(
        lambda limits, allowance, more: applied(spending_limits=limits, **allowance, **more),
        st.lists(LIMITS | COUNTS, max_size=3, unique_by=canonical_json),
        st.just({})
        | st.builds(
            lambda amount, more: {"stand_in_amount": amount, "stand_in_cap": amount + more},
            st.integers(1, 200),
            st.integers(0, 200),
        ),
        st.just({}) | st.just({"partial_approval": True}),
    ),
    max_size=3,
)


AMOUNTS = st.integers(0, 300)
USED = st.builds(WindowUsage, AMOUNTS, st.just(0), st.integers(0, 2))


@given(
    policies=POLICIES,
    amount=AMOUNTS,
    before=st.integers(0, 200),
    known=st.builds(HostWindow, USED, USED, USED, AMOUNTS),
    hosts=st.integers(1, 3),
)
@THOROUGHLY
def test_stand_in_approves_only_what_fits_its_allowance_and_what_was_left(
    policies: list[AppliedControls], amount: int, before: int, known: HostWindow, hosts: int
) -> None:
    request = asking(amount, is_amount_controllable=True, **(held(before) if before else {}))
    context = StandInContext(hosts=hosts)
    decision = stood_in(request, *policies, context=context, known=known)
    if not decision.approved:
        assert decision.reason is not None
        return
    assert decision.amount == amount
    assert known.used
    parts = (known.used, known.database, known.pending)
    in_all = WindowUsage(sum(it.amount for it in parts), 0, sum(it.count for it in parts))
    purchase_context = PurchaseContext(counted=before, is_counted=bool(before))
    usage = dict.fromkeys(windows_for(request, policies), in_all)
    # Whatever the database would have said with all of that in its books.
    usual = decide(request, purchase_context, tuple(policies), usage)
    assert usual.approved
    assert not usual.is_partial
    for policy in policies:
        if _needs_usage(policy, replace(request, amount=amount), before):
            assert before + amount <= (policy.controls.stand_in_amount or 0)
            share = (policy.controls.stand_in_cap or 0) // hosts
            assert known.taken + known.database.amount + amount <= share


def _needs_usage(policy: AppliedControls, request: AuthorizationRequest, before: int) -> bool:
    limits = policy.controls.spending_limits
    return bool(request.amount) and any(
        limit.interval is not Interval.PER_AUTHORIZATION
        and limit.filter.concerns(request.merchant)
        and not limit.filter.cash_only
        and (limit.amount is not None or not before)
        for limit in limits
    )
