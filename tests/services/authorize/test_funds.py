"""Funds: a pot for each scope that is measured, which purchases never spend beyond what it has."""

import time
from collections import Counter
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from authorizations.models import Card, CardGroup, Decision, FundEntry, Policy, PotSum, Usage
from authorizations.rules.basics.controls import Scope, ScopeKind, member_scope
from authorizations.services.policies import funds
from authorizations.services.policies.planned import PlannedTimes
from authorizations.services.policies.publish import publish
from authorizations.services.policies.stops import StopError
from authorizations.services.queries import remaining
from tests.services.authorize.test_races import at_once
from tests.support.damage import damage
from tests.support.desk import Shopper, in_force, republish, says
from tests.support.lifecycle import Told
from tests.support.verification import assert_clean, contradictions, differences, redecided

NOW = int(time.time())
ADA = Shopper(card_id="ic_ada", cardholder_id="ich_ada", at=NOW + 86_400)
BEA = Shopper(card_id="ic_bea", cardholder_id="ich_ada", at=NOW + 86_400)
CARD, HOLDER = Scope(ScopeKind.CARD, "ic_ada"), Scope(ScopeKind.CARDHOLDER, "ich_ada")
POT = {"key": "pot", "funds": True}

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator() -> User:
    return User.objects.create(username="operator")


@pytest.fixture
def policy() -> Policy:
    found = in_force("Team", unlimited=False, spending_limits=[POT])
    assert ADA.reason(0) == BEA.reason(0) == "approved"
    return found


@pytest.fixture
def enter(policy: Policy, operator: User) -> Any:
    references = iter(range(1_000))

    def entered(amount: int, scope: Scope = CARD, **other: Any) -> FundEntry:
        usual: dict[str, Any] = {"policy": policy, "key": "pot"}
        other = usual | {"reference": f"PO-{next(references)}"} | other
        its_policy, key = other.pop("policy"), other.pop("key")
        return funds.enter(
            its_policy, key, scope, amount, by=operator, reason="Budget of the week", **other
        )

    return entered


def test_without_an_entry_a_pot_holds_nothing_and_each_card_has_its_own(enter: Any) -> None:
    assert ADA.reason(1) == "funds_exceeded"
    enter(5_000)
    assert ADA.reason(5_001) == "funds_exceeded"
    assert ADA.reason(3_000) == "approved"
    assert ADA.reason(2_001) == "funds_exceeded"
    assert ADA.reason(2_000) == "approved"
    assert BEA.reason(1) == "funds_exceeded"
    assert_clean()


def test_what_is_added_can_be_spent_with_the_next_request_and_what_is_taken_cannot(
    enter: Any,
) -> None:
    enter(1_000)
    assert ADA.reason(1_000) == "approved"
    enter(500)
    enter(-200)
    assert ADA.reason(301) == "funds_exceeded"
    assert ADA.reason(300) == "approved"
    assert_clean()


def test_never_more_is_taken_than_is_left(enter: Any) -> None:
    enter(1_000)
    assert ADA.reason(400) == "approved"
    with pytest.raises(StopError, match=r"Only €6\.00 is left"):
        enter(-601)
    enter(-600)
    with pytest.raises(StopError, match=r"Only €0\.00 is left"):
        enter(-1)
    with pytest.raises(StopError, match=r"Only €0\.00 is left"):
        enter(-1, Scope(ScopeKind.CARD, "ic_bea"))
    assert PotSum.objects.get().amount == 400
    assert_clean()


def test_captures_refunds_and_releases_move_what_is_left(enter: Any, policy: Policy) -> None:
    enter(10_000)
    life = Told(4_000, ADA)
    life.buys()
    life.captures(5_000)
    assert ADA.reason(5_001) == "funds_exceeded"
    life.refunds(1_000)
    assert ADA.reason(6_001) == "funds_exceeded"
    other = Told(6_000, ADA)
    other.buys()
    assert ADA.reason(1) == "funds_exceeded"
    other.voids()
    assert ADA.reason(6_000) == "approved"
    assert_clean()


def test_an_over_capture_takes_it_below_nothing(enter: Any) -> None:
    enter(1_000)
    life = Told(1_000, ADA)
    life.buys()
    life.captures(1_500)
    card = Card.objects.get(pk="ic_ada")
    [left] = remaining.of_card(card, ADA.at)
    [pot] = left.limits
    assert (pot.figures.limit, pot.figures.used, pot.figures.available) == (1_000, 1_500, -500)
    assert {kind for kind, _ in life.findings} == {"captured_above_approval"}
    enter(499)
    assert ADA.reason(1) == "funds_exceeded"
    enter(2)
    assert ADA.reason(1) == "approved"
    assert_clean()


def test_a_purchase_that_began_before_the_first_entry_neither_counts_nor_is_granted(
    enter: Any,
) -> None:
    in_force("Before", spending_limits=[{"amount": 9_000, "interval": "all_time"}])
    early = Shopper(card_id="ic_ada", cardholder_id="ich_ada", at=NOW - 3_600)
    Policy.objects.get(name="Team").assignments.all().delete()
    assert early.reason(700) == "approved"
    team = Policy.objects.get(name="Team")
    team.assignments.create(program=True)
    enter(1_000)
    assert early.reason(700) == "approved"  # by the other policy: the pot does not concern it
    assert ADA.reason(1_001) == "funds_exceeded"
    Policy.objects.get(name="Before").assignments.all().delete()
    assert early.reason(1) == "no_policy"
    assert ADA.reason(1_000) == "approved"
    assert_clean()


def test_increments_and_partial_approvals_fit_the_pot(policy: Policy, enter: Any) -> None:
    republish(policy, partial_approval=True)
    enter(1_000)
    purchase = ADA.purchase(600)
    assert ADA.reason(purchase) == "approved"
    assert ADA.reason(purchase.increment(401, approved=600, at=ADA.at)) == "funds_exceeded"
    answer = ADA.asks(500, is_amount_controllable=True)
    assert (answer["approved"], answer["amount"]) == (True, 400)
    assert_clean()


def test_a_purchase_must_fit_every_pot_that_concerns_it(operator: User, enter: Any) -> None:
    holder = in_force(
        "Holder", unlimited=False, spending_limits=[POT], to={"cardholder_id": "ich_ada"}
    )
    enter(5_000)
    enter(3_000, HOLDER, policy=holder)
    enter(5_000, Scope(ScopeKind.CARD, "ic_bea"))
    assert ADA.reason(3_001) == "funds_exceeded"
    assert ADA.reason(2_000) == "approved"
    assert BEA.reason(1_001) == "funds_exceeded"
    assert BEA.reason(1_000) == "approved"
    assert_clean()


def test_a_groups_pot_is_shared(enter: Any) -> None:
    group = CardGroup.objects.create(name="Drivers")
    Card.objects.update(group=group)
    own = in_force("Drivers", unlimited=False, spending_limits=[POT], to={"group": group})
    Policy.objects.get(name="Team").assignments.all().delete()
    enter(1_000, Scope(ScopeKind.GROUP, str(group.pk)), policy=own)
    assert [ADA.reason(600), BEA.reason(600), BEA.reason(400)] == [
        "approved",
        "funds_exceeded",
        "approved",
    ]
    assert_clean()


def test_a_member_of_a_group_has_a_pot_of_their_own(enter: Any) -> None:
    """What the cards of one cardholder spend in the group, and nobody else's."""
    group = CardGroup.objects.create(name="Drivers")
    Card.objects.update(group=group)
    carl = Shopper(card_id="ic_carl", cardholder_id="ich_carl", at=ADA.at)
    to = {"group": group, "each": "cardholder"}
    own = in_force("Drivers", unlimited=False, spending_limits=[POT], to=to)
    Policy.objects.get(name="Team").assignments.all().delete()
    assert carl.reason(0) == "no_policy"
    Card.objects.filter(pk="ic_carl").update(group=group)
    enter(1_000, member_scope(group.pk, "ich_ada"), policy=own)
    enter(200, member_scope(group.pk, "ich_carl"), policy=own)
    assert [ADA.reason(600), BEA.reason(600), BEA.reason(400)] == [
        "approved",
        "funds_exceeded",
        "approved",
    ]
    assert [carl.reason(201), carl.reason(200)] == ["funds_exceeded", "approved"]
    with pytest.raises(StopError, match="does not measure this"):
        enter(5, Scope(ScopeKind.GROUP, str(group.pk)), policy=own)
    [left] = remaining.of_card(Card.objects.get(pk="ic_carl"), ADA.at)
    assert (left.limits[0].figures.limit, left.limits[0].figures.used) == (200, 200)
    assert_clean()


def test_a_pot_for_some_merchants_counts_and_grants_these_alone(policy: Policy, enter: Any) -> None:
    republish(policy, spending_limits=[POT | {"countries": ["FR"]}])
    enter(1_000)
    at_home = ADA.reason(600)
    assert at_home == "approved"
    assert ADA.reason(600) == "funds_exceeded"


def test_decisions_keep_the_pot_by_value_and_what_it_had_is_checked(enter: Any) -> None:
    entry = enter(1_000)
    ADA.asks(400, event_id="evt_pot")
    enter(500)
    row = Decision.objects.get(pk="evt_pot")
    [named] = row.policies
    [pot] = named["pots"]
    assert (pot["limit"], pot["amount"], pot["since"]) == ("pot", 1_000, entry.counts_from)
    assert redecided() == []
    damage(row, policies=[named | {"pots": [pot | {"amount": 9_000}]}])
    [found] = contradictions()
    assert found.startswith("evt_pot: pot pot of card:ic_ada is (9000,")
    named.pop("pots")
    damage(row, policies=[named])
    assert contradictions() == []  # within a minute of the first entry
    damage(entry, entered_at=entry.entered_at - timedelta(minutes=5))
    missing = "pot pot of card:ic_ada is (0, 0); expected (1000,"
    assert any(found.startswith(f"evt_pot: {missing}") for found in contradictions())


def test_a_decision_by_a_version_that_is_not_there_is_found(enter: Any) -> None:
    enter(1_000)
    ADA.asks(400, event_id="evt_pot")
    row = Decision.objects.get(pk="evt_pot")
    [named] = row.policies
    damage(row, policies=[named | {"version": 987_654_321}])
    found = contradictions()
    assert "evt_pot: policy version 987654321 is in force; expected not then" in found


def test_funds_can_be_moved_while_a_planned_version_without_them_is_in_force(
    policy: Policy, enter: Any
) -> None:
    enter(1_000)
    soon = timezone.now() + timedelta(hours=1)
    without = says(policy) | {"unlimited": True, "spending_limits": []}
    publish(without, author=None, policy=policy, times=PlannedTimes(ends_at=soon))
    assert ADA.reason(5_000) == "approved"
    enter(7_000)
    with pytest.raises(StopError, match=r"Only €30\.00"):
        enter(-3_001)
    assert PotSum.objects.get().amount == 8_000
    assert_clean()


def test_a_pot_that_is_not_the_sum_of_its_entries_is_found(enter: Any) -> None:
    entry = enter(1_000)
    assert differences() == []
    PotSum.objects.update(amount=2_000)
    [found] = differences()
    assert "pot of card:ic_ada): amount is 2000; expected 1000" in found
    PotSum.objects.all().delete()
    assert differences() == [f"entry of funds {entry.pk}: pot is none; expected an existing row"]


def test_what_was_spent_is_a_row_of_usage_that_can_be_made_again(enter: Any) -> None:
    enter(1_000)
    assert ADA.reason(400) == "approved"
    assert Usage.objects.filter(scope="card:ic_ada", amount=400).exists()
    Usage.objects.all().delete()
    with pytest.raises(StopError, match=r"Only €6\.00"):
        enter(-601)
    assert ADA.reason(601) == "funds_exceeded"
    assert ADA.reason(600) == "approved"
    assert_clean()


@pytest.mark.parametrize(
    ("amount", "other", "sentence"),
    [
        (0, {}, "not 0"),
        (2**53, {}, "not too large"),
        (5, {"reference": " "}, "Give a reference."),
        (5, {"reference": "PO-0"}, "have an entry 'PO-0' already"),
        (5, {"key": "monthly"}, "no such funds any more"),
        (5, {"scope": HOLDER}, "does not measure this"),
        (5, {"scope": Scope(ScopeKind.PROGRAM, "")}, "card by card"),
        (5, {"scope": Scope(ScopeKind.CARD, "ic_nobody")}, "no card ic_nobody"),
    ],
)
def test_what_can_not_be_entered_says_why(
    enter: Any, amount: int, other: dict[str, Any], sentence: str
) -> None:
    enter(1)
    with pytest.raises(StopError, match=sentence):
        enter(amount, other.pop("scope", CARD), **other)
    assert [entry.amount for entry in FundEntry.objects.all()] == [1]


def test_a_replacement_has_the_funds_of_the_card_it_replaces(enter: Any) -> None:
    enter(1_000)
    assert ADA.reason(300) == "approved"
    new = Shopper(
        card_id="ic_new", cardholder_id="ich_ada", at=ADA.at, card={"replacement_for": "ic_ada"}
    )
    assert new.reason(701) == "funds_exceeded"
    assert new.reason(700) == "approved"
    assert_clean()


def test_funds_come_along_when_a_card_turns_out_to_replace_another(enter: Any) -> None:
    """The replacement was seen first, with funds of its own; then the card before it."""
    enter(1_000)
    assert ADA.reason(300) == "approved"
    late = Shopper(
        card_id="ic_ada", cardholder_id="ich_ada", at=ADA.at, card={"replacement_for": "ic_old"}
    )
    assert late.reason(701) == "funds_exceeded"
    assert late.reason(700) == "approved"
    assert PotSum.objects.get(scope="card:ic_old").amount == 1_000
    assert_clean()


def test_funds_come_along_where_both_cards_have_entries_of_one_reference(enter: Any) -> None:
    old = Scope(ScopeKind.CARD, "ic_old")
    before = Shopper(card_id="ic_old", cardholder_id="ich_ada", at=ADA.at)
    assert before.reason(0) == "approved"
    enter(600, reference="PO-17")
    enter(400, old, reference="PO-17")
    late = Shopper(
        card_id="ic_ada", cardholder_id="ich_ada", at=ADA.at, card={"replacement_for": "ic_old"}
    )
    assert late.reason(1_001) == "funds_exceeded"
    assert late.reason(1_000) == "approved"
    moved = FundEntry.objects.get(scope="card:ic_old", amount=600)
    assert moved.reference == f"{FundEntry.objects.get(scope='card:ic_ada').pk} of ic_ada: PO-17"
    assert_clean()


def test_a_limit_without_funds_reads_no_pot_and_keeps_rows_as_before(enter: Any) -> None:
    in_force("Other", spending_limits=[{"amount": 5_000, "interval": "daily"}])
    Policy.objects.get(name="Team").assignments.all().delete()
    ADA.asks(100, event_id="evt_other")
    [named] = Decision.objects.get(pk="evt_other").policies
    assert "pots" not in named


@pytest.mark.django_db(transaction=True)
def test_sixteen_at_once_spend_what_is_added_meanwhile_and_no_cent_more(
    operator: User, policy: Policy, enter: Any
) -> None:
    enter(1_000)

    def spend(seed: int) -> list[tuple[str, int]]:
        chance = Random(seed)
        amounts = [chance.randrange(1, 200) for _ in range(8)]
        return [(ADA.reason(amount), amount) for amount in amounts]

    def add(seed: int) -> list[tuple[str, int]]:
        return [(str(enter(50, reference=f"{seed}-{turn}").amount), 0) for turn in range(5)]

    found = at_once(
        *[lambda seed=seed: spend(seed) for seed in range(14)],
        *[lambda seed=seed: add(seed) for seed in range(2)],
    )
    answers = [one for those in found for one in those]
    spent = sum(amount for reason, amount in answers if reason == "approved")
    assert Counter(reason for reason, _ in answers).keys() == {"approved", "funds_exceeded", "50"}
    assert PotSum.objects.get().amount == 1_500
    assert 1_300 < spent <= 1_500
    assert_clean()
