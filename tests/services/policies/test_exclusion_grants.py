"""Which cards can spend where assignments leave some out: counted, and by looking at each."""

from random import Random

import pytest

from authorizations.models import Card, CardGroup, Instruction, Policy
from authorizations.rules.basics.controls import Scope, ScopeKind, scope_of
from authorizations.services.cards import grants
from authorizations.services.policies import exclusions
from tests.support.desk import Shopper, in_force

pytestmark = pytest.mark.django_db

CARDS = [f"ic_{number}" for number in range(6)]


def able() -> set[str]:
    """The cards that can spend, by asking."""
    found = set()
    for number, card in enumerate(CARDS):
        shopper = Shopper(card_id=card, cardholder_id=f"ich_{number % 3}")
        if shopper.reason(1) == "approved":
            found.add(card)
    return found


@pytest.mark.parametrize("seed", range(6))
def test_counts_are_those_of_asking_each_card(seed: int) -> None:
    chance = Random(seed)
    for number, card in enumerate(CARDS):
        Shopper(card_id=card, cardholder_id=f"ich_{number % 3}").asks(0)
    groups = [CardGroup.objects.create(name=name) for name in ("North", "South")]
    Card.objects.filter(pk__in=CARDS[:2]).update(group=groups[0])
    Card.objects.filter(pk__in=CARDS[2:4]).update(group=groups[1])
    policies = [
        in_force("Program", unlimited=True),
        in_force("North", unlimited=True, to={"group": groups[0]}),
        in_force("Holder", unlimited=True, to={"cardholder_id": "ich_1"}),
        in_force("Dollars", spending_limits=_DOLLARS, to={"group": groups[1]}),
    ]
    scopes = [
        *(Scope(ScopeKind.CARD, card) for card in CARDS),
        *(Scope(ScopeKind.CARDHOLDER, f"ich_{number}") for number in range(3)),
        *(Scope(ScopeKind.GROUP, str(group.pk)) for group in groups),
    ]
    for _ in range(8):
        policy, scope = chance.choice(policies), chance.choice(scopes)
        assigned = scope_of(policy.assignments.get().scope)
        if assigned.kind is scope.kind:
            continue
        before = able()
        said = exclusions.leave_out(policy, assigned, scope, by=None, reason="x")
        after = able()
        assert said == (len(after - before), len(before - after))
        without = set(Card.objects.filter(grants.without_grant()).values_list("pk", flat=True))
        assert without == set(CARDS) - after
        if chance.random() < 0.5:
            row = Instruction.objects.filter(kind="exclusion").latest("pk")
            assert exclusions.lifted(row) == (len(before - after), len(after - before))


_DOLLARS = [{"amount": 500, "interval": "daily", "currency": "usd"}]


def test_a_new_version_lets_only_those_spend_who_are_not_left_out() -> None:
    for card in CARDS:
        Shopper(card_id=card, cardholder_id="ich_1").asks(0)
    policy = in_force("Program", unlimited=False, spending_limits=[])
    exclusions.leave_out(
        policy, scope_of("program:"), Scope(ScopeKind.CARD, "ic_0"), by=None, reason="x"
    )
    before = grants.of_policy(policy)
    in_force("Program", unlimited=True)
    policy = Policy.objects.get(pk=policy.pk)
    assert grants.policy_changed(policy, before, grants.of_policy(policy)) == (5, 0)
