"""The record is checked against the freezes and blocks that were in force."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from authorizations.models import (
    Assignment,
    Card,
    Cardholder,
    Decision,
    Instruction,
    Lifting,
    OpenInstruction,
    Policy,
)
from authorizations.rules.basics.controls import Scope, ScopeKind
from authorizations.services.policies import exclusions, own_amounts, stops
from tests.support.damage import damage, rewrite
from tests.support.desk import Shopper, in_force
from tests.support.verification import contradictions

pytestmark = pytest.mark.django_db

PROGRAM = Scope(ScopeKind.PROGRAM, "")
ADA = Shopper(card_id="ic_ada", cardholder_id="ich_ada")


@pytest.fixture(autouse=True)
def granting() -> None:
    in_force(spending_limits=[{"amount": 100_000, "interval": "monthly"}])


@pytest.fixture
def operator() -> User:
    return User.objects.create(username="operator")


HOUR = timedelta(hours=1)


def test_what_was_in_force_and_what_was_not_is_in_order(operator: User) -> None:
    ADA.asks(100)
    stop = stops.block(PROGRAM, {"merchant": {"contains": "x"}}, by=operator, reason="Fraud")
    frozen = stops.freeze(Scope(ScopeKind.CARDHOLDER, "ich_ada"), by=operator, reason="Lost")
    ADA.asks(100)
    stops.lift(frozen, by=operator, reason="Found")
    ADA.asks(100)
    stops.lift(stop, by=operator, reason="Settled")
    ADA.asks(100)
    assert contradictions() == []


def test_a_decision_that_does_not_name_what_was_in_force_is_found(operator: User) -> None:
    stop = stops.freeze(PROGRAM, by=operator, reason="Attack")
    rewrite(stop, starts_at=stop.starts_at - HOUR)
    ADA.asks(100, event_id="evt_frozen")
    assert contradictions() == []
    row = Decision.objects.get(pk="evt_frozen")
    damage(row, context=row.context | {"stops": []})
    assert contradictions() == [
        f"evt_frozen: instruction {stop.pk} is none; expected in force then"
    ]


def test_a_block_is_missed_only_where_it_concerns_the_purchase(operator: User) -> None:
    stop = stops.block(PROGRAM, {"country": "FR"}, by=operator, reason="Sanctions")
    other = stops.block(PROGRAM, {"country": "KP"}, by=operator, reason="Sanctions")
    for one in (stop, other):
        rewrite(one, starts_at=one.starts_at - HOUR)
    ADA.asks(100, event_id="evt_blocked")
    assert contradictions() == []
    row = Decision.objects.get(pk="evt_blocked")
    assert row.reason == "blocked"
    damage(row, context=row.context | {"stops": []})
    assert contradictions() == [
        f"evt_blocked: instruction {stop.pk} is none; expected in force then"
    ]


def test_a_decision_that_names_what_was_lifted_long_before_is_found(operator: User) -> None:
    stop = stops.freeze(PROGRAM, by=operator, reason="Attack")
    ADA.asks(100, event_id="evt_frozen")
    stops.lift(stop, by=operator, reason="Over")
    assert contradictions() == []
    rewrite(stop, starts_at=stop.starts_at - HOUR)
    lifting = Lifting.objects.get()
    damage(lifting, lifted_at=lifting.lifted_at - HOUR)
    assert contradictions() == [
        f"evt_frozen: instruction {stop.pk} is in force; expected none then"
    ]


def test_a_decision_that_names_what_began_long_after_it_is_found(operator: User) -> None:
    stop = stops.freeze(PROGRAM, by=operator, reason="Attack")
    ADA.asks(100, event_id="evt_frozen")
    rewrite(stop, starts_at=stop.starts_at + HOUR)
    ADA.asks(100, event_id="evt_before")
    assert Decision.objects.get(pk="evt_before").approved
    assert contradictions() == [
        f"evt_frozen: instruction {stop.pk} is in force; expected none then"
    ]


@pytest.fixture
def known() -> None:
    """Ada's card, which nothing was asked about yet."""
    Card.objects.create(pk="ic_ada", cardholder=Cardholder.objects.create(pk="ich_ada"))


@pytest.mark.usefixtures("known")
def test_an_own_amount_that_a_decision_was_made_without_is_found(operator: User) -> None:
    policy, card = Policy.objects.get(), Scope(ScopeKind.CARD, "ic_ada")
    own = own_amounts.give(card, policy, "monthly", by=operator, reason="Trip", amount=5)
    rewrite(own, starts_at=own.starts_at - HOUR)
    ADA.asks(100, event_id="evt_own")
    assert contradictions() == []
    row = Decision.objects.get(pk="evt_own")
    damage(
        row, policies=[{k: v for k, v in one.items() if k != "overrides"} for one in row.policies]
    )
    assert contradictions() == [f"evt_own: instruction {own.pk} is none; expected in force then"]
    rewrite(own, starts_at=timezone.now() - timedelta(minutes=5))
    assert contradictions() == []  # as an import may have taken so long


@pytest.mark.usefixtures("known")
def test_of_own_amounts_those_are_missed_that_reach_what_was_measured(operator: User) -> None:
    policy, holder = Policy.objects.get(), Cardholder.objects.get()
    policy.assignments.all().delete()
    to_holder = Assignment.objects.create(policy=policy, cardholder=holder)
    card = Assignment.objects.create(policy=policy, card_id="ic_ada")
    for kind, id_ in ((ScopeKind.CARD, "ic_ada"), (ScopeKind.CARDHOLDER, "ich_ada")):
        scope = Scope(kind, id_)
        own = own_amounts.give(scope, policy, "monthly", by=operator, reason="Trip", raise_by=5)
        rewrite(own, starts_at=own.starts_at - HOUR)
    assert ADA.reason(100) == "approved"
    card.delete()
    assert ADA.reason(100) == "approved"
    to_holder.delete()
    assert ADA.reason(100) == "no_policy"
    assert contradictions() == []


@pytest.mark.usefixtures("known")
def test_an_exclusion_that_a_decision_was_made_without_is_found(operator: User) -> None:
    policy, card = Policy.objects.get(), Scope(ScopeKind.CARD, "ic_ada")
    other = in_force("Other", unlimited=True)
    ADA.asks(100, event_id="evt_in")
    left_out = exclusions.leave_out(policy, PROGRAM, card, by=operator, reason="Trip")
    assert left_out.lost == 0
    row = Instruction.objects.get()
    rewrite(row, starts_at=row.starts_at - HOUR)
    assert contradictions() == [f"evt_in: instruction {row.pk} is none; expected in force then"]
    rewrite(row, policy_id=other.pk)
    assert contradictions() == [f"evt_in: instruction {row.pk} is none; expected in force then"]
    rewrite(row, terms={"assigned": "card:ic_ada"})
    assert contradictions() == []


def test_a_reason_that_was_changed_afterwards_is_found(operator: User) -> None:
    stop = stops.freeze(PROGRAM, by=operator, reason="Attack", until=timezone.now() + HOUR)
    ADA.asks(100, event_id="evt_frozen")
    rewrite(stop, reason="Something else")
    assert contradictions() == [
        f"evt_frozen: reason of instruction {stop.pk} is Attack; expected Something else"
    ]


def test_an_instruction_that_decisions_do_not_find_is_found(operator: User) -> None:
    stop = stops.freeze(PROGRAM, by=operator, reason="Attack", until=timezone.now() + HOUR)
    lifted = stops.freeze(PROGRAM, by=operator, reason="Drill")
    stops.lift(lifted, by=operator, reason="Over")
    assert contradictions() == []
    told = OpenInstruction.objects.get().told
    for wrong in ({"scope": "card:ic_ada"}, {"told": told.replace("Attack", "Drill")}):
        OpenInstruction.objects.update(**wrong)
        assert contradictions() == [
            f"instruction {stop.pk}: open row is another; expected what it says"
        ]
        OpenInstruction.objects.update(scope=stop.scope, told=told)
    OpenInstruction.objects.all().delete()
    assert contradictions() == [f"instruction {stop.pk}: state is not open; expected open"]
    rewrite(stop, starts_at=stop.starts_at - HOUR, ends_at=timezone.now() - HOUR / 2)
    assert contradictions() == []
    OpenInstruction.objects.create(
        instruction=lifted, scope=lifted.scope, starts_at=lifted.starts_at, told=told
    )
    assert contradictions() == [f"instruction {lifted.pk}: state is open; expected lifted"]


def test_what_is_past_its_end_goes_when_its_scope_is_written_to_again(operator: User) -> None:
    past = stops.freeze(PROGRAM, by=operator, reason="Attack", until=timezone.now() + HOUR)
    ended = timezone.now() - HOUR / 2
    rewrite(past, starts_at=past.starts_at - HOUR, ends_at=ended)
    other = stops.freeze(Scope(ScopeKind.CARD, "ic_ada"), by=operator, reason="Lost")
    assert {row.instruction for row in OpenInstruction.objects.all()} == {past, other}
    stop = stops.freeze(PROGRAM, by=operator, reason="Again")
    assert {row.instruction for row in OpenInstruction.objects.all()} == {stop, other}
    assert contradictions() == []
