"""A scope's own amount for one limit: exact, under the lock, and only as long as it holds."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from authorizations.models import Card, CardGroup, Decision, Instruction, Policy
from authorizations.rules.basics.controls import Scope, ScopeKind
from authorizations.services.policies import own_amounts, stops
from authorizations.services.policies.stops import StopError
from tests.support.damage import rewrite
from tests.support.desk import Shopper, in_force, republish
from tests.support.verification import assert_clean, contradictions, redecided

pytestmark = pytest.mark.django_db

ADA = Shopper(card_id="ic_ada", cardholder_id="ich_ada")
BEA = Shopper(card_id="ic_bea", cardholder_id="ich_bea", name="Bea")
CARD, HOLDER = Scope(ScopeKind.CARD, "ic_ada"), Scope(ScopeKind.CARDHOLDER, "ich_ada")


@pytest.fixture
def operator() -> User:
    return User.objects.create(username="operator")


@pytest.fixture
def policy() -> Policy:
    found = in_force("Team", spending_limits=[{"amount": 50_000, "interval": "monthly"}])
    for shopper in (ADA, BEA):
        assert shopper.reason(0) == "approved"
    return found


@pytest.fixture
def give(policy: Policy, operator: User) -> Any:
    def given(scope: Scope, key: str = "monthly", **figures: Any) -> Instruction:
        return own_amounts.give(scope, policy, key, by=operator, reason="Trip to Lyon", **figures)

    return given


def largest(shopper: Shopper, most: int) -> bool:
    """Whether exactly `most` fits now."""
    return (
        shopper.reason(most + 1) == "amount_limit_exceeded" and shopper.reason(most) == "approved"
    )


def test_a_card_has_its_own_amount_and_others_the_policys(give: Any) -> None:
    give(CARD, amount=80_000)
    assert largest(ADA, 80_000)
    assert largest(BEA, 50_000)
    assert_clean()


def test_the_narrowest_amount_replaces_and_what_is_raised_adds_up(give: Any) -> None:
    """500.00; the card set to 800.00 and the cardholder raised by 300.00: 1,100.00."""
    give(HOLDER, amount=60_000)
    give(CARD, amount=80_000)
    give(HOLDER, raise_by=30_000)
    assert largest(ADA, 110_000)


def test_of_two_amounts_of_one_scope_the_newest_holds(give: Any) -> None:
    give(CARD, amount=80_000)
    give(CARD, amount=20_000)
    assert largest(ADA, 20_000)


def test_a_groups_amount_holds_for_each_of_its_cards(give: Any) -> None:
    group = CardGroup.objects.create(name="Drivers")
    Card.objects.filter(pk="ic_ada").update(group=group)
    give(Scope(ScopeKind.GROUP, str(group.pk)), amount=70_000)
    assert largest(ADA, 70_000)
    assert largest(BEA, 50_000)


def test_once_it_has_ended_the_old_amount_holds_against_the_whole_window(
    give: Any, operator: User
) -> None:
    own = give(CARD, amount=80_000)
    assert ADA.reason(70_000) == "approved"
    stops.lift(own, by=operator, reason="Back home")
    assert ADA.reason(1) == "amount_limit_exceeded"
    assert_clean()


def test_one_that_begins_later_holds_from_then_on(give: Any, operator: User) -> None:
    soon = timezone.now() + timedelta(hours=1)
    own = give(CARD, amount=80_000, begins=soon, until=soon + timedelta(hours=2))
    assert ADA.reason(50_001) == "amount_limit_exceeded"
    rewrite(own, starts_at=timezone.now() - timedelta(minutes=2))
    assert largest(ADA, 80_000)
    other = give(CARD, raise_by=5, begins=soon)
    assert stops.lift(other, by=operator, reason="Not needed")
    assert_clean()


@pytest.mark.parametrize(
    ("begins", "until", "sentence"),
    [
        (-1, None, "The beginning is in the past"),
        (10, 10, "The end is not later than the beginning"),
        (24 * 365 * 300, None, "too far away"),
    ],
)
def test_a_beginning_that_can_not_be_says_why(
    give: Any, begins: int, until: int | None, sentence: str
) -> None:
    now = timezone.now()
    end = now + timedelta(hours=until) if until else None
    with pytest.raises(StopError, match=sentence):
        give(CARD, amount=80_000, begins=now + timedelta(hours=begins), until=end)


def test_a_decision_keeps_the_amount_that_held_and_says_whose_it_was(
    give: Any, operator: User
) -> None:
    own = give(CARD, amount=80_000, until=timezone.now() + timedelta(days=3))
    ADA.asks(90_000, event_id="evt_own")
    stops.lift(own, by=operator, reason="Over")
    [row] = Decision.objects.filter(pk="evt_own")
    [policy] = row.policies
    assert [(it["amount"], it["author"]) for it in policy["overrides"]] == [(80_000, "operator")]
    [check] = [it for it in row.trace if it.get("figures")]
    assert (check["figures"]["limit"], check["figures"]["policy_limit"]) == (80_000, 50_000)
    assert redecided() == []


def test_a_count_limit_has_an_own_number(policy: Policy, operator: User) -> None:
    republish(policy, spending_limits=[*_LIMITS, {"count": 1, "interval": "daily"}])
    own_amounts.give(CARD, policy, "daily_count", by=operator, reason="Event", amount=3)
    assert [ADA.reason(1) for _ in range(4)] == ["approved"] * 3 + ["count_limit_exceeded"]


_LIMITS = [{"amount": 50_000, "interval": "monthly"}]


def test_it_sleeps_while_the_limit_is_gone_and_wakes_with_it(policy: Policy, give: Any) -> None:
    give(CARD, amount=80_000)
    republish(policy, spending_limits=[{"amount": 40_000, "interval": "weekly"}])
    assert largest(ADA, 40_000)
    republish(policy, spending_limits=[{"amount": 45_000, "interval": "monthly"}])
    assert largest(ADA, 40_000)  # 800.00, of which 400.00 are used


def test_it_sleeps_while_the_limit_counts_attempts_instead(policy: Policy, operator: User) -> None:
    visits = {"key": "visits", "count": 2, "interval": "daily"}
    republish(policy, spending_limits=[visits], unlimited=True)
    own_amounts.give(CARD, policy, "visits", by=operator, reason="Tour", amount=50)
    tries = {"key": "visits", "attempts": 2, "interval": "daily"}
    republish(policy, spending_limits=[tries])
    # One attempt was made before.
    assert [ADA.reason(1) for _ in range(2)] == ["approved", "attempt_limit_exceeded"]
    own_amounts.give(CARD, policy, "visits", by=operator, reason="Tour", amount=3)
    assert [ADA.reason(1) for _ in range(2)] == ["approved", "attempt_limit_exceeded"]
    assert_clean()


def test_it_grants_nothing_by_itself(operator: User) -> None:
    policy = in_force("Elsewhere", spending_limits=_LIMITS)
    policy.assignments.all().delete()
    with pytest.raises(StopError, match="measures no card there"):
        own_amounts.give(CARD, policy, "monthly", by=operator, reason="x", amount=80_000)
    assert ADA.reason(100) == "no_policy"


@pytest.mark.parametrize(
    ("key", "figures", "sentence"),
    [
        ("weekly", {"amount": 1}, "no such limit any more"),
        ("monthly", {}, "one of them"),
        ("monthly", {"amount": 1, "raise_by": 1}, "one of them"),
        ("monthly", {"amount": -1}, "not negative"),
        ("monthly", {"raise_by": 0}, "not negative"),
        ("visits", {"amount": 1_000_001}, "at most 1,000,000"),
        ("tries", {"amount": 1_001}, "at most 1,000"),
    ],
)
def test_what_makes_no_sense_is_refused(
    policy: Policy, give: Any, key: str, figures: dict[str, int], sentence: str
) -> None:
    others = [
        {"key": "visits", "count": 5, "interval": "daily"},
        {"key": "tries", "attempts": 5, "interval": "daily"},
    ]
    republish(policy, spending_limits=[*_LIMITS, *others])
    with pytest.raises(StopError, match=sentence):
        give(CARD, key, **figures)
    assert not Instruction.objects.exists()


def test_a_card_that_turns_out_to_be_a_replacement_brings_its_amount_to_the_first_of_the_chain(
    give: Any,
) -> None:
    give(CARD, amount=80_000)
    known = Shopper(card_id="ic_old", cardholder_id="ich_ada")
    assert known.reason(0) == "approved"
    successor = Shopper(
        card_id="ic_ada", cardholder_id="ich_ada", card={"replacement_for": "ic_old"}
    )
    assert successor.reason(0) == "approved"
    assert Card.objects.get(pk="ic_ada").root_id == "ic_old"
    assert largest(successor, 80_000)
    assert_clean()


def test_one_that_begins_later_still_begins_then_for_the_first_of_the_chain(give: Any) -> None:
    give(CARD, amount=80_000, begins=timezone.now() + timedelta(hours=1))
    successor = Shopper(
        card_id="ic_ada", cardholder_id="ich_ada", card={"replacement_for": "ic_old"}
    )
    assert successor.reason(50_001) == "amount_limit_exceeded"
    assert successor.reason(50_000) == "approved"
    assert_clean()


def test_an_amount_that_was_changed_afterwards_is_found(give: Any) -> None:
    own = give(CARD, amount=80_000)
    ADA.asks(100, event_id="evt_own")
    rewrite(own, terms=own.terms | {"amount": 10})
    assert contradictions() == [f"evt_own: amount of instruction {own.pk} is 80000; expected 10"]
