"""Who an assignment leaves out: the policy does not apply to them, as long as it holds."""

from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from authorizations.admin.shared.explained import explained
from authorizations.models import (
    Assignment,
    Card,
    CardGroup,
    Decision,
    Instruction,
    Policy,
)
from authorizations.rules.basics.controls import Scope, ScopeKind, scope_of
from authorizations.services.policies import exclusions, stops
from authorizations.services.policies.assignments import unassign
from authorizations.services.policies.stops import StopError
from tests.support.damage import rewrite
from tests.support.desk import Shopper, in_force
from tests.support.verification import assert_clean, contradictions, differences, redecided

pytestmark = pytest.mark.django_db

DAILY = [{"amount": 1_000, "interval": "daily"}]
ADA = Shopper(card_id="ic_ada", cardholder_id="ich_ada")
BEA = Shopper(card_id="ic_bea", cardholder_id="ich_bea", name="Bea")
CARD, HOLDER = Scope(ScopeKind.CARD, "ic_ada"), Scope(ScopeKind.CARDHOLDER, "ich_ada")


@pytest.fixture
def operator() -> User:
    return User.objects.create(username="operator")


@pytest.fixture
def team() -> CardGroup:
    for shopper in (ADA, BEA):
        shopper.asks(0)
    group = CardGroup.objects.create(name="Team")
    Card.objects.update(group=group)
    return group


@pytest.fixture
def policy(team: CardGroup) -> Policy:
    in_force("All", unlimited=True)
    return in_force("Team", spending_limits=DAILY, to={"group": team})


@pytest.fixture
def leave_out(policy: Policy, operator: User) -> Any:
    def left_out(scope: Scope, of: Policy = policy, **options: Any) -> Instruction:
        assigned = scope_of(of.assignments.get().scope)
        exclusions.leave_out(of, assigned, scope, by=operator, reason="On a trip", **options)
        return Instruction.objects.latest("pk")

    return left_out


class Move(NamedTuple):
    """What happens: a purchase of `amount`, or an exclusion begins, ends by its end or by hand."""

    kind: str
    scope: Scope
    amount: int


moves = st.builds(
    Move,
    st.sampled_from(["buy", "buy", "leave out", "leave out until", "past its end", "lift"]),
    st.sampled_from([CARD, HOLDER]),
    st.sampled_from([1, 300, 600, 1_000]),
)


@pytest.mark.django_db(transaction=True)  # each example begins at a time of its own
@settings(
    max_examples=15,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(moves, max_size=10))
def test_exclusions_that_begin_and_end_between_purchases_hold_as_a_plain_reference_says(
    drawn: list[Move],
) -> None:
    with transaction.atomic():
        operator = User.objects.create(username="operator")
        for shopper in (ADA, BEA):
            shopper.asks(0)
        group = CardGroup.objects.create(name="Team")
        Card.objects.update(group=group)
        in_force("All", unlimited=True)
        policy = in_force("Team", spending_limits=DAILY, to={"group": group})
        assigned = Scope(ScopeKind.GROUP, str(group.pk))
        used = 0
        held: list[tuple[Instruction, bool]] = []  # those that hold, and whether they have an end
        for move in drawn:
            if move.kind == "buy":
                fits = used + move.amount <= 1_000
                expected = "approved" if held or fits else "amount_limit_exceeded"
                assert ADA.reason(move.amount) == expected
                used += move.amount if expected == "approved" else 0
                fits = used + 1 <= 1_000  # Bea is never left out, and shares the budget
                assert BEA.reason(1) == ("approved" if fits else "amount_limit_exceeded")
                used += fits
            elif move.kind.startswith("leave out"):
                has_end = move.kind.endswith("until")
                until = timezone.now() + timedelta(hours=1) if has_end else None
                known: dict[str, Any] = {"by": operator, "reason": "On a trip", "until": until}
                exclusions.leave_out(policy, assigned, move.scope, **known)
                held.append((Instruction.objects.latest("pk"), has_end))
            elif move.kind == "lift" and held:
                row, _ = held.pop(0)
                stops.lift(row, by=operator, reason="Back")
            elif ending := [one for one in held if one[1]]:
                held.remove(ending[0])
                ended = timezone.now() - timedelta(microseconds=1)
                rewrite(ending[0][0], ends_at=ended)
        assert redecided() == []
        assert differences() == []
        # Ends that were moved are found, and nothing else.
        assert [one for one in contradictions() if ": until of instruction " not in one] == []
        transaction.set_rollback(True)


@pytest.mark.parametrize("scope", [CARD, HOLDER])
def test_the_policy_does_not_apply_to_who_is_left_out(leave_out: Any, scope: Scope) -> None:
    assert ADA.reason(1_001) == "amount_limit_exceeded"
    leave_out(scope)
    assert ADA.reason(5_000) == "approved"
    assert BEA.reason(1) == "amount_limit_exceeded"  # what Ada spends counts in their budget
    assert_clean()


def test_a_group_can_be_left_out_of_the_program(team: CardGroup, leave_out: Any) -> None:
    program = in_force("Program", spending_limits=[{"amount": 10, "interval": "daily"}])
    assert ADA.reason(11) == "amount_limit_exceeded"
    leave_out(Scope(ScopeKind.GROUP, str(team.pk)), of=program)
    assert ADA.reason(11) == "approved"
    assert_clean()


def test_it_ends_by_its_end_or_by_hand_and_decisions_stay_what_they_were(
    leave_out: Any, operator: User
) -> None:
    ending = leave_out(CARD, until=timezone.now() + timedelta(hours=1))
    lifted = leave_out(HOLDER)
    assert ADA.reason(2_000) == "approved"
    stops.lift(lifted, by=operator, reason="Back")
    assert ADA.reason(2_000) == "approved"
    ends_at = timezone.now() - timedelta(hours=2)
    rewrite(ending, starts_at=ends_at - timedelta(hours=1), ends_at=ends_at)
    assert ADA.reason(1) == "amount_limit_exceeded"
    assert redecided() == []


def test_a_decision_keeps_who_was_left_out_and_says_so(
    policy: Policy, leave_out: Any, operator: User
) -> None:
    Policy.objects.get(name="All").assignments.all().delete()
    left_out = leave_out(CARD)
    assert ADA.reason(5, event_id="evt_out") == "no_policy"
    stops.lift(left_out, by=operator, reason="Over")
    row = Decision.objects.get(pk="evt_out")
    assert row.policies == []
    [kept] = row.context["exclusions"]
    assert (kept["id"], kept["policy"], kept["author"]) == (left_out.pk, "Team", "operator")
    assert redecided() == []
    assert contradictions() == []
    [check] = row.trace
    assert check["found"] == [
        {
            "policy": "Team",
            "why": "left_out",
            "scope": "card",
            "author": "operator",
            "reason": "On a trip",
        }
    ]


def test_without_exclusions_a_decision_is_kept_as_before(policy: Policy) -> None:
    ADA.asks(5, event_id="evt_plain")
    assert "exclusions" not in Decision.objects.get(pk="evt_plain").context


def test_the_sentence_of_a_decline_says_who_was_left_out_and_why(
    policy: Policy, leave_out: Any
) -> None:
    Policy.objects.get(name="All").assignments.all().delete()
    leave_out(CARD)
    ADA.asks(5, event_id="evt_out")
    words = explained(Decision.objects.get(pk="evt_out")).staff
    assert "Team does not apply: this card is left out (operator: On a trip)." in words


def test_one_that_was_changed_afterwards_is_found(leave_out: Any) -> None:
    row = leave_out(CARD)
    ADA.asks(5, event_id="evt_out")
    rewrite(row, terms={"assigned": "group:99"})
    assert len(contradictions()) == 1
    assert contradictions()[0].startswith(f"evt_out: assigned of instruction {row.pk} is ")


def test_a_replacement_brings_it_to_the_first_of_the_chain(leave_out: Any) -> None:
    leave_out(CARD)
    assert Shopper(card_id="ic_old", cardholder_id="ich_ada").reason(0) == "approved"
    Card.objects.filter(pk="ic_old").update(group=CardGroup.objects.get())
    successor = Shopper(
        card_id="ic_ada", cardholder_id="ich_ada", card={"replacement_for": "ic_old"}
    )
    assert successor.reason(2_000) == "approved"
    assert_clean()


def test_who_was_left_out_of_an_assignment_that_is_gone_is_not_left_out_of_a_later_one(
    policy: Policy, team: CardGroup, leave_out: Any, operator: User
) -> None:
    leave_out(CARD)
    unassign(policy, policy.assignments.all(), by=operator)
    assert not exclusions.in_force().exists()
    Assignment.objects.create(policy=policy, group=team)
    assert ADA.reason(1_001) == "amount_limit_exceeded"


def test_what_makes_no_sense_is_refused(policy: Policy, team: CardGroup, operator: User) -> None:
    def leave(assigned: Scope, scope: Scope) -> None:
        exclusions.leave_out(policy, assigned, scope, by=operator, reason="x")

    group = Scope(ScopeKind.GROUP, str(team.pk))
    with pytest.raises(StopError, match="not assigned there any more"):
        leave(HOLDER, CARD)
    with pytest.raises(StopError, match="one group alone"):
        leave(group, group)
    with pytest.raises(StopError, match="For every card, remove the assignment"):
        leave(group, Scope(ScopeKind.PROGRAM, ""))
    Assignment.objects.create(policy=policy, card=Card.objects.get(pk="ic_ada"))
    with pytest.raises(StopError, match="one card alone"):
        leave(CARD, HOLDER)
    assert not Instruction.objects.exists()
